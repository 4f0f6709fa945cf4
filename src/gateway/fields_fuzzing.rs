//! The body of the fuzz target `request_fields`: what of a message's fields reaches an upstream, and what of its answer the peer.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a body fails by panicking")]

use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use crate::gateway::request_fields::{self, Removal};
use crate::gateway::response_fields;
use crate::net::Protocol;
use crate::policy::screen_fields;

/// Longer inputs say no more.
const MOST_BYTES: usize = 2048;

/// Lines: method; `0` for HTTP/1.0, `a` and `f` to take credentials and forwarding away; then a field a line.
///
/// * What is screened as good has one host, at most one credential, one framing that everybody reads alike, and no name that
///   becomes one of those in another spelling.
/// * No spelling of `Scopegate-` reaches an upstream or a peer, no field of one hop, no framing of the peer's, nothing by which an
///   upstream takes another method, path, host or credential; what a peer nominates in `Connection` cannot take away what the
///   gateway says or decides by; everything else arrives as it was sent, in its order.
/// * What is clean stays as it is when it is cleaned once more.
pub fn request_fields(bytes: &[u8]) {
    if bytes.len() > MOST_BYTES {
        return;
    }
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let (method, flags) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let Ok(method) = Method::from_bytes(method) else { return };
    let version = if flags.contains(&b'0') { Version::HTTP_10 } else { Version::HTTP_11 };
    let sent = fields(lines);
    if screen_fields(&method, version, &sent).is_ok() {
        is_screened(&method, version, &sent);
    }
    let more = [HeaderName::from_static("x-debug")];
    let removal = Removal {
        more: &more,
        authorization: flags.contains(&b'a'),
        forwarding: flags.contains(&b'f'),
        protocol: if flags.contains(&b'2') { Protocol::Http2 } else { Protocol::Http1 },
    };
    is_clean(&sent, removal);
    are_clean_trailers(&sent, &more);
    is_clean_answer(&sent);
}

fn fields<'b>(lines: impl Iterator<Item = &'b [u8]>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for line in lines {
        let at = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(at + 1..).unwrap_or_default().trim_ascii();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&line[..at]), HeaderValue::from_bytes(value)) {
            fields.append(name, value);
        }
    }
    fields
}

/// The name as a server reads it that knows letters and digits only (RFC 3875 §4.1.18, and what looser ones make of it).
fn variable(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// Whether the name is, in any spelling, one of these.
fn is_any(name: &HeaderName, known: &[&str]) -> bool {
    known.iter().any(|known| variable(name.as_str()) == variable(known))
}

fn is_scopegate(name: &HeaderName) -> bool {
    variable(name.as_str()).starts_with("SCOPEGATE_")
}

fn is_screened(method: &Method, version: Version, fields: &HeaderMap) {
    assert!(*method != Method::CONNECT && !method.as_str().contains(|c: char| c.is_ascii_lowercase()), "{method}");
    let values = |name: &HeaderName| fields.get_all(name).iter().collect::<Vec<_>>();
    assert_eq!(values(&HOST).len(), 1);
    assert!(values(&AUTHORIZATION).len() <= 1);
    let lengths = values(&CONTENT_LENGTH);
    let number = |value: &&HeaderValue| !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
    assert!(lengths.iter().all(|value| number(value) && *value == lengths[0]), "{lengths:?}");
    let codings = values(&TRANSFER_ENCODING);
    assert!(codings.len() <= 1 && codings.iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked")));
    assert!(codings.is_empty() || version == Version::HTTP_11);
    for (name, value) in fields {
        let framing = ["host", "authorization", "content-length", "transfer-encoding", "connection"];
        assert!(framing.contains(&name.as_str()) || !is_any(name, &framing), "{name}");
        assert!(!value.as_bytes().iter().any(|byte| byte.is_ascii_control() && *byte != b'\t'), "{value:?}");
    }
}

const OF_THIS_HOP: [&str; 11] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "content-length",
    "upgrade",
    "http2-settings",
    "expect",
];

const MISLEADING: [&str; 11] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-override-url",
    "x-original-uri",
    "x-forwarded-path",
    "x-forwarded-uri",
    "x-forwarded-prefix",
    "x-proxy-url",
];

/// What the gateway writes itself, or decides by: nobody can nominate it, and no other spelling of it arrives.
const OURS: [&str; 4] = ["via", "x-request-id", "host", "authorization"];

fn is_forwarding(name: &HeaderName) -> bool {
    is_any(name, &["forwarded"]) || variable(name.as_str()).starts_with("X_FORWARDED_")
}

/// Whether the field may not arrive, whatever a peer nominates.
fn may_not_arrive(name: &HeaderName, removal: Removal<'_>) -> bool {
    let respelled = !name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_scopegate(name)
        || is_any(name, &OF_THIS_HOP)
        || is_any(name, &MISLEADING)
        || removal.more.iter().any(|more| is_any(name, &[more.as_str()]))
        || (respelled && (is_any(name, &OURS) || is_forwarding(name)))
        || (removal.forwarding && is_forwarding(name))
        || (removal.authorization && *name == AUTHORIZATION)
}

/// The names in a list field, as they are compared.
fn members(fields: &HeaderMap, list: &str) -> Vec<String> {
    let values =
        fields.get_all(list).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
    values.flat_map(|value| value.split(',').map(|member| member.trim().to_owned()).collect::<Vec<_>>()).collect()
}

fn is_clean(sent: &HeaderMap, removal: Removal<'_>) {
    let mut cleaned = sent.clone();
    request_fields::clean(&mut cleaned, removal);
    let nominated = members(sent, "connection");
    let is_protected = |name: &HeaderName| is_any(name, &OURS) || is_forwarding(name) || is_scopegate(name);
    let arrives = |name: &HeaderName| {
        !may_not_arrive(name, removal)
            && (is_protected(name) || !nominated.iter().any(|member| member == name.as_str()))
    };
    let mut expected: Vec<_> = sent.iter().filter(|(name, _)| arrives(name)).collect();
    let trailers = members(sent, "te").iter().any(|member| member == "trailers");
    let (te, connection) = (HeaderValue::from_static("trailers"), HeaderValue::from_static("te"));
    let (te_name, connection_name) = (HeaderName::from_static("te"), HeaderName::from_static("connection"));
    if trailers {
        expected.push((&te_name, &te));
        if removal.protocol == Protocol::Http1 {
            expected.push((&connection_name, &connection));
        }
    }
    are_same(&cleaned, expected);
    let mut again = cleaned.clone();
    request_fields::clean(&mut again, removal);
    assert_eq!(again, cleaned, "cleaned twice");
}

/// Whether the fields are these, those of one name in this order.
fn are_same(fields: &HeaderMap, mut expected: Vec<(&HeaderName, &HeaderValue)>) {
    let mut left: Vec<_> = fields.iter().collect();
    left.sort_by_key(|(name, _)| name.as_str());
    expected.sort_by_key(|(name, _)| name.as_str());
    assert_eq!(left, expected);
}

fn are_clean_trailers(sent: &HeaderMap, more: &[HeaderName]) {
    let removal = Removal { more, authorization: true, forwarding: true, protocol: Protocol::Http1 };
    let may_arrive = |name: &HeaderName| !may_not_arrive(name, removal) && !is_any(name, &OURS);
    let mut trailers = sent.clone();
    request_fields::clean_trailers(&mut trailers, more);
    are_same(&trailers, sent.iter().filter(|(name, _)| may_arrive(name)).collect());
    let mut announced = sent.clone();
    request_fields::clean_trailer_names(&mut announced, more);
    for member in members(&announced, TRAILER.as_str()) {
        let name = HeaderName::from_bytes(member.as_bytes()).unwrap();
        assert!(may_arrive(&name), "{name} is announced");
    }
}

fn is_clean_answer(sent: &HeaderMap) {
    let mut answer = sent.clone();
    response_fields::clean(&mut answer);
    let hop =
        ["connection", "keep-alive", "proxy-connection", "proxy-authenticate", "te", "transfer-encoding", "upgrade"];
    for name in answer.keys() {
        assert!(!is_scopegate(name) && !hop.contains(&name.as_str()), "{name} reaches the peer");
        assert!(*name != CONTENT_LENGTH || !sent.contains_key(TRANSFER_ENCODING), "two framings");
    }
    assert!(sent.contains_key(TRANSFER_ENCODING) || answer.get(CONTENT_LENGTH) == sent.get(CONTENT_LENGTH));
    let mut again = answer.clone();
    response_fields::clean(&mut again);
    assert_eq!(again, answer, "cleaned twice");
    let mut trailers = sent.clone();
    response_fields::clean_trailers(&mut trailers);
    for name in trailers.keys() {
        assert!(
            !is_scopegate(name) && !hop.contains(&name.as_str()) && *name != CONTENT_LENGTH,
            "{name} reaches the peer"
        );
    }
}
