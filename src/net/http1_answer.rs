//! The head of an answer as HTTP/1.1 brings it (RFC 9112 §4 to §6).

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use httparse::{ParserConfig, Status};
use hyper::ext::ReasonPhrase;
use smallvec::SmallVec;

/// Fields of an answer at most.
const FIELDS: usize = 100;
/// Bytes of an answer's head at most.
const HEAD: usize = 400 * 1024;
/// Fields of most answers.
const MANY: usize = 24;

/// What breaks the grammar of HTTP/1.1, in words that go on from "the answer has".
pub(super) type Flaw = &'static str;

/// How an answer's content ends (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// After so many bytes.
    After(u64),
    /// With the last chunk.
    WithLastChunk,
    /// With the connection.
    WithConnection,
}

/// A final answer's head, or that of a 101.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) response: Response<()>,
    pub(super) ends: Ends,
    /// The connection may carry another exchange after this one.
    pub(super) keeps_alive: bool,
}

/// Where a field lies in the head.
struct Place {
    name: Range<usize>,
    value: Range<usize>,
}

/// A head before its bytes are taken.
struct Parsed {
    length: usize,
    status: StatusCode,
    version: Version,
    reason: Option<ReasonPhrase>,
    places: SmallVec<[Place; MANY]>,
}

/// Takes the head of the answer to a request by `method` from the bytes that have come; `None` if it has not come whole. Answers before it
/// (1xx) are passed over. `fields` are written anew.
///
/// # Errors
///
/// The flaw that makes it unreadable, or its end doubtful.
pub(super) fn take_head(bytes: &mut BytesMut, method: &Method, fields: &mut HeaderMap) -> Result<Option<Head>, Flaw> {
    loop {
        let Some(parsed) = parse(bytes)? else {
            return if bytes.len() > HEAD { Err("a head that is too large") } else { Ok(None) };
        };
        let taken = bytes.split_to(parsed.length).freeze();
        if parsed.status.is_informational() && parsed.status != StatusCode::SWITCHING_PROTOCOLS {
            continue;
        }
        fields.clear();
        fields.reserve(parsed.places.len());
        let mut told = Told::default();
        for place in &parsed.places {
            let (name, value) = place.field(&taken).ok_or("a field that cannot be read")?;
            told.see(&name, &value)?;
            fields.append(name, value);
        }
        return parsed.head(method, &told, fields).map(Some);
    }
}

fn parse(bytes: &[u8]) -> Result<Option<Parsed>, Flaw> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS];
    let mut answer = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut answer, bytes, &mut fields);
    let length = match parsed {
        Ok(Status::Complete(length)) if length > HEAD => return Err("a head that is too large"),
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err("too many fields"),
        Err(httparse::Error::Version | httparse::Error::Status) => return Err("a status line that is none of HTTP"),
        Err(_) => return Err("a head that cannot be read"),
    };
    let status = answer.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or("a status that is none")?;
    let reason = answer.reason.filter(|reason| Some(*reason) != status.canonical_reason());
    Ok(Some(Parsed {
        length,
        status,
        version: if answer.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 },
        reason: reason.and_then(|reason| ReasonPhrase::try_from(reason.as_bytes()).ok()),
        places: answer.headers.iter().map(|field| Place::of(field, bytes)).collect(),
    }))
}

impl Place {
    fn of(field: &httparse::Header<'_>, bytes: &[u8]) -> Self {
        let range = |part: &[u8]| {
            let start = part.as_ptr().addr().saturating_sub(bytes.as_ptr().addr());
            start..start + part.len()
        };
        Self { name: range(field.name.as_bytes()), value: range(field.value) }
    }

    fn field(&self, head: &Bytes) -> Option<(HeaderName, HeaderValue)> {
        let name = HeaderName::from_bytes(head.get(self.name.clone())?).ok()?;
        // INVARIANT: both lie in the head, or the name above would not have.
        let value = HeaderValue::from_maybe_shared(head.slice(self.value.clone())).ok()?;
        Some((name, value))
    }
}

impl Parsed {
    fn head(self, method: &Method, told: &Told, fields: &mut HeaderMap) -> Result<Head, Flaw> {
        if told.is_chunked && self.version != Version::HTTP_11 {
            return Err("a transfer coding in HTTP/1.0");
        }
        let ends = match self.status {
            // RFC 9112 §6.3, 1: whatever the fields say.
            StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => Ends::After(0),
            _ if *method == Method::HEAD => Ends::After(0),
            _ if told.is_chunked => Ends::WithLastChunk,
            _ => told.length.map_or(Ends::WithConnection, Ends::After),
        };
        // RFC 9112 §6.3, 3: told in two ways, of which another reader might have believed the other.
        let is_clear = !(told.is_chunked && told.length.is_some());
        // RFC 9112 §9.3.
        let lasts = !told.closes && (self.version == Version::HTTP_11 || told.keeps_alive);
        let keeps_alive = is_clear && lasts && self.status != StatusCode::SWITCHING_PROTOCOLS;
        let mut response = Response::new(());
        *response.status_mut() = self.status;
        *response.version_mut() = self.version;
        *response.headers_mut() = std::mem::take(fields);
        if let Some(reason) = self.reason {
            response.extensions_mut().insert(reason);
        }
        Ok(Head { response, ends, keeps_alive })
    }
}

/// What the fields tell of the content's end and of the connection's.
#[derive(Default)]
struct Told {
    is_chunked: bool,
    length: Option<u64>,
    closes: bool,
    keeps_alive: bool,
}

impl Told {
    fn see(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<(), Flaw> {
        match *name {
            TRANSFER_ENCODING => self.coding(value),
            CONTENT_LENGTH => self.length(value),
            CONNECTION => {
                for option in members(value) {
                    self.closes |= option.eq_ignore_ascii_case(b"close");
                    self.keeps_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Content comes in chunks, or in no coding: any other would reach the peer unsaid (RFC 9112 §6.1).
    fn coding(&mut self, value: &HeaderValue) -> Result<(), Flaw> {
        let is_chunked = value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
        if !is_chunked || self.is_chunked {
            return Err("a transfer coding other than `chunked`");
        }
        self.is_chunked = true;
        Ok(())
    }

    /// The one length that is told, however often (RFC 9112 §6.3, 5).
    fn length(&mut self, value: &HeaderValue) -> Result<(), Flaw> {
        for told in value.as_bytes().split(|byte| *byte == b',') {
            let told = number(told.trim_ascii()).ok_or("a length that is no number")?;
            if self.length.is_some_and(|length| length != told) {
                return Err("two lengths");
            }
            self.length = Some(told);
        }
        Ok(())
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    // `parse` would take a sign.
    let text = str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_digit))?;
    text.parse().ok()
}

/// The members of a comma-separated list (RFC 9110 §5.6.1).
fn members(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(method: &Method, text: &str) -> Result<Option<(Head, Vec<u8>)>, Flaw> {
        let mut bytes = BytesMut::from(text);
        let head = take_head(&mut bytes, method, &mut HeaderMap::new())?;
        Ok(head.map(|head| (head, bytes.to_vec())))
    }

    fn ends(method: &Method, text: &str) -> Result<(Ends, bool), Flaw> {
        taken(method, text).map(|taken| taken.map(|(head, _)| (head.ends, head.keeps_alive)).unwrap())
    }

    #[test]
    fn a_head_is_taken_when_it_is_whole_and_the_rest_is_left() {
        let text = "HTTP/1.1 207 All Sorts\r\nSet-Cookie: a=1\r\nset-cookie:b=2 \r\nX: \r\n\r\nrest";
        for cut in 0..text.len() - 4 {
            let (begun, _) = text.split_at(cut);
            assert!(taken(&Method::GET, begun).unwrap().is_none(), "{begun}");
        }
        let (head, rest) = taken(&Method::GET, text).unwrap().unwrap();
        assert_eq!(head.response.status(), 207);
        assert_eq!(head.response.extensions().get::<ReasonPhrase>().unwrap().as_bytes(), b"All Sorts");
        let cookies: Vec<_> = head.response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!((&head.response.headers()["x"], rest.as_slice()), (&HeaderValue::from_static(""), &b"rest"[..]));
    }

    #[test]
    fn rfc_9110_section_15_2_answers_before_the_final_one_are_passed_over() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        let (head, rest) = taken(&Method::GET, text).unwrap().unwrap();
        assert_eq!((head.response.status(), head.response.headers().len(), rest.len()), (StatusCode::OK, 1, 0));
        let (head, rest) =
            taken(&Method::GET, "HTTP/1.1 101 Switching Protocols\r\nupgrade: a\r\n\r\nhello").unwrap().unwrap();
        assert_eq!(
            (head.response.status(), head.keeps_alive, rest),
            (StatusCode::SWITCHING_PROTOCOLS, false, b"hello".to_vec())
        );
    }

    #[test]
    fn rfc_9112_section_6_3_the_end_of_content() {
        for (method, head, expected) in [
            (Method::GET, "HTTP/1.1 200 OK\r\ncontent-length: 5", (Ends::After(5), true)),
            (Method::GET, "HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\ncontent-length: 5", (Ends::After(5), true)),
            (Method::GET, "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked", (Ends::WithLastChunk, true)),
            (
                Method::GET,
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5",
                (Ends::WithLastChunk, false),
            ),
            (Method::GET, "HTTP/1.1 200 OK\r\nx: y", (Ends::WithConnection, true)),
            (Method::HEAD, "HTTP/1.1 200 OK\r\ncontent-length: 5", (Ends::After(0), true)),
            (Method::HEAD, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked", (Ends::After(0), true)),
            (Method::GET, "HTTP/1.1 304 Not Modified\r\ncontent-length: 5", (Ends::After(0), true)),
            (Method::GET, "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked", (Ends::After(0), true)),
        ] {
            assert_eq!(ends(&method, &format!("{head}\r\n\r\n")), Ok(expected), "{head}");
        }
    }

    #[test]
    fn rfc_9112_section_9_3_how_long_a_connection_lasts() {
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\n", true),
            ("HTTP/1.1 200 OK\r\nconnection: close\r\n", false),
            ("HTTP/1.1 200 OK\r\nconnection: keep-alive\r\nconnection: x, Close\r\n", false),
            ("HTTP/1.0 200 OK\r\n", false),
            ("HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\n", true),
            ("HTTP/1.0 200 OK\r\nconnection: keep-alive, close\r\n", false),
        ] {
            assert_eq!(
                ends(&Method::GET, &format!("{head}content-length: 0\r\n\r\n")),
                Ok((Ends::After(0), expected)),
                "{head}"
            );
        }
    }

    #[test]
    fn what_is_no_head_or_ends_doubtfully_is_refused() {
        for head in [
            "HTTP/1.1 OK\r\n\r\n",
            "HTTP/2 200\r\n\r\n",
            "220 mail.test ESMTP\r\n",
            "HTTP/1.1 200 OK\r\n a: b\r\n\r\n",
            "HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
            "HTTP/1.1 200 OK\r\na : b\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5, 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: \r\n\r\n",
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 099 Low\r\n\r\n",
        ] {
            assert!(taken(&Method::GET, head).is_err(), "{head}");
        }
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(FIELDS + 1));
        assert!(taken(&Method::GET, &many).is_err());
        let large = format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(HEAD));
        assert!(taken(&Method::GET, &large).is_err());
    }
}
