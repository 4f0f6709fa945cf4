//! Authorization codes (RFC 6749 §4.1): redeemed once.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::clients::require_client;
use super::users::require_user;
use super::{Change, ScopeNames, Seconds, StoreFault, lists};

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
    Redeemed(Box<Code>),
    /// It was redeemed before: its family is revoked by this change, which must be committed (RFC 6749 §4.1.2).
    Replayed,
    /// It was never issued, has expired, or its approval was removed.
    Unknown,
    /// It is somebody else's, or the proof is wrong; it stays as it was, redeemed or not.
    NotProven,
}

impl Change {
    /// Keeps a code that is about to be given to a client.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`] for a user or client that is not there.
    pub async fn add_code(&mut self, code: &Code) -> Result<(), StoreFault> {
        require_user(&mut self.transaction, &code.user).await?;
        require_client(&mut self.transaction, &code.client).await?;
        sqlx::query(
            "INSERT INTO codes (hash, family, client_id, user_id, redirect_uri, code_challenge, requested, resources, nonce,
                 authenticated_at, expires_at, redeemed)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, FALSE)",
        )
        .bind(&code.hash)
        .bind(&code.family)
        .bind(&code.client)
        .bind(&code.user)
        .bind(&code.redirect_uri)
        .bind(&code.code_challenge)
        .bind(lists::write(code.requested.iter()))
        .bind(lists::write(code.resources.iter().map(String::as_str)))
        .bind(&code.nonce)
        .bind(code.authenticated_at)
        .bind(code.expires_at)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
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
        let row = sqlx::query("SELECT * FROM codes WHERE hash = $1")
            .bind(hash)
            .fetch_optional(&mut *self.transaction)
            .await?;
        let Some(row) = row else {
            return Ok(CodeUse::Unknown);
        };
        let redeemed: bool = row.try_get("redeemed")?;
        let code = code(&row)?;
        if !redeemed && code.expires_at <= now {
            return Ok(CodeUse::Unknown);
        }
        // Also for a code that was redeemed: who cannot prove that it is theirs must not be able to end the grant.
        if !proven(&code) {
            return Ok(CodeUse::NotProven);
        }
        if redeemed {
            self.revoke_family(&code.family, now).await?;
            return Ok(CodeUse::Replayed);
        }
        sqlx::query("UPDATE codes SET redeemed = TRUE WHERE hash = $1")
            .bind(hash)
            .execute(&mut *self.transaction)
            .await?;
        Ok(CodeUse::Redeemed(Box::new(code)))
    }
}

fn code(row: &SqliteRow) -> Result<Code, StoreFault> {
    Ok(Code {
        hash: row.try_get("hash")?,
        family: row.try_get("family")?,
        client: row.try_get("client_id")?,
        user: row.try_get("user_id")?,
        redirect_uri: row.try_get("redirect_uri")?,
        code_challenge: row.try_get("code_challenge")?,
        requested: lists::read(row, "requested", "codes")?,
        resources: lists::read(row, "resources", "codes")?,
        nonce: row.try_get("nonce")?,
        authenticated_at: row.try_get("authenticated_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}
