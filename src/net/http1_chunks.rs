//! Content in chunks (RFC 9112 §7.1), as an answer brings it.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use httparse::Status;

use super::http1_answer::Flaw;

/// Bytes of chunk extensions in one answer, at most.
const EXTENSIONS: usize = 16 * 1024;
/// Bytes of trailers at most.
const TRAILERS: usize = 16 * 1024;
/// Trailers at most.
const FIELDS: usize = 100;

/// How far content in chunks has been read.
#[derive(Debug)]
pub(super) struct Chunks {
    state: State,
    /// Bytes of extensions so far.
    extensions: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first digit of a size.
    Start,
    /// After this many; another digit may come.
    Size(u64),
    /// Behind the digits: spaces before an extension, or before the line's end.
    Spaces(u64),
    /// In an extension.
    Extension(u64),
    /// After the CR that ends the line.
    SizeEnd(u64),
    /// So many bytes of the chunk are to come.
    Data(u64),
    /// After the last byte of a chunk.
    DataEnd,
    /// After the CR behind it.
    DataLineFeed,
    /// After the last chunk.
    Trailers,
    Ended,
}

/// What the next bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// More bytes will tell.
    Unclear,
    Data(Bytes),
    /// The last of it.
    Trailers(HeaderMap),
    End,
}

impl Chunks {
    pub(super) fn new() -> Self {
        Self { state: State::Start, extensions: 0 }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Takes the next part from the bytes that have come.
    ///
    /// # Errors
    ///
    /// The flaw that makes the rest unreadable.
    pub(super) fn take(&mut self, bytes: &mut BytesMut) -> Result<Part, Flaw> {
        loop {
            match self.state {
                State::Data(left) => {
                    if bytes.is_empty() {
                        return Ok(Part::Unclear);
                    }
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let left = left.saturating_sub(length as u64);
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    let data = bytes.split_to(length).freeze();
                    self.look_ahead(bytes);
                    return Ok(Part::Data(data));
                }
                State::Trailers => {
                    let Some(trailers) = take_trailers(bytes)? else { return Ok(Part::Unclear) };
                    self.state = State::Ended;
                    return Ok(if trailers.is_empty() { Part::End } else { Part::Trailers(trailers) });
                }
                State::Ended => return Ok(Part::End),
                State::Start
                | State::Size(_)
                | State::Spaces(_)
                | State::Extension(_)
                | State::SizeEnd(_)
                | State::DataEnd
                | State::DataLineFeed => {
                    let Some(byte) = bytes.first().copied() else { return Ok(Part::Unclear) };
                    bytes.advance(1);
                    self.state = self.after(byte)?;
                }
            }
        }
    }

    /// Takes the end, if it has come with the last of the data and says nothing more. What is wrong there is told when it is asked for.
    fn look_ahead(&mut self, bytes: &mut BytesMut) {
        const END: &[u8] = b"\r\n0\r\n\r\n";
        if self.state == State::DataEnd && bytes.starts_with(END) {
            bytes.advance(END.len());
            self.state = State::Ended;
        }
    }

    /// The state after one more byte of what stands around the data.
    fn after(&mut self, byte: u8) -> Result<State, Flaw> {
        Ok(match (self.state, byte) {
            (State::Start, _) => State::Size(digit(byte).ok_or("a chunk without a size")?),
            (State::Size(size), b';') | (State::Spaces(size), b';') => State::Extension(size),
            (State::Size(size), b'\r') | (State::Spaces(size), b'\r') | (State::Extension(size), b'\r') => {
                State::SizeEnd(size)
            }
            (State::Size(size), b' ' | b'\t') | (State::Spaces(size), b' ' | b'\t') => {
                self.extend()?;
                State::Spaces(size)
            }
            (State::Size(size), _) => {
                let digit = digit(byte).ok_or("a chunk's size that is no number")?;
                let size = size.checked_mul(16).and_then(|size| size.checked_add(digit));
                State::Size(size.ok_or("a chunk that is too large")?)
            }
            (State::Extension(_), b'\n') => return Err("a line end in a chunk extension"),
            (State::Extension(size), _) => {
                self.extend()?;
                State::Extension(size)
            }
            (State::SizeEnd(0), b'\n') => State::Trailers,
            (State::SizeEnd(size), b'\n') => State::Data(size),
            (State::DataEnd, b'\r') => State::DataLineFeed,
            (State::DataLineFeed, b'\n') => State::Start,
            (State::DataEnd | State::DataLineFeed, _) => return Err("a chunk that is longer than its size"),
            (State::Spaces(_) | State::SizeEnd(_), _) => return Err("a chunk's size that is no number"),
            (state @ (State::Data(_) | State::Trailers | State::Ended), _) => state,
        })
    }

    fn extend(&mut self) -> Result<(), Flaw> {
        self.extensions += 1;
        if self.extensions > EXTENSIONS { Err("chunk extensions that are too large") } else { Ok(()) }
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

/// Takes the trailers with the line that ends them, if that has come.
fn take_trailers(bytes: &mut BytesMut) -> Result<Option<HeaderMap>, Flaw> {
    let mut space = [httparse::EMPTY_HEADER; FIELDS];
    let (length, fields) = match httparse::parse_headers(bytes, &mut space) {
        Ok(Status::Complete(parsed)) => parsed,
        Ok(Status::Partial) if bytes.len() <= TRAILERS => return Ok(None),
        Ok(Status::Partial) => return Err("trailers that are too large"),
        Err(_) => return Err("trailers that cannot be read"),
    };
    let section = bytes.get(..length).unwrap_or_default();
    let has_bare_line_feed = section.split_inclusive(|byte| *byte == b'\n').any(|line| !line.ends_with(b"\r\n"));
    if length > TRAILERS || has_bare_line_feed {
        return Err("trailers that cannot be read");
    }
    let mut trailers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_bytes(field.value);
        let (Ok(name), Ok(value)) = (name, value) else { return Err("trailers that cannot be read") };
        trailers.append(name, value);
    }
    bytes.advance(length);
    Ok(Some(trailers))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data, the trailers and what is left, of content that comes in pieces of `size` bytes; `None` if it has not ended.
    fn read(text: &str, size: usize) -> Result<Option<(String, HeaderMap, String)>, Flaw> {
        let (mut chunks, mut bytes, mut data) = (Chunks::new(), BytesMut::new(), Vec::new());
        let mut pieces = text.as_bytes().chunks(size);
        loop {
            let trailers = match chunks.take(&mut bytes)? {
                Part::Data(part) => {
                    data.extend_from_slice(&part);
                    continue;
                }
                Part::Unclear => match pieces.next() {
                    Some(piece) => {
                        bytes.extend_from_slice(piece);
                        continue;
                    }
                    None => return Ok(None),
                },
                Part::Trailers(trailers) => trailers,
                Part::End => HeaderMap::new(),
            };
            assert!(chunks.has_ended());
            pieces.for_each(|piece| bytes.extend_from_slice(piece));
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            return Ok(Some((text(&data), trailers, text(&bytes))));
        }
    }

    #[test]
    fn rfc_9112_section_7_1_chunks_are_read_wherever_they_are_cut() {
        for (text, trailer) in [
            ("5\r\nhello\r\n006\r\n world\r\n0\r\n\r\nnext", None),
            ("B;name=\"value\";x\r\nhello world\r\n0;last\r\n\r\nnext", None),
            ("b \t\r\nhello world\r\n0 ;x\r\n\r\nnext", None),
            ("b\r\nhello world\r\n000\r\nDigest: a\r\nx:\r\n\r\nnext", Some("a")),
        ] {
            for size in 1..text.len() {
                let (data, trailers, rest) = read(text, size).unwrap().unwrap();
                assert_eq!((data.as_str(), rest.as_str()), ("hello world", "next"), "{text} by {size}");
                assert_eq!(trailers.get("digest").map(HeaderValue::as_bytes), trailer.map(str::as_bytes));
            }
            let end = text.len() - "next".len();
            for cut in 0..end {
                let (begun, _) = text.split_at(cut);
                assert_eq!(read(begun, 3), Ok(None), "{begun}");
            }
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused_as_soon_as_it_is_seen() {
        for text in [
            "\r\n",
            "x",
            "-",
            "5x",
            "5 5",
            "5\n",
            "5\r\r",
            "5;a\n",
            "5;a\rb",
            "10000000000000000",
            "5\r\nhello!",
            "5\r\nhello\rx",
            "0\r\na b: c\r\n",
            "0\r\na: b\n\r\n",
            "0\r\n\n",
        ] {
            assert!(read(text, 1).is_err(), "{text:?}");
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        let extension = "x".repeat(EXTENSIONS / 2);
        assert!(read(&format!("1;{extension}\r\na\r\n0\r\n\r\n"), 1000).is_ok());
        let twice = format!("1;{extension}\r\na\r\n1;{extension}\r\na\r\n1;x");
        assert!(read(&twice, 1000).is_err(), "of all chunks together");
        assert!(read(&format!("0\r\na: {}", "b".repeat(TRAILERS)), 1000).is_err());
        assert!(read(&format!("0\r\n{}\r\n", "a: b\r\n".repeat(FIELDS + 1)), 1000).is_err());
    }
}
