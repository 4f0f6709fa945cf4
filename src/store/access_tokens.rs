//! Access tokens that were issued and have not ended: what introspection and revocation need of them.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::clients::require_client;
use super::{Change, ScopeNames, Seconds, Store, StoreFault, lists};

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
        sqlx::query("SELECT * FROM access_tokens WHERE jti = $1 AND expires_at > $2")
            .bind(jti)
            .bind(now)
            .fetch_optional(&self.readers)
            .await?
            .map(|row| access_token(&row))
            .transpose()
    }
}

impl Change {
    /// Keeps a token that is about to be signed.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`] for a client that is not there.
    pub async fn add_access_token(&mut self, token: &AccessToken) -> Result<(), StoreFault> {
        require_client(&mut self.transaction, &token.client).await?;
        sqlx::query(
            "INSERT INTO access_tokens (jti, family, subject, client_id, scope, issued_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&token.jti)
        .bind(&token.family)
        .bind(&token.subject)
        .bind(&token.client)
        .bind(lists::write(token.scope.iter()))
        .bind(token.issued_at)
        .bind(token.expires_at)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Takes one token back, if it is one of `client`'s, and writes the entry of the feed (RFC 7009 §2.1). Returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn revoke_access_token(&mut self, jti: &str, client: &str, now: Seconds) -> Result<bool, StoreFault> {
        let expires_at = sqlx::query_scalar(
            "DELETE FROM access_tokens WHERE jti = $1 AND client_id = $2 AND expires_at > $3 RETURNING expires_at",
        )
        .bind(jti)
        .bind(client)
        .bind(now)
        .fetch_optional(&mut *self.transaction)
        .await?;
        let Some(expires_at) = expires_at else {
            return Ok(false);
        };
        self.write_token_entry(jti, expires_at).await?;
        Ok(true)
    }

    /// Takes back every access and refresh token of a grant, and writes the entries of the feed.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn revoke_family(&mut self, family: &str, now: Seconds) -> Result<(), StoreFault> {
        sqlx::query("DELETE FROM refresh_tokens WHERE family = $1")
            .bind(family)
            .execute(&mut *self.transaction)
            .await?;
        let ended: Vec<(String, Seconds)> =
            sqlx::query_as("DELETE FROM access_tokens WHERE family = $1 RETURNING jti, expires_at")
                .bind(family)
                .fetch_all(&mut *self.transaction)
                .await?;
        for (jti, expires_at) in ended.iter().filter(|(_, expires_at)| *expires_at > now) {
            self.write_token_entry(jti, *expires_at).await?;
        }
        Ok(())
    }
}

fn access_token(row: &SqliteRow) -> Result<AccessToken, StoreFault> {
    Ok(AccessToken {
        jti: row.try_get("jti")?,
        family: row.try_get("family")?,
        subject: row.try_get("subject")?,
        client: row.try_get("client_id")?,
        scope: lists::read(row, "scope", "access_tokens")?,
        issued_at: row.try_get("issued_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}
