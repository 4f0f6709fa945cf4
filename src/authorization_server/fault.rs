//! What an endpoint answers when it does not do what it is asked.

use std::time::Duration;

use axum::Json;
use axum::http::header::{CACHE_CONTROL, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::events;
use crate::store::StoreFault;

/// What a client is asked to wait when the server cannot serve just now, in seconds.
const SHORTLY: u64 = 1;

/// The machine gives no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the machine gives no randomness")]
pub struct NoRandomness;

/// An error response of RFC 6749 §5.2, RFC 7009 §2.2.1 or RFC 7662 §2.3. The texts name nothing that was sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum OAuthFault {
    /// `invalid_request`; what is wrong with it.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// `invalid_client`.
    #[error("the client is unknown or did not authenticate as it must")]
    InvalidClient,
    /// `invalid_grant`; what is wrong with it.
    #[error("{0}")]
    InvalidGrant(&'static str),
    /// `unauthorized_client`.
    #[error("the client may not use this grant type")]
    UnauthorizedClient,
    /// `unsupported_grant_type`.
    #[error("the grant type is none of this server's")]
    UnsupportedGrantType,
    /// `invalid_scope`.
    #[error("nothing of what is asked for can be granted")]
    InvalidScope,
    /// `invalid_target` (RFC 8707 §2).
    #[error("a resource is none of those that a token may be for")]
    InvalidTarget,
    /// 429: how long to wait.
    #[error("too many attempts")]
    TooManyAttempts(Duration),
    /// 503: tokens of this pair were revoked again and again while this one was to be issued.
    #[error("tokens of this user and client are being revoked")]
    BeingRevoked,
    /// 503: the database.
    #[error("the database failed")]
    Store(#[from] StoreFault),
    /// 500.
    #[error("the machine gives no randomness")]
    NoRandomness(#[from] NoRandomness),
    /// 500: a token could not be signed.
    #[error("the token could not be signed")]
    Signing,
}

impl OAuthFault {
    /// Status and `error` (RFC 6749 §5.2; for what is nobody's fault, the codes of §4.1.2.1).
    pub(super) fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::InvalidRequest(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::InvalidClient => (StatusCode::UNAUTHORIZED, "invalid_client"),
            Self::InvalidGrant(_) => (StatusCode::BAD_REQUEST, "invalid_grant"),
            Self::UnauthorizedClient => (StatusCode::BAD_REQUEST, "unauthorized_client"),
            Self::UnsupportedGrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
            Self::InvalidScope => (StatusCode::BAD_REQUEST, "invalid_scope"),
            Self::InvalidTarget => (StatusCode::BAD_REQUEST, "invalid_target"),
            Self::TooManyAttempts(_) => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable"),
            Self::BeingRevoked | Self::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
            Self::NoRandomness(_) | Self::Signing => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        }
    }

    /// Whole seconds to wait before the next attempt, at least 1.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooManyAttempts(wait) => Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)),
            Self::BeingRevoked | Self::Store(_) => Some(SHORTLY),
            Self::InvalidRequest(_)
            | Self::InvalidClient
            | Self::InvalidGrant(_)
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::InvalidScope
            | Self::InvalidTarget
            | Self::NoRandomness(_)
            | Self::Signing => None,
        }
    }
}

impl IntoResponse for OAuthFault {
    fn into_response(self) -> Response {
        let (status, error) = self.code();
        if status.is_server_error() {
            events::not_served(&self);
        }
        let body = Json(json!({"error": error, "error_description": self.to_string()}));
        let mut response = uncached((status, body));
        let fields = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            // RFC 6749 §5.2 where `Basic` was tried, RFC 9110 §15.5.2 for any 401.
            fields.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"scopegate\", charset=\"UTF-8\""));
        }
        if let Some(wait) = self.retry_after() {
            fields.insert(RETRY_AFTER, HeaderValue::from(wait));
        }
        response
    }
}

/// An answer that nobody may keep (RFC 6749 §5.1).
pub(super) fn uncached(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6749_5_2_every_fault_has_status_code_and_fields() {
        let wait = Duration::from_millis(1_200);
        for (fault, status, error, retry_after) in [
            (OAuthFault::InvalidRequest("a parameter is there twice"), 400, "invalid_request", None),
            (OAuthFault::InvalidClient, 401, "invalid_client", None),
            (OAuthFault::InvalidGrant("the code is not good"), 400, "invalid_grant", None),
            (OAuthFault::UnauthorizedClient, 400, "unauthorized_client", None),
            (OAuthFault::UnsupportedGrantType, 400, "unsupported_grant_type", None),
            (OAuthFault::InvalidScope, 400, "invalid_scope", None),
            (OAuthFault::InvalidTarget, 400, "invalid_target", None),
            (OAuthFault::TooManyAttempts(wait), 429, "temporarily_unavailable", Some("2")),
            (OAuthFault::BeingRevoked, 503, "temporarily_unavailable", Some("1")),
            (OAuthFault::Store(StoreFault::DefaultRole), 503, "temporarily_unavailable", Some("1")),
            (OAuthFault::NoRandomness(NoRandomness), 500, "server_error", None),
            (OAuthFault::Signing, 500, "server_error", None),
        ] {
            assert_eq!(fault.code().1, error);
            // RFC 6749 §5.2: the description is of %x20-21 / %x23-5B / %x5D-7E.
            let text = fault.to_string();
            assert!(text.bytes().all(|byte| (0x20..0x7F).contains(&byte) && !b"\"\\".contains(&byte)), "{text}");
            let response = fault.into_response();
            let field = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap());
            assert_eq!(response.status().as_u16(), status, "{error}");
            assert_eq!(field("retry-after"), retry_after, "{error}");
            assert_eq!((field("cache-control"), field("pragma")), (Some("no-store"), Some("no-cache")), "{error}");
            assert_eq!(field("www-authenticate").is_some(), status == 401, "{error}");
        }
    }
}
