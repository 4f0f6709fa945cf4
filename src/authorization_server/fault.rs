//! What an endpoint answers when it does not do what it is asked.

use std::time::Duration;

use crate::store::StoreFault;

/// The machine gives no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the machine gives no randomness")]
pub struct NoRandomness;

/// An error response of RFC 6749 §5.2, RFC 7009 §2.2.1 or RFC 7662 §2.3. The texts name nothing that was sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum OAuthFault {
    /// `invalid_request`; what is wrong with it.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// `invalid_client`, 401; whether `Authorization: Basic` was tried.
    #[error("the client is unknown or its secret is wrong")]
    InvalidClient {
        /// Whether the answer carries a `Basic` challenge.
        basic: bool,
    },
    /// `invalid_grant`; what is wrong with it.
    #[error("{0}")]
    InvalidGrant(&'static str),
    /// `unauthorized_client`.
    #[error("the client may not use this grant type")]
    UnauthorizedClient,
    /// `unsupported_grant_type`.
    #[error("the grant type is none of this server's")]
    UnsupportedGrantType,
    /// `invalid_scope`.
    #[error("nothing of what is asked for can be granted")]
    InvalidScope,
    /// `invalid_target` (RFC 8707 §2).
    #[error("a resource is none of this server's audiences")]
    InvalidTarget,
    /// `unsupported_token_type` is never answered; an access token is missing or bad at an endpoint that takes one.
    #[error("the access token is missing, or is not good here")]
    InvalidToken,
    /// 429: how long to wait.
    #[error("too many attempts")]
    TooManyAttempts(Duration),
    /// 503 or 500: the database.
    #[error("the database failed")]
    Store(#[from] StoreFault),
    /// 500.
    #[error("the machine gives no randomness")]
    NoRandomness(#[from] NoRandomness),
    /// 500: a token could not be signed.
    #[error("the token could not be signed")]
    Signing,
}
