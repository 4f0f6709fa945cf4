//! The token endpoint (RFC 6749 §3.2): from a code, a refresh token or a client's own word to an access token.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;

use super::AuthorizationServer;
use super::client_authentication::{AuthenticatedClient, authenticate};
use super::cross_origin::{self, preflight};
use super::fault::{OAuthFault, uncached};
use super::parameters::{Form, Parameters};
use super::peer::Peer;
use super::signing_keys::whole_seconds;
use super::{token_client_credentials, token_code, token_refresh};
use crate::store::{GrantType, ScopeNames, Seconds};

/// How many seconds in a row a token may have to wait because tokens of its user and client were revoked within them.
const SECONDS_WAITED: usize = 4;

pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    cross_origin::open(Router::new().route("/oauth/token", post(token).options(preflight)))
}

async fn token(
    State(server): State<Arc<AuthorizationServer>>,
    Peer(peer): Peer,
    fields: HeaderMap,
    Form(parameters): Form,
) -> Result<Response, OAuthFault> {
    let client = authenticate(&server, peer, &fields, &parameters).await?;
    let answer = answer(&server, &client, peer, &parameters).await;
    // A public client's name is no proof of anything: whoever tries codes and tokens under it counts by address.
    if !client.is_confidential() && matches!(answer, Err(OAuthFault::InvalidGrant(_))) {
        server.attempts.something_failed(peer);
    }
    answer.map(|answer| uncached(Json(answer)).into_response())
}

async fn answer(
    server: &AuthorizationServer,
    client: &AuthenticatedClient,
    peer: IpAddr,
    parameters: &Parameters,
) -> Result<TokenResponse, OAuthFault> {
    let grant_type = parameters.required("grant_type", "`grant_type` is missing")?;
    let grant_type = GrantType::parse(grant_type).ok_or(OAuthFault::UnsupportedGrantType)?;
    if !client.client().grant_types.contains(&grant_type) {
        return Err(OAuthFault::UnauthorizedClient);
    }
    for _ in 0..=SECONDS_WAITED {
        let request = TokenRequest { server, client, peer, parameters };
        let issued = match grant_type {
            GrantType::AuthorizationCode => token_code::issue(&request).await?,
            GrantType::RefreshToken => token_refresh::issue(&request).await?,
            GrantType::ClientCredentials => token_client_credentials::issue(&request).await?,
        };
        match issued {
            Issued::Now(answer) => return Ok(*answer),
            Issued::NotThisSecond => tokio::time::sleep(to_next_second(server.clock.now())).await,
        }
    }
    Err(OAuthFault::BeingRevoked)
}

/// What every grant type begins with.
pub(super) struct TokenRequest<'a> {
    pub(super) server: &'a AuthorizationServer,
    pub(super) client: &'a AuthenticatedClient,
    pub(super) peer: IpAddr,
    pub(super) parameters: &'a Parameters,
}

/// What came of one attempt.
pub(super) enum Issued {
    /// Tokens, which are kept.
    Now(Box<TokenResponse>),
    /// Nothing, and nothing has changed: see [`super::access_token::issue`].
    NotThisSecond,
}

/// A successful response (RFC 6749 §5.1). It always states its scope: it may hold more than was asked for, or less.
#[derive(Serialize)]
pub(super) struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    /// In seconds.
    expires_in: Seconds,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id_token: Option<String>,
}

impl TokenResponse {
    /// The access token.
    pub(super) fn access_token(&self) -> &str {
        &self.access_token
    }

    /// A response with an access token alone.
    pub(super) fn new(server: &AuthorizationServer, access_token: String, scope: &ScopeNames) -> Self {
        Self {
            access_token,
            token_type: "Bearer",
            expires_in: whole_seconds(server.settings.lifetimes.access_token),
            scope: scope.to_string(),
            refresh_token: None,
            id_token: None,
        }
    }
}

fn to_next_second(now: Duration) -> Duration {
    Duration::from_secs(1).saturating_sub(Duration::from_nanos(u64::from(now.subsec_nanos())))
}
