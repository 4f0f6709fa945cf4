//! Refusals of the administration API: problem documents (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use super::bearer::BearerFault;
use super::{AdministrationFault, events};

/// Begins every `type`; what follows is stable.
const KINDS: &str = "urn:scopegate:problem:";

/// A refusal.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    pointer: Option<String>,
    challenge: Option<String>,
}

/// A problem document (RFC 9457).
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Problem)]
pub(super) struct ProblemDocument {
    /// What is wrong: `urn:scopegate:problem:` and a stable word.
    #[serde(rename = "type")]
    #[schema(pattern = "^urn:scopegate:problem:[a-z_]+$")]
    kind: String,
    /// The phrase of the status.
    title: String,
    /// The status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong with this request.
    detail: String,
    /// The member that is at fault, as a JSON pointer (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pointer: Option<String>,
}

/// What every operation may answer besides its own.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes answers that are made elsewhere")]
pub(super) enum Refused {
    /// The request cannot be read: its path, its query, its credentials or its body.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(#[to_schema] ProblemDocument),
    /// There is no access token that is good here.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(#[to_schema] ProblemDocument),
    /// The token lacks a scope, no role permits it, or the request reaches further than the caller's own rights.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] ProblemDocument),
    /// What is named is not there.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(#[to_schema] ProblemDocument),
    /// The body did not come in time.
    #[response(status = 408, content_type = "text/plain; charset=utf-8")]
    TooSlow(String),
    /// The body is beyond 64 KiB.
    #[response(status = 413, content_type = "text/plain; charset=utf-8")]
    TooLarge(String),
    /// A defect of the server.
    #[response(status = 500, content_type = "text/plain; charset=utf-8")]
    Defect(String),
    /// The database is not to be had just now.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] ProblemDocument),
}

/// What an operation that changes something may answer besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes answers that are made elsewhere")]
pub(super) enum NotChanged {
    /// What is asked for does not fit what is there: a name is taken, a role or scope is unknown, parts contradict each other, or
    /// nobody could administer the tenant any more.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(#[to_schema] ProblemDocument),
}

/// What an operation with a body may answer besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes answers that are made elsewhere")]
pub(super) enum BodyRefused {
    /// The body is of another type than `application/json` (or, to change something, `application/merge-patch+json`).
    #[response(status = 415, content_type = "application/problem+json")]
    OtherType(#[to_schema] ProblemDocument),
    /// The body is JSON, and not of the form that is described.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(#[to_schema] ProblemDocument),
}

impl Problem {
    pub(super) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), pointer: None, challenge: None }
    }

    pub(super) fn missing(kind: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("this {kind} is not there"))
    }

    /// A member of the body that is not of its form.
    pub(super) fn invalid(member: &str, what: &str) -> Self {
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", format!("`{member}` {what}"));
        Self { pointer: Some(format!("/{member}")), ..problem }
    }

    /// 403 where more scope would not help (RFC 6750 §3.1 has no error code for it).
    pub(super) fn not_permitted(scope: &str) -> Self {
        let detail = format!("`{scope}` is in the token, and permitted by none of the caller's roles");
        let challenge = Some("Bearer realm=\"scopegate\"".to_owned());
        Self { challenge, ..Self::new(StatusCode::FORBIDDEN, "not_permitted", detail) }
    }
}

impl From<BearerFault> for Problem {
    fn from(fault: BearerFault) -> Self {
        let (status, challenge) = fault.challenge();
        let kind = match &fault {
            BearerFault::NoToken => "no_token",
            BearerFault::InvalidRequest => "invalid_request",
            BearerFault::InvalidToken => "invalid_token",
            BearerFault::InsufficientScope(_) => "insufficient_scope",
            BearerFault::Store(fault) => {
                events::not_served(fault);
                "unavailable"
            }
        };
        Self { challenge, ..Self::new(status, kind, fault.to_string()) }
    }
}

impl From<AdministrationFault> for Problem {
    fn from(fault: AdministrationFault) -> Self {
        let (status, kind) = match &fault {
            AdministrationFault::Invalid { member, what } => return Self::invalid(member, what),
            AdministrationFault::Missing(_) => (StatusCode::NOT_FOUND, "not_found"),
            AdministrationFault::Exists(_) => (StatusCode::CONFLICT, "exists"),
            AdministrationFault::UnknownRole(_) => (StatusCode::CONFLICT, "unknown_role"),
            AdministrationFault::UnknownScope(_) => (StatusCode::CONFLICT, "unknown_scope"),
            AdministrationFault::Contradiction(_) => (StatusCode::CONFLICT, "contradiction"),
            AdministrationFault::LastAdministrator => (StatusCode::CONFLICT, "last_administrator"),
            AdministrationFault::DefaultRole => (StatusCode::CONFLICT, "default_role"),
            AdministrationFault::ExceedsCaller(_) => (StatusCode::FORBIDDEN, "exceeds_caller"),
            AdministrationFault::Withdrawn => (StatusCode::FORBIDDEN, "not_permitted"),
            AdministrationFault::Store(fault) => {
                events::not_served(fault);
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
            }
            AdministrationFault::NoRandomness(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        Self::new(status, kind, fault.to_string())
    }
}

impl From<crate::store::StoreFault> for Problem {
    fn from(fault: crate::store::StoreFault) -> Self {
        AdministrationFault::from(fault).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, kind, detail, pointer, challenge } = self;
        let document = ProblemDocument {
            kind: format!("{KINDS}{kind}"),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail,
            pointer,
        };
        let mut response = (status, serde_json::to_string(&document).unwrap_or_default()).into_response();
        let fields = response.headers_mut();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            fields.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        if let Some(challenge) = challenge.and_then(|text| HeaderValue::from_str(&text).ok()) {
            fields.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
