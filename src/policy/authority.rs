//! The authority of a request (RFC 3986 §3.2, RFC 9110 §7.2): a host in one spelling, and a port.

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// The longest host name that is read, in bytes; RFC 1035 §2.3.4 has none beyond it.
pub(super) const MOST_HOST_BYTES: usize = 253;
const MOST_LABEL_BYTES: usize = 63;

/// A host and the port written after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    /// In lower case, without a trailing dot; an IPv6 address in brackets, in the spelling of RFC 5952.
    pub(super) host: Cow<'a, str>,
    pub(super) port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads `host [":" port]`; `None` for user information, an empty host and whatever else is no authority.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if let Some(bracketed) = text.strip_prefix('[') {
            let (address, after) = bracketed.split_once(']')?;
            let port = if after.is_empty() { None } else { port(after.strip_prefix(':')?)? };
            return Some(Self { host: ipv6(address)?.into(), port });
        }
        // Too short for a search that looks at several bytes at a time to pay.
        let (name, port) =
            match text.bytes().position(|byte| byte == b':').and_then(|colon| text.split_at_checked(colon)) {
                Some((name, rest)) => (name, port(rest.strip_prefix(':')?)?),
                None => (text, None),
            };
        Some(Self { host: host_name(name)?, port })
    }

    /// Whether both name the same host and port, a port left out being `default`.
    pub(super) fn is_same(&self, other: &Self, default: u16) -> bool {
        self.host == other.host && self.port.unwrap_or(default) == other.port.unwrap_or(default)
    }
}

/// RFC 3986 §3.2.3: `port = *DIGIT`, so that an empty one is the default port.
fn port(digits: &str) -> Option<Option<u16>> {
    if digits.is_empty() {
        return Some(None);
    }
    // `parse` alone would take a sign.
    let plain = digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok().map(Some) } else { None }
}

/// An IPv6 address in the one spelling of RFC 5952, in brackets.
fn ipv6(address: &str) -> Option<String> {
    address.parse::<Ipv6Addr>().ok().map(|address| format!("[{address}]"))
}

/// A registered name or IPv4 address in lower case without its trailing dot; `None` if it is malformed.
///
/// Only letters, digits, `-`, `_` and `.` are taken: escapes and the other characters that RFC 3986 §3.2.2 would allow
/// are read differently by different upstreams.
pub(super) fn host_name(text: &str) -> Option<Cow<'_, str>> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() > MOST_HOST_BYTES {
        return None;
    }
    let (mut label_bytes, mut seen) = (0, 0);
    for byte in name.bytes() {
        let kind = KINDS.get(usize::from(byte)).unwrap_or(&kind::FOREIGN);
        seen |= kind;
        label_bytes += 1;
        if *kind == kind::DOT {
            if !(2..=MOST_LABEL_BYTES + 1).contains(&label_bytes) {
                return None;
            }
            label_bytes = 0;
        }
    }
    if seen & kind::FOREIGN != 0 || !(1..=MOST_LABEL_BYTES).contains(&label_bytes) {
        return None;
    }
    if seen & kind::CAPITAL != 0 { Some(name.to_ascii_lowercase().into()) } else { Some(name.into()) }
}

/// What a byte is in a host name, as bits, so that one pass tells all.
mod kind {
    pub(super) const CAPITAL: u8 = 1;
    pub(super) const DOT: u8 = 2;
    pub(super) const FOREIGN: u8 = 4;
}

const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let (mut left, mut byte): (&mut [u8], u8) = (&mut kinds, 0);
    while let Some((kind, rest)) = left.split_first_mut() {
        *kind = kind_of(byte);
        (left, byte) = (rest, byte.wrapping_add(1));
    }
    kinds
};

const fn kind_of(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => 0,
        b'A'..=b'Z' => kind::CAPITAL,
        b'.' => kind::DOT,
        _ => kind::FOREIGN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_one_spelling() {
        for (text, host, port) in [
            ("api.example.com", "api.example.com", None),
            ("API.Example.COM:8443", "api.example.com", Some(8443)),
            ("api.example.com.", "api.example.com", None),
            ("api.example.com.:80", "api.example.com", Some(80)),
            ("api.example.com:", "api.example.com", None),
            ("127.0.0.1:9000", "127.0.0.1", Some(9000)),
            ("[::1]", "[::1]", None),
            ("[0:0:0:0:0:0:0:1]:443", "[::1]", Some(443)),
            ("[2001:DB8::A]:", "[2001:db8::a]", None),
            ("under_score.test", "under_score.test", None),
        ] {
            let authority = Authority::parse(text).unwrap_or_else(|| panic!("`{text}` is an authority"));
            assert_eq!((&*authority.host, authority.port), (host, port), "{text}");
        }
    }

    #[test]
    fn rfc1035_2_3_4_labels_and_names_may_be_as_long_as_that() {
        let label = "a".repeat(MOST_LABEL_BYTES);
        let name = ["a"; 127].join(".");
        assert_eq!(name.len(), MOST_HOST_BYTES);
        for host in [format!("{label}.test"), format!("test.{label}"), label, name] {
            assert_eq!(Authority::parse(&host).map(|authority| authority.host.into_owned()), Some(host));
        }
    }

    #[test]
    fn what_is_no_authority_is_refused() {
        let long_label = format!("{}.test", "a".repeat(64));
        let long_end = format!("test.{}", "a".repeat(64));
        let long_name = ["a"; 128].join(".");
        for text in [
            "",
            ".",
            ":80",
            "a/admin",
            "a@b",
            "user:secret@b",
            "a b",
            "a\tb",
            "a..b",
            ".a",
            "a..",
            "a:b",
            "a:80:80",
            "a:+80",
            "a:65536",
            "a:000080",
            "a%2eb",
            "b\u{fc}cher.test",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:x",
            "[fe80::1%25eth0]",
            "[v1.x]",
            "[]",
            "a?b",
            "a#b",
            "a\\b",
            "*.a",
            &long_label,
            &long_end,
            &long_name,
        ] {
            assert_eq!(Authority::parse(text), None, "{text}");
        }
    }

    #[test]
    fn rfc3986_3_2_3_a_default_port_may_be_left_out() {
        let same = |a, b| Authority::parse(a).unwrap().is_same(&Authority::parse(b).unwrap(), 80);
        assert!(same("api.test", "API.test.:80"));
        assert!(!same("api.test", "api.test:81"));
        assert!(!same("api.test", "other.test"));
    }
}
