//! `/api/v1/scopes`: the catalogue, to be read; it is written in the policy files.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::api_guard::{ANY, admit};
use super::api_problem::{Problem, Refused};
use super::api_request::{InPath, Page, answer, query};
use super::{AuthorizationServer, ScopeView};

pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    Router::new().route("/scopes", get(list_scopes)).route("/scopes/{name}", get(show_scope))
}

/// A part of the scopes.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScopePage {
    /// By ascending name.
    items: Vec<ScopeView>,
    /// The cursor of the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    next: Option<String>,
}

/// Lists scopes by ascending name.
#[utoipa::path(get, path = "/api/v1/scopes", tag = "scopes", params(Page),
    security(("oauth2" = ["admin.roles"]), ("oauth2" = ["admin.users"]), ("oauth2" = ["admin.oauth-clients"])),
    responses((status = 200, description = "A part of the scopes", body = ScopePage), Refused))]
pub(super) async fn list_scopes(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    RawQuery(text): RawQuery,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    admit(&server, &catalogue, &fields, ANY).await?;
    let (page, []) = query(text.as_deref(), [])?;
    let scopes = catalogue.iter().filter(|scope| scope.name > page.after).map(ScopeView::from);
    let (items, next) = page.cut(scopes.collect(), |scope| scope.name.clone());
    Ok(answer(StatusCode::OK, &ScopePage { items, next }))
}

/// Shows a scope.
#[utoipa::path(get, path = "/api/v1/scopes/{name}", tag = "scopes", params(("name" = String, Path, description = "The scope")),
    security(("oauth2" = ["admin.roles"]), ("oauth2" = ["admin.users"]), ("oauth2" = ["admin.oauth-clients"])),
    responses((status = 200, description = "The scope", body = ScopeView), Refused))]
pub(super) async fn show_scope(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    InPath(name): InPath<String>,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    admit(&server, &catalogue, &fields, ANY).await?;
    let scope = catalogue.find(&name).ok_or_else(|| Problem::missing("scope"))?;
    Ok(answer(StatusCode::OK, &ScopeView::from(scope)))
}
