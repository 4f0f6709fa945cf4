//! Browser sessions: who is logged in.

use super::{Change, Seconds, Store, StoreFault, User};

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
        todo!()
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
        todo!()
    }

    /// Ends a session; one that is not there has ended.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn end_session(&mut self, hash: &str) -> Result<(), StoreFault> {
        todo!()
    }
}
