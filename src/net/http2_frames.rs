//! What the frames of a peer (RFC 9113 §4.1) cost it: most that carry nothing of a request are paid for from a budget.

use std::time::{Duration, Instant};

use super::http2_path::PathWatch;
use super::http2_written::Written;

/// RFC 9113 §3.4: bytes before the first frame.
const PREFACE: u32 = 24;
const HEADER: usize = 9;
/// Frames without use that may come at once.
const BURST: i64 = 1_000;
/// Such frames that may come in a second, in the long run.
const A_SECOND: i64 = 200;
/// Such frames that belong to a request: its fields, windows, priorities, a reset.
const A_REQUEST: i64 = 8;
/// For so many bytes of answers the peer may give back a window.
const BYTES_A_WINDOW: u64 = 512;
/// Such frames for each part of an answer, however small: peers of gRPC give back both windows and send a ping to measure the way.
const A_PART: i64 = 4;
/// Such frames that may still be to come for what was written: a window of the size that RFC 9113 §6.9.2 gives it, full of parts of one
/// byte. A peer that is slow, or far away, reacts to all of it at once.
const REACTIONS: i64 = A_PART * 65_536;
/// Bytes of such a frame that are as much work as another frame.
const BYTES_A_FRAME: u32 = 256;

/// Follows the frames that a peer sends, without their content.
#[derive(Debug)]
pub(super) struct Frames {
    header: [u8; HEADER],
    /// Bytes of `header` that are there.
    known: usize,
    /// Bytes until the next frame's header.
    rest: u32,
    /// A field section has begun, and its last frame has not come.
    section_open: bool,
    /// The frame that is passing is part of a field section.
    is_section: bool,
    /// Field sections that have begun.
    sections: u64,
    path: PathWatch,
    resets: u64,
    last_stream: u32,
    /// The highest stream before the field section that came last.
    stream_before: u32,
    written: Written,
    budget: Budget,
}

#[derive(Debug)]
struct Budget {
    left: i64,
    /// What was written pays for so many besides.
    reactions: i64,
    filled: Instant,
    written: u64,
}

impl Frames {
    /// Begins before the preface, at `now`.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            header: [0; HEADER],
            known: 0,
            rest: PREFACE,
            section_open: false,
            is_section: false,
            sections: 0,
            path: PathWatch::new(),
            resets: 0,
            last_stream: 0,
            stream_before: 0,
            written: Written::default(),
            budget: Budget { left: BURST, reactions: 0, filled: now, written: 0 },
        }
    }

    /// Takes note of what was read, before anybody else does: a `#` in a `:path` is made what that cannot hold.
    pub(super) fn read(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            let passing = bytes.len().min(usize::try_from(self.rest).unwrap_or(usize::MAX));
            if passing > 0 {
                self.rest -= u32::try_from(passing).unwrap_or(self.rest);
                let (part, after) = bytes.split_at_mut(passing);
                if self.is_section {
                    self.path.pass(part);
                }
                bytes = after;
                continue;
            }
            let (part, after) = bytes.split_at_mut(bytes.len().min(HEADER - self.known));
            for (place, byte) in self.header.iter_mut().skip(self.known).zip(&*part) {
                *place = *byte;
            }
            self.known += part.len();
            bytes = after;
            if self.known == HEADER {
                self.known = 0;
                self.begin(self.header);
            }
        }
    }

    /// A frame begins.
    fn begin(&mut self, header: [u8; HEADER]) {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = header;
        let length = u32::from_be_bytes([0, l0, l1, l2]);
        self.rest = length;
        let (end_stream, end_headers) = (flags & 0x1 != 0, flags & 0x4 != 0);
        self.is_section = matches!(kind, HEADERS | CONTINUATION);
        match kind {
            DATA if length > 0 => self.budget.gain(1),
            DATA if end_stream => {}
            HEADERS => {
                self.section_open = !end_headers;
                self.sections += 1;
                self.stream_before = self.last_stream;
                let stream = u32::from_be_bytes([s0 & 0x7F, s1, s2, s3]);
                self.path.begins(length, flags, stream > self.last_stream);
                self.last_stream = self.last_stream.max(stream);
                // Those that become requests are paid back: others are malformed, or beyond the number of streams.
                self.budget.pay(1);
            }
            CONTINUATION => {
                self.section_open = !end_headers;
                self.path.goes_on(length);
                self.budget.pay(1);
            }
            _ => {
                self.resets += u64::from(kind == RST_STREAM);
                self.budget.pay(1 + length / BYTES_A_FRAME);
            }
        }
    }

    /// Takes note of a request that the frames have brought.
    pub(super) fn brought_request(&mut self) {
        self.budget.gain(A_REQUEST);
    }

    /// Takes note of bytes written, for which the peer gives back windows.
    pub(super) fn wrote(&mut self, bytes: &[u8]) {
        let parts = self.written.parts(bytes);
        self.budget.wrote(parts, bytes.len());
    }

    /// The number of the field section of which more must come.
    pub(super) fn open_section(&self) -> Option<u64> {
        (self.section_open || (self.is_section && self.rest > 0)).then_some(self.sections)
    }

    /// Field sections that have begun.
    pub(super) fn sections(&self) -> u64 {
        self.sections
    }

    /// Streams that the peer has reset.
    pub(super) fn resets(&self) -> u64 {
        self.resets
    }

    /// The highest stream whose fields have come; 0 before the first.
    pub(super) fn last_stream(&self) -> u32 {
        if self.open_section().is_some() { self.stream_before } else { self.last_stream }
    }

    /// Whether the peer has sent more than its budget allows; `now` is asked for only if it might have.
    pub(super) fn is_flood(&mut self, now: impl FnOnce() -> Instant) -> bool {
        if self.budget.left >= 0 {
            return false;
        }
        self.budget.refill(now());
        self.budget.left < 0
    }
}

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const CONTINUATION: u8 = 0x9;

impl Budget {
    fn gain(&mut self, frames: i64) {
        self.left = self.left.saturating_add(frames).min(BURST);
    }

    fn wrote(&mut self, parts: i64, bytes: usize) {
        self.written += bytes as u64;
        let windows = i64::try_from(self.written / BYTES_A_WINDOW).unwrap_or(REACTIONS);
        self.written %= BYTES_A_WINDOW;
        let reactions = A_PART.saturating_mul(parts).saturating_add(windows);
        self.reactions = self.reactions.saturating_add(reactions).min(REACTIONS);
    }

    fn pay(&mut self, frames: u32) {
        let frames = i64::from(frames);
        let reactions = frames.min(self.reactions);
        self.reactions -= reactions;
        self.left = self.left.saturating_sub(frames - reactions);
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled);
        self.filled = now;
        let frames = passed.min(Duration::from_mins(1)).as_millis() * A_SECOND.unsigned_abs() as u128 / 1_000;
        self.gain(i64::try_from(frames).unwrap_or(BURST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        frame.resize(HEADER + usize::from(length), 0xFF);
        frame
    }

    fn begun() -> (Frames, Instant) {
        let now = Instant::now();
        let mut frames = Frames::new(now);
        frames.read(&mut b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned());
        (frames, now)
    }

    #[test]
    fn frames_are_told_apart_wherever_reads_end() {
        let mut sent =
            [frame(HEADERS, 0x4, 20), frame(DATA, 0x1, 7), frame(RST_STREAM, 0, 4), frame(0x6, 0, 8)].concat();
        for step in 1..=sent.len() {
            let (mut frames, _) = begun();
            for part in sent.chunks_mut(step) {
                frames.read(part);
            }
            assert_eq!((frames.resets(), frames.last_stream(), frames.budget.left), (1, 1, BURST - 2), "{step}");
            assert_eq!(frames.open_section(), None);
        }
    }

    #[test]
    fn rfc_9113_section_4_3_a_field_section_ends_with_its_last_frame() {
        let (mut frames, _) = begun();
        let mut head = frame(HEADERS, 0, 3);
        frames.read(&mut head[..10]);
        assert_eq!(frames.open_section(), Some(1));
        frames.read(&mut head[10..]);
        assert_eq!((frames.open_section(), frames.last_stream()), (Some(1), 0), "more frames must come");
        frames.read(&mut frame(CONTINUATION, 0x4, 0));
        assert_eq!(frames.open_section(), None);
    }

    #[test]
    fn what_carries_no_request_is_bounded_and_what_does_is_not() {
        let useless = [
            ("ping", frame(0x6, 0, 8)),
            ("settings", frame(0x4, 0, 0)),
            ("priority", frame(0x2, 0, 5)),
            ("window", frame(0x8, 0, 4)),
            ("reset", frame(RST_STREAM, 0, 4)),
            ("empty data", frame(DATA, 0, 0)),
            ("empty continuation", frame(CONTINUATION, 0, 0)),
            ("unknown", frame(0xEE, 0, 1)),
            ("fields that bring no request", frame(HEADERS, 0x5, 9)),
        ];
        for (name, sent) in useless {
            let (mut frames, now) = begun();
            for _ in 0..BURST {
                frames.read(&mut sent.clone());
            }
            assert!(!frames.is_flood(|| now), "{name}");
            frames.read(&mut sent.clone());
            assert!(frames.is_flood(|| now), "{name}");
            assert!(!frames.is_flood(|| now + SECOND), "{name}: a second later there is room again");
        }
        for (name, sent) in [("content", frame(DATA, 0, 1)), ("its end", frame(DATA, 1, 0))] {
            let (mut frames, now) = begun();
            for _ in 0..10 * BURST {
                frames.read(&mut sent.clone());
            }
            assert!(!frames.is_flood(|| now), "{name}");
        }
    }

    #[test]
    fn requests_pay_for_what_belongs_to_them() {
        let (mut frames, now) = begun();
        for _ in 0..10 * BURST {
            frames.read(
                &mut [frame(HEADERS, 0x5, 9), frame(0x2, 0, 5), frame(0x8, 0, 4), frame(RST_STREAM, 0, 4)].concat(),
            );
            frames.brought_request();
        }
        assert!(!frames.is_flood(|| now));
    }

    #[test]
    fn windows_are_paid_for_by_what_was_written() {
        let (mut frames, now) = begun();
        let large = [&[0, 64, 0, DATA, 0, 0, 0, 0, 1][..], &[0; 16_384]].concat();
        for _ in 0..100 * BURST {
            frames.wrote(&large);
            frames.read(&mut frame(0x8, 0, 4).repeat(32));
        }
        assert!(!frames.is_flood(|| now));
    }

    #[test]
    fn each_part_of_an_answer_pays_for_windows_and_a_ping() {
        let (mut frames, now) = begun();
        let reaction = [frame(0x8, 0, 4), frame(0x8, 0, 4), frame(0x6, 0, 8)].concat();
        for _ in 0..10 * BURST {
            frames.wrote(&frame(DATA, 0, 20));
            frames.read(&mut reaction.clone());
        }
        assert!(!frames.is_flood(|| now));
    }

    #[test]
    fn reactions_may_come_all_at_once_and_no_more_of_them_than_a_window_calls_for() {
        let (mut frames, now) = begun();
        frames.wrote(&frame(DATA, 0, 1).repeat(100_000));
        frames.read(&mut frame(0x6, 0, 8).repeat(4 * 65_536 + 1_000));
        assert!(!frames.is_flood(|| now));
        frames.read(&mut frame(0x6, 0, 8));
        assert!(frames.is_flood(|| now));
    }

    #[test]
    fn what_is_no_content_pays_by_its_bytes_alone() {
        let (mut frames, now) = begun();
        let reaction = [frame(0x8, 0, 4), frame(0x8, 0, 4), frame(0x6, 0, 8)].concat();
        for _ in 0..BURST {
            frames.wrote(&frame(DATA, 0, 0));
            frames.wrote(&frame(0x6, 1, 8));
            frames.read(&mut reaction.clone());
        }
        assert!(frames.is_flood(|| now));
    }
}
