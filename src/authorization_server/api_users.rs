//! `/api/v1/users`.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::api_guard::USERS;
use super::api_problem::{BodyRefused, NotChanged, Problem, Refused};
use super::api_request::{InPath, Kind, Page, answer, body, created, present, query, set};
use super::{AuthorizationServer, UserDraft, UserView};
use crate::store::UserChange;

/// Roles of a user at most.
const ROLES: usize = 100;

pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    Router::new()
        .route("/users", get(list_users).post(add_user))
        .route("/users/{id}", get(show_user).patch(change_user).delete(remove_user))
        .route("/users/{id}/password", post(replace_password))
}

/// A user to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUser {
    /// What is typed at login; unique in any letter case, kept in lower case.
    #[schema(pattern = "^[A-Za-z0-9._@+-]{1,254}$", example = "nora@example.com")]
    login: String,
    /// For people to read.
    #[serde(default)]
    #[schema(
        max_length = 200,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff]*$",
        required = false
    )]
    name: String,
    /// Names of roles; nobody gives a role that permits more than is permitted to himself.
    #[serde(default)]
    #[schema(max_items = 100, required = false, value_type = crate::authorization_server::openapi::RoleNames)]
    roles: Vec<String>,
}

/// What to change of a user; a member that is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserPatch {
    /// For people to read.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff]*$")]
    name: Option<String>,
    /// Whether logging in, and every token, is refused.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    disabled: Option<bool>,
    /// The whole new set.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = crate::authorization_server::openapi::RoleNames, required = false)]
    roles: Option<Vec<String>>,
}

/// A user that was made.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddedUser {
    /// The user.
    user: UserView,
    /// The password of the first login, which must be replaced there. It is shown this once.
    one_time_password: String,
}

/// A new password.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OneTimePassword {
    /// The password of the next login, which must be replaced there. It is shown this once.
    one_time_password: String,
}

/// A part of the users.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserPage {
    /// By ascending identifier.
    items: Vec<UserView>,
    /// The cursor of the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    next: Option<String>,
}

/// Lists users by ascending identifier.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", params(Page), security(("oauth2" = ["admin.users"])),
    responses((status = 200, description = "A part of the users", body = UserPage), Refused))]
pub(super) async fn list_users(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    RawQuery(text): RawQuery,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    let administration = server.administration(&catalogue, &fields, USERS).await?;
    let (page, []) = query(text.as_deref(), [])?;
    let users = administration.store.users(&page.after, page.reading()).await?;
    let (items, next) = page.cut(users.into_iter().map(UserView::from).collect(), |user| user.id.clone());
    Ok(answer(StatusCode::OK, &UserPage { items, next }))
}

/// Makes a user with a one-time password.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", request_body = NewUser, security(("oauth2" = ["admin.users"])),
    responses((status = 201, description = "The user, with the one-time password", body = AddedUser,
        headers(("Location" = String, description = "Where the user is"))), Refused, NotChanged, BodyRefused))]
pub(super) async fn add_user(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    let administration = server.administration(&catalogue, &fields, USERS).await?;
    let NewUser { login, name, roles } = body(Kind::Whole, &fields, &bytes)?;
    let draft = UserDraft { login, name, roles: set("roles", roles, ROLES)? };
    let (user, one_time_password) = administration.add_user(&draft).await?;
    let address = format!("/api/v1/users/{}", user.id);
    Ok(created(&address, &AddedUser { user: user.into(), one_time_password }))
}

/// Shows a user.
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "users", params(("id" = String, Path, description = "The user's identifier")),
    security(("oauth2" = ["admin.users"])), responses((status = 200, description = "The user", body = UserView), Refused))]
pub(super) async fn show_user(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    InPath(id): InPath<String>,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    let administration = server.administration(&catalogue, &fields, USERS).await?;
    let user = administration.store.user(&id).await?.ok_or_else(|| Problem::missing("user"))?;
    Ok(answer(StatusCode::OK, &UserView::from(user)))
}

/// Changes a user. Taking a role away, or disabling the user, reaches tokens already issued through the revocation feed.
#[utoipa::path(patch, path = "/api/v1/users/{id}", tag = "users", params(("id" = String, Path, description = "The user's identifier")),
    request_body(content((UserPatch = "application/merge-patch+json"), (UserPatch = "application/json"))),
    security(("oauth2" = ["admin.users"])),
    responses((status = 200, description = "The user, changed", body = UserView), Refused, NotChanged, BodyRefused))]
pub(super) async fn change_user(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    InPath(id): InPath<String>,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    let administration = server.administration(&catalogue, &fields, USERS).await?;
    let UserPatch { name, disabled, roles } = body(Kind::Patch, &fields, &bytes)?;
    let roles = roles.map(|roles| set("roles", roles, ROLES)).transpose()?;
    let user = administration.change_user(&id, |_| UserChange { name, disabled, roles }).await?;
    Ok(answer(StatusCode::OK, &UserView::from(user)))
}

/// Removes a user with approvals, tokens and sessions.
#[utoipa::path(delete, path = "/api/v1/users/{id}", tag = "users", params(("id" = String, Path, description = "The user's identifier")),
    security(("oauth2" = ["admin.users"])), responses((status = 204, description = "The user is removed"), Refused, NotChanged))]
pub(super) async fn remove_user(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    InPath(id): InPath<String>,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    server.administration(&catalogue, &fields, USERS).await?.remove_user(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Replaces a user's password with a one-time password, and ends the user's sessions.
#[utoipa::path(post, path = "/api/v1/users/{id}/password", tag = "users", params(("id" = String, Path, description = "The user's identifier")),
    security(("oauth2" = ["admin.users"])), responses((status = 200, description = "The one-time password", body = OneTimePassword), Refused))]
pub(super) async fn replace_password(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    InPath(id): InPath<String>,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    let one_time_password = server.administration(&catalogue, &fields, USERS).await?.replace_password(&id).await?;
    Ok(answer(StatusCode::OK, &OneTimePassword { one_time_password }))
}
