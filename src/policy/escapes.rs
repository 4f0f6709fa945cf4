//! Escapes of a path (RFC 3986 §2.1): decoding once, and only what may be decoded without a change of meaning.

use std::borrow::Cow;

/// An escape that decoding found to be wrong: bytes that are no UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotUtf8;

/// Whether every `%` begins an escape.
pub(super) fn are_well_formed(text: &str) -> bool {
    text.split('%').skip(1).all(|after| leading_byte(after).is_some())
}

/// The text with the escapes of unreserved characters decoded (RFC 3986 §6.2.2.2); borrowed where there are none.
pub(super) fn decode_unreserved(text: &str) -> Cow<'_, str> {
    if !escapes(text).any(is_unreserved) {
        return Cow::Borrowed(text);
    }
    // Only ASCII takes the place of ASCII: the text stays UTF-8.
    let mut decoded = String::with_capacity(text.len());
    for (before, byte, written) in pieces(text) {
        decoded.push_str(before);
        match byte {
            Some(byte) if is_unreserved(byte) => decoded.push(char::from(byte)),
            Some(_) | None => decoded.push_str(written),
        }
    }
    Cow::Owned(decoded)
}

/// The text with every escape decoded once, malformed ones left as they are; `None` where there is nothing to decode.
///
/// With `keep_slashes`, `%2F` and `%5C` stay: the upstream is known not to read them as slashes.
pub(super) fn decode(text: &str, keep_slashes: bool) -> Result<Option<String>, NotUtf8> {
    let stays = |byte: u8| keep_slashes && matches!(byte, b'/' | b'\\');
    if !escapes(text).any(|byte| !stays(byte)) {
        return Ok(None);
    }
    let mut decoded = Vec::with_capacity(text.len());
    for (before, byte, written) in pieces(text) {
        decoded.extend_from_slice(before.as_bytes());
        match byte {
            Some(byte) if !stays(byte) => decoded.push(byte),
            Some(_) | None => decoded.extend_from_slice(written.as_bytes()),
        }
    }
    String::from_utf8(decoded).map(Some).map_err(|_| NotUtf8)
}

/// The byte that `XX` at the start of the text stands for.
pub(super) fn leading_byte(text: &str) -> Option<u8> {
    let mut digits = text.bytes().map(|byte| char::from(byte).to_digit(16));
    let value = digits.next()?? * 16 + digits.next()??;
    u8::try_from(value).ok()
}

/// The bytes that the escapes of the text stand for.
pub(super) fn escapes(text: &str) -> impl Iterator<Item = u8> + '_ {
    text.split('%').skip(1).filter_map(leading_byte)
}

/// The text in pieces: what stands before a `%`, the byte of its escape, and the escape (or lone `%`) as written.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = (&str, Option<u8>, &str)> {
    let mut left = Some(text);
    std::iter::from_fn(move || {
        let text = left?;
        let Some(at) = text.find('%') else {
            left = None;
            return Some((text, None, ""));
        };
        let (before, from) = text.split_at_checked(at)?;
        let byte = from.strip_prefix('%').and_then(leading_byte);
        let (written, after) = from.split_at_checked(if byte.is_some() { 3 } else { 1 })?;
        left = Some(after);
        Some((before, byte, written))
    })
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3986_6_2_2_2_unreserved_escapes_are_decoded_once() {
        for (text, expected) in [
            ("/a", "/a"),
            ("/%61%2d%2E%5f%7E", "/a-._~"),
            ("/%2561", "/%2561"),
            ("/%25%36%31", "/%2561"),
            ("/a%2Fb%20%C3%A9", "/a%2Fb%20%C3%A9"),
        ] {
            assert_eq!(decode_unreserved(text), expected, "{text}");
        }
    }

    #[test]
    fn every_escape_is_decoded_once() {
        for (text, keep_slashes, expected) in [
            ("/a", false, Ok(None)),
            ("/%zz%", false, Ok(None)),
            ("/%2Fa%5c", false, Ok(Some("//a\\"))),
            ("/%2Fa%5c", true, Ok(None)),
            ("/%252F%2f", true, Ok(Some("/%2F%2f"))),
            ("/%252F%zz%", false, Ok(Some("/%2F%zz%"))),
            ("/%C3%A9", false, Ok(Some("/\u{e9}"))),
            ("/%C3", false, Err(NotUtf8)),
            ("/%C0%AE", false, Err(NotUtf8)),
        ] {
            assert_eq!(decode(text, keep_slashes), expected.map(|text| text.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn malformed_escapes_are_seen() {
        for (text, expected) in [
            ("/%20", true),
            ("/", true),
            ("/%", false),
            ("/%2", false),
            ("/%g0", false),
            ("/%%61", false),
            ("/%+1", false),
        ] {
            assert_eq!(are_well_formed(text), expected, "{text}");
        }
    }
}
