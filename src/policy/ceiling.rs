//! What limits a token from outside: its client and its roles.

use std::collections::{BTreeMap, BTreeSet};

use super::{DirectoryRoles, PresentedClient};
use crate::scope::ScopeSet;

/// The ceilings of one table, compiled. A `None` ceiling is off; one that is on with nothing loaded permits nothing.
///
/// Every set is closed under `implies`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ceilings {
    /// What each role permits, by the role's name.
    pub roles: Option<BTreeMap<String, ScopeSet>>,
    /// Whether a role directory says what other roles permit. A role that is in `roles` is what it is there.
    pub directory: bool,
    /// What each client may use, by its identifier; [`Ceilings::UNLISTED`] is every client that is not listed.
    pub clients: Option<BTreeMap<String, ScopeSet>>,
    /// The clients that are listed with `acts_alone: true`.
    pub acts_alone: BTreeSet<String>,
}

impl Ceilings {
    /// The entry of every client that is not listed. A client of this name is not listed by it.
    pub const UNLISTED: &str = "*";

    /// Says whether the client is listed as one that may act without a user and, then, without roles.
    pub fn lets_act_alone(&self, client: &str) -> bool {
        client != Self::UNLISTED && self.acts_alone.contains(client)
    }

    /// What `client` may use; `None` if nothing limits it.
    pub(super) fn of_client(&self, client: PresentedClient<'_>) -> Option<ScopeSet> {
        let clients = self.clients.as_ref()?;
        let listed = match client {
            PresentedClient::Unlimited => return None,
            PresentedClient::Named(name) => clients.get(name),
            PresentedClient::Unnamed => None,
        };
        Some(listed.or_else(|| clients.get(Self::UNLISTED)).cloned().unwrap_or_default())
    }

    /// What `roles` permit together; `None` if the ceiling is off.
    pub(super) fn of_roles(&self, roles: &[&str], directory: Option<&DirectoryRoles>) -> Option<ScopeSet> {
        let known = self.roles.as_ref()?;
        let permitted_by = |role: &str| known.get(role).or_else(|| directory?.permitted_by(role));
        let mut permitted = ScopeSet::default();
        roles.iter().filter_map(|role| permitted_by(role)).for_each(|scopes| permitted.union_with(scopes));
        Some(permitted)
    }

    /// Says whether only the directory can say what the role permits.
    pub(super) fn leaves_to_directory(&self, role: &str) -> bool {
        self.directory && self.roles.as_ref().is_some_and(|roles| !roles.contains_key(role))
    }
}
