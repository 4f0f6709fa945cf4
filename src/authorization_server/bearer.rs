//! The server as a protected resource (RFC 6750): an access token of its own, for itself, that still holds.

use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::AuthorizationServer;
use super::access_token::{OwnTokenFault, TOKEN_LIMIT, read_own};
use super::events;
use super::fault::uncached;
use crate::store::{AccessToken, Seconds, Store, StoreFault, User};
use crate::token::{BearerToken, CredentialFault};

/// An access token for this server, as the database knows it: neither ended nor taken back.
#[derive(Debug)]
pub(super) struct Presented {
    /// The token: subject, client, scope, times.
    pub(super) token: AccessToken,
    /// The user whose token it is, as she stands now and not disabled; `None` for a client's own token.
    pub(super) user: Option<User>,
}

/// Why a request is not let in (RFC 6750 §3.1).
#[derive(Debug, thiserror::Error)]
pub(super) enum BearerFault {
    /// No credentials, or of another scheme: 401 without an error code.
    #[error("an access token is needed")]
    NoToken,
    /// `invalid_request`, 400: several tokens, or none that is one.
    #[error("the credentials are not one access token")]
    InvalidRequest,
    /// `invalid_token`, 401.
    #[error("the access token is not good here, or not good any more")]
    InvalidToken,
    /// `insufficient_scope`, 403: the scope that is needed.
    #[error("the access token lacks a scope")]
    InsufficientScope(&'static str),
    /// 503: the database.
    #[error("the database failed")]
    Store(#[from] StoreFault),
}

/// Takes the access token of a request: signed here, for this server as audience, in time, not revoked, and of nobody disabled.
///
/// # Errors
///
/// [`BearerFault`], never [`BearerFault::InsufficientScope`].
pub(super) async fn presented(server: &AuthorizationServer, fields: &HeaderMap) -> Result<Presented, BearerFault> {
    let token = shown(fields)?;
    let claims = read_own(server, token, vec![server.settings.issuer.clone()]).await.map_err(|fault| match fault {
        OwnTokenFault::Token(_) => BearerFault::InvalidToken,
        OwnTokenFault::Store(fault) => BearerFault::Store(fault),
    })?;
    standing(&server.store, &claims.jti, server.now()).await?.ok_or(BearerFault::InvalidToken)
}

/// The token of this `jti`, unless it has ended or was taken back, or its user is disabled.
///
/// # Errors
///
/// [`StoreFault::Database`].
pub(super) async fn standing(store: &Store, jti: &str, now: Seconds) -> Result<Option<Presented>, StoreFault> {
    let Some(token) = store.access_token(jti, now).await? else { return Ok(None) };
    if token.subject == token.client {
        return Ok(Some(Presented { token, user: None }));
    }
    let user = store.user(&token.subject).await?.filter(|user| !user.disabled);
    Ok(user.map(|user| Presented { token, user: Some(user) }))
}

impl Presented {
    /// Demands a scope.
    ///
    /// # Errors
    ///
    /// [`BearerFault::InsufficientScope`].
    pub(super) fn demand(&self, scope: &'static str) -> Result<(), BearerFault> {
        if self.token.scope.contains(scope) { Ok(()) } else { Err(BearerFault::InsufficientScope(scope)) }
    }
}

/// Whether a request shows the gateway's token; how long this takes says nothing of it. Nobody's is right where there is none.
///
/// # Errors
///
/// [`BearerFault`], never [`BearerFault::InsufficientScope`] or [`BearerFault::Store`].
pub(super) fn of_gateway(server: &AuthorizationServer, fields: &HeaderMap) -> Result<(), BearerFault> {
    let token = shown(fields)?;
    let matches = server.settings.gateway_token.as_ref().is_some_and(|secret| secret.matches(token.as_str()));
    if matches { Ok(()) } else { Err(BearerFault::InvalidToken) }
}

fn shown(fields: &HeaderMap) -> Result<BearerToken<'_>, BearerFault> {
    BearerToken::from_fields(fields, TOKEN_LIMIT).map_err(|fault| match fault {
        CredentialFault::NoToken => BearerFault::NoToken,
        CredentialFault::MultipleTokens | CredentialFault::MalformedToken | CredentialFault::TokenTooLarge => {
            BearerFault::InvalidRequest
        }
    })
}

impl BearerFault {
    /// Status and challenge (RFC 6750 §3).
    pub(super) fn challenge(&self) -> (StatusCode, Option<String>) {
        let with =
            |error: &str| Some(format!("Bearer realm=\"scopegate\", error=\"{error}\", error_description=\"{self}\""));
        match self {
            // RFC 6750 §3.1: without credentials no error code.
            Self::NoToken => (StatusCode::UNAUTHORIZED, Some("Bearer realm=\"scopegate\"".to_owned())),
            Self::InvalidRequest => (StatusCode::BAD_REQUEST, with("invalid_request")),
            Self::InvalidToken => (StatusCode::UNAUTHORIZED, with("invalid_token")),
            Self::InsufficientScope(scope) => {
                let challenge = with("insufficient_scope").map(|challenge| format!("{challenge}, scope=\"{scope}\""));
                (StatusCode::FORBIDDEN, challenge)
            }
            Self::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, None),
        }
    }
}

impl IntoResponse for BearerFault {
    fn into_response(self) -> Response {
        if let Self::Store(fault) = &self {
            events::not_served(fault);
        }
        let (status, challenge) = self.challenge();
        let mut response = uncached((status, format!("{self}\n")));
        if let Some(challenge) = challenge.and_then(|challenge| HeaderValue::from_str(&challenge).ok()) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6750_3_every_refusal_has_status_and_challenge() {
        for (fault, status, challenge) in [
            (BearerFault::NoToken, 401, Some("Bearer realm=\"scopegate\"")),
            (
                BearerFault::InvalidRequest,
                400,
                Some(
                    "Bearer realm=\"scopegate\", error=\"invalid_request\", error_description=\"the credentials are not one access token\"",
                ),
            ),
            (
                BearerFault::InvalidToken,
                401,
                Some(
                    "Bearer realm=\"scopegate\", error=\"invalid_token\", error_description=\"the access token is not good here, or not good any more\"",
                ),
            ),
            (
                BearerFault::InsufficientScope("openid"),
                403,
                Some(
                    "Bearer realm=\"scopegate\", error=\"insufficient_scope\", error_description=\"the access token lacks a scope\", scope=\"openid\"",
                ),
            ),
            (BearerFault::Store(StoreFault::DefaultRole), 503, None),
        ] {
            let response = fault.into_response();
            let shown = response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap());
            assert_eq!((response.status().as_u16(), shown), (status, challenge));
        }
    }
}
