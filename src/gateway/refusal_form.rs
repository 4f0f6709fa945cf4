//! In which form a peer is refused: as a problem document, or as a gRPC client understands it.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};

use crate::gateway::challenge;
use crate::policy::Denial;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The form of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefusalForm {
    /// A status of HTTP with a problem document (RFC 9457).
    Document,
    /// Status 200 with a status of gRPC in its fields, and nothing after them: a gRPC client takes any other answer for a fault of
    /// the transport.
    Grpc,
}

impl RefusalForm {
    /// The form that fits a request: gRPC is a `POST` over HTTP/2 whose media type says so.
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let is_call = request.version() == Version::HTTP_2
            && *request.method() == Method::POST
            && request.headers().get(CONTENT_TYPE).is_some_and(is_grpc);
        if is_call { Self::Grpc } else { Self::Document }
    }

    /// The whole answer to a refused request.
    pub(super) fn refuse(self, denial: &Denial, realm: &str, request_id: &HeaderValue) -> Response<Bytes> {
        match self {
            Self::Document => challenge::refuse(denial, realm, request_id),
            Self::Grpc => refuse_call(denial, realm),
        }
    }
}

/// `application/grpc`, or `application/grpc+` and the format of its messages; media types are of any case (RFC 9110 §8.3.1).
fn is_grpc(media_type: &HeaderValue) -> bool {
    let essence = media_type.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let Some((name, format)) = essence.split_at_checked(b"application/grpc".len()) else { return false };
    name.eq_ignore_ascii_case(b"application/grpc") && matches!(format.first(), None | Some(b'+'))
}

fn refuse_call(denial: &Denial, realm: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    fields.insert(GRPC_STATUS, HeaderValue::from(status(denial.status())));
    let reason = denial.reason();
    let message = percent_encoded(&format!("{}: {}", reason.as_str(), reason.detail()));
    if let Ok(message) = HeaderValue::try_from(message) {
        fields.insert(GRPC_MESSAGE, message);
    }
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    challenge::write(denial, realm, fields);
    response
}

/// The status of gRPC for one of HTTP. A client that reads the status of HTTP by itself comes to the same.
fn status(status: StatusCode) -> u16 {
    match status {
        StatusCode::UNAUTHORIZED => 16,
        StatusCode::FORBIDDEN => 7,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => 12,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => 14,
        StatusCode::GATEWAY_TIMEOUT => 4,
        _ => 13,
    }
}

/// A text as `grpc-message` holds it: what is not printable ASCII, and `%`, as escapes.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_told_by_version_method_and_media_type() {
        use Version as V;
        let cases = [
            (V::HTTP_2, "POST", "application/grpc", true),
            (V::HTTP_2, "POST", "application/grpc+proto", true),
            (V::HTTP_2, "POST", "Application/GRPC; charset=utf-8", true),
            (V::HTTP_2, "POST", "application/grpc-web", false),
            (V::HTTP_2, "POST", "application/grpc-web+proto", false),
            (V::HTTP_2, "POST", "application/json", false),
            (V::HTTP_2, "GET", "application/grpc", false),
            (V::HTTP_11, "POST", "application/grpc", false),
        ];
        for (version, method, media_type, expected) in cases {
            let request = Request::builder().version(version).method(method).header(CONTENT_TYPE, media_type);
            let form = RefusalForm::of(&request.body(()).unwrap());
            assert_eq!(form == RefusalForm::Grpc, expected, "{version:?} {method} {media_type}");
        }
        let request = Request::builder().version(V::HTTP_2).method("POST").body(()).unwrap();
        assert_eq!(RefusalForm::of(&request), RefusalForm::Document);
    }

    #[test]
    fn every_status_of_a_refusal_has_one_of_grpc() {
        let cases = [
            (400, 13),
            (401, 16),
            (403, 7),
            (404, 12),
            (405, 12),
            (414, 13),
            (429, 14),
            (431, 13),
            (500, 13),
            (501, 12),
            (502, 14),
            (503, 14),
            (504, 4),
        ];
        for (http, grpc) in cases {
            assert_eq!(status(StatusCode::from_u16(http).unwrap()), grpc, "{http}");
        }
    }

    #[test]
    fn a_message_is_printable_ascii() {
        assert_eq!(percent_encoded("50 % of détail\n"), "50 %25 of d%C3%A9tail%0A");
    }
}
