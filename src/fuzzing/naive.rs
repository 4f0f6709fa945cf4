//! Paths as plainly as their rules are written.

/// Whether a server that takes every kind of slash and cuts parameters meets a dot segment.
pub(super) fn has_dot_segment(path: &str) -> bool {
    let slashed =
        ["%2F", "%2f", "%5C", "%5c", "\\"].iter().fold(path.to_owned(), |text, slash| text.replace(slash, "/"));
    slashed.split('/').any(|segment| matches!(segment.split(';').next(), Some("." | "..")))
}

/// The text with every well-formed escape decoded once, but those for which `stays` is true; `None` for what is no UTF-8.
pub(super) fn decode(text: &str, stays: impl Fn(u8) -> bool) -> Option<String> {
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let escape = digits.filter(|_| bytes[at] == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match escape.map(|digits| u8::from_str_radix(digits, 16).unwrap()) {
            Some(byte) if !stays(byte) => {
                decoded.push(byte);
                at += 3;
            }
            Some(_) | None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).ok()
}
