//! Why the sample API does not do what it is asked, and how it says so (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde_json::json;

/// The database failed.
#[derive(Debug, thiserror::Error)]
pub enum RowsFault {
    /// The file, the disk or the database itself.
    #[error("the sample API's database failed")]
    Database(#[from] sqlx::Error),
    /// The tables could not be made.
    #[error("the sample API's tables could not be made")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

/// Why a request is not done. The texts repeat nothing that was sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("nothing says that this request came through the gateway")]
    NotThroughGateway,
    #[error("the gateway granted neither `user` nor `admin` access to a subject")]
    NoAccess,
    #[error("there is no such path here")]
    NoPath,
    #[error("the path does not have this method")]
    NoMethod,
    #[error("there is no such {0}, or none that you may see")]
    Missing(&'static str),
    #[error("you may see this automation and not change it: it lies in a space that you only view")]
    ViewerOnly,
    #[error("you have no role that edits this space")]
    NotAnEditor,
    #[error("only its owner does this, or admin access")]
    OwnerOnly,
    #[error("only admin access does this")]
    AdminOnly,
    #[error("{0}")]
    Malformed(&'static str),
    #[error("the content is longer than 16 KiB")]
    TooLarge,
    #[error("the content is not `application/json`")]
    NotJson,
    #[error("{0}")]
    Conflict(&'static str),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

impl Fault {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotThroughGateway
            | Self::NoAccess
            | Self::ViewerOnly
            | Self::NotAnEditor
            | Self::OwnerOnly
            | Self::AdminOnly => StatusCode::FORBIDDEN,
            Self::NoPath | Self::Missing(_) => StatusCode::NOT_FOUND,
            Self::NoMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Database(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = self.status();
        // RFC 9457 §4.2.1: `about:blank` says no more than the status does, and its title is the status's own.
        let document = json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": self.to_string(),
        });
        let mut fields = HeaderMap::new();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        (status, fields, format!("{document:#}\n")).into_response()
    }
}
