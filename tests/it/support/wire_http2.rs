//! HTTP/2 over a [`Wire`], frame by frame: what every peer does is done, what a test wants is done besides.

use std::collections::BTreeMap;

use super::eventually;
use super::http2::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, RawFrame, SETTINGS, WINDOW_UPDATE, frame,
};
use super::wire::Wire;

/// RFC 9113 §3.4.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Settings (RFC 9113 §6.5.2).
pub const HEADER_TABLE_SIZE: u16 = 1;
pub const INITIAL_WINDOW_SIZE: u16 = 4;
/// RFC 9113 §6.9.1.
const LARGEST_WINDOW: u32 = (1 << 31) - 1;
const FIRST_WINDOW: i64 = 65_535;
/// RFC 9113 §4.2.
const LARGEST_FRAME: usize = 16_384;

/// What one end knows of a connection.
#[derive(Debug)]
pub struct Http2 {
    pub streams: BTreeMap<u32, Http2Stream>,
    /// The code of the last `GOAWAY` that came.
    pub goaway: Option<u32>,
    /// The settings of the other end are there.
    is_settled: bool,
    /// Bytes that may be sent on the connection, and at first on a stream.
    window: i64,
    first_window: i64,
    /// The stream that a client opens next.
    next: u32,
    /// Bytes of the preface that have not come.
    preface: usize,
    /// Whether settings and pings are answered.
    answers: bool,
}

/// What has come of one stream.
#[derive(Debug, Default)]
pub struct Http2Stream {
    /// Its field sections, compressed.
    pub sections: Vec<Vec<u8>>,
    pub content: Vec<u8>,
    pub is_ended: bool,
    /// The code of a reset.
    pub reset: Option<u32>,
    /// Bytes of window that were given for it.
    given: i64,
    sent: i64,
}

impl Http2 {
    fn new(preface: usize) -> Self {
        Self {
            streams: BTreeMap::new(),
            goaway: None,
            is_settled: false,
            window: FIRST_WINDOW,
            first_window: FIRST_WINDOW,
            next: 1,
            preface,
            answers: true,
        }
    }
}

impl Wire {
    /// Begins as a client, with windows as wide as they may be: preface and settings.
    pub fn begin_http2(&mut self) {
        self.begin_http2_with(&[(HEADER_TABLE_SIZE, 0), (INITIAL_WINDOW_SIZE, LARGEST_WINDOW)]);
        self.frame(WINDOW_UPDATE, 0, 0, &(LARGEST_WINDOW - 65_535).to_be_bytes());
    }

    /// Begins as a client with these settings.
    pub fn begin_http2_with(&mut self, settings: &[(u16, u32)]) {
        self.http2 = Some(Http2::new(0));
        self.send(PREFACE);
        self.frame(SETTINGS, 0, 0, &settings_payload(settings));
    }

    /// Reads as a client, and has sent nothing yet.
    pub fn begin_http2_without_preface(&mut self) {
        self.http2 = Some(Http2::new(0));
    }

    /// Begins as a server, with windows as wide as they may be.
    pub fn serve_http2(&mut self) {
        self.serve_http2_with(&[(HEADER_TABLE_SIZE, 0), (INITIAL_WINDOW_SIZE, LARGEST_WINDOW)]);
        self.frame(WINDOW_UPDATE, 0, 0, &(LARGEST_WINDOW - 65_535).to_be_bytes());
    }

    /// Begins as a server with these settings.
    pub fn serve_http2_with(&mut self, settings: &[(u16, u32)]) {
        self.serve_http2_without_settings();
        self.frame(SETTINGS, 0, 0, &settings_payload(settings));
    }

    /// The same, and acknowledges the other end's settings in the same write; later ones are not acknowledged.
    #[track_caller]
    pub fn serve_http2_settled(&mut self, settings: &[(u16, u32)]) {
        self.serve_http2_without_settings();
        self.answer_nothing();
        self.until_settled();
        self.send([frame(SETTINGS, 0, 0, &settings_payload(settings)), frame(SETTINGS, 1, 0, &[])].concat());
    }

    /// Reads as a server, and has sent nothing yet.
    pub fn serve_http2_without_settings(&mut self) {
        self.http2 = Some(Http2::new(PREFACE.len()));
    }

    /// From now on neither settings nor pings are answered.
    pub fn answer_nothing(&mut self) {
        self.http2().answers = false;
    }

    /// Waits for the settings of the other end.
    #[track_caller]
    pub fn until_settled(&mut self) {
        eventually("settings", || (self.read_some() || self.http2().is_settled).then_some(()));
    }

    pub fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.send(frame(kind, flags, stream, payload));
    }

    /// Sends a field section whole.
    pub fn headers(&mut self, stream: u32, fields: &[(&str, &str)], ends: bool) {
        let flags = END_HEADERS | if ends { END_STREAM } else { 0 };
        self.frame(HEADERS, flags, stream, &literals(fields));
    }

    /// Sends a whole answer in one write, so that what becomes of it does not hang on when its parts arrive.
    pub fn answer(&mut self, stream: u32, fields: &[(&str, &str)], content: &str) {
        let head = frame(HEADERS, END_HEADERS, stream, &literals(fields));
        self.send([head, frame(DATA, END_STREAM, stream, content.as_bytes())].concat());
    }

    /// Sends content, whatever the window.
    pub fn data(&mut self, stream: u32, content: &str, ends: bool) {
        self.frame(DATA, if ends { END_STREAM } else { 0 }, stream, content.as_bytes());
    }

    /// Resets a stream.
    pub fn reset_stream(&mut self, stream: u32, code: u32) {
        self.frame(RST_STREAM, 0, stream, &code.to_be_bytes());
    }

    /// Says that streams above `last` were not processed, and that there are to be no more.
    pub fn go_away(&mut self, last: u32, code: u32) {
        self.frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat());
    }

    /// Opens a stream as a client, and returns its number.
    pub fn open_stream(&mut self, fields: &[(&str, &str)], ends: bool) -> u32 {
        let stream = self.next_stream();
        self.headers(stream, fields, ends);
        stream
    }

    /// The number of the stream that a client opens next.
    pub fn next_stream(&mut self) -> u32 {
        let http2 = self.http2();
        let stream = http2.next;
        http2.next += 2;
        stream
    }

    /// Sends as much content as the windows allow; the bytes.
    pub fn data_within_window(&mut self, stream: u32, content: &[u8], ends: bool) -> usize {
        self.read_some();
        let http2 = self.http2();
        let state = http2.streams.entry(stream).or_default();
        let room = http2.window.min(http2.first_window + state.given - state.sent);
        let length = content.len().min(usize::try_from(room).unwrap_or(0)).min(LARGEST_FRAME);
        if state.reset.is_some() || (length == 0 && !content.is_empty()) {
            return 0;
        }
        let sent = i64::try_from(length).expect("a length");
        state.sent += sent;
        http2.window -= sent;
        let flags = if ends && length == content.len() { END_STREAM } else { 0 };
        self.frame(DATA, flags, stream, &content[..length]);
        length
    }

    /// What has come of a stream.
    pub fn stream(&mut self, stream: u32) -> &mut Http2Stream {
        self.http2().streams.entry(stream).or_default()
    }

    /// Waits for the stream of a request whose path is this, and returns its number.
    #[track_caller]
    pub fn until_request(&mut self, path: &str) -> u32 {
        eventually(path, || {
            self.read_some();
            self.request_at(path)
        })
    }

    /// The last stream of a request whose path is this.
    pub fn request_at(&self, path: &str) -> Option<u32> {
        let path = huffman(path);
        let has = |section: &Vec<u8>| section.windows(path.len()).any(|window| window == path);
        let streams = &self.http2.as_ref()?.streams;
        streams.iter().rev().find(|(_, stream)| stream.sections.first().is_some_and(has)).map(|(number, _)| *number)
    }

    pub(super) fn http2(&mut self) -> &mut Http2 {
        self.http2.as_mut().expect("HTTP/2 is spoken")
    }

    /// Takes the frames out of what was received.
    pub(super) fn take_frames(&mut self) {
        let Some(http2) = &mut self.http2 else { return };
        let preface = http2.preface.min(self.received.len());
        http2.preface -= preface;
        self.received.drain(..preface);
        let mut taken = 0;
        let mut frames = Vec::new();
        while let Some((frame, length)) = read_frame(&self.received[taken..]) {
            taken += length;
            frames.push(frame);
        }
        self.received.drain(..taken);
        for frame in frames {
            self.take_frame(&frame);
        }
    }

    fn take_frame(&mut self, frame: &RawFrame) {
        let http2 = self.http2();
        let stream = http2.streams.entry(frame.stream).or_default();
        let number = |at: usize| {
            frame.payload.get(at..at + 4).map_or(0, |bytes| u32::from_be_bytes(bytes.try_into().expect("four")))
        };
        match frame.kind {
            DATA => stream.content.extend(&frame.payload),
            HEADERS => stream.sections.push(frame.payload.clone()),
            RST_STREAM => stream.reset = Some(number(0)),
            GOAWAY => http2.goaway = Some(number(4)),
            WINDOW_UPDATE if frame.stream == 0 => http2.window += i64::from(number(0)),
            WINDOW_UPDATE => stream.given += i64::from(number(0)),
            SETTINGS | PING if frame.flags & 1 == 0 => self.acknowledge(frame),
            _ => {}
        }
        if matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0 {
            self.stream(frame.stream).is_ended = true;
        }
    }

    fn acknowledge(&mut self, frame: &RawFrame) {
        let http2 = self.http2();
        if frame.kind == SETTINGS {
            http2.is_settled = true;
            for setting in frame.payload.as_chunks::<6>().0 {
                if setting[..2] == INITIAL_WINDOW_SIZE.to_be_bytes() {
                    http2.first_window = i64::from(u32::from_be_bytes(setting[2..].try_into().expect("four")));
                }
            }
        }
        if http2.answers {
            let payload: &[u8] = if frame.kind == PING { &frame.payload } else { &[] };
            // The other end may be going.
            let _ = self.write_some(&super::http2::frame(frame.kind, 1, 0, payload));
        }
    }
}

impl Http2Stream {
    /// Whether nothing more comes.
    pub fn is_over(&self) -> bool {
        self.is_ended || self.reset.is_some()
    }

    /// The status of the answer: of the first field section that is not interim.
    pub fn status(&self) -> Option<u16> {
        self.sections.iter().filter_map(|section| status(section)).find(|status| *status >= 200)
    }
}

/// The name of an error code (RFC 9113 §7).
pub fn code_name(code: u32) -> &'static str {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    NAMES.get(code as usize).copied().unwrap_or("an unknown code")
}

fn settings_payload(settings: &[(u16, u32)]) -> Vec<u8> {
    settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect()
}

fn read_frame(bytes: &[u8]) -> Option<(RawFrame, usize)> {
    let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *bytes.first_chunk::<9>()?;
    let end = 9 + u32::from_be_bytes([0, l0, l1, l2]) as usize;
    let payload = bytes.get(9..end)?.to_vec();
    Some((RawFrame { kind, flags, stream: u32::from_be_bytes([s0, s1, s2, s3]), payload }, end))
}

/// A field section of literals that are not indexed (RFC 7541 §6.2.2).
pub fn literals(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut section = Vec::new();
    for (name, value) in fields {
        section.push(0);
        for text in [name, value] {
            length(&mut section, text.len());
            section.extend(text.as_bytes());
        }
    }
    section
}

/// An integer with a prefix of seven bits (RFC 7541 §5.1).
fn length(section: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(127) else { return section.push(length as u8) };
    section.push(127);
    while rest >= 128 {
        section.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    section.push(rest as u8);
}

/// The status at the beginning of a field section, which has no table to look into but the static one.
fn status(section: &[u8]) -> Option<u16> {
    let section = section.strip_prefix(&[0x20]).unwrap_or(section);
    match *section {
        [index @ 0x88..=0x8E, ..] => Some([200, 204, 206, 304, 400, 404, 500][usize::from(index - 0x88)]),
        [0x08 | 0x18 | 0x48, length, ref rest @ ..] => {
            let value = rest.get(..usize::from(length & 0x7F))?;
            (100..600).find(|status| huffman(&status.to_string()) == value || status.to_string().as_bytes() == value)
        }
        _ => None,
    }
}

/// The codes of RFC 7541 appendix B for the characters of which our paths and statuses are made.
const CODES: [(&str, u8, u8); 3] = [
    ("012aceiost", 0, 5),
    (" %-./3456789=A_bdfghlmnpru", 0b01_0100, 6),
    (":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz", 0b101_1100, 7),
];

fn huffman(text: &str) -> Vec<u8> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    let mut push = |code: u32, length: u32| {
        held = held << length | code;
        bits += length;
        while bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
        (bits, held)
    };
    let mut open = 0;
    for character in text.chars() {
        let (characters, first, length) =
            CODES.iter().find(|(characters, ..)| characters.contains(character)).expect("a character of ours");
        let at = characters.find(character).expect("it is there");
        open = push(u32::from(*first) + at as u32, u32::from(*length)).0;
    }
    if open > 0 {
        push((1 << (8 - open)) - 1, 8 - open);
    }
    bytes
}
