//! Refusals of the admin listener.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// A problem document (RFC 9457) whose type is its status.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) detail: String,
    /// What is wrong, one text each, where there is more than one thing.
    pub(super) errors: Vec<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), errors: Vec::new() }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: Option<&'static str>,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    errors: &'a [String],
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            // RFC 9457 §4.2.1: the title is then the phrase of the status.
            kind: "about:blank",
            title: self.status.canonical_reason(),
            status: self.status.as_u16(),
            detail: &self.detail,
            errors: &self.errors,
        };
        let text = serde_json::to_string_pretty(&document).unwrap_or_default();
        let mut response = (self.status, text + "\n").into_response();
        let fields = response.headers_mut();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §11.6.1: a 401 says how to authenticate.
            fields.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"scopegate admin\""));
        }
        response
    }
}
