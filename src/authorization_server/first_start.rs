//! What a database needs before anybody can be served: default roles, a signing key, an administrator.

use super::fault::NoRandomness;
use super::password::{hash_password, one_time_password};
use super::secrets::identifier;
use super::signing_key::new_signing_key;
use super::{AuthorizationServer, Catalogue, DEFAULT_ADMIN_ROLE};
use crate::store::{NewUser, Password, Seconds, Store, StoreFault};

/// The login of the administrator that a new database gets.
pub const FIRST_LOGIN: &str = "admin";

/// The administrator that a new database got. The password is nowhere else, and must be replaced at the first login.
#[derive(Clone, PartialEq, Eq)]
pub struct FirstAdministrator {
    /// What to log in with.
    pub login: String,
    /// The one-time password.
    pub password: String,
}

impl std::fmt::Debug for FirstAdministrator {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("FirstAdministrator").field("login", &self.login).finish_non_exhaustive()
    }
}

/// Why a database could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum FirstStartFault {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// No key and no password can be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl AuthorizationServer {
    /// Brings the default roles up to the catalogue; gives a database that has none a signing key, and an administrator.
    ///
    /// # Errors
    ///
    /// [`FirstStartFault`]; then nothing has changed.
    pub async fn prepare(&self) -> Result<Option<FirstAdministrator>, FirstStartFault> {
        prepare(&self.store, &self.catalogue.load(), self.now()).await
    }

    /// Takes another catalogue, and brings the default roles up to it.
    ///
    /// # Errors
    ///
    /// [`StoreFault`]; then everything is as it was.
    pub async fn replace_catalogue(&self, catalogue: Catalogue) -> Result<(), StoreFault> {
        let mut change = self.store.change().await?;
        change.set_default_roles(&catalogue.default_roles()).await?;
        change.commit().await?;
        self.catalogue.store(catalogue.into());
        Ok(())
    }
}

/// See [`AuthorizationServer::prepare`]. Everything happens in one change, so that of two processes one does it.
pub(super) async fn prepare(
    store: &Store,
    catalogue: &Catalogue,
    now: Seconds,
) -> Result<Option<FirstAdministrator>, FirstStartFault> {
    let mut change = store.change().await?;
    change.set_default_roles(&catalogue.default_roles()).await?;
    if store.signing_keys().await?.is_empty() {
        change.add_signing_key(&new_signing_key(now)?).await?;
    }
    let first = if store.users("", 1).await?.is_empty() { Some(first_administrator()?) } else { None };
    if let Some((_, user)) = &first {
        change.add_user(user, now).await?;
    }
    change.commit().await?;
    Ok(first.map(|(administrator, _)| administrator))
}

fn first_administrator() -> Result<(FirstAdministrator, NewUser), NoRandomness> {
    let password = one_time_password()?;
    let user = NewUser {
        id: format!("usr_{}", identifier()?),
        login: FIRST_LOGIN.to_owned(),
        name: "Administrator".to_owned(),
        password: Password { hash: hash_password(&password)?, one_time: true },
        roles: [DEFAULT_ADMIN_ROLE.to_owned()].into(),
    };
    Ok((FirstAdministrator { login: user.login.clone(), password }, user))
}
