//! Users, on an administrator's behalf.

use std::collections::BTreeSet;

use super::password::{hash_password, one_time_password};
use super::secrets::identifier;
use super::{Administration, AdministrationFault, events, validity};
use crate::store::{Change, NewUser, Password, User, UserChange};

/// A user to be made.
#[derive(Clone, Debug)]
pub struct UserDraft {
    /// What is typed at login; put in lower case.
    pub login: String,
    /// For people to read.
    pub name: String,
    /// Names of roles.
    pub roles: BTreeSet<String>,
}

impl Administration<'_> {
    /// Makes a user, with a one-time password that is nowhere else.
    ///
    /// # Errors
    ///
    /// [`AdministrationFault`].
    pub async fn add_user(&self, draft: &UserDraft) -> Result<(User, String), AdministrationFault> {
        validity::login(&draft.login)?;
        validity::display_name(&draft.name)?;
        let password = one_time_password()?;
        let user = NewUser {
            id: format!("usr_{}", identifier()?),
            login: draft.login.clone(),
            name: draft.name.clone(),
            password: kept(password.clone()).await?,
            roles: draft.roles.clone(),
        };
        let mut change = self.begin().await?;
        self.demand(&self.permitted_by(&draft.roles).await?)?;
        let user = change.add_user(&user, self.now).await?;
        change.commit().await?;
        events::user_administered("a user was added", self.caller.name(), &user.id);
        Ok((user, password))
    }

    /// Changes a user to what `to` makes of the user as it is: nobody else changes it between.
    ///
    /// # Errors
    ///
    /// [`AdministrationFault`].
    pub async fn change_user(
        &self,
        id: &str,
        to: impl FnOnce(&User) -> UserChange,
    ) -> Result<User, AdministrationFault> {
        let mut change = self.begin().await?;
        let user = self.user_to_change(&mut change, id).await?;
        let to = to(&user);
        if let Some(name) = &to.name {
            validity::display_name(name)?;
        }
        if let Some(roles) = &to.roles {
            self.demand(&self.permitted_by(roles).await?)?;
        }
        let after = User {
            disabled: to.disabled.unwrap_or(user.disabled),
            roles: to.roles.clone().unwrap_or_else(|| user.roles.clone()),
            ..user.clone()
        };
        if !super::administration::administers(&after) {
            self.demand_another_administrator(&user).await?;
        }
        let user = change.change_user(id, &to, self.now).await?;
        change.commit().await?;
        events::user_administered("a user was changed", self.caller.name(), id);
        Ok(user)
    }

    /// Replaces a user's password with a one-time password that is nowhere else, and ends the user's sessions.
    ///
    /// # Errors
    ///
    /// [`AdministrationFault`].
    pub async fn replace_password(&self, id: &str) -> Result<String, AdministrationFault> {
        let password = one_time_password()?;
        let kept = kept(password.clone()).await?;
        let mut change = self.begin().await?;
        self.user_to_change(&mut change, id).await?;
        change.set_password(id, &kept, None).await?;
        change.commit().await?;
        events::user_administered("a user's password was replaced", self.caller.name(), id);
        Ok(password)
    }

    /// Removes a user with everything that hangs on it.
    ///
    /// # Errors
    ///
    /// [`AdministrationFault`].
    pub async fn remove_user(&self, id: &str) -> Result<(), AdministrationFault> {
        let mut change = self.begin().await?;
        let user = self.user_to_change(&mut change, id).await?;
        self.demand_another_administrator(&user).await?;
        change.remove_user(id, self.now).await?;
        change.commit().await?;
        events::user_administered("a user was removed", self.caller.name(), id);
        Ok(())
    }

    async fn user_to_change(&self, change: &mut Change, id: &str) -> Result<User, AdministrationFault> {
        let user = change.user(id).await?.ok_or(AdministrationFault::Missing("user"))?;
        self.demand_user(&user).await?;
        Ok(user)
    }
}

/// What is kept of a one-time password; computed where it holds up nobody.
async fn kept(password: String) -> Result<Password, AdministrationFault> {
    let hashed = tokio::task::spawn_blocking(move || hash_password(&password)).await;
    let hash = hashed.unwrap_or(Err(super::NoRandomness))?;
    Ok(Password { hash, one_time: true })
}
