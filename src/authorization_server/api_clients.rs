//! `/api/v1/clients`.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::api_guard::CLIENTS;
use super::api_problem::{BodyRefused, NotChanged, Problem, Refused};
use super::api_request::{InPath, Kind, Page, answer, body, created, present, query, scope_list, set};
use super::openapi::{GrantTypeList, RedirectUris, ScopeList};
use super::views::GrantTypeView;
use super::{AuthorizationServer, ClientDraft, ClientView};
use crate::store::ClientChange;

/// Redirect URIs of a client at most.
const URIS: usize = 20;

pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    Router::new()
        .route("/clients", get(list_clients).post(add_client))
        .route("/clients/{id}", get(show_client).patch(change_client).delete(remove_client))
        .route("/clients/{id}/secret", post(replace_secret))
}

/// A client to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewClient {
    /// The `client_id`; one is made when it is left out. It is never of the form of a user's identifier.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, pattern = "^(?!usr_)[A-Za-z0-9][A-Za-z0-9._~-]{0,99}$")]
    id: Option<String>,
    /// For people to read, on the consent page too.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff]+$"
    )]
    name: String,
    /// Whether it gets a secret.
    confidential: bool,
    /// Where codes are sent; compared byte for byte.
    #[serde(default)]
    #[schema(value_type = RedirectUris, required = false)]
    redirect_uris: Vec<String>,
    /// What it may ask a token with.
    #[schema(value_type = GrantTypeList)]
    grant_types: Vec<GrantTypeView>,
    /// Nothing outside it is ever granted.
    #[schema(value_type = ScopeList)]
    allow_list: Vec<String>,
    /// Whether its whole allow list counts as approved; then all of it must be permitted to the caller.
    #[serde(default)]
    #[schema(required = false)]
    trusted: bool,
    /// Whether it may introspect tokens of other clients.
    #[serde(default)]
    #[schema(required = false)]
    introspects: bool,
}

/// What to change of a client; a member that is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientPatch {
    /// For people to read.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff]+$")]
    name: Option<String>,
    /// The whole new set.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = RedirectUris, required = false)]
    redirect_uris: Option<Vec<String>>,
    /// The whole new set.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = GrantTypeList, required = false)]
    grant_types: Option<Vec<GrantTypeView>>,
    /// The whole new set.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = ScopeList, required = false)]
    allow_list: Option<Vec<String>>,
    /// Whether its whole allow list counts as approved.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    trusted: Option<bool>,
    /// Whether it may introspect tokens of other clients.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    introspects: Option<bool>,
}

/// A client that was made.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddedClient {
    /// The client.
    client: ClientView,
    /// The secret of a confidential client. It is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    client_secret: Option<String>,
}

/// A new secret.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSecret {
    /// It is shown this once.
    client_secret: String,
}

/// A part of the clients.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientPage {
    /// By ascending identifier.
    items: Vec<ClientView>,
    /// The cursor of the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    next: Option<String>,
}

/// Lists clients by ascending identifier.
#[utoipa::path(get, path = "/api/v1/clients", tag = "clients", params(Page), security(("oauth2" = ["admin.oauth-clients"])),
    responses((status = 200, description = "A part of the clients", body = ClientPage), Refused))]
pub(super) async fn list_clients(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    RawQuery(text): RawQuery,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    let administration = server.administration(&catalogue, &fields, CLIENTS).await?;
    let (page, []) = query(text.as_deref(), [])?;
    let clients = administration.store.clients(&page.after, page.reading()).await?;
    let (items, next) = page.cut(clients.into_iter().map(ClientView::from).collect(), |client| client.id.clone());
    Ok(answer(StatusCode::OK, &ClientPage { items, next }))
}

/// Makes a client; a confidential one with a secret.
#[utoipa::path(post, path = "/api/v1/clients", tag = "clients", request_body = NewClient, security(("oauth2" = ["admin.oauth-clients"])),
    responses((status = 201, description = "The client, with its secret", body = AddedClient,
        headers(("Location" = String, description = "Where the client is"))), Refused, NotChanged, BodyRefused))]
pub(super) async fn add_client(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    let administration = server.administration(&catalogue, &fields, CLIENTS).await?;
    let asked: NewClient = body(Kind::Whole, &fields, &bytes)?;
    let grant_types = set("grant_types", asked.grant_types, GrantTypeView::COUNT)?;
    let draft = ClientDraft {
        id: asked.id,
        name: asked.name,
        confidential: asked.confidential,
        redirect_uris: set("redirect_uris", asked.redirect_uris, URIS)?,
        grant_types: grant_types.into_iter().map(Into::into).collect(),
        allow_list: scope_list("allow_list", asked.allow_list)?,
        trusted: asked.trusted,
        introspects: asked.introspects,
    };
    let (client, client_secret) = administration.add_client(&draft).await?;
    let address = format!("/api/v1/clients/{}", client.id);
    Ok(created(&address, &AddedClient { client: client.into(), client_secret }))
}

/// Shows a client.
#[utoipa::path(get, path = "/api/v1/clients/{id}", tag = "clients", params(("id" = String, Path, description = "The `client_id`")),
    security(("oauth2" = ["admin.oauth-clients"])), responses((status = 200, description = "The client", body = ClientView), Refused))]
pub(super) async fn show_client(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    InPath(id): InPath<String>,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    let administration = server.administration(&catalogue, &fields, CLIENTS).await?;
    let client = administration.store.client(&id).await?.ok_or_else(|| Problem::missing("client"))?;
    Ok(answer(StatusCode::OK, &ClientView::from(client)))
}

/// Changes a client. What its allow list or its grant types lose, its refresh tokens lose, and its access tokens are revoked.
#[utoipa::path(patch, path = "/api/v1/clients/{id}", tag = "clients", params(("id" = String, Path, description = "The `client_id`")),
    request_body(content((ClientPatch = "application/merge-patch+json"), (ClientPatch = "application/json"))),
    security(("oauth2" = ["admin.oauth-clients"])),
    responses((status = 200, description = "The client, changed", body = ClientView), Refused, NotChanged, BodyRefused))]
pub(super) async fn change_client(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    InPath(id): InPath<String>,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    let administration = server.administration(&catalogue, &fields, CLIENTS).await?;
    let asked: ClientPatch = body(Kind::Patch, &fields, &bytes)?;
    let grant_types = asked.grant_types.map(|types| set("grant_types", types, GrantTypeView::COUNT)).transpose()?;
    let change = ClientChange {
        name: asked.name,
        redirect_uris: asked.redirect_uris.map(|uris| set("redirect_uris", uris, URIS)).transpose()?,
        grant_types: grant_types.map(|types| types.into_iter().map(Into::into).collect()),
        allow_list: asked.allow_list.map(|scopes| scope_list("allow_list", scopes)).transpose()?,
        trusted: asked.trusted,
        introspects: asked.introspects,
    };
    let client = administration.change_client(&id, |_| change).await?;
    Ok(answer(StatusCode::OK, &ClientView::from(client)))
}

/// Removes a client with approvals and tokens.
#[utoipa::path(delete, path = "/api/v1/clients/{id}", tag = "clients", params(("id" = String, Path, description = "The `client_id`")),
    security(("oauth2" = ["admin.oauth-clients"])), responses((status = 204, description = "The client is removed"), Refused))]
pub(super) async fn remove_client(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    InPath(id): InPath<String>,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    server.administration(&catalogue, &fields, CLIENTS).await?.remove_client(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Replaces a confidential client's secret; the old one is worth nothing at once.
#[utoipa::path(post, path = "/api/v1/clients/{id}/secret", tag = "clients", params(("id" = String, Path, description = "The `client_id`")),
    security(("oauth2" = ["admin.oauth-clients"])), responses((status = 200, description = "The secret", body = NewSecret), Refused, NotChanged))]
pub(super) async fn replace_secret(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    InPath(id): InPath<String>,
) -> Result<Response, Problem> {
    let catalogue = server.catalogue.load();
    let client_secret = server.administration(&catalogue, &fields, CLIENTS).await?.replace_secret(&id).await?;
    Ok(answer(StatusCode::OK, &NewSecret { client_secret }))
}
