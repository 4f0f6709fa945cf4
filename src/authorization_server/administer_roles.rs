//! Roles, on an administrator's behalf.

use super::{Administration, AdministrationFault, events, validity};
use crate::scope::Side;
use crate::store::{Level, Role, ScopeNames};

/// What changes of a role; `None` stays.
#[derive(Clone, Debug, Default)]
pub struct RoleChange {
    /// How far it reaches.
    pub level: Option<Level>,
    /// What it permits.
    pub scopes: Option<ScopeNames>,
}

impl Administration<'_> {
    /// Makes a custom role.
    ///
    /// # Errors
    ///
    /// [`AdministrationFault`].
    pub async fn add_role(&self, role: &Role) -> Result<(), AdministrationFault> {
        validity::role_name(&role.name)?;
        self.check_role(role)?;
        self.demand(&role.scopes)?;
        let mut change = self.begin().await?;
        change.add_role(role).await?;
        change.commit().await?;
        events::role_administered("a role was added", self.caller.name(), role);
        Ok(())
    }

    /// Changes a custom role to what `to` makes of it as it is: nobody else changes it between. Nobody changes a role that permits
    /// more than he may give, before or after.
    ///
    /// # Errors
    ///
    /// [`AdministrationFault`].
    pub async fn change_role(
        &self,
        name: &str,
        to: impl FnOnce(&Role) -> RoleChange,
    ) -> Result<Role, AdministrationFault> {
        let mut change = self.begin().await?;
        let role = self.store.role(name).await?.ok_or(AdministrationFault::Missing("role"))?;
        if role.is_default {
            return Err(AdministrationFault::DefaultRole);
        }
        self.demand(&role.scopes)?;
        let RoleChange { level, scopes } = to(&role);
        let role =
            Role { level: level.unwrap_or(role.level), scopes: scopes.unwrap_or_else(|| role.scopes.clone()), ..role };
        self.check_role(&role)?;
        self.demand(&role.scopes)?;
        change.change_role(&role).await?;
        change.commit().await?;
        events::role_administered("a role was changed", self.caller.name(), &role);
        Ok(role)
    }

    /// Removes a custom role, also from every user.
    ///
    /// # Errors
    ///
    /// [`AdministrationFault`].
    pub async fn remove_role(&self, name: &str) -> Result<(), AdministrationFault> {
        let mut change = self.begin().await?;
        let role = self.store.role(name).await?.ok_or(AdministrationFault::Missing("role"))?;
        if role.is_default {
            return Err(AdministrationFault::DefaultRole);
        }
        self.demand(&role.scopes)?;
        change.remove_role(name, self.now).await?;
        change.commit().await?;
        events::role_administered("a role was removed", self.caller.name(), &role);
        Ok(())
    }

    fn check_role(&self, role: &Role) -> Result<(), AdministrationFault> {
        validity::scopes("scopes", &role.scopes)?;
        self.demand_known(&role.scopes)?;
        for scope in role.scopes.iter().filter_map(|name| self.catalogue.find(name)) {
            if !scope.role {
                let what = format!("scope `{}` is for tokens alone: no role permits it", scope.name);
                return Err(AdministrationFault::Contradiction(what));
            }
        }
        let closed = self.catalogue.close(&role.scopes);
        let reaching =
            closed.iter().filter_map(|name| self.catalogue.find(name)).find(|scope| scope.side == Side::Admin);
        match reaching {
            Some(scope) if role.level == Level::User => {
                let what =
                    format!("a role of level `user` cannot permit `{}`, which reaches the whole tenant", scope.name);
                Err(AdministrationFault::Contradiction(what))
            }
            Some(_) | None => Ok(()),
        }
    }
}
