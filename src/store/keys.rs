//! Signing keys (RFC 7517): one signs, the next is published ahead, old ones until their last token is gone.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

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
        let rows: Vec<(String, String, Seconds)> =
            sqlx::query_as("SELECT kid, pkcs8, signs_from FROM signing_keys ORDER BY signs_from, kid")
                .fetch_all(&self.readers)
                .await?;
        let key = |(kid, pkcs8, signs_from): (String, String, Seconds)| match URL_SAFE_NO_PAD.decode(pkcs8) {
            Ok(pkcs8) => Ok(SigningKey { kid, pkcs8, signs_from }),
            Err(_) => Err(StoreFault::Unreadable("signing_keys")),
        };
        rows.into_iter().map(key).collect()
    }
}

impl Change {
    /// Keeps a key.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Exists`] for a `kid` that is there.
    pub async fn add_signing_key(&mut self, key: &SigningKey) -> Result<(), StoreFault> {
        let added =
            sqlx::query("INSERT INTO signing_keys (kid, pkcs8, signs_from) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
                .bind(&key.kid)
                .bind(URL_SAFE_NO_PAD.encode(&key.pkcs8))
                .bind(key.signs_from)
                .execute(&mut *self.transaction)
                .await?;
        if added.rows_affected() == 0 { Err(StoreFault::Exists("signing key")) } else { Ok(()) }
    }

    /// Takes a key out, whatever it signed: it is published no more.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`] for a `kid` that is not there.
    pub async fn remove_signing_key(&mut self, kid: &str) -> Result<(), StoreFault> {
        let removed =
            sqlx::query("DELETE FROM signing_keys WHERE kid = $1").bind(kid).execute(&mut *self.transaction).await?;
        if removed.rows_affected() == 0 { Err(StoreFault::Missing("signing key")) } else { Ok(()) }
    }
}
