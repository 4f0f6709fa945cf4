//! Refresh tokens: used once each, a chain of them a grant (RFC 9700 §4.14.2).

use super::{Change, ScopeNames, Seconds, Store, StoreFault};

/// A refresh token that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    /// SHA-256 of the token, base64url.
    pub hash: String,
    /// The grant that it came of.
    pub family: String,
    /// Whom it was given to.
    pub client: String,
    /// Whose account it reaches.
    pub user: String,
    /// What it can renew at most, `offline_access` included.
    pub scope: ScopeNames,
    /// See [`super::Code::resources`].
    pub resources: Vec<String>,
    /// When the user logged in.
    pub authenticated_at: Seconds,
    /// When this one was issued.
    pub issued_at: Seconds,
    /// From when on it is worth nothing.
    pub expires_at: Seconds,
}

/// What became of a refresh token that was presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshUse {
    /// It was good, and is used up by this change.
    Used(RefreshToken),
    /// It was used before: its family is revoked by this change, which must be committed.
    Replayed,
    /// It was never issued to this client, has expired, or was taken back.
    Unknown,
}

impl Store {
    /// Finds a refresh token that is good at `now`, for introspection.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn refresh_token(&self, hash: &str, now: Seconds) -> Result<Option<RefreshToken>, StoreFault> {
        todo!()
    }
}

impl Change {
    /// Keeps a refresh token that is about to be given to a client.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`] for a user or client that is not there.
    pub async fn add_refresh_token(&mut self, token: &RefreshToken) -> Result<(), StoreFault> {
        todo!()
    }

    /// Uses a refresh token once.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn use_refresh_token(
        &mut self,
        hash: &str,
        client: &str,
        now: Seconds,
    ) -> Result<RefreshUse, StoreFault> {
        todo!()
    }

    /// Takes back the grant of one refresh token, if it is one of `client`'s (RFC 7009 §2.1). Returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn revoke_refresh_token(&mut self, hash: &str, client: &str, now: Seconds) -> Result<bool, StoreFault> {
        todo!()
    }
}
