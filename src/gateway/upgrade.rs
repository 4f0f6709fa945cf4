//! The opening handshake of WebSocket (RFC 6455 §4): what the peer asks for, what the upstream is asked, and whether it understood.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TE, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use crate::gateway::request_fields::members;
use crate::policy::Denial;

/// What the key is joined with before it is hashed (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The one version that was ever standardised (RFC 6455 §4.1).
const VERSION: &[u8] = b"13";
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// An opening handshake: the peer's, or the one that the gateway makes for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Handshake {
    key: HeaderValue,
}

impl Handshake {
    /// The handshake that a request is; `None` for any other request, among them those that ask for another protocol only.
    ///
    /// RFC 9110 §7.8: `Upgrade` means nothing in HTTP/1.0, and may be ignored anywhere. So it is ignored, too, with a method
    /// other than GET, which no handshake has.
    ///
    /// # Errors
    ///
    /// `BadRequest` for what RFC 6455 §4.2.1 has a server refuse: no key of 16 bytes, or several; another version; content.
    pub(super) fn read(parts: &Parts, has_content: bool) -> Result<Option<Self>, Denial> {
        let asks =
            parts.version == Version::HTTP_11 && parts.method == Method::GET && asks_for_websocket(&parts.headers);
        if !asks {
            return Ok(None);
        }
        let key = only(&parts.headers, &SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes()));
        let version = only(&parts.headers, &SEC_WEBSOCKET_VERSION);
        match (key, version) {
            (Some(key), Some(version)) if version.as_bytes() == VERSION && !has_content => {
                Ok(Some(Self { key: key.clone() }))
            }
            (_, _) => Err(Denial::BadRequest),
        }
    }

    /// Asks an upstream for WebSocket, and for nothing else.
    pub(super) fn ask(&self, fields: &mut HeaderMap) {
        // Of this hop, and of no use: a handshake's answer has no trailers.
        fields.remove(TE);
        fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        fields.insert(UPGRADE, WEBSOCKET);
        fields.insert(SEC_WEBSOCKET_KEY, self.key.clone());
        fields.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }

    /// Whether the fields of a 101 are what this handshake asked for (RFC 6455 §4.1). An upstream that answers 101 without
    /// having understood would take what the peer sends next for something else.
    pub(super) fn is_met_by(&self, fields: &HeaderMap) -> bool {
        let websocket = only(fields, &UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
        let accept =
            only(fields, &SEC_WEBSOCKET_ACCEPT).is_some_and(|value| value.as_bytes() == self.accept().as_bytes());
        websocket && accept && has_member(fields, &CONNECTION, b"upgrade")
    }

    /// `Sec-WebSocket-Accept` (RFC 6455 §4.2.2). SHA-1 proves here that the other side knows WebSocket, and keeps no secret.
    fn accept(&self) -> String {
        let text = [self.key.as_bytes(), GUID].concat();
        STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &text))
    }
}

/// Writes the fields of a 101 that concern the peer's own connection (RFC 9110 §15.2.2), and takes the framing out: it has no content.
pub(super) fn accept_peer(fields: &mut HeaderMap) {
    fields.remove(CONTENT_LENGTH);
    fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.insert(UPGRADE, WEBSOCKET);
}

/// RFC 6455 §4.2.1, 3 and 4.
fn asks_for_websocket(fields: &HeaderMap) -> bool {
    has_member(fields, &UPGRADE, b"websocket") && has_member(fields, &CONNECTION, b"upgrade")
}

fn has_member(fields: &HeaderMap, name: &HeaderName, wanted: &[u8]) -> bool {
    fields.get_all(name).iter().flat_map(members).any(|member| member.eq_ignore_ascii_case(wanted))
}

/// The value of a field that stands once.
fn only<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = fields.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// 16 bytes in base64 (RFC 6455 §4.1): 22 letters, of which the last may have bits to spare, and the padding.
fn is_key(key: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.strip_suffix(b"==").is_some_and(|letters| letters.len() == 22 && letters.iter().all(is_letter))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn read(change: impl FnOnce(&mut Parts), has_content: bool) -> Result<bool, Denial> {
        let (mut parts, ()) = Request::new(()).into_parts();
        for (name, value) in
            [("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket"), ("sec-websocket-version", "13")]
        {
            parts.headers.insert(name, HeaderValue::from_static(value));
        }
        parts.headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static(KEY));
        change(&mut parts);
        Handshake::read(&parts, has_content).map(|handshake| handshake.is_some())
    }

    fn set(name: &'static str, value: &'static str) -> impl FnOnce(&mut Parts) {
        move |parts| drop(parts.headers.insert(name, HeaderValue::from_static(value)))
    }

    fn add(name: &'static str, value: &'static str) -> impl FnOnce(&mut Parts) {
        move |parts| drop(parts.headers.append(name, HeaderValue::from_static(value)))
    }

    fn without(name: &'static str) -> impl FnOnce(&mut Parts) {
        move |parts| drop(parts.headers.remove(name))
    }

    #[test]
    fn rfc_6455_section_4_2_1_a_handshake_is_whole_or_refused() {
        assert_eq!(read(|_| {}, false), Ok(true));
        assert_eq!(read(add("upgrade", "h2c"), false), Ok(true), "among other protocols");
        assert_eq!(read(|_| {}, true), Err(Denial::BadRequest), "content");
        for (name, refused) in [("sec-websocket-key", "none"), ("sec-websocket-version", "none")] {
            assert_eq!(read(without(name), false), Err(Denial::BadRequest), "{name}: {refused}");
        }
        for (name, value) in [
            ("sec-websocket-key", ""),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25j"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQAA"),
            ("sec-websocket-key", "dGhl IHNhbXBsZSBub25jZ=="),
            ("sec-websocket-version", "8"),
            ("sec-websocket-version", "13, 8"),
        ] {
            assert_eq!(read(set(name, value), false), Err(Denial::BadRequest), "{name}: {value}");
        }
        assert_eq!(read(add("sec-websocket-key", KEY), false), Err(Denial::BadRequest), "two keys");
    }

    #[test]
    fn rfc_9110_section_7_8_other_protocols_methods_and_versions_are_plain_requests() {
        assert_eq!(read(set("upgrade", "h2c"), false), Ok(false));
        assert_eq!(read(set("upgrade", "TLS/1.2"), false), Ok(false));
        assert_eq!(read(set("upgrade", "websocket/13"), false), Ok(false));
        assert_eq!(read(set("connection", "keep-alive"), false), Ok(false), "not nominated");
        assert_eq!(read(without("upgrade"), false), Ok(false));
        assert_eq!(read(|parts| parts.method = Method::POST, false), Ok(false));
        assert_eq!(read(|parts| parts.version = Version::HTTP_10, false), Ok(false));
    }

    #[test]
    fn rfc_6455_section_4_1_only_an_answer_that_proves_understanding_is_accepted() {
        let handshake = Handshake { key: HeaderValue::from_static(KEY) };
        // The example of RFC 6455 §1.3.
        let good = [
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ];
        let met = |fields: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in fields {
                map.append(*name, HeaderValue::from_static(value));
            }
            handshake.is_met_by(&map)
        };
        assert!(met(&good));
        for missing in 0..good.len() {
            let fields: Vec<_> = good.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, f)| *f).collect();
            assert!(!met(&fields), "{fields:?}");
        }
        for (at, other) in [(0, "h2c"), (0, "websocket, h2c"), (1, "close"), (2, "s3pPLMBiTxaQ9kYGzzhZRbK+xOO=")] {
            let mut fields = good;
            fields[at].1 = other;
            assert!(!met(&fields), "{fields:?}");
        }
        assert!(!met(&[good[0], good[1], good[2], good[2]]), "two proofs");
    }
}
