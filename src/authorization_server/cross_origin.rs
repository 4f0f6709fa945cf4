//! Answers that any web page may read (Fetch §3.2): those that no cookie and nothing else of the browser's leads to.
//!
//! Public clients in browsers reach these endpoints from origins of their own. A page that reads an answer here has brought the code or
//! token itself, so that knowing its origin would tell nothing; credentials of the browser are never allowed.

use axum::Router;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};

/// How long a browser may remember a preflight, in seconds.
const PREFLIGHT_AGE: &str = "3600";

/// Lets pages of any origin read every answer of these routes.
pub(super) fn open<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes.layer(map_response(readable))
}

async fn readable(mut response: Response) -> Response {
    let fields = response.headers_mut();
    fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    fields.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("WWW-Authenticate, Retry-After"));
    response
}

/// Answers a preflight of one of these routes.
pub(super) async fn preflight() -> impl IntoResponse {
    let fields = [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        // `*` does not stand for `Authorization` (Fetch §4.8).
        (ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type"),
        (ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE),
    ];
    (StatusCode::NO_CONTENT, fields)
}
