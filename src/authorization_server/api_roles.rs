//! `/api/v1/roles`.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::api_guard::ROLES;
use super::api_problem::{BodyRefused, NotChanged, Problem, Refused};
use super::api_request::{InPath, Kind, Page, answer, body, created, present, query, scope_list};
use super::views::LevelView;
use super::{AuthorizationServer, RoleChange, RoleView};
use crate::store::Role;

pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    Router::new()
        .route("/roles", get(list_roles).post(add_role))
        .route("/roles/{name}", get(show_role).patch(change_role).delete(remove_role))
}

/// A role to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRole {
    /// Unique; it stands in tokens.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$", example = "Analyst")]
    name: String,
    /// How far it reaches; a role of level `user` permits no scope of side admin.
    level: LevelView,
    /// What it permits; nobody makes a role that permits more than is permitted to himself.
    #[schema(value_type = crate::authorization_server::openapi::ScopeList)]
    scopes: Vec<String>,
}

/// What to change of a role; a member that is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RolePatch {
    /// How far it reaches.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = LevelView, required = false)]
    level: Option<LevelView>,
    /// The whole new set.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = crate::authorization_server::openapi::ScopeList, required = false)]
    scopes: Option<Vec<String>>,
}

/// A part of the roles.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RolePage {
    /// By ascending name.
    items: Vec<RoleView>,
    /// The cursor of the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    next: Option<String>,
}

/// Lists roles by ascending name.
#[utoipa::path(get, path = "/api/v1/roles", tag = "roles", params(Page), security(("oauth2" = ["admin.roles"])),
    responses((status = 200, description = "A part of the roles", body = RolePage), Refused))]
pub(super) async fn list_roles(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    RawQuery(text): RawQuery,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    let administration = server.administration(&catalogue, &fields, ROLES).await?;
    let (page, []) = query(text.as_deref(), [])?;
    let roles = administration.store.roles().await?.into_iter().filter(|role| role.name > page.after);
    let (items, next) = page.cut(roles.map(RoleView::from).collect(), |role| role.name.clone());
    Ok(answer(StatusCode::OK, &RolePage { items, next }))
}

/// Makes a custom role.
#[utoipa::path(post, path = "/api/v1/roles", tag = "roles", request_body = NewRole, security(("oauth2" = ["admin.roles"])),
    responses((status = 201, description = "The role", body = RoleView, headers(("Location" = String, description = "Where the role is"))),
        Refused, NotChanged, BodyRefused))]
pub(super) async fn add_role(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    let administration = server.administration(&catalogue, &fields, ROLES).await?;
    let NewRole { name, level, scopes } = body(Kind::Whole, &fields, &bytes)?;
    let role = Role { name, level: level.into(), scopes: scope_list("scopes", scopes)?, is_default: false };
    administration.add_role(&role).await?;
    Ok(created(&format!("/api/v1/roles/{}", role.name), &RoleView::from(role)))
}

/// Shows a role.
#[utoipa::path(get, path = "/api/v1/roles/{name}", tag = "roles", params(("name" = String, Path, description = "The role's name")),
    security(("oauth2" = ["admin.roles"])), responses((status = 200, description = "The role", body = RoleView), Refused))]
pub(super) async fn show_role(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    InPath(name): InPath<String>,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    let administration = server.administration(&catalogue, &fields, ROLES).await?;
    let role = administration.store.role(&name).await?.ok_or_else(|| Problem::missing("role"))?;
    Ok(answer(StatusCode::OK, &RoleView::from(role)))
}

/// Changes a custom role. What a role permits takes effect without any new token.
#[utoipa::path(patch, path = "/api/v1/roles/{name}", tag = "roles", params(("name" = String, Path, description = "The role's name")),
    request_body(content((RolePatch = "application/merge-patch+json"), (RolePatch = "application/json"))),
    security(("oauth2" = ["admin.roles"])),
    responses((status = 200, description = "The role, changed", body = RoleView), Refused, NotChanged, BodyRefused))]
pub(super) async fn change_role(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    InPath(name): InPath<String>,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    let administration = server.administration(&catalogue, &fields, ROLES).await?;
    let RolePatch { level, scopes } = body(Kind::Patch, &fields, &bytes)?;
    let scopes = scopes.map(|scopes| scope_list("scopes", scopes)).transpose()?;
    let to = RoleChange { level: level.map(Into::into), scopes };
    let role = administration.change_role(&name, |_| to).await?;
    Ok(answer(StatusCode::OK, &RoleView::from(role)))
}

/// Removes a custom role, and takes it from every user.
#[utoipa::path(delete, path = "/api/v1/roles/{name}", tag = "roles", params(("name" = String, Path, description = "The role's name")),
    security(("oauth2" = ["admin.roles"])), responses((status = 204, description = "The role is removed"), Refused, NotChanged))]
pub(super) async fn remove_role(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    InPath(name): InPath<String>,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    server.administration(&catalogue, &fields, ROLES).await?.remove_role(&name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
