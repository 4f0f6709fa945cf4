//! The scopes that may be granted, with the words that the consent page shows.

use std::collections::BTreeMap;

use crate::scope::{Catalog, Side};
use crate::store::{Level, Role, ScopeNames};

/// The default role whose holders administer the tenant: it permits every scope.
pub const DEFAULT_ADMIN_ROLE: &str = "TenantAdmin";
/// The default role of everybody: it permits every scope of side user.
pub const DEFAULT_USER_ROLE: &str = "User";

/// Scopes of the protocols and of the server's own API, which need no policy file; a policy file may describe them in its own words.
const OWN: &[(&str, &str)] = &[
    ("openid", "Confirm who you are"),
    ("profile", "See your name and login"),
    ("offline_access", "Keep its access while you are away, until you take it back"),
    ("admin.roles", "Manage the roles of the tenant"),
    ("admin.users", "Manage the users of the tenant and what they approved"),
    ("admin.oauth-clients", "Manage the applications of the tenant"),
];

/// One scope as people and rules see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeText {
    /// The scope.
    pub name: String,
    /// What it lets an application do, in plain words.
    pub describe: String,
    /// Whether it reaches what the user owns, or the whole tenant.
    pub side: Side,
    /// Whether a token may carry it.
    pub token: bool,
    /// Whether a role may permit it.
    pub role: bool,
}

/// The scopes that may be granted: those of the policy files, and the server's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    scopes: BTreeMap<String, ScopeText>,
    /// By scope, what it contains besides itself.
    contained: BTreeMap<String, ScopeNames>,
}

impl Catalogue {
    /// Takes the scopes of the policy files and adds the server's own.
    pub fn new(policy: &Catalog) -> Self {
        let written = policy.ids().map(|id| {
            let entry = policy.entry(id);
            ScopeText {
                name: policy.name(id).to_owned(),
                describe: entry.describe.clone(),
                side: policy.side(id),
                token: entry.uses.token,
                role: entry.uses.role,
            }
        });
        let contained = policy.ids().map(|id| {
            (policy.name(id).to_owned(), policy.closure(id).iter().map(|inner| policy.name(inner)).collect())
        });
        Self {
            scopes: Self::own().chain(written).map(|scope| (scope.name.clone(), scope)).collect(),
            contained: contained.collect(),
        }
    }

    /// The server's own scopes, which need no policy file; one that a policy file has keeps its side and its uses.
    pub fn own() -> impl Iterator<Item = ScopeText> {
        OWN.iter().map(|(name, describe)| {
            let side = if name.starts_with("admin.") { Side::Admin } else { Side::User };
            ScopeText { name: (*name).to_owned(), describe: (*describe).to_owned(), side, token: true, role: true }
        })
    }

    /// Finds a scope.
    pub fn find(&self, name: &str) -> Option<&ScopeText> {
        self.scopes.get(name)
    }

    /// Lists the scopes by ascending name.
    pub fn iter(&self) -> impl Iterator<Item = &ScopeText> {
        self.scopes.values()
    }

    /// The scopes of `names` that are known, with all that they contain.
    pub(super) fn close(&self, names: &ScopeNames) -> ScopeNames {
        let mut closed = ScopeNames::default();
        for name in names.iter().filter(|name| self.scopes.contains_key(*name)) {
            closed.insert(name);
            self.contained.get(name).into_iter().flat_map(ScopeNames::iter).for_each(|inner| {
                closed.insert(inner);
            });
        }
        closed
    }

    /// The scopes that a token may carry.
    pub fn for_tokens(&self) -> ScopeNames {
        self.iter().filter(|scope| scope.token).map(|scope| scope.name.as_str()).collect()
    }

    /// The roles that come with the product: they follow the catalogue and cannot be changed.
    pub fn default_roles(&self) -> [Role; 2] {
        let permits = |level: Level| {
            let within = |scope: &&ScopeText| scope.role && (level == Level::Admin || scope.side == Side::User);
            self.iter().filter(within).map(|scope| scope.name.as_str()).collect()
        };
        [(DEFAULT_ADMIN_ROLE, Level::Admin), (DEFAULT_USER_ROLE, Level::User)].map(|(name, level)| Role {
            name: name.to_owned(),
            level,
            scopes: permits(level),
            is_default: true,
        })
    }
}
