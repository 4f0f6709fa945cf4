//! Signs tokens (RFC 7515, ES256), and believes none but those that it signed.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use super::AuthorizationServer;
use super::fault::OAuthFault;
use super::signing_keys;
use crate::store::Seconds;

/// The key that signs now. Debug shows its `kid` alone.
pub(super) struct Signer {
    kid: String,
    key: EncodingKey,
}

impl Signer {
    /// Takes the key that signs at `now`. Keys are read anew each time: another process may have rotated them.
    ///
    /// # Errors
    ///
    /// [`OAuthFault::Store`], or [`OAuthFault::Signing`] when there is no key.
    pub(super) async fn current(server: &AuthorizationServer, now: Seconds) -> Result<Self, OAuthFault> {
        let keys = server.store.signing_keys().await?;
        let key = signing_keys::current(&keys, now).ok_or(OAuthFault::Signing)?;
        Ok(Self { kid: key.kid.clone(), key: EncodingKey::from_ec_der(&key.pkcs8) })
    }

    /// Signs claims; `token_type` is the `typ` of the header.
    ///
    /// # Errors
    ///
    /// [`OAuthFault::Signing`].
    pub(super) fn sign(&self, token_type: &str, claims: &impl Serialize) -> Result<String, OAuthFault> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(token_type.to_owned());
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|_| OAuthFault::Signing)
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("kid", &self.kid).finish_non_exhaustive()
    }
}
