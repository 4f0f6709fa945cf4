//! `/api/v1/approvals`: what users approved, to be read and taken back; only users give approvals.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::api_guard::USERS;
use super::api_problem::{Problem, Refused};
use super::api_request::{InPath, PageOf, answer, query};
use super::{ApprovalView, AuthorizationServer};
use crate::store::ApprovalFilter;

pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    Router::new()
        .route("/approvals", get(list_approvals))
        .route("/approvals/{user}/{client}", delete(remove_approvals))
        .route("/approvals/{user}/{client}/{scope}", delete(remove_approval))
}

/// A part of the approvals.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApprovalPage {
    /// By ascending user, client and scope.
    items: Vec<ApprovalView>,
    /// The cursor of the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    next: Option<String>,
}

/// Lists approvals by ascending user, client and scope.
#[utoipa::path(get, path = "/api/v1/approvals", tag = "approvals", params(PageOf), security(("oauth2" = ["admin.users"])),
    responses((status = 200, description = "A part of the approvals", body = ApprovalPage), Refused))]
pub(super) async fn list_approvals(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    RawQuery(text): RawQuery,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    let administration = server.administration(&catalogue, &fields, USERS).await?;
    let (page, [user, client]) = query(text.as_deref(), ["user", "client"])?;
    let filter = ApprovalFilter { user: user.as_deref(), client: client.as_deref() };
    let mut after = page.after.splitn(3, ' ');
    let mut piece = || after.next().unwrap_or_default();
    let after = (piece(), piece(), piece());
    let approvals = administration.store.approvals(filter, after, page.reading()).await?;
    let cursor = |approval: &ApprovalView| format!("{} {} {}", approval.user, approval.client, approval.scope);
    let (items, next) = page.cut(approvals.into_iter().map(ApprovalView::from).collect(), cursor);
    Ok(answer(StatusCode::OK, &ApprovalPage { items, next }))
}

/// Removes everything that a user approved for a client. Tokens already issued are revoked.
#[utoipa::path(delete, path = "/api/v1/approvals/{user}/{client}", tag = "approvals",
    params(("user" = String, Path, description = "The user's identifier"), ("client" = String, Path, description = "The `client_id`")),
    security(("oauth2" = ["admin.users"])), responses((status = 204, description = "The approvals are removed"), Refused))]
pub(super) async fn remove_approvals(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    InPath((user, client)): InPath<(String, String)>,
) -> Result<Response, Problem> {
    remove(&server, &fields, &user, &client, None).await
}

/// Removes one approval. Tokens already issued are revoked, and refresh tokens lose the scope.
#[utoipa::path(delete, path = "/api/v1/approvals/{user}/{client}/{scope}", tag = "approvals",
    params(("user" = String, Path, description = "The user's identifier"), ("client" = String, Path, description = "The `client_id`"),
        ("scope" = String, Path, description = "The scope")),
    security(("oauth2" = ["admin.users"])), responses((status = 204, description = "The approval is removed"), Refused))]
pub(super) async fn remove_approval(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    InPath((user, client, scope)): InPath<(String, String, String)>,
) -> Result<Response, Problem> {
    remove(&server, &fields, &user, &client, Some(&scope)).await
}

async fn remove(
    server: &AuthorizationServer,
    fields: &HeaderMap,
    user: &str,
    client: &str,
    scope: Option<&str>,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    server.administration(&catalogue, fields, USERS).await?.remove_approval(user, client, scope).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
