//! A strict reader of HTTP/1.1 messages: it takes what RFC 9112 lets a sender send, and panics over anything else.

use std::io::{self, BufRead};

/// One message as it came over the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub start_line: String,
    pub fields: Vec<(String, String)>,
    pub content: Vec<u8>,
    pub trailers: Vec<(String, String)>,
}

/// Part of chunked content.
#[derive(Debug, PartialEq, Eq)]
pub enum Chunk {
    Data(Vec<u8>),
    End(Vec<(String, String)>),
}

impl Message {
    /// Reads a head; `None` at the end of the stream.
    pub fn read_head(stream: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(start_line) = read_line(stream)? else { return Ok(None) };
        let fields = read_fields(stream)?;
        Ok(Some(Self { start_line, fields, ..Self::default() }))
    }

    /// Reads the content that the fields announce.
    pub fn read_content(&mut self, stream: &mut impl BufRead) -> io::Result<()> {
        if let Some(coding) = self.field("transfer-encoding") {
            assert_eq!(coding, "chunked");
            assert_eq!(self.field("content-length"), None, "two framings");
            loop {
                match read_chunk(stream)? {
                    Chunk::Data(data) => self.content.extend(data),
                    Chunk::End(trailers) => {
                        self.trailers = trailers;
                        return Ok(());
                    }
                }
            }
        }
        let length: usize = self.field("content-length").map_or(0, |length| length.parse().expect("a length"));
        self.content.resize(length, 0);
        stream.read_exact(&mut self.content)
    }

    /// The value of the one field with this name.
    ///
    /// # Panics
    ///
    /// When there are several.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values =
            self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value);
        let value = values.next();
        assert_eq!(values.next(), None, "several `{name}`");
        value
    }

    pub fn method(&self) -> &str {
        self.start_line.split(' ').next().expect("a method")
    }

    pub fn target(&self) -> &str {
        self.start_line.split(' ').nth(1).expect("a target")
    }
}

/// Reads one chunk with its size line.
pub fn read_chunk(stream: &mut impl BufRead) -> io::Result<Chunk> {
    let size = read_line(stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let size = usize::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("no chunk size: {size:?}"));
    if size == 0 {
        return Ok(Chunk::End(read_fields(stream)?));
    }
    let mut data = vec![0; size];
    stream.read_exact(&mut data)?;
    assert_eq!(read_line(stream)?.as_deref(), Some(""), "a chunk ends with CRLF");
    Ok(Chunk::Data(data))
}

fn read_fields(stream: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = read_line(stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if line.is_empty() {
            return Ok(fields);
        }
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no field: {line:?}"));
        assert!(
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)),
            "{name:?}"
        );
        fields.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()));
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if stream.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    let Some(line) = line.strip_suffix(b"\r\n") else {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a line without CRLF"));
    };
    assert!(!line.iter().any(|byte| *byte < 0x20 && *byte != b'\t'), "a control byte in {line:?}");
    Ok(Some(line.iter().map(|byte| char::from(*byte)).collect()))
}
