//! From a denial to the answer: status, challenge (RFC 6750 §3), problem document (RFC 9457).

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response};

use crate::policy::{Denial, Reason};
use crate::token::{CredentialFault, TokenFault};

/// After how many seconds one who was refused for a lack on our side may ask again.
const RETRY_SECONDS: u64 = 1;

/// What a refusal's fields say beyond its status.
#[derive(Debug, PartialEq)]
enum Challenge<'a> {
    None,
    Allow(&'a HeaderValue),
    Retry,
    /// `Bearer realm`, and `scope` where one would open the route; no `error`, for nothing was shown (RFC 6750 §3.1).
    Bearer {
        scope: Option<&'a str>,
    },
    InvalidRequest,
    InvalidToken,
    InsufficientScope {
        scope: Option<&'a str>,
    },
}

/// The whole answer to a refused request.
pub(super) fn refuse(denial: &Denial, realm: &str, request_id: &HeaderValue) -> Response<Bytes> {
    let problem = problem(denial, request_id);
    let mut response = Response::new(Bytes::from(problem));
    *response.status_mut() = denial.status();
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    write(denial, realm, fields);
    response
}

/// Writes what a refusal's fields say beyond its status.
pub(super) fn write(denial: &Denial, realm: &str, fields: &mut HeaderMap) {
    challenge(denial).write(denial.reason(), realm, fields);
}

/// Every denial has its challenge here: a new one does not compile until it has.
fn challenge(denial: &Denial) -> Challenge<'_> {
    match denial {
        Denial::BadRequest
        | Denial::TooLarge { .. }
        | Denial::AmbiguousPath
        | Denial::AmbiguousMethod
        | Denial::MethodUnknown
        | Denial::NoRoute
        | Denial::UpstreamUnreachable
        | Denial::UpstreamTimeout
        | Denial::Internal => Challenge::None,
        Denial::MethodNotAllowed { allow } => Challenge::Allow(allow),
        Denial::NoToken { scope } => Challenge::Bearer { scope: scope.as_deref() },
        Denial::Credential(fault) => match fault {
            CredentialFault::NoToken => Challenge::Bearer { scope: None },
            CredentialFault::MultipleTokens | CredentialFault::MalformedToken | CredentialFault::TokenTooLarge => {
                Challenge::InvalidRequest
            }
        },
        Denial::Token(fault) => match fault {
            TokenFault::BadToken
            | TokenFault::AlgNotAllowed
            | TokenFault::UnknownIssuer
            | TokenFault::UnknownKey
            | TokenFault::BadSignature
            | TokenFault::Expired
            | TokenFault::NotYetValid
            | TokenFault::BadAudience
            | TokenFault::BadType
            | TokenFault::BadClaims
            | TokenFault::Inactive
            | TokenFault::Revoked
            | TokenFault::SenderConstraint => Challenge::InvalidToken,
        },
        Denial::InsufficientScope { scope, .. } => Challenge::InsufficientScope { scope: scope.as_deref() },
        Denial::ClientCeiling | Denial::RoleCeiling => Challenge::Bearer { scope: None },
        Denial::RolesUnavailable | Denial::Unavailable(_) | Denial::Overloaded | Denial::Draining => Challenge::Retry,
    }
}

impl Challenge<'_> {
    fn write(&self, reason: Reason, realm: &str, fields: &mut HeaderMap) {
        let (error, scope) = match self {
            Self::None => return,
            Self::Allow(methods) => {
                fields.insert(ALLOW, (*methods).clone());
                return;
            }
            Self::Retry => {
                fields.insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
                return;
            }
            Self::Bearer { scope } => (None, *scope),
            Self::InvalidRequest => (Some("invalid_request"), None),
            Self::InvalidToken => (Some("invalid_token"), None),
            Self::InsufficientScope { scope } => (Some("insufficient_scope"), *scope),
        };
        let mut text = format!("Bearer realm=\"{realm}\"");
        if let Some(error) = error {
            text += &format!(", error=\"{error}\", error_description=\"{}\"", reason.detail());
        }
        if let Some(scope) = scope {
            text += &format!(", scope=\"{scope}\"");
        }
        if let Ok(value) = HeaderValue::from_str(&text) {
            fields.insert(WWW_AUTHENTICATE, value);
        }
    }
}

#[derive(serde::Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'static str,
    instance: String,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<&'a str>,
}

fn problem(denial: &Denial, request_id: &HeaderValue) -> Vec<u8> {
    let reason = denial.reason();
    let (scope, missing) = match denial {
        Denial::InsufficientScope { scope, missing } => (scope.as_deref(), missing.as_deref()),
        Denial::BadRequest
        | Denial::TooLarge { .. }
        | Denial::AmbiguousPath
        | Denial::AmbiguousMethod
        | Denial::MethodUnknown
        | Denial::NoRoute
        | Denial::MethodNotAllowed { .. }
        | Denial::NoToken { .. }
        | Denial::Credential(_)
        | Denial::Token(_)
        | Denial::ClientCeiling
        | Denial::RoleCeiling
        | Denial::RolesUnavailable
        | Denial::Unavailable(_)
        | Denial::UpstreamUnreachable
        | Denial::UpstreamTimeout
        | Denial::Overloaded
        | Denial::Draining
        | Denial::Internal => (None, None),
    };
    let problem = Problem {
        r#type: format!("urn:scopegate:reason:{}", reason.as_str()),
        title: reason.title(),
        status: denial.status().as_u16(),
        detail: reason.detail(),
        instance: format!("urn:scopegate:request:{}", request_id.to_str().unwrap_or("-")),
        reason: reason.as_str(),
        scope,
        missing,
    };
    serde_json::to_vec(&problem).unwrap_or_default()
}
