//! Roles: names with the scopes that they permit.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::revocations::Named;
use super::{Change, ScopeNames, Seconds, Store, StoreFault, lists};

/// How far a role reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The whole tenant: it may permit administrator scopes.
    Admin,
    /// What the user owns or shares.
    User,
}

impl Level {
    /// `admin` or `user`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
        }
    }

    /// Reads what [`Level::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Admin, Self::User].into_iter().find(|level| level.as_str() == text)
    }
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Unique; compared byte for byte.
    pub name: String,
    /// How far it reaches.
    pub level: Level,
    /// What it permits.
    pub scopes: ScopeNames,
    /// Whether it came with the product; such a role cannot be changed or removed.
    pub is_default: bool,
}

impl Store {
    /// Finds a role.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn role(&self, name: &str) -> Result<Option<Role>, StoreFault> {
        let row = sqlx::query("SELECT * FROM roles WHERE name = $1").bind(name).fetch_optional(&self.readers).await?;
        row.map(|row| role(&row)).transpose()
    }

    /// Lists every role by ascending name.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn roles(&self) -> Result<Vec<Role>, StoreFault> {
        sqlx::query("SELECT * FROM roles ORDER BY name").fetch_all(&self.readers).await?.iter().map(role).collect()
    }
}

impl Change {
    /// Makes the default roles what `roles` says; a custom role of one of these names becomes a default role, and a default role
    /// that is not among them a custom one.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn set_default_roles(&mut self, roles: &[Role]) -> Result<(), StoreFault> {
        sqlx::query("UPDATE roles SET is_default = FALSE WHERE is_default").execute(&mut *self.transaction).await?;
        for role in roles {
            sqlx::query(
                "INSERT INTO roles (name, level, scopes, is_default) VALUES ($1, $2, $3, TRUE)
                 ON CONFLICT (name) DO UPDATE SET level = excluded.level, scopes = excluded.scopes, is_default = TRUE",
            )
            .bind(&role.name)
            .bind(role.level.as_str())
            .bind(lists::write(role.scopes.iter()))
            .execute(&mut *self.transaction)
            .await?;
        }
        Ok(())
    }

    /// Makes a custom role.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Exists`] for a name that is taken.
    pub async fn add_role(&mut self, role: &Role) -> Result<(), StoreFault> {
        let added = sqlx::query(
            "INSERT INTO roles (name, level, scopes, is_default) VALUES ($1, $2, $3, FALSE) ON CONFLICT DO NOTHING",
        )
        .bind(&role.name)
        .bind(role.level.as_str())
        .bind(lists::write(role.scopes.iter()))
        .execute(&mut *self.transaction)
        .await?;
        if added.rows_affected() == 0 { Err(StoreFault::Exists("role")) } else { Ok(()) }
    }

    /// Changes level and scopes of the custom role of this name. What it permits is read from the directory, so no token is revoked.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`], [`StoreFault::DefaultRole`].
    pub async fn change_role(&mut self, role: &Role) -> Result<(), StoreFault> {
        self.require_custom_role(&role.name).await?;
        sqlx::query("UPDATE roles SET level = $1, scopes = $2 WHERE name = $3")
            .bind(role.level.as_str())
            .bind(lists::write(role.scopes.iter()))
            .bind(&role.name)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// Removes a custom role, takes it from every user, and writes an entry of the feed for each of them.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`], [`StoreFault::DefaultRole`].
    pub async fn remove_role(&mut self, name: &str, now: Seconds) -> Result<(), StoreFault> {
        self.require_custom_role(name).await?;
        let holders: Vec<String> =
            sqlx::query_scalar("SELECT user_id FROM user_roles WHERE role = $1 ORDER BY user_id")
                .bind(name)
                .fetch_all(&mut *self.transaction)
                .await?;
        sqlx::query("DELETE FROM roles WHERE name = $1").bind(name).execute(&mut *self.transaction).await?;
        for user in &holders {
            self.withdraw(Named::Subject(user), now).await?;
        }
        Ok(())
    }

    async fn require_custom_role(&mut self, name: &str) -> Result<(), StoreFault> {
        let is_default = sqlx::query_scalar("SELECT is_default FROM roles WHERE name = $1")
            .bind(name)
            .fetch_optional(&mut *self.transaction)
            .await?;
        match is_default {
            Some(false) => Ok(()),
            Some(true) => Err(StoreFault::DefaultRole),
            None => Err(StoreFault::Missing("role")),
        }
    }
}

fn role(row: &SqliteRow) -> Result<Role, StoreFault> {
    let level: String = row.try_get("level")?;
    Ok(Role {
        name: row.try_get("name")?,
        level: Level::parse(&level).ok_or(StoreFault::Unreadable("roles"))?,
        scopes: lists::read(row, "scopes", "roles")?,
        is_default: row.try_get("is_default")?,
    })
}
