//! The fields of an upstream's answer on their way to the peer.

use http::header::{CONNECTION, CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::gateway::request_fields::{announce_only, members};

/// Takes away what concerned the upstream's connection alone (RFC 9110 §7.6.1), with all that its `Connection` names, and every
/// spelling of a `Scopegate-` field, which only the gateway may write. `Content-Length` stays: hyper checks it against the
/// content, and an answer to `HEAD` has nothing else to tell its size.
pub(super) fn clean(fields: &mut HeaderMap) {
    let mut names: SmallVec<[HeaderName; 4]> = SmallVec::new();
    let mut announces = false;
    for (name, value) in fields.iter() {
        if *name == CONNECTION {
            nominated(value, &mut names);
        }
        if *name == TRANSFER_ENCODING {
            // RFC 9112 §6.3: the coding overrides the length, and was taken off with it.
            names.push(CONTENT_LENGTH);
        }
        announces |= *name == TRAILER;
        if is_of_this_hop(name.as_str()) || is_scopegate(name.as_str()) {
            names.push(name.clone());
        }
    }
    for name in &names {
        fields.remove(name);
    }
    if announces {
        announce_only(fields, |name| !is_no_trailer(name));
    }
}

/// Takes away from an answer's trailers what may not stand there (RFC 9110 §6.5.1).
pub(super) fn clean_trailers(trailers: &mut HeaderMap) {
    let names: SmallVec<[HeaderName; 4]> = trailers.keys().filter(|name| is_no_trailer(name)).cloned().collect();
    for name in &names {
        trailers.remove(name);
    }
}

fn is_no_trailer(name: &HeaderName) -> bool {
    is_of_this_hop(name.as_str()) || name == "content-length" || is_scopegate(name.as_str())
}

fn nominated(value: &HeaderValue, names: &mut SmallVec<[HeaderName; 4]>) {
    for name in members(value).filter_map(|member| HeaderName::from_bytes(member).ok()) {
        // An answer is framed by its length; a `Connection` that names it would unframe it.
        if name != "content-length" && name != "trailer" {
            names.push(name);
        }
    }
}

fn is_of_this_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    )
}

fn is_scopegate(name: &str) -> bool {
    let rest = name.strip_prefix("scopegate");
    rest.is_some_and(|rest| rest.starts_with(|sign: char| !sign.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_between_gateway_and_upstream_stays_there() {
        let mut fields = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, X-Hop, Content-Length"),
            ("keep-alive", "timeout=5"),
            ("x-hop", "1"),
            ("content-length", "3"),
            ("scopegate-access", "admin"),
            ("scopegate_access", "admin"),
            ("scopegate.access", "admin"),
            ("upgrade", "h2c"),
            ("etag", "\"a\""),
            ("set-cookie", "a=1"),
            ("trailer", "Digest, Scopegate-Access, connection"),
        ] {
            fields.append(name, HeaderValue::from_static(value));
        }
        fields.append("set-cookie", HeaderValue::from_static("b=2"));
        clean(&mut fields);
        let mut left: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "etag", "set-cookie", "set-cookie", "trailer"]);
        assert_eq!(fields["trailer"], "digest");
    }
}
