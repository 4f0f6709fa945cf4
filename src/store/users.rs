//! Users: who logs in, and which roles limit what an application may do for them.

use std::collections::BTreeSet;

use super::{Change, Seconds, Store, StoreFault};

/// A user, the resource owner of RFC 6749 §1.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The `sub` of tokens: opaque, with the prefix `usr_`, never equal to a client's.
    pub id: String,
    /// What is typed at login: unique, in lower case.
    pub login: String,
    /// For people to read; shown, never compared.
    pub name: String,
    /// Whether logging in, and every token, is refused.
    pub disabled: bool,
    /// Names of roles.
    pub roles: BTreeSet<String>,
    /// When it was made.
    pub created_at: Seconds,
}

/// How a user's password is kept. Debug shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    /// A PHC string (Argon2id).
    pub hash: String,
    /// Whether it must be replaced at the next login.
    pub one_time: bool,
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Password").field("one_time", &self.one_time).finish_non_exhaustive()
    }
}

/// A user to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// See [`User::id`].
    pub id: String,
    /// Is put in lower case.
    pub login: String,
    /// See [`User::name`].
    pub name: String,
    /// The first password.
    pub password: Password,
    /// Must be there.
    pub roles: BTreeSet<String>,
}

/// What to change of a user; `None` stays.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    /// See [`User::name`].
    pub name: Option<String>,
    /// Disabling ends the user's sessions, codes and refresh tokens, and writes an entry of the feed.
    pub disabled: Option<bool>,
    /// The whole new set. A role that is taken away writes an entry of the feed, for `roles` stands in tokens.
    pub roles: Option<BTreeSet<String>>,
}

impl Store {
    /// Finds a user by identifier.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn user(&self, id: &str) -> Result<Option<User>, StoreFault> {
        todo!()
    }

    /// Finds a user by login, in any letter case, with the password.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn user_by_login(&self, login: &str) -> Result<Option<(User, Password)>, StoreFault> {
        todo!()
    }

    /// Lists users by ascending identifier, after `after`, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn users(&self, after: &str, limit: u32) -> Result<Vec<User>, StoreFault> {
        todo!()
    }
}

impl Change {
    /// See [`Store::user`].
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn user(&mut self, id: &str) -> Result<Option<User>, StoreFault> {
        todo!()
    }

    /// Makes a user.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Exists`] for a login or identifier that is taken, also by a client; [`StoreFault::Missing`] for a role that is not there.
    pub async fn add_user(&mut self, user: &NewUser, now: Seconds) -> Result<User, StoreFault> {
        todo!()
    }

    /// Changes a user, and takes away what that takes away.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`] for a user or role that is not there.
    pub async fn change_user(&mut self, id: &str, change: &UserChange, now: Seconds) -> Result<User, StoreFault> {
        todo!()
    }

    /// Replaces a password and ends all the user's sessions but the one named (by [`super::Session::hash`]).
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`] for a user that is not there.
    pub async fn set_password(
        &mut self,
        id: &str,
        password: &Password,
        keep_session: Option<&str>,
    ) -> Result<(), StoreFault> {
        todo!()
    }

    /// Removes a user with approvals, codes, tokens and sessions, and writes the entry of the feed.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`] for a user that is not there.
    pub async fn remove_user(&mut self, id: &str, now: Seconds) -> Result<(), StoreFault> {
        todo!()
    }
}
