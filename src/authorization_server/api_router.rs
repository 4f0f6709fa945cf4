//! `/api/v1`: every path of the administration API.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use http::StatusCode;

use super::api_problem::Problem;
use super::api_request::answer;
use super::{
    AuthorizationServer, api_approvals, api_clients, api_directory, api_roles, api_scopes, api_users, openapi,
};

pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    let api = Router::new()
        .merge(api_approvals::routes())
        .merge(api_clients::routes())
        .merge(api_directory::routes())
        .merge(api_roles::routes())
        .merge(api_scopes::routes())
        .merge(api_users::routes())
        .route("/openapi.json", get(|| async { answer(StatusCode::OK, &openapi::document()) }))
        .fallback(|| async { Problem::missing("path") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path has other methods")
        });
    Router::new().nest("/api/v1", api)
}
