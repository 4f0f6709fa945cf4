//! The opening handshake of WebSocket: what the peer asks for, by `Upgrade` (RFC 6455 §4) or on a stream of HTTP/2 (RFC 8441); what the
//! upstream is asked; and whether it understood.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TE, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version};
use http_body::Body;
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;

use crate::gateway::request_fields::members;
use crate::policy::Denial;

/// What the key is joined with before it is hashed (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The one version that was ever standardised (RFC 6455 §4.1).
const VERSION: HeaderValue = HeaderValue::from_static("13");
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const UPGRADES: HeaderValue = HeaderValue::from_static("Upgrade");

/// An opening handshake: the peer's, or the one that the gateway makes for a peer that speaks HTTP/2.
#[derive(Debug)]
pub(super) struct Handshake {
    key: HeaderValue,
    /// The stream of HTTP/2 that was asked for.
    stream: Option<OnUpgrade>,
}

impl Handshake {
    /// The handshake that a request is; `None` for any other request. One of HTTP/2 takes the shape of one of HTTP/1.1: it is from
    /// then on a GET.
    ///
    /// # Errors
    ///
    /// `BadRequest` for a handshake with a fault, `MethodUnknown` for a stream that is to carry another protocol.
    pub(super) fn read<B: Body>(request: &mut Request<B>) -> Result<Option<Self>, Denial> {
        if request.version() == Version::HTTP_2 { Self::on_stream(request) } else { Self::by_upgrade(request) }
    }

    /// RFC 9110 §7.8: `Upgrade` means nothing in HTTP/1.0, and may be ignored anywhere. So it is ignored, too, where it names other
    /// protocols only, and with a method other than GET, which no handshake has. What RFC 6455 §4.2.1 has a server refuse is refused: no
    /// key of 16 bytes, or several; another version; content.
    fn by_upgrade<B: Body>(request: &Request<B>) -> Result<Option<Self>, Denial> {
        let fields = request.headers();
        let could_ask = request.version() == Version::HTTP_11 && *request.method() == Method::GET;
        if !could_ask || !asks_for_websocket(fields) {
            return Ok(None);
        }
        match only(fields, &SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes())) {
            Some(key) if is_version(fields) && request.body().is_end_stream() => {
                Ok(Some(Self { key: key.clone(), stream: None }))
            }
            Some(_) | None => Err(Denial::BadRequest),
        }
    }

    /// RFC 8441 §5: what HTTP/1.1 says by GET, `Upgrade` and a key, HTTP/2 says by CONNECT and `:protocol`. A CONNECT without it is
    /// left as it is, for others to refuse.
    fn on_stream<B: Body>(request: &mut Request<B>) -> Result<Option<Self>, Denial> {
        if *request.method() != Method::CONNECT {
            return Ok(None);
        }
        let Some(protocol) = request.extensions_mut().remove::<Protocol>() else { return Ok(None) };
        // RFC 9110 §7.8: the names of protocols have no case.
        if !protocol.as_str().eq_ignore_ascii_case("websocket") {
            return Err(Denial::MethodUnknown);
        }
        *request.method_mut() = Method::GET;
        if !is_version(request.headers()) {
            return Err(Denial::BadRequest);
        }
        let mut nonce = [0; 16];
        rand::fill(&mut nonce).map_err(|_| Denial::Internal)?;
        let key = HeaderValue::try_from(STANDARD.encode(nonce)).map_err(|_| Denial::Internal)?;
        Ok(Some(Self { key, stream: Some(hyper::upgrade::on(request)) }))
    }

    /// Whether the peer asks on a stream of HTTP/2, where a success opens the stream and so cannot be anything but the tunnel.
    pub(super) fn is_on_stream(&self) -> bool {
        self.stream.is_some()
    }

    /// Asks an upstream for WebSocket, and for nothing else.
    pub(super) fn ask(&self, fields: &mut HeaderMap) {
        // Of this hop, and of no use: a handshake's answer has no trailers.
        fields.remove(TE);
        fields.insert(CONNECTION, UPGRADES);
        fields.insert(UPGRADE, WEBSOCKET);
        fields.insert(SEC_WEBSOCKET_KEY, self.key.clone());
        fields.insert(SEC_WEBSOCKET_VERSION, VERSION);
    }

    /// Whether the fields of a 101 are what this handshake asked for (RFC 6455 §4.1). An upstream that answers 101 without
    /// having understood would take what the peer sends next for something else.
    pub(super) fn is_met_by(&self, fields: &HeaderMap) -> bool {
        let websocket = only(fields, &UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
        let proof =
            only(fields, &SEC_WEBSOCKET_ACCEPT).is_some_and(|value| value.as_bytes() == self.proof().as_bytes());
        websocket && proof && has_member(fields, &CONNECTION, b"upgrade")
    }

    /// Tells the peer that its handshake was accepted: by 101 (RFC 6455 §4.2.2), or on a stream of HTTP/2 by 200 without the proof
    /// that its peer never asked for (RFC 8441 §5.1). Neither has content. Returns the stream, where there is one.
    pub(super) fn accept(self, fields: &mut HeaderMap) -> (StatusCode, Option<OnUpgrade>) {
        fields.remove(CONTENT_LENGTH);
        if self.stream.is_some() {
            fields.remove(SEC_WEBSOCKET_ACCEPT);
            return (StatusCode::OK, self.stream);
        }
        fields.insert(CONNECTION, UPGRADES);
        fields.insert(UPGRADE, WEBSOCKET);
        (StatusCode::SWITCHING_PROTOCOLS, None)
    }

    /// `Sec-WebSocket-Accept` (RFC 6455 §4.2.2). SHA-1 proves here that the other side knows WebSocket, and keeps no secret.
    fn proof(&self) -> String {
        STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[self.key.as_bytes(), GUID].concat()))
    }
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

fn is_version(fields: &HeaderMap) -> bool {
    only(fields, &SEC_WEBSOCKET_VERSION).is_some_and(|version| *version == VERSION)
}

/// 16 bytes in base64 (RFC 6455 §4.1): 22 letters, of which the last may have bits to spare, and the padding.
fn is_key(key: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.strip_suffix(b"==").is_some_and(|letters| letters.len() == 22 && letters.iter().all(is_letter))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{Empty, Full};

    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    type Plain = Request<Empty<Bytes>>;

    fn by_upgrade() -> Plain {
        let mut request = Plain::new(Empty::new());
        for (name, value) in [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", KEY),
        ] {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        request
    }

    fn on_stream(protocol: &'static str) -> Plain {
        let mut request = Plain::new(Empty::new());
        *request.version_mut() = Version::HTTP_2;
        *request.method_mut() = Method::CONNECT;
        request.headers_mut().insert(SEC_WEBSOCKET_VERSION, VERSION);
        request.extensions_mut().insert(Protocol::from_static(protocol));
        request
    }

    /// Whether the changed request is a handshake.
    fn read(mut request: Plain, change: impl FnOnce(&mut Plain)) -> Result<bool, Denial> {
        change(&mut request);
        Handshake::read(&mut request).map(|handshake| handshake.is_some())
    }

    fn set(name: &'static str, value: &'static str) -> impl FnOnce(&mut Plain) {
        move |request| drop(request.headers_mut().insert(name, HeaderValue::from_static(value)))
    }

    fn add(name: &'static str, value: &'static str) -> impl FnOnce(&mut Plain) {
        move |request| {
            request.headers_mut().append(name, HeaderValue::from_static(value));
        }
    }

    fn without(name: &'static str) -> impl FnOnce(&mut Plain) {
        move |request| drop(request.headers_mut().remove(name))
    }

    #[test]
    fn rfc_6455_section_4_2_1_a_handshake_is_whole_or_refused() {
        assert_eq!(read(by_upgrade(), |_| {}), Ok(true));
        assert_eq!(read(by_upgrade(), add("upgrade", "h2c")), Ok(true), "among other protocols");
        for name in ["sec-websocket-key", "sec-websocket-version"] {
            assert_eq!(read(by_upgrade(), without(name)), Err(Denial::BadRequest), "no {name}");
        }
        for (name, value) in [
            ("sec-websocket-key", ""),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25j"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQAA"),
            ("sec-websocket-key", "dGhl IHNhbXBsZSBub25jZ=="),
            ("sec-websocket-version", "8"),
            ("sec-websocket-version", "13, 8"),
        ] {
            assert_eq!(read(by_upgrade(), set(name, value)), Err(Denial::BadRequest), "{name}: {value}");
        }
        assert_eq!(read(by_upgrade(), add("sec-websocket-key", KEY)), Err(Denial::BadRequest), "two keys");
        let (parts, _) = by_upgrade().into_parts();
        let mut with_content = Request::from_parts(parts, Full::new(Bytes::from_static(b"content")));
        assert_eq!(Handshake::read(&mut with_content).err(), Some(Denial::BadRequest));
    }

    #[test]
    fn rfc_9110_section_7_8_other_protocols_methods_and_versions_make_plain_requests() {
        assert_eq!(read(by_upgrade(), set("upgrade", "h2c")), Ok(false));
        assert_eq!(read(by_upgrade(), set("upgrade", "TLS/1.2")), Ok(false));
        assert_eq!(read(by_upgrade(), set("upgrade", "websocket/13")), Ok(false));
        assert_eq!(read(by_upgrade(), set("connection", "keep-alive")), Ok(false), "not nominated");
        assert_eq!(read(by_upgrade(), without("upgrade")), Ok(false));
        assert_eq!(read(by_upgrade(), |request| *request.method_mut() = Method::POST), Ok(false));
        assert_eq!(read(by_upgrade(), |request| *request.version_mut() = Version::HTTP_10), Ok(false));
    }

    #[test]
    fn rfc_8441_section_5_a_stream_is_asked_for_by_connect_and_its_protocol() {
        let mut request = on_stream("websocket");
        let handshake = Handshake::read(&mut request).unwrap().unwrap();
        assert!(handshake.is_on_stream() && is_key(handshake.key.as_bytes()));
        assert_eq!(request.method(), Method::GET);
        assert_eq!(read(on_stream("WebSocket"), |_| {}), Ok(true));
        assert_eq!(read(on_stream("connect-udp"), |_| {}), Err(Denial::MethodUnknown));
        assert_eq!(read(on_stream("websocket"), without("sec-websocket-version")), Err(Denial::BadRequest));
        let plain = |request: &mut Plain| drop(request.extensions_mut().remove::<Protocol>());
        assert_eq!(read(on_stream("websocket"), plain), Ok(false), "the screening refuses it");
        let older = |request: &mut Plain| *request.version_mut() = Version::HTTP_11;
        assert_eq!(read(on_stream("websocket"), older), Ok(false), "not over HTTP/1.1");
    }

    #[test]
    fn rfc_6455_section_4_1_only_an_answer_that_proves_understanding_is_accepted() {
        let handshake = Handshake { key: HeaderValue::from_static(KEY), stream: None };
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
