//! Token introspection (RFC 7662): what a token is worth at this moment.
//!
//! An access token is shown to clients that are marked as protected resources, and to its own client. A refresh token is shown to its own
//! client alone: to a protected resource it must never look like something that opens a door.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::AuthorizationServer;
use super::access_token::{OwnTokenFault, read_any};
use super::client_authentication::authenticate_confidential;
use super::fault::{OAuthFault, uncached};
use super::parameters::Form;
use super::peer::Peer;
use super::secrets::hash;
use crate::store::{Client, StoreFault};

pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    Router::new().route("/oauth/introspect", post(introspect))
}

async fn introspect(
    State(server): State<Arc<AuthorizationServer>>,
    Peer(peer): Peer,
    fields: HeaderMap,
    Form(parameters): Form,
) -> Result<Response, OAuthFault> {
    let client = authenticate_confidential(&server, peer, &fields, &parameters).await?;
    let token = parameters.required("token", "`token` is missing")?;
    let found = if token.contains('.') {
        access_token(&server, token, client.client()).await?
    } else {
        refresh_token(&server, token, client.client()).await?
    };
    // RFC 7662 §2.2: of a token that is not active, or not for the client to know of, nothing more is said.
    Ok(uncached(Json(found.unwrap_or_else(|| json!({"active": false})))))
}

async fn access_token(server: &AuthorizationServer, token: &str, client: &Client) -> Result<Option<Value>, StoreFault> {
    let claims = match read_any(server, token).await {
        Ok(claims) => claims,
        Err(OwnTokenFault::Token(_)) => return Ok(None),
        Err(OwnTokenFault::Store(fault)) => return Err(fault),
    };
    if !client.introspects && claims.client_id != client.id {
        return Ok(None);
    }
    let Some(kept) = server.store.access_token(&claims.jti, server.now()).await? else { return Ok(None) };
    let mut answer = json!({
        "active": true,
        "token_type": "Bearer",
        "iss": claims.iss,
        "aud": claims.aud,
        "sub": kept.subject,
        "client_id": kept.client,
        "scope": kept.scope.to_string(),
        "iat": kept.issued_at,
        "exp": kept.expires_at,
        "jti": kept.jti,
    });
    if kept.subject == kept.client {
        return Ok(Some(answer));
    }
    let user = server.store.user(&kept.subject).await?.filter(|user| !user.disabled);
    Ok(user.map(|user| {
        if let Some(members) = answer.as_object_mut() {
            members.insert("username".to_owned(), user.login.into());
            // As they stand now, which may be fewer than when the token was signed, or more.
            members.insert("roles".to_owned(), user.roles.into_iter().collect());
            members.insert("auth_time".to_owned(), claims.auth_time.into());
        }
        answer
    }))
}

async fn refresh_token(
    server: &AuthorizationServer,
    token: &str,
    client: &Client,
) -> Result<Option<Value>, StoreFault> {
    let kept = server.store.refresh_token(&hash(token), server.now()).await?;
    let Some(kept) = kept.filter(|kept| kept.client == client.id) else { return Ok(None) };
    let user = server.store.user(&kept.user).await?.filter(|user| !user.disabled);
    Ok(user.map(|user| {
        // No `token_type` and no `aud`: it is not for being shown to a protected resource.
        json!({
            "active": true,
            "iss": server.settings.issuer,
            "sub": kept.user,
            "username": user.login,
            "client_id": kept.client,
            "scope": kept.scope.to_string(),
            "iat": kept.issued_at,
            "exp": kept.expires_at,
        })
    }))
}
