//! Administering users, roles, clients and approvals: the rules that hold for the API and the command line alike.
//!
//! Scopes limit and roles permit here as everywhere. Besides, nobody gives or commands more than is permitted to himself: giving a
//! role, changing what a role permits, acting on a user or on a client that asks nobody, having what users approved sent elsewhere asks
//! that everything which they permit is permitted to the caller. And the last administrator who can log in stays.

use super::api_guard::permitted_to;
use super::bearer::standing;
use super::{AdministrationFault, Catalogue, DEFAULT_ADMIN_ROLE, events};
use crate::store::{Change, ScopeNames, Seconds, Store, User};

/// Users that are read at one time.
const PAGE: u32 = 500;

/// On whose behalf something is administered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Whoever may write the database file: the command line.
    Operator,
    /// The bearer of an access token.
    Bearer {
        /// The `sub`.
        subject: String,
        /// The token.
        jti: String,
        /// What roles permit the user, or its allow list a client that acts for itself.
        permitted: ScopeNames,
    },
}

impl Caller {
    /// For the log.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Operator => "command line",
            Self::Bearer { subject, .. } => subject,
        }
    }
}

/// Administers one database on somebody's behalf.
#[derive(Debug)]
pub struct Administration<'a> {
    /// The database.
    pub store: &'a Store,
    /// The scopes that there are.
    pub catalogue: &'a Catalogue,
    /// The moment.
    pub now: Seconds,
    /// On whose behalf.
    pub caller: Caller,
}

impl Administration<'_> {
    /// Begins a change. Everything that is asked of the caller is asked of it as it stands then: while the change is open nobody else
    /// can take anything back, and before that somebody may have.
    ///
    /// # Errors
    ///
    /// [`AdministrationFault::Withdrawn`] when the token, or something that was permitted to its bearer, was taken back since it was
    /// looked at; [`AdministrationFault::Store`].
    pub(super) async fn begin(&self) -> Result<Change, AdministrationFault> {
        let change = self.store.change().await?;
        let Caller::Bearer { subject, jti, permitted } = &self.caller else { return Ok(change) };
        let left = match standing(self.store, jti, self.now).await? {
            Some(presented) => permitted_to(self.store, self.catalogue, &presented).await?,
            None => ScopeNames::default(),
        };
        if permitted.is_subset_of(&left) {
            return Ok(change);
        }
        events::withdrawn(subject);
        Err(AdministrationFault::Withdrawn)
    }

    /// Asks that all of `scopes`, with what they contain, is permitted to the caller. What no role can permit is asked of nobody.
    pub(super) fn demand(&self, scopes: &ScopeNames) -> Result<(), AdministrationFault> {
        let Caller::Bearer { permitted, .. } = &self.caller else { return Ok(()) };
        let beyond = self.catalogue.close(scopes).without(permitted);
        let permissible = |name: &&str| self.catalogue.find(name).is_some_and(|scope| scope.role);
        match beyond.iter().find(permissible) {
            Some(beyond) => {
                events::exceeds_caller(self.caller.name(), beyond);
                Err(AdministrationFault::ExceedsCaller(beyond.to_owned()))
            }
            None => Ok(()),
        }
    }

    /// What roles permit together; one that is not there is a fault.
    pub(super) async fn permitted_by<'r>(
        &self,
        roles: impl IntoIterator<Item = &'r String>,
    ) -> Result<ScopeNames, AdministrationFault> {
        let mut permitted = ScopeNames::default();
        for name in roles {
            let role = self.store.role(name).await?;
            let role = role.ok_or_else(|| AdministrationFault::UnknownRole(name.clone()))?;
            permitted = permitted.union(&role.scopes);
        }
        Ok(permitted)
    }

    /// Asks that the user permits nothing that is not permitted to the caller.
    pub(super) async fn demand_user(&self, user: &User) -> Result<(), AdministrationFault> {
        if self.caller == Caller::Operator {
            return Ok(());
        }
        self.demand(&self.permitted_by(&user.roles).await?)
    }

    /// Asks that another user than this one can log in and administer the tenant, if this one can.
    ///
    /// Called while a change is open, so that of two that go at the same time one sees the other.
    pub(super) async fn demand_another_administrator(&self, user: &User) -> Result<(), AdministrationFault> {
        if !administers(user) {
            return Ok(());
        }
        let mut after = String::new();
        loop {
            let page = self.store.users(&after, PAGE).await?;
            if page.iter().any(|other| other.id != user.id && administers(other)) {
                return Ok(());
            }
            match page.last() {
                Some(last) => after.clone_from(&last.id),
                None => return Err(AdministrationFault::LastAdministrator),
            }
        }
    }

    /// Asks that every scope is in the catalogue.
    pub(super) fn demand_known(&self, scopes: &ScopeNames) -> Result<(), AdministrationFault> {
        match scopes.iter().find(|name| self.catalogue.find(name).is_none()) {
            Some(unknown) => Err(AdministrationFault::UnknownScope(unknown.to_owned())),
            None => Ok(()),
        }
    }
}

pub(super) fn administers(user: &User) -> bool {
    !user.disabled && user.roles.contains(DEFAULT_ADMIN_ROLE)
}
