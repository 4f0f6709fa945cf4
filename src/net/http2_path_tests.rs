use std::time::Instant;

use proptest::collection::vec;
use proptest::prelude::*;

use super::http2_frames::Frames;

/// Symbols of RFC 7541, appendix B, by their length; those of one length have codes that follow the first.
const CODES: &[(u32, u32, &str)] = &[
    (5, 0x0, "012aceiost"),
    (6, 0x14, " %-./3456789=A_bdfghlmnpru"),
    (7, 0x5c, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, 0xf8, "&*,;XZ"),
    (10, 0x3f8, "!\"()?"),
    (11, 0x7fa, "'+|"),
    (12, 0xffa, "#>"),
    (13, 0x1ff8, "\0$@[]~"),
    (14, 0x3ffc, "^}"),
    (15, 0x7ffc, "<`{"),
    (19, 0x7fff0, "\\"),
];

fn coded(text: &str) -> Vec<u8> {
    let mut bits = String::new();
    for symbol in text.chars() {
        let (length, code) = CODES
            .iter()
            .find_map(|(length, first, symbols)| Some((*length, first + symbols.find(symbol)? as u32)))
            .expect("a code");
        bits.push_str(&format!("{code:0width$b}", width = length as usize));
    }
    bits.push_str(&"1".repeat((8 - bits.len() % 8) % 8));
    bits.as_bytes().chunks(8).map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap()).collect()
}

/// RFC 7541 §5.1.
fn integer(first: u8, prefix: u32, mut value: usize) -> Vec<u8> {
    let most = (1 << prefix) - 1;
    if value < most {
        return vec![first | value as u8];
    }
    let mut bytes = vec![first | most as u8];
    value -= most;
    while value >= 128 {
        bytes.push((value % 128) as u8 | 0x80);
        value /= 128;
    }
    bytes.push(value as u8);
    bytes
}

fn string(text: &str, is_coded: bool) -> Vec<u8> {
    let (first, bytes) = if is_coded { (0x80, coded(text)) } else { (0, text.into()) };
    [integer(first, 7, bytes.len()), bytes].concat()
}

/// A field as an encoder may write it.
#[derive(Clone, Debug)]
enum Field {
    Size(usize),
    Indexed(usize),
    /// First bits and their number, and index of the name.
    Literal {
        kind: (u8, u32),
        name: usize,
        value: String,
        is_coded: bool,
    },
    Named {
        kind: (u8, u32),
        name: &'static str,
        name_coded: bool,
        value: String,
        is_coded: bool,
    },
}

impl Field {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Size(size) => integer(0x20, 5, *size),
            Self::Indexed(index) => integer(0x80, 7, *index),
            Self::Literal { kind: (first, prefix), name, value, is_coded } => {
                [integer(*first, *prefix, *name), string(value, *is_coded)].concat()
            }
            Self::Named { kind: (first, _), name, name_coded, value, is_coded } => {
                [vec![*first], string(name, *name_coded), string(value, *is_coded)].concat()
            }
        }
    }

    fn is_path(&self) -> bool {
        match self {
            Self::Literal { name, .. } => [4, 5].contains(name),
            Self::Named { name, .. } => *name == ":path",
            Self::Size(_) | Self::Indexed(_) => false,
        }
    }

    fn without_hash(&self) -> Self {
        let mut field = self.clone();
        if let Self::Literal { value, .. } | Self::Named { value, .. } = &mut field {
            *value = value.replace('#', ">");
        }
        field
    }
}

fn kind() -> impl Strategy<Value = (u8, u32)> {
    prop::sample::select(vec![(0x40, 6), (0x00, 4), (0x10, 4)])
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ -~]{0,40}", 1 => "[#>0{]{0,9}", 1 => "[ -~]{100,400}"]
}

fn named(names: &[&'static str]) -> impl Strategy<Value = Field> + use<> {
    (kind(), prop::sample::select(names.to_vec()), any::<bool>(), text(), any::<bool>())
        .prop_map(|(kind, name, name_coded, value, is_coded)| Field::Named { kind, name, name_coded, value, is_coded })
}

fn literal(names: impl Strategy<Value = usize>) -> impl Strategy<Value = Field> {
    (kind(), names, text(), any::<bool>()).prop_map(|(kind, name, value, is_coded)| Field::Literal {
        kind,
        name,
        value,
        is_coded,
    })
}

/// What may stand before `:path`, or anywhere: it says nothing of it.
fn other_pseudo() -> impl Strategy<Value = Field> {
    prop_oneof![
        (0..5_000_usize).prop_map(Field::Size),
        prop_oneof![1..4_usize, 6..15_usize, 62..9_000_usize].prop_map(Field::Indexed),
        literal(prop_oneof![1..4_usize, 6..15_usize, 62..9_000_usize]),
        named(&[":authority", ":scheme", ":method", ":paths", ":pat", ""]),
    ]
}

fn ordinary() -> impl Strategy<Value = Field> {
    prop_oneof![(15..62_usize).prop_map(Field::Indexed), literal(15..62_usize), named(&["x-colour", "cookie"]),]
}

fn path() -> impl Strategy<Value = Field> {
    prop_oneof![literal(prop_oneof![Just(4), Just(5)]), named(&[":path"])]
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// A section as frames: what comes first may be padded and have a priority.
fn frames(section: &[u8], cut: usize, padding: Option<u8>, has_priority: bool, stream: u8) -> Vec<u8> {
    let (first, rest) = section.split_at(cut.min(section.len()));
    let padded = padding.map_or(0, |_| 0x8);
    let mut payload: Vec<u8> = padding.into_iter().collect();
    if has_priority {
        payload.extend([b'#'; 5]);
    }
    payload.extend(first);
    payload.extend(vec![b'#'; padding.unwrap_or(0).into()]);
    let head = frame(1, padded | if has_priority { 0x20 } else { 0 }, stream, &payload);
    let (middle, last) = rest.split_at(rest.len() / 2);
    [head, frame(9, 0, stream, middle), frame(9, 4, stream, last)].concat()
}

proptest! {
    #[test]
    fn rfc_9113_section_8_3_1_a_hash_in_a_path_is_made_what_no_path_holds(
        before in vec(other_pseudo(), 0..4),
        path in path(),
        after in vec(prop_oneof![other_pseudo(), ordinary(), path()], 0..4),
        cut in 0..80_usize,
        padding in prop::option::of(any::<u8>()),
        has_priority in any::<bool>(),
        step in 1..40_usize,
    ) {
        let fields = [before, vec![path], after].concat();
        let first = fields.iter().position(Field::is_path);
        let expected: Vec<Field> = fields
            .iter()
            .enumerate()
            .map(|(at, field)| if Some(at) == first { field.without_hash() } else { field.clone() })
            .collect();
        let section = |fields: &[Field]| fields.iter().flat_map(Field::bytes).collect::<Vec<_>>();
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let sent = |fields: &[Field]| {
            let request = frames(&section(fields), cut, padding, has_priority, 1);
            // What has the number of a stream that is there already is no request.
            let content = frame(0, 0, 1, b"#/a#");
            let trailers = frame(1, 4, 1, &named_path("#"));
            [preface.clone(), request, content, trailers].concat()
        };
        let mut bytes = sent(&fields);
        let mut watched = Frames::new(Instant::now());
        for part in bytes.chunks_mut(step) {
            watched.read(part);
        }
        prop_assert_eq!(bytes, sent(&expected));
        prop_assert_eq!(watched.open_section(), None);
    }

    #[test]
    fn whatever_comes_is_survived(mut bytes in vec(any::<u8>(), 0..300), flags in any::<u8>()) {
        let mut watched = Frames::new(Instant::now());
        watched.read(&mut b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned());
        watched.read(&mut frame(1, flags, 1, &bytes));
        watched.read(&mut bytes);
    }
}

fn named_path(value: &str) -> Vec<u8> {
    Field::Named { kind: (0, 4), name: ":path", name_coded: false, value: value.into(), is_coded: false }.bytes()
}

#[test]
fn rfc_7541_appendix_c_4_1_the_code_is_that_of_the_rfc() {
    assert_eq!(coded("www.example.com"), [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff]);
    assert_eq!(coded(":path"), [0xb9, 0x58, 0xd3, 0x3f]);
}
