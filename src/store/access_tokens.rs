//! Access tokens that were issued and have not ended: what introspection and revocation need of them.

use super::{Change, ScopeNames, Seconds, Store, StoreFault};

/// An access token that was issued. The token itself is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// Its `jti`.
    pub jti: String,
    /// The grant that it came of; `None` for client credentials.
    pub family: Option<String>,
    /// Its `sub`.
    pub subject: String,
    /// Its `client_id`.
    pub client: String,
    /// Its `scope`.
    pub scope: ScopeNames,
    /// Its `iat`.
    pub issued_at: Seconds,
    /// Its `exp`.
    pub expires_at: Seconds,
}

impl Store {
    /// Finds a token that has neither ended nor been taken back: neither by itself nor with its family, approval, client or user.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn access_token(&self, jti: &str, now: Seconds) -> Result<Option<AccessToken>, StoreFault> {
        todo!()
    }
}

impl Change {
    /// Keeps a token that is about to be signed.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`] for a client that is not there.
    pub async fn add_access_token(&mut self, token: &AccessToken) -> Result<(), StoreFault> {
        todo!()
    }

    /// Takes one token back, if it is one of `client`'s, and writes the entry of the feed (RFC 7009 §2.1). Returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn revoke_access_token(&mut self, jti: &str, client: &str, now: Seconds) -> Result<bool, StoreFault> {
        todo!()
    }

    /// Takes back every access and refresh token of a grant, and writes the entries of the feed.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn revoke_family(&mut self, family: &str, now: Seconds) -> Result<(), StoreFault> {
        todo!()
    }
}
