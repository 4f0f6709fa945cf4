//! Browser sessions: who is logged in.

use sqlx::Row as _;

use super::users::{read_users, require_user};
use super::{Change, Seconds, Store, StoreFault, User};

/// How many stand for one user.
const MOST_SESSIONS: i64 = 100;

/// A browser session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the cookie's value, base64url.
    pub hash: String,
    /// Who is logged in.
    pub user: User,
    /// Whether the password must be replaced before anything else.
    pub must_change_password: bool,
    /// When the password was checked.
    pub authenticated_at: Seconds,
    /// From when on it is worth nothing.
    pub expires_at: Seconds,
}

impl Store {
    /// Finds a session that has not ended, of a user who is not disabled.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn session(&self, hash: &str, now: Seconds) -> Result<Option<Session>, StoreFault> {
        let rows = sqlx::query(
            "SELECT users.id, users.login, users.name, users.disabled, users.created_at, user_roles.role,
                 users.password_one_time, sessions.hash, sessions.authenticated_at, sessions.expires_at
             FROM sessions JOIN users ON users.id = sessions.user_id LEFT JOIN user_roles ON user_roles.user_id = users.id
             WHERE sessions.hash = $1 AND sessions.expires_at > $2 AND NOT users.disabled",
        )
        .bind(hash)
        .bind(now)
        .fetch_all(&self.readers)
        .await?;
        let (Some(row), Some(user)) = (rows.first(), read_users(&rows)?.pop()) else {
            return Ok(None);
        };
        Ok(Some(Session {
            hash: row.try_get("hash")?,
            user,
            must_change_password: row.try_get("password_one_time")?,
            authenticated_at: row.try_get("authenticated_at")?,
            expires_at: row.try_get("expires_at")?,
        }))
    }
}

impl Change {
    /// Begins a session. At most 100 stand for one user; the oldest ends for the next.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`] for a user that is not there.
    pub async fn add_session(
        &mut self,
        hash: &str,
        user: &str,
        now: Seconds,
        expires_at: Seconds,
    ) -> Result<(), StoreFault> {
        require_user(&mut self.transaction, user).await?;
        sqlx::query(
            "DELETE FROM sessions WHERE user_id = $1 AND hash NOT IN (
                 SELECT hash FROM sessions WHERE user_id = $1 AND expires_at > $2
                 ORDER BY authenticated_at DESC, hash LIMIT $3)",
        )
        .bind(user)
        .bind(now)
        .bind(MOST_SESSIONS - 1)
        .execute(&mut *self.transaction)
        .await?;
        sqlx::query("INSERT INTO sessions (hash, user_id, authenticated_at, expires_at) VALUES ($1, $2, $3, $4)")
            .bind(hash)
            .bind(user)
            .bind(now)
            .bind(expires_at)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// Ends a session; one that is not there has ended.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn end_session(&mut self, hash: &str) -> Result<(), StoreFault> {
        sqlx::query("DELETE FROM sessions WHERE hash = $1").bind(hash).execute(&mut *self.transaction).await?;
        Ok(())
    }
}
