//! The first page, the style sheet, and what is shown where there is nothing.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::AuthorizationServer;
use super::destination::Destination;
use super::own_page::enter;
use super::page::page;
use super::page_fault::PageFault;
use crate::pages::{HomePage, STYLESHEET, STYLESHEET_PATH, stylesheet_version};

/// The first page and the style sheet.
pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    Router::new().route("/", get(home)).route(STYLESHEET_PATH, get(stylesheet))
}

async fn home(State(server): State<Arc<AuthorizationServer>>, fields: HeaderMap) -> Result<Response, PageFault> {
    match enter(&server, &fields, Destination::Home).await? {
        Ok(logged_in) => {
            let roles: Vec<&str> = logged_in.session.user.roles.iter().map(String::as_str).collect();
            page(StatusCode::OK, &HomePage { person: logged_in.person(), roles: roles.join(", ") }, None)
        }
        Err(answer) => Ok(answer),
    }
}

/// Under the address that names its version it never changes; under any other it is asked for again each time.
async fn stylesheet(RawQuery(query): RawQuery, fields: HeaderMap) -> Response {
    let version = stylesheet_version();
    let tag = format!("\"{version}\"");
    let is_this = query.is_some_and(|query| query.strip_prefix("v=") == Some(version));
    let keep = if is_this { "public, max-age=31536000, immutable" } else { "no-cache" };
    let known = fields.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let is_known = known.flat_map(|value| value.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
    });
    let told = [(CACHE_CONTROL, keep), (ETAG, &*tag), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    if is_known {
        return (StatusCode::NOT_MODIFIED, told).into_response();
    }
    (told, [(CONTENT_TYPE, "text/css; charset=utf-8")], STYLESHEET).into_response()
}

/// Answers where there is nothing: a page for a browser, a bare status for everybody else.
pub(super) async fn not_found(fields: HeaderMap) -> Response {
    let accepted = fields.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    if accepted.flat_map(|value| value.split(',')).any(|kind| kind.trim().starts_with("text/html")) {
        return PageFault::NotFound.into_response();
    }
    (StatusCode::NOT_FOUND, "nothing is at this address\n").into_response()
}
