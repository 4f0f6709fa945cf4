//! A `#` in the `:path` of a request (RFC 9113 §8.3.1), which parsers of URIs take for the end of it without a word.
//!
//! The field section (RFC 7541) is walked as its bytes pass, without a dynamic table and without holding anything, until `:path` has
//! passed. A `#` in it becomes a `>`, which is no part of a path either, and for which HTTP/2's parser resets the stream. In
//! Huffman's code that is one bit.

/// RFC 7541, appendix A.
const PATHS: [u32; 2] = [4, 5];
/// Pseudo-fields have the entries before; the dynamic table follows the last. What is told of a section comes from between.
const FIRST_FIELD: u32 = 15;
const LAST_FIELD: u32 = 61;
/// `:path`, and the same in Huffman's code.
const PLAIN_NAME: &[u8] = b":path";
const CODED_NAME: &[u8] = &[0xB9, 0x58, 0xD3, 0x3F];
/// RFC 9113 §6.2: what may come before a fragment.
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// Follows the field sections of requests, frame by frame.
#[derive(Debug)]
pub(super) struct PathWatch {
    /// The length of the padding is still to come.
    is_padding_ahead: bool,
    /// Bytes of the frame before its fragment.
    before: u32,
    /// Bytes of the fragment that are still to come, with the padding until its length is known.
    fragment: u32,
    at: At,
}

/// Where in a section the next byte stands.
#[derive(Clone, Copy, Debug)]
enum At {
    /// Behind `:path`, or no request.
    Passed,
    /// At the first byte of a field (RFC 7541 §6).
    Field,
    /// In an integer (RFC 7541 §5.1).
    Integer {
        of: Of,
        value: u32,
        shift: u32,
    },
    /// At the first byte of a string's length (RFC 7541 §5.2).
    Length {
        of: String,
    },
    /// In a string.
    Name {
        left: u32,
        name: Name,
    },
    Value {
        left: u32,
    },
    Path {
        left: u32,
    },
    CodedPath {
        left: u32,
        code: Code,
    },
}

/// What an integer says.
#[derive(Clone, Copy, Debug)]
enum Of {
    /// The size of a table.
    Size,
    /// A whole field.
    Field,
    /// The name of a field.
    Name,
    Length {
        of: String,
        is_coded: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum String {
    Name,
    Value,
    Path,
}

/// A name that has been compared so far.
#[derive(Clone, Copy, Debug)]
struct Name {
    is_coded: bool,
    /// Bytes that were those of `:path`; none once one was not.
    same: Option<usize>,
}

/// The bits of symbols in Huffman's code that have not been told apart yet.
#[derive(Clone, Copy, Debug, Default)]
struct Code {
    /// From the highest bit on.
    bits: u64,
    known: u32,
}

impl PathWatch {
    pub(super) fn new() -> Self {
        Self { is_padding_ahead: false, before: 0, fragment: 0, at: At::Passed }
    }

    /// A frame of fields begins; `opens` says that they are a request's, not the trailers of one.
    pub(super) fn begins(&mut self, length: u32, flags: u8, opens: bool) {
        self.is_padding_ahead = flags & PADDED != 0;
        self.before = if flags & PRIORITY != 0 { 5 } else { 0 };
        self.fragment = length.saturating_sub(self.before);
        self.at = if opens { At::Field } else { At::Passed };
    }

    /// A frame begins that goes on with the fields of the one before (RFC 9113 §6.10).
    pub(super) fn goes_on(&mut self, length: u32) {
        (self.is_padding_ahead, self.before, self.fragment) = (false, 0, length);
    }

    /// Follows bytes of the payload of the present frame, as many as it has at most.
    pub(super) fn pass(&mut self, mut bytes: &mut [u8]) {
        if let At::Passed = self.at {
            return;
        }
        if self.is_padding_ahead
            && let Some(padding) = bytes.split_off_first_mut()
        {
            self.is_padding_ahead = false;
            self.fragment = self.fragment.saturating_sub(1 + u32::from(*padding));
        }
        let before = least(self.before, bytes.len());
        self.before -= before;
        let _ = take(&mut bytes, before);
        let fragment = least(self.fragment, bytes.len());
        self.fragment -= fragment;
        self.walk(take(&mut bytes, fragment));
    }

    fn walk(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            self.at = match self.at {
                At::Passed => return,
                At::Value { left } => {
                    let passing = least(left, bytes.len());
                    let _ = take(&mut bytes, passing);
                    value(left - passing)
                }
                At::Path { left } => {
                    let passing = least(left, bytes.len());
                    take(&mut bytes, passing).iter_mut().filter(|byte| **byte == b'#').for_each(|byte| *byte = b'>');
                    path(left - passing)
                }
                other @ (At::Field
                | At::Integer { .. }
                | At::Length { .. }
                | At::Name { .. }
                | At::CodedPath { .. }) => match bytes.split_off_first_mut() {
                    Some(byte) => step(other, byte),
                    None => return,
                },
            };
        }
    }
}

/// As many as are wanted, or as there are.
fn least(wanted: u32, there: usize) -> u32 {
    wanted.min(u32::try_from(there).unwrap_or(u32::MAX))
}

fn take<'a>(bytes: &mut &'a mut [u8], count: u32) -> &'a mut [u8] {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    bytes.split_off_mut(..count).unwrap_or_default()
}

fn value(left: u32) -> At {
    if left == 0 { At::Field } else { At::Value { left } }
}

fn path(left: u32) -> At {
    if left == 0 { At::Passed } else { At::Path { left } }
}

fn step(at: At, byte: &mut u8) -> At {
    match at {
        At::Field => field(*byte),
        At::Length { of } => integer(Of::Length { of, is_coded: *byte & 0x80 != 0 }, *byte, 0x7F),
        At::Integer { of, value, shift } => integer_goes_on(of, value, shift, *byte),
        At::Name { left, name } => name.goes_on(left - 1, *byte),
        At::CodedPath { left, mut code } => {
            code.push(byte);
            if left == 1 { At::Passed } else { At::CodedPath { left: left - 1, code } }
        }
        other @ (At::Passed | At::Value { .. } | At::Path { .. }) => other,
    }
}

/// RFC 7541 §6: the first bits say what it is.
fn field(byte: u8) -> At {
    match byte {
        0x80.. => integer(Of::Field, byte, 0x7F),
        0x40.. => integer(Of::Name, byte, 0x3F),
        0x20.. => integer(Of::Size, byte, 0x1F),
        _ => integer(Of::Name, byte, 0x0F),
    }
}

fn integer(of: Of, byte: u8, mask: u8) -> At {
    match byte & mask {
        first if first == mask => At::Integer { of, value: u32::from(first), shift: 0 },
        value => told(of, value.into()),
    }
}

fn integer_goes_on(of: Of, value: u32, shift: u32, byte: u8) -> At {
    // More than this is refused by whoever reads the fields.
    if shift > 21 {
        return At::Passed;
    }
    let value = value + (u32::from(byte & 0x7F) << shift);
    match byte & 0x80 {
        0 => told(of, value),
        _ => At::Integer { of, value, shift: shift + 7 },
    }
}

/// What follows an integer.
fn told(of: Of, value: u32) -> At {
    match of {
        // A path that was told before was looked at then.
        Of::Field if PATHS.contains(&value) || is_field(value) => At::Passed,
        Of::Size | Of::Field => At::Field,
        Of::Name if value == 0 => At::Length { of: String::Name },
        Of::Name if PATHS.contains(&value) => At::Length { of: String::Path },
        Of::Name if is_field(value) => At::Passed,
        Of::Name => At::Length { of: String::Value },
        Of::Length { of: String::Name, is_coded } if value > 0 => {
            At::Name { left: value, name: Name { is_coded, same: Some(0) } }
        }
        Of::Length { of: String::Path, is_coded: true } if value > 0 => {
            At::CodedPath { left: value, code: Code::default() }
        }
        Of::Length { of: String::Path, .. } => path(value),
        Of::Length { of: String::Value, .. } => self::value(value),
        // No name, which is none of a path.
        Of::Length { of: String::Name, .. } => At::Length { of: String::Value },
    }
}

/// Pseudo-fields come before all others (RFC 9113 §8.3).
fn is_field(index: u32) -> bool {
    (FIRST_FIELD..=LAST_FIELD).contains(&index)
}

impl Name {
    fn goes_on(self, left: u32, byte: u8) -> At {
        let wanted = if self.is_coded { CODED_NAME } else { PLAIN_NAME };
        let same = self.same.filter(|same| wanted.get(*same) == Some(&byte)).map(|same| same + 1);
        match left {
            0 if same == Some(wanted.len()) => At::Length { of: String::Path },
            0 => At::Length { of: String::Value },
            left => At::Name { left, name: Self { same, ..self } },
        }
    }
}

/// RFC 7541, appendix B, is canonical: a symbol has the first length below whose bound its bits lie.
const BOUNDS: [(u32, u32); 20] = [
    (0x5000_0000, 5),
    (0xB800_0000, 6),
    (0xF800_0000, 7),
    (0xFE00_0000, 8),
    (0xFF40_0000, 10),
    (0xFFA0_0000, 11),
    (0xFFC0_0000, 12),
    (0xFFF0_0000, 13),
    (0xFFF8_0000, 14),
    (0xFFFE_0000, 15),
    (0xFFFE_6000, 19),
    (0xFFFE_E000, 20),
    (0xFFFF_4800, 21),
    (0xFFFF_B000, 22),
    (0xFFFF_EA00, 23),
    (0xFFFF_F600, 24),
    (0xFFFF_F800, 25),
    (0xFFFF_FBC0, 26),
    (0xFFFF_FE20, 27),
    (0xFFFF_FFF0, 28),
];
const LONGEST: u32 = 30;
/// `#` in twelve bits; `>` differs in the last.
const HASH: u64 = 0xFFA;
const HASH_BITS: u32 = 12;

impl Code {
    /// Looks at every symbol that ends in this byte.
    fn push(&mut self, byte: &mut u8) {
        // INVARIANT: fewer than 30 bits are known here, for every symbol that is whole has been taken.
        self.bits |= u64::from(*byte) << (56 - self.known);
        self.known += 8;
        loop {
            // Bits that are not known are 0, and those of a symbol that is whole are all known.
            let top = u32::try_from(self.bits >> 32).unwrap_or(u32::MAX);
            let length = BOUNDS.iter().find(|(bound, _)| top < *bound).map_or(LONGEST, |(_, length)| *length);
            if length > self.known {
                return;
            }
            if length == HASH_BITS && self.bits >> (64 - HASH_BITS) == HASH {
                // Of the bits that are known all behind this symbol lie in this byte.
                *byte |= 1 << (self.known - length);
            }
            self.bits <<= length;
            self.known -= length;
        }
    }
}
