//! What one token may do under one table.

use super::{Ceilings, DirectoryRoles, RouteTable, Terms};
use crate::scope::{Catalog, ScopeId, ScopeSet};
use crate::token::VerifiedToken;

/// The bearer's side of a decision: what a verified token says, as far as policy reads it.
#[derive(Clone, Debug)]
pub struct Presented<'a> {
    /// The token's scope-tokens, split at U+0020 (RFC 6749 §3.3); unknown names, empty pieces and duplicates mean
    /// nothing.
    pub scope: &'a str,
    /// The names of the token's roles.
    pub roles: Vec<&'a str>,
    /// Who uses the token.
    pub client: PresentedClient<'a>,
    /// Whether the token stands for no user.
    pub alone: bool,
}

/// The client that uses a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresentedClient<'a> {
    /// By its identifier.
    Named(&'a str),
    /// No claim says: it is as limited as a client that is not listed.
    Unnamed,
    /// A client without ceiling: only for a policy's own tests and `explain`; no token makes one.
    Unlimited,
}

impl<'a> Presented<'a> {
    /// Reads a verified token.
    pub fn of(token: &'a VerifiedToken) -> Self {
        Self {
            scope: &token.scope,
            roles: token.roles.iter().map(AsRef::as_ref).collect(),
            client: token.client.as_deref().map_or(PresentedClient::Unnamed, PresentedClient::Named),
            alone: token.is_client_alone(),
        }
    }

    /// The scope-tokens, one by one; empty pieces included.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.scope.split(' ')
    }
}

/// What one token may do under one table: the scopes that it holds, and those of them that its client may use and its
/// roles permit.
///
/// It depends on nothing but the table, the role directory and what was presented, so it may be kept beside a verified token for
/// as long as [`Standing::is_under`] the terms in force.
#[derive(Clone, Debug)]
pub struct Standing {
    held: ScopeSet,
    permitted: ScopeSet,
    /// `None`: nothing limits it.
    client_ceiling: Option<ScopeSet>,
    /// `None`: nothing limits it.
    role_ceiling: Option<ScopeSet>,
    /// Whether the token has roles of which only a directory could say what they permit, and there is none.
    lacks_roles: bool,
    generation: u64,
    /// 0 without one.
    directory: u64,
}

impl Standing {
    /// Works out what a token may do under `table`, whose role directory is `directory`.
    ///
    /// Without it, and with one that was compiled for another table, roles that only it knows permit nothing, and the standing
    /// says so. A table without directory takes none.
    pub fn new(table: &RouteTable, directory: Option<&DirectoryRoles>, presented: &Presented<'_>) -> Self {
        Self::under(table.catalog(), table.ceilings(), table.generation(), directory, presented)
    }

    pub(super) fn under(
        catalog: &Catalog,
        ceilings: &Ceilings,
        generation: u64,
        directory: Option<&DirectoryRoles>,
        presented: &Presented<'_>,
    ) -> Self {
        let usable = directory.filter(|directory| ceilings.directory && directory.is_under(generation));
        let held = catalog.held(presented.names());
        let client_ceiling = ceilings.of_client(presented.client);
        let is_excepted = acts_alone(ceilings, presented);
        let role_ceiling = if is_excepted { None } else { ceilings.of_roles(&presented.roles, usable) };
        let lacks_roles = usable.is_none()
            && role_ceiling.is_some()
            && presented.roles.iter().any(|role| ceilings.leaves_to_directory(role));
        let mut permitted = held.clone();
        for ceiling in client_ceiling.iter().chain(&role_ceiling) {
            permitted.intersect_with(ceiling);
        }
        let directory = directory.map_or(0, DirectoryRoles::generation);
        Self { held, permitted, client_ceiling, role_ceiling, lacks_roles, generation, directory }
    }

    /// Returns the scopes of the token that the catalogue knows and that are for tokens, closed under `implies`.
    pub fn held(&self) -> &ScopeSet {
        &self.held
    }

    /// Returns the scopes held that the client may use, whatever the roles permit.
    pub fn within_client(&self) -> ScopeSet {
        let mut within = self.held.clone();
        if let Some(ceiling) = &self.client_ceiling {
            within.intersect_with(ceiling);
        }
        within
    }

    /// Returns the scopes held that the client may use and the roles permit: what a decision is made on.
    pub fn permitted(&self) -> &ScopeSet {
        &self.permitted
    }

    /// Writes the permitted scopes in the order of the catalogue, one space between.
    pub fn permitted_text(&self, catalog: &Catalog) -> String {
        catalog.text(&self.permitted)
    }

    /// Says whether the client's ceiling leaves it no scope at all.
    pub fn client_may_use_nothing(&self) -> bool {
        self.client_ceiling.as_ref().is_some_and(ScopeSet::is_empty)
    }

    /// Returns the generation of the table that the bits belong to.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Says whether it was worked out under these very terms.
    pub fn is_under(&self, terms: Terms<'_>) -> bool {
        self.generation == terms.table.generation()
            && self.directory == terms.directory.map_or(0, DirectoryRoles::generation)
    }

    /// Says whether the token has roles of which only the role directory could say what they permit, and it was not there.
    pub fn lacks_roles(&self) -> bool {
        self.lacks_roles
    }

    /// Whether a token with the same client and roles could ever be permitted this scope.
    pub(super) fn ceilings_permit(&self, id: ScopeId) -> bool {
        self.client_ceiling.iter().chain(&self.role_ceiling).all(|ceiling| ceiling.contains(id))
    }

    /// What the client may use; `None`: nothing limits it.
    pub(super) fn client_ceiling(&self) -> Option<&ScopeSet> {
        self.client_ceiling.as_ref()
    }

    /// What the roles permit; `None`: nothing limits it.
    pub(super) fn role_ceiling(&self) -> Option<&ScopeSet> {
        self.role_ceiling.as_ref()
    }
}

/// The one exception to the roles' ceiling, which only the policy can make: a listed client without user and roles.
///
/// A token that gains a role loses the exception. The laws of the ceilings are therefore about scopes, not about
/// roles: a role may take away what acting alone gave.
fn acts_alone(ceilings: &Ceilings, presented: &Presented<'_>) -> bool {
    match presented.client {
        PresentedClient::Named(client) => {
            presented.alone && presented.roles.is_empty() && ceilings.lets_act_alone(client)
        }
        PresentedClient::Unnamed | PresentedClient::Unlimited => false,
    }
}
