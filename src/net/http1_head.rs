//! The head of a request as HTTP/1.1 writes it (RFC 9112 §3 and §5).

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;

/// How a request's content is framed (RFC 9112 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    /// In chunks, for nobody knows yet how many bytes there are.
    Chunked,
}

/// Room for a request line and for what stands around a field.
const LINE: usize = 32;

/// Writes a head. The target is in origin form (RFC 9112 §3.2.1), the fields are as they stand in `parts`, and the framing is told by
/// `framing` alone. A request without content says so where its fields did.
///
/// Every part is of a type that holds neither line ends nor spaces where they would end it.
pub(super) fn write_head(parts: &Parts, framing: Framing, head: &mut Vec<u8>) {
    let (path, query) = (parts.uri.path(), parts.uri.query());
    let fields: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    head.reserve(2 * LINE + path.len() + query.map_or(0, str::len) + fields);
    head.extend_from_slice(parts.method.as_str().as_bytes());
    head.push(b' ');
    head.extend_from_slice(path.as_bytes());
    if let Some(query) = query {
        head.push(b'?');
        head.extend_from_slice(query.as_bytes());
    }
    head.extend_from_slice(b" HTTP/1.1\r\n");
    let mut says_length = false;
    for (name, value) in &parts.headers {
        if *name == CONTENT_LENGTH {
            says_length = true;
        } else if *name != TRANSFER_ENCODING {
            write_field(name.as_str(), value.as_bytes(), head);
        }
    }
    match framing {
        Framing::Chunked => write_field("transfer-encoding", b"chunked", head),
        // RFC 9110 §8.6: a method that expects content says that there is none; others need not.
        Framing::Length(0) if !says_length => {}
        Framing::Length(length) => write_field("content-length", length.to_string().as_bytes(), head),
    }
    head.extend_from_slice(b"\r\n");
}

/// Writes one line of fields, or of trailers.
pub(super) fn write_field(name: &str, value: &[u8], to: &mut Vec<u8>) {
    to.extend_from_slice(name.as_bytes());
    to.extend_from_slice(b": ");
    to.extend_from_slice(value);
    to.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn written(uri: &str, fields: &[(&str, &str)], framing: Framing) -> String {
        let mut request = Request::builder().method("PUT").uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut head = Vec::new();
        write_head(&request.body(()).unwrap().into_parts().0, framing, &mut head);
        String::from_utf8(head).unwrap()
    }

    #[test]
    fn rfc_9112_section_3_2_1_the_target_is_in_origin_form() {
        for (uri, target) in [
            ("/a/b?c=d", "/a/b?c=d"),
            ("/a?", "/a?"),
            ("/", "/"),
            ("http://api.test/a", "/a"),
            ("http://api.test?a=b", "/?a=b"),
        ] {
            let expected = format!("PUT {target} HTTP/1.1\r\nhost: a\r\n\r\n");
            assert_eq!(written(uri, &[("host", "a")], Framing::Length(0)), expected);
        }
    }

    #[test]
    fn rfc_9112_section_6_what_frames_the_content_is_said_once_and_by_nobody_else() {
        let said = [("content-length", "7"), ("transfer-encoding", "gzip"), ("content-length", "8")];
        for (fields, framing, expected) in [
            (&said[..], Framing::Length(3), "content-length: 3\r\n"),
            (&said[..], Framing::Length(0), "content-length: 0\r\n"),
            (&said[..], Framing::Chunked, "transfer-encoding: chunked\r\n"),
            (&[], Framing::Length(3), "content-length: 3\r\n"),
            (&[], Framing::Length(0), ""),
        ] {
            assert_eq!(written("/", fields, framing), format!("PUT / HTTP/1.1\r\n{expected}\r\n"));
        }
    }
}
