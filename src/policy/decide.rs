//! The decision: a table, a route found in it, what was presented → forward or refuse.

use std::fmt;

use http::{HeaderValue, Method, Uri};
use serde::{Serialize, Serializer};

use super::challenge_set::ChallengeSet;
use super::{
    Denial, DirectoryRoles, Entry, Found, Presented, RequestTarget, RoleDirectory, RouteTable, Sides, Standing,
};
use crate::scope::{Catalog, ScopeSet};

/// Leave to forward one request.
///
/// Only [`decide`] makes one, and forwarding takes it by value: forwarding without deciding does not compile. Nobody
/// can write one down,
///
/// ```compile_fail,E0451
/// use scopegate::policy::{Access, Found, Grant, RouteIndex};
///
/// let found = Found { route: RouteIndex(0), method: 0 };
/// let grant = Grant { found, access: Access::Admin };
/// ```
///
/// nor use one twice:
///
/// ```compile_fail,E0382
/// use scopegate::policy::Grant;
///
/// fn forward(_: Grant) {}
/// fn forward_twice(grant: Grant) {
///     forward(grant);
///     forward(grant);
/// }
/// ```
///
/// Once is what it is for:
///
/// ```
/// use scopegate::policy::{Access, Found, Grant, RouteIndex};
///
/// fn forward(grant: Grant) -> (Found, Access) {
///     (grant.found(), grant.access())
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Grant {
    found: Found,
    access: Access,
}

impl Grant {
    /// Returns the route and the entry that the decision was made on.
    pub fn found(&self) -> Found {
        self.found
    }

    /// Returns what was granted, which the upstream filters its rows by.
    pub fn access(&self) -> Access {
        self.access
    }
}

/// What was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// What the user owns or shares.
    User,
    /// The whole tenant.
    Admin,
    /// Whatever any valid token may see.
    Authenticated,
    /// Whatever anybody may see; nobody was asked who they are.
    Public,
}

impl Access {
    /// Every kind of access.
    pub const ALL: [Self; 4] = [Self::User, Self::Admin, Self::Authenticated, Self::Public];

    /// Returns the name that the upstream, metrics, logs and a policy's tests see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
            Self::Authenticated => "authenticated",
            Self::Public => "public",
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Access {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What becomes of a request.
#[derive(Debug)]
#[must_use]
pub enum Decision {
    /// It may be forwarded.
    Forward(Grant),
    /// It is refused.
    Deny(Denial),
}

/// Decides: a total function of its arguments, without clock, effect or memory.
///
/// `standing` is `None` where no token was shown. What was worked out under another table is refused as a defect of
/// ours, because its bits mean other scopes here.
pub fn decide(table: &RouteTable, found: Found, standing: Option<&Standing>) -> Decision {
    if standing.is_some_and(|standing| standing.generation() != table.generation()) {
        return Decision::Deny(Denial::Internal);
    }
    match verdict(table.entry(found), table.catalog(), standing) {
        Ok(access) => Decision::Forward(Grant { found, access }),
        Err(denial) => Decision::Deny(denial),
    }
}

/// Decides a request from its parts alone, as a policy's tests do: method, target, table, decision.
///
/// `presented` is `None` for a request without credentials. A role directory has no roles here: a policy's tests are about the
/// policy, and come to the same whoever runs them.
pub fn decide_request(
    table: &RouteTable,
    method: &Method,
    uri: &Uri,
    host: &HeaderValue,
    presented: Option<&Presented<'_>>,
) -> Decision {
    if !table.knows_method(method) {
        return Decision::Deny(Denial::MethodUnknown);
    }
    let directory = DirectoryRoles::compile(&RoleDirectory::default(), table);
    let standing = presented.map(|presented| Standing::new(table, Some(&directory), presented));
    let found = RequestTarget::read(uri, host).and_then(|target| table.find(&target, method));
    match found {
        Ok(found) => decide(table, found, standing.as_ref()),
        Err(denial) => Decision::Deny(denial),
    }
}

/// What `standing` is granted by `entry`, or why it is refused.
pub(super) fn verdict(entry: &Entry, catalog: &Catalog, standing: Option<&Standing>) -> Result<Access, Denial> {
    match (entry, standing) {
        (Entry::Public, _) => Ok(Access::Public),
        (Entry::Authenticated, None) => Err(Denial::NoToken { scope: None }),
        // A role's ceiling never refuses what asks for no scope; a client that may use nothing may not use this either.
        (Entry::Authenticated, Some(standing)) if standing.client_may_use_nothing() => Err(Denial::ClientCeiling),
        (Entry::Authenticated, Some(_)) => Ok(Access::Authenticated),
        (Entry::Scoped(sides), None) => {
            Err(Denial::NoToken { scope: ChallengeSet::choose(sides, catalog, None).map(|set| set.scope) })
        }
        (Entry::Scoped(sides), Some(standing)) if is_in_doubt(sides, standing) => Err(Denial::RolesUnavailable),
        (Entry::Scoped(sides), Some(standing)) => {
            granted(sides, standing.permitted()).ok_or_else(|| refusal(sides, catalog, standing))
        }
    }
}

/// The side that `scopes` satisfy; admin where both hold.
fn granted(sides: &Sides, scopes: &ScopeSet) -> Option<Access> {
    let holds = |side: &Option<_>| side.as_ref().is_some_and(|side| is_within(side, scopes));
    if holds(&sides.admin) {
        Some(Access::Admin)
    } else if holds(&sides.user) {
        Some(Access::User)
    } else {
        None
    }
}

/// Whether roles that nobody could look up may give more than what is granted without them.
///
/// Granting the user side to one who may have the admin side would show an upstream's client fewer rows than there are, without
/// a word.
fn is_in_doubt(sides: &Sides, standing: &Standing) -> bool {
    standing.lacks_roles() && granted(sides, standing.permitted()) != granted(sides, &standing.within_client())
}

fn is_within(requirement: &super::Requirement, scopes: &ScopeSet) -> bool {
    requirement.is_satisfied(&|id| scopes.contains(id))
}

/// Why `standing`, whose permitted scopes satisfy no side, is refused: the first of the limits that none passes.
fn refusal(sides: &Sides, catalog: &Catalog, standing: &Standing) -> Denial {
    if granted(sides, standing.held()).is_none() {
        let set = ChallengeSet::choose(sides, catalog, Some(standing));
        let (scope, missing) = set.map(|set| (set.scope, set.missing)).unzip();
        Denial::InsufficientScope { scope, missing }
    } else if granted(sides, &standing.within_client()).is_none() {
        Denial::ClientCeiling
    } else {
        Denial::RoleCeiling
    }
}
