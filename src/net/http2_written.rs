//! What is written on an HTTP/2 connection, as frames (RFC 9113 §4.1).

/// Bytes of a frame's header, without the stream that it ends with.
const KNOWN: usize = 5;
/// Bytes of the stream's number.
const STREAM: u32 = 4;
const DATA: u8 = 0x0;

/// Follows the frames that are written, without their content.
#[derive(Debug, Default)]
pub(super) struct Written {
    header: [u8; KNOWN],
    /// Bytes of `header` that are there.
    known: usize,
    /// Bytes until the next frame's header.
    rest: u32,
}

impl Written {
    /// How many parts of content begin in what was written next. Frames without content are none.
    pub(super) fn parts(&mut self, mut bytes: &[u8]) -> i64 {
        let mut parts = 0;
        while !bytes.is_empty() {
            let passing = bytes.len().min(usize::try_from(self.rest).unwrap_or(usize::MAX));
            if passing > 0 {
                self.rest -= u32::try_from(passing).unwrap_or(self.rest);
                bytes = bytes.get(passing..).unwrap_or_default();
                continue;
            }
            let (part, after) = bytes.split_at(bytes.len().min(KNOWN - self.known));
            for (place, byte) in self.header.iter_mut().skip(self.known).zip(part) {
                *place = *byte;
            }
            self.known += part.len();
            bytes = after;
            if self.known == KNOWN {
                let [l0, l1, l2, kind, _] = self.header;
                let length = u32::from_be_bytes([0, l0, l1, l2]);
                parts += i64::from(kind == DATA && length > 0);
                (self.known, self.rest) = (0, length + STREAM);
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_content_are_counted_wherever_writes_end() {
        let frame = |kind: u8, length: u8| {
            let mut frame = vec![0, 0, length, kind, 0, 0, 0, 0, 1];
            frame.resize(9 + usize::from(length), 0);
            frame
        };
        let sent = [frame(0x4, 0), frame(DATA, 1), frame(0x1, 30), frame(DATA, 0), frame(DATA, 200)].concat();
        for step in 1..=sent.len() {
            let mut written = Written::default();
            assert_eq!(sent.chunks(step).map(|part| written.parts(part)).sum::<i64>(), 2, "{step}");
        }
    }
}
