//! Signing keys (RFC 7517): one signs, the next is published ahead, old ones until their last token is gone.

use std::fmt;

use super::{Change, Seconds, Store, StoreFault};

/// An ES256 signing key. Debug shows the `kid` alone.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Its thumbprint (RFC 7638).
    pub kid: String,
    /// The private half: PKCS#8, DER.
    pub pkcs8: Vec<u8>,
    /// From when on it signs, until a later one does. It is published from the moment it is kept.
    pub signs_from: Seconds,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl Store {
    /// Lists the keys to publish, by ascending `signs_from`.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>, StoreFault> {
        todo!()
    }
}

impl Change {
    /// Keeps a key.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Exists`] for a `kid` that is there.
    pub async fn add_signing_key(&mut self, key: &SigningKey) -> Result<(), StoreFault> {
        todo!()
    }
}
