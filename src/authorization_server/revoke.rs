//! Token revocation (RFC 7009).

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;

use super::AuthorizationServer;
use super::access_token::{OwnTokenFault, read_any};
use super::client_authentication::authenticate;
use super::cross_origin::{self, preflight};
use super::events;
use super::fault::{OAuthFault, uncached};
use super::parameters::Form;
use super::peer::Peer;
use super::secrets::hash;

/// RFC 7009 §2.1: the token must be one of the client that asks.
const ANOTHERS: OAuthFault = OAuthFault::InvalidGrant("the token was issued to another client");

pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    cross_origin::open(Router::new().route("/oauth/revoke", post(revoke).options(preflight)))
}

async fn revoke(
    State(server): State<Arc<AuthorizationServer>>,
    Peer(peer): Peer,
    fields: HeaderMap,
    Form(parameters): Form,
) -> Result<Response, OAuthFault> {
    let client = authenticate(&server, peer, &fields, &parameters).await?;
    let client = &*client.client().id;
    let token = parameters.required("token", "`token` is missing")?;
    // RFC 7009 §2.1: a hint may be ignored by a server that sees what kind of token it is.
    let revoked = if token.contains('.') {
        revoke_access_token(&server, token, client).await?
    } else {
        revoke_refresh_token(&server, token, client).await?
    };
    if revoked {
        events::revoked(client, peer);
    }
    // RFC 7009 §2.2: what is no token is as good as revoked.
    Ok(uncached(StatusCode::OK))
}

/// Takes back this one token; the grant goes on.
async fn revoke_access_token(server: &AuthorizationServer, token: &str, client: &str) -> Result<bool, OAuthFault> {
    let claims = match read_any(server, token).await {
        Ok(claims) => claims,
        Err(OwnTokenFault::Token(_)) => return Ok(false),
        Err(OwnTokenFault::Store(fault)) => return Err(fault.into()),
    };
    if claims.client_id != client {
        return Err(ANOTHERS);
    }
    let mut change = server.store.change().await?;
    let revoked = change.revoke_access_token(&claims.jti, client, server.now()).await?;
    change.commit().await?;
    Ok(revoked)
}

/// RFC 7009 §2.1: with a refresh token go the access tokens of its grant.
async fn revoke_refresh_token(server: &AuthorizationServer, token: &str, client: &str) -> Result<bool, OAuthFault> {
    let hash = hash(token);
    let found = server.store.refresh_token(&hash, server.now()).await?;
    if found.is_some_and(|found| found.client != client) {
        return Err(ANOTHERS);
    }
    let mut change = server.store.change().await?;
    let revoked = change.revoke_refresh_token(&hash, client, server.now()).await?;
    change.commit().await?;
    Ok(revoked)
}
