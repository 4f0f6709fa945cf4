//! Refresh tokens: used once each, a chain of them a grant (RFC 9700 §4.14.2).

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::clients::require_client;
use super::users::require_user;
use super::{Change, ScopeNames, Seconds, Store, StoreFault, lists};

/// A refresh token stands on this scope (OpenID Connect Core §11).
const OFFLINE_ACCESS: &str = "offline_access";

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
        sqlx::query("SELECT * FROM refresh_tokens WHERE hash = $1 AND expires_at > $2 AND NOT used")
            .bind(hash)
            .bind(now)
            .fetch_optional(&self.readers)
            .await?
            .map(|row| refresh_token(&row))
            .transpose()
    }
}

impl Change {
    /// Keeps a refresh token that is about to be given to a client.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`] for a user or client that is not there.
    pub async fn add_refresh_token(&mut self, token: &RefreshToken) -> Result<(), StoreFault> {
        require_user(&mut self.transaction, &token.user).await?;
        require_client(&mut self.transaction, &token.client).await?;
        sqlx::query(
            "INSERT INTO refresh_tokens (hash, family, client_id, user_id, scope, resources, authenticated_at, issued_at,
                 expires_at, used)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, FALSE)",
        )
        .bind(&token.hash)
        .bind(&token.family)
        .bind(&token.client)
        .bind(&token.user)
        .bind(lists::write(token.scope.iter()))
        .bind(lists::write(token.resources.iter().map(String::as_str)))
        .bind(token.authenticated_at)
        .bind(token.issued_at)
        .bind(token.expires_at)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
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
        let Some(row) = self.find_refresh_token(hash, client, now).await? else {
            return Ok(RefreshUse::Unknown);
        };
        let token = refresh_token(&row)?;
        if row.try_get("used")? {
            self.revoke_family(&token.family, now).await?;
            return Ok(RefreshUse::Replayed);
        }
        sqlx::query("UPDATE refresh_tokens SET used = TRUE WHERE hash = $1")
            .bind(hash)
            .execute(&mut *self.transaction)
            .await?;
        Ok(RefreshUse::Used(token))
    }

    /// Takes back the grant of one refresh token, if it is one of `client`'s (RFC 7009 §2.1). Returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn revoke_refresh_token(&mut self, hash: &str, client: &str, now: Seconds) -> Result<bool, StoreFault> {
        let Some(row) = self.find_refresh_token(hash, client, now).await? else {
            return Ok(false);
        };
        let family: String = row.try_get("family")?;
        self.revoke_family(&family, now).await?;
        Ok(true)
    }

    /// Leaves to every refresh token of a client, or of a user and a client, no more than `keep` says. One that is left without
    /// `offline_access` ends.
    pub(super) async fn narrow_refresh_tokens(
        &mut self,
        client: &str,
        user: Option<&str>,
        keep: impl Fn(&RefreshToken) -> ScopeNames,
    ) -> Result<(), StoreFault> {
        let tokens = match user {
            Some(user) => sqlx::query("SELECT * FROM refresh_tokens WHERE client_id = $1 AND user_id = $2")
                .bind(client)
                .bind(user),
            None => sqlx::query("SELECT * FROM refresh_tokens WHERE client_id = $1").bind(client),
        };
        for row in tokens.fetch_all(&mut *self.transaction).await? {
            let token = refresh_token(&row)?;
            let left = token.scope.intersection(&keep(&token));
            if !left.contains(OFFLINE_ACCESS) {
                let delete = sqlx::query("DELETE FROM refresh_tokens WHERE hash = $1").bind(&token.hash);
                delete.execute(&mut *self.transaction).await?;
            } else if left != token.scope {
                let narrow = sqlx::query("UPDATE refresh_tokens SET scope = $1 WHERE hash = $2");
                narrow.bind(lists::write(left.iter())).bind(&token.hash).execute(&mut *self.transaction).await?;
            }
        }
        Ok(())
    }

    /// Finds a token of this client that has not ended, used or not.
    async fn find_refresh_token(
        &mut self,
        hash: &str,
        client: &str,
        now: Seconds,
    ) -> Result<Option<SqliteRow>, StoreFault> {
        let row = sqlx::query("SELECT * FROM refresh_tokens WHERE hash = $1 AND client_id = $2 AND expires_at > $3")
            .bind(hash)
            .bind(client)
            .bind(now)
            .fetch_optional(&mut *self.transaction)
            .await?;
        Ok(row)
    }
}

fn refresh_token(row: &SqliteRow) -> Result<RefreshToken, StoreFault> {
    Ok(RefreshToken {
        hash: row.try_get("hash")?,
        family: row.try_get("family")?,
        client: row.try_get("client_id")?,
        user: row.try_get("user_id")?,
        scope: lists::read(row, "scope", "refresh_tokens")?,
        resources: lists::read(row, "resources", "refresh_tokens")?,
        authenticated_at: row.try_get("authenticated_at")?,
        issued_at: row.try_get("issued_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}
