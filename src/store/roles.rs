//! Roles: names with the scopes that they permit.

use super::{Change, ScopeNames, Seconds, Store, StoreFault};

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
        todo!()
    }

    /// Lists every role by ascending name.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn roles(&self) -> Result<Vec<Role>, StoreFault> {
        todo!()
    }
}

impl Change {
    /// Makes the default roles what `roles` says; a custom role of one of these names becomes a default role.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn set_default_roles(&mut self, roles: &[Role]) -> Result<(), StoreFault> {
        todo!()
    }

    /// Makes a custom role.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Exists`] for a name that is taken.
    pub async fn add_role(&mut self, role: &Role) -> Result<(), StoreFault> {
        todo!()
    }

    /// Changes level and scopes of the custom role of this name. What it permits is read from the directory, so no token is revoked.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`], [`StoreFault::DefaultRole`].
    pub async fn change_role(&mut self, role: &Role) -> Result<(), StoreFault> {
        todo!()
    }

    /// Removes a custom role, takes it from every user, and writes an entry of the feed for each of them.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`], [`StoreFault::DefaultRole`].
    pub async fn remove_role(&mut self, name: &str, now: Seconds) -> Result<(), StoreFault> {
        todo!()
    }
}
