//! What an upstream is told of the way that a request has come: `X-Forwarded-*`, `Forwarded` (RFC 7239), `Via`.

use std::net::IpAddr;

use http::header::{FORWARDED, VIA};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, Version};

use crate::gateway::ForwardedStyle;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// One peer's part of the story, made once for its connection.
#[derive(Debug)]
pub(super) struct Story {
    /// The peer's address, if it has one.
    peer: Option<HeaderValue>,
    /// `for=` as RFC 7239 §6 spells the address.
    node: String,
}

/// What a listener says of itself to upstreams.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a> {
    pub(super) style: ForwardedStyle,
    pub(super) public_url: Option<&'a Uri>,
    /// Whether the peer speaks TLS with this gateway.
    pub(super) tls: bool,
    /// Keep what the peer says, and add to it.
    pub(super) trusted: bool,
}

impl Story {
    /// The story of a peer with this address; one at a unix socket has none.
    pub(super) fn new(peer: Option<IpAddr>) -> Self {
        let peer = peer.map(|peer| peer.to_canonical());
        let node = match peer {
            Some(IpAddr::V4(address)) => address.to_string(),
            Some(IpAddr::V6(address)) => format!("\"[{address}]\""),
            // RFC 7239 §6.3.
            None => "unknown".to_owned(),
        };
        let peer = peer.and_then(|peer| HeaderValue::try_from(peer.to_string()).ok());
        Self { peer, node }
    }

    /// Adds the fields of `told.style`; `host` is the `Host` field as received.
    pub(super) fn tell(&self, told: Told<'_>, host: &HeaderValue, fields: &mut HeaderMap) {
        let host = match told.public_url.and_then(Uri::authority) {
            Some(authority) => HeaderValue::try_from(authority.as_str()).unwrap_or_else(|_| host.clone()),
            None => host.clone(),
        };
        let secure = told.public_url.and_then(Uri::scheme_str).map_or(told.tls, |scheme| scheme == "https");
        let proto = HeaderValue::from_static(if secure { "https" } else { "http" });
        let (x_forwarded, forwarded) = match told.style {
            ForwardedStyle::XForwarded => (true, false),
            ForwardedStyle::Forwarded => (false, true),
            ForwardedStyle::Both => (true, true),
            ForwardedStyle::None => (false, false),
        };
        if forwarded {
            let quoted = host.to_str().unwrap_or("unknown");
            let element =
                format!("for={};host=\"{quoted}\";proto={}", self.node, if secure { "https" } else { "http" });
            append(
                fields,
                FORWARDED,
                HeaderValue::try_from(element).unwrap_or(HeaderValue::from_static("for=unknown")),
            );
        }
        if x_forwarded {
            if let Some(peer) = &self.peer {
                append(fields, FOR, peer.clone());
            }
            if !(told.trusted && fields.contains_key(&PROTO)) {
                fields.insert(PROTO, proto);
            }
            if !(told.trusted && fields.contains_key(&HOST)) {
                fields.insert(HOST, host);
            }
        }
    }
}

/// Adds this gateway to `Via`, with the version that it received (RFC 9110 §7.6.3).
pub(super) fn add_via(received: Version, fields: &mut HeaderMap) {
    let member = match received {
        Version::HTTP_10 => "1.0 scopegate",
        Version::HTTP_2 => "2.0 scopegate",
        _ => "1.1 scopegate",
    };
    append(fields, VIA, HeaderValue::from_static(member));
}

/// Adds a member to a list field, in one line with what is there: some recipients read only the first.
fn append(fields: &mut HeaderMap, name: HeaderName, member: HeaderValue) {
    if !fields.contains_key(&name) {
        fields.insert(name, member);
        return;
    }
    let mut list: Vec<u8> = Vec::new();
    for value in fields.get_all(&name).iter().chain([&member]) {
        if !list.is_empty() {
            list.extend_from_slice(b", ");
        }
        list.extend_from_slice(value.as_bytes());
    }
    fields.insert(name, HeaderValue::from_bytes(&list).unwrap_or(member));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(style: ForwardedStyle, trusted: bool, sent: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
        let mut fields = HeaderMap::new();
        for (name, value) in sent {
            fields.append(*name, HeaderValue::from_static(value));
        }
        let told = Told { style, public_url: None, tls: false, trusted };
        Story::new("192.0.2.1".parse().ok()).tell(told, &HeaderValue::from_static("api.test"), &mut fields);
        let mut told: Vec<_> =
            fields.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_string())).collect();
        told.sort();
        told
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn each_style_tells_in_its_own_fields() {
        let x = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-host", "api.test"), ("x-forwarded-proto", "http")];
        let rfc7239 = ("forwarded", "for=192.0.2.1;host=\"api.test\";proto=http");
        assert_eq!(told(ForwardedStyle::XForwarded, false, &[]), pairs(&x));
        assert_eq!(told(ForwardedStyle::Forwarded, false, &[]), pairs(&[rfc7239]));
        assert_eq!(told(ForwardedStyle::Both, false, &[]), pairs(&[rfc7239, x[0], x[1], x[2]]));
        assert_eq!(told(ForwardedStyle::None, false, &[]), pairs(&[]));
    }

    #[test]
    fn a_trusted_peers_story_is_kept_and_added_to() {
        let sent =
            [("x-forwarded-for", "198.51.100.7"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "www.test")];
        let expected = [
            ("x-forwarded-for", "198.51.100.7, 192.0.2.1"),
            ("x-forwarded-host", "www.test"),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(told(ForwardedStyle::XForwarded, true, &sent), pairs(&expected));
    }

    #[test]
    fn an_ipv6_node_is_quoted_and_bracketed() {
        assert_eq!(Story::new("2001:db8::1".parse().ok()).node, "\"[2001:db8::1]\"");
        assert_eq!(Story::new("::ffff:192.0.2.1".parse().ok()).node, "192.0.2.1");
    }

    #[test]
    fn via_is_a_list_in_one_line() {
        let mut fields = HeaderMap::new();
        fields.insert(VIA, HeaderValue::from_static("1.0 fred"));
        add_via(Version::HTTP_11, &mut fields);
        assert_eq!(fields[VIA], "1.0 fred, 1.1 scopegate");
    }
}
