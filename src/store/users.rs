//! Users: who logs in, and which roles limit what an application may do for them.

use std::collections::BTreeSet;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::revocations::Named;
use super::{Change, Seconds, Store, StoreFault};

/// What the identifier of every user begins with, and that of no client.
pub(super) const USER_PREFIX: &str = "usr_";

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
        find_user(&mut *self.readers.acquire().await?, id).await
    }

    /// Finds a user by login, in any letter case, with the password.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn user_by_login(&self, login: &str) -> Result<Option<(User, Password)>, StoreFault> {
        let rows = sqlx::query(
            "SELECT users.*, user_roles.role FROM users LEFT JOIN user_roles ON user_roles.user_id = users.id
             WHERE users.login = $1",
        )
        .bind(login.to_lowercase())
        .fetch_all(&self.readers)
        .await?;
        let (Some(row), Some(user)) = (rows.first(), read_users(&rows)?.pop()) else {
            return Ok(None);
        };
        let password = Password { hash: row.try_get("password_hash")?, one_time: row.try_get("password_one_time")? };
        Ok(Some((user, password)))
    }

    /// Lists users by ascending identifier, after `after`, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn users(&self, after: &str, limit: u32) -> Result<Vec<User>, StoreFault> {
        let rows = sqlx::query(
            "SELECT page.*, user_roles.role FROM (SELECT * FROM users WHERE id > $1 ORDER BY id LIMIT $2) AS page
             LEFT JOIN user_roles ON user_roles.user_id = page.id ORDER BY page.id",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        read_users(&rows)
    }
}

impl Change {
    /// See [`Store::user`].
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn user(&mut self, id: &str) -> Result<Option<User>, StoreFault> {
        find_user(&mut self.transaction, id).await
    }

    /// Makes a user.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Exists`] for a login or identifier that is taken, also by a client, or has not the
    /// prefix `usr_` (every other is a client's); [`StoreFault::Missing`] for a role that is not there.
    pub async fn add_user(&mut self, user: &NewUser, now: Seconds) -> Result<User, StoreFault> {
        if !user.id.starts_with(USER_PREFIX) || self.is_identifier_taken(&user.id).await? {
            return Err(StoreFault::Exists("identifier"));
        }
        let added = sqlx::query(
            "INSERT INTO users (id, login, name, password_hash, password_one_time, disabled, created_at)
             VALUES ($1, $2, $3, $4, $5, FALSE, $6) ON CONFLICT DO NOTHING",
        )
        .bind(&user.id)
        .bind(user.login.to_lowercase())
        .bind(&user.name)
        .bind(&user.password.hash)
        .bind(user.password.one_time)
        .bind(now)
        .execute(&mut *self.transaction)
        .await?;
        if added.rows_affected() == 0 {
            return Err(StoreFault::Exists("login"));
        }
        self.give_roles(&user.id, &user.roles).await?;
        require(find_user(&mut self.transaction, &user.id).await?)
    }

    /// Changes a user, and takes away what that takes away.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`] for a user or role that is not there.
    pub async fn change_user(&mut self, id: &str, change: &UserChange, now: Seconds) -> Result<User, StoreFault> {
        let before = require(find_user(&mut self.transaction, id).await?)?;
        if let Some(name) = &change.name {
            let rename = sqlx::query("UPDATE users SET name = $1 WHERE id = $2").bind(name).bind(id);
            rename.execute(&mut *self.transaction).await?;
        }
        let mut loses = false;
        if let Some(disabled) = change.disabled.filter(|disabled| *disabled != before.disabled) {
            self.set_disabled(id, disabled).await?;
            loses |= disabled;
        }
        if let Some(roles) = &change.roles {
            self.take_roles(id, before.roles.difference(roles)).await?;
            self.give_roles(id, roles).await?;
            loses |= !before.roles.is_subset(roles);
        }
        if loses {
            self.withdraw(Named::Subject(id), now).await?;
        }
        require(find_user(&mut self.transaction, id).await?)
    }

    /// Whether the password of which `hash` is kept still lets this user in: it takes time to compute, and it may have been replaced
    /// meanwhile, or the user disabled or removed.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn lets_in(&mut self, id: &str, hash: &str) -> Result<bool, StoreFault> {
        let lets_in = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM users WHERE id = $1 AND password_hash = $2 AND NOT disabled)",
        )
        .bind(id)
        .bind(hash)
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(lets_in)
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
        let set = sqlx::query("UPDATE users SET password_hash = $1, password_one_time = $2 WHERE id = $3")
            .bind(&password.hash)
            .bind(password.one_time)
            .bind(id)
            .execute(&mut *self.transaction)
            .await?;
        if set.rows_affected() == 0 {
            return Err(StoreFault::Missing("user"));
        }
        // No session has an empty hash.
        sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND hash <> $2")
            .bind(id)
            .bind(keep_session.unwrap_or_default())
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// Removes a user with approvals, codes, tokens and sessions, and writes the entry of the feed.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`] for a user that is not there.
    pub async fn remove_user(&mut self, id: &str, now: Seconds) -> Result<(), StoreFault> {
        // Approvals, codes, refresh tokens and sessions go with the row.
        let removed = sqlx::query("DELETE FROM users WHERE id = $1").bind(id).execute(&mut *self.transaction).await?;
        if removed.rows_affected() == 0 {
            return Err(StoreFault::Missing("user"));
        }
        self.withdraw(Named::Subject(id), now).await
    }

    /// Whether a user or a client has this identifier: both may be the `sub` of a token.
    pub(super) async fn is_identifier_taken(&mut self, id: &str) -> Result<bool, StoreFault> {
        let taken = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM users WHERE id = $1) OR EXISTS (SELECT 1 FROM clients WHERE id = $1)",
        )
        .bind(id)
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(taken)
    }

    async fn set_disabled(&mut self, id: &str, disabled: bool) -> Result<(), StoreFault> {
        let set = sqlx::query("UPDATE users SET disabled = $1 WHERE id = $2").bind(disabled).bind(id);
        set.execute(&mut *self.transaction).await?;
        if disabled {
            for end in [
                "DELETE FROM sessions WHERE user_id = $1",
                "DELETE FROM codes WHERE user_id = $1",
                "DELETE FROM refresh_tokens WHERE user_id = $1",
            ] {
                sqlx::query(end).bind(id).execute(&mut *self.transaction).await?;
            }
        }
        Ok(())
    }

    async fn give_roles(&mut self, id: &str, roles: &BTreeSet<String>) -> Result<(), StoreFault> {
        for role in roles {
            let is_there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM roles WHERE name = $1)")
                .bind(role)
                .fetch_one(&mut *self.transaction)
                .await?;
            if !is_there {
                return Err(StoreFault::Missing("role"));
            }
            sqlx::query("INSERT INTO user_roles (user_id, role) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(id)
                .bind(role)
                .execute(&mut *self.transaction)
                .await?;
        }
        Ok(())
    }

    async fn take_roles(&mut self, id: &str, roles: impl Iterator<Item = &String> + Send) -> Result<(), StoreFault> {
        for role in roles {
            let take = sqlx::query("DELETE FROM user_roles WHERE user_id = $1 AND role = $2").bind(id).bind(role);
            take.execute(&mut *self.transaction).await?;
        }
        Ok(())
    }
}

pub(super) async fn require_user(connection: &mut SqliteConnection, id: &str) -> Result<(), StoreFault> {
    let is_there =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users WHERE id = $1)").bind(id).fetch_one(connection).await?;
    if is_there { Ok(()) } else { Err(StoreFault::Missing("user")) }
}

/// Reads users out of rows of `users` joined with `user_roles`, in which the rows of a user stand together.
pub(super) fn read_users(rows: &[SqliteRow]) -> Result<Vec<User>, StoreFault> {
    let mut users: Vec<User> = Vec::new();
    for row in rows {
        let id: String = row.try_get("id")?;
        let role: Option<String> = row.try_get("role")?;
        match users.last_mut() {
            Some(user) if user.id == id => user.roles.extend(role),
            Some(_) | None => users.push(User {
                id,
                login: row.try_get("login")?,
                name: row.try_get("name")?,
                disabled: row.try_get("disabled")?,
                roles: role.into_iter().collect(),
                created_at: row.try_get("created_at")?,
            }),
        }
    }
    Ok(users)
}

async fn find_user(connection: &mut SqliteConnection, id: &str) -> Result<Option<User>, StoreFault> {
    let rows = sqlx::query(
        "SELECT users.*, user_roles.role FROM users LEFT JOIN user_roles ON user_roles.user_id = users.id
         WHERE users.id = $1",
    )
    .bind(id)
    .fetch_all(connection)
    .await?;
    Ok(read_users(&rows)?.pop())
}

fn require(user: Option<User>) -> Result<User, StoreFault> {
    user.ok_or(StoreFault::Missing("user"))
}
