//! Authorization codes (RFC 6749 §4.1): redeemed once.

use super::{Change, ScopeNames, Seconds, StoreFault};

/// What an authorization code stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// SHA-256 of the code, base64url.
    pub hash: String,
    /// The grant: every token that comes of this code is of this family.
    pub family: String,
    /// Whom it was given to.
    pub client: String,
    /// Who approved.
    pub user: String,
    /// The `redirect_uri` of the authorization request, byte for byte.
    pub redirect_uri: String,
    /// The `code_challenge` (RFC 7636 §4.2), method S256.
    pub code_challenge: String,
    /// The `scope` of the authorization request, as far as the client may have it.
    pub requested: ScopeNames,
    /// The `resource` of the authorization request (RFC 8707); empty for every audience.
    pub resources: Vec<String>,
    /// The `nonce` of OpenID Connect.
    pub nonce: Option<String>,
    /// When the user logged in.
    pub authenticated_at: Seconds,
    /// From when on it is worth nothing.
    pub expires_at: Seconds,
}

/// What became of a code that was presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeUse {
    /// It was good, and is redeemed by this change.
    Redeemed(Code),
    /// It was redeemed before: its family is revoked by this change, which must be committed (RFC 6749 §4.1.2).
    Replayed,
    /// It was never issued, has expired, or its approval was removed.
    Unknown,
    /// It is somebody else's, or the proof is wrong; it stays as it was.
    NotProven,
}

impl Change {
    /// Keeps a code that is about to be given to a client.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`] for a user or client that is not there.
    pub async fn add_code(&mut self, code: &Code) -> Result<(), StoreFault> {
        todo!()
    }

    /// Redeems a code once. `proven` says whether client, redirect URI and PKCE fit the code that was found.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn redeem_code(
        &mut self,
        hash: &str,
        now: Seconds,
        proven: impl FnOnce(&Code) -> bool + Send,
    ) -> Result<CodeUse, StoreFault> {
        todo!()
    }
}
