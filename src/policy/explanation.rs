//! What an explanation holds, and how it is written as JSON.

use serde::Serialize;

use super::{Access, Denial, Reason};
use crate::scope::Side;

/// How the gateway would decide one request, and why.
///
/// Serialises for programs; its `Display` is for people, in aligned lines of plain text. It holds no token and no
/// query, and of the claims only scopes, roles and client.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    pub(super) method: String,
    /// As read; `None` if it cannot be.
    pub(super) target: Option<TargetTrace>,
    /// Every route of the chosen host that the path matches, the winner first.
    pub(super) candidates: Vec<RouteTrace>,
    /// The winner.
    pub(super) route: Option<RouteTrace>,
    pub(super) readings: Vec<Reading>,
    /// Canonical text of what the winner asks of this method; `None` if it lacks the method.
    pub(super) requirement: Option<String>,
    pub(super) token: Option<TokenTrace>,
    pub(super) ceilings: CeilingsTrace,
    /// `None`: the table has none.
    #[serde(rename = "role_directory")]
    pub(super) directory: Option<DirectoryState>,
    pub(super) sides: Vec<SideTrace>,
    pub(super) decision: DecisionTrace,
    /// The set of scopes that a challenge would name, one space between.
    pub(super) would_open: Option<String>,
}

impl Explanation {
    /// Says whether the request would be forwarded.
    pub fn is_allowed(&self) -> bool {
        match self.decision {
            DecisionTrace::Allow { .. } => true,
            DecisionTrace::Deny { .. } => false,
        }
    }
}

/// Host and path as they are looked up.
#[derive(Clone, Debug, Serialize)]
pub(super) struct TargetTrace {
    pub(super) host: String,
    pub(super) path: String,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct RouteTrace {
    pub(super) id: String,
    /// `None`: any host that has no routes of its own.
    pub(super) host: Option<String>,
    pub(super) template: String,
    pub(super) upstream: String,
}

/// One way to read the path, and the route that it leads to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Reading {
    pub(super) text: String,
    pub(super) how: String,
    pub(super) leads_to: Option<String>,
    pub(super) agrees: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct TokenTrace {
    /// Closed under `implies`.
    pub(super) held: Vec<String>,
    pub(super) permitted: Vec<String>,
    /// Names that the catalogue does not know, or that no token can carry.
    pub(super) ignored: Vec<String>,
    /// `None`: the token names none, or stands for a client without ceiling.
    pub(super) client: Option<String>,
    pub(super) roles: Vec<RoleTrace>,
    /// Whether the token stands for no user.
    pub(super) alone: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct RoleTrace {
    pub(super) name: String,
    pub(super) scopes_from: RoleSource,
}

/// Where the scopes of a role come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RoleSource {
    /// Nobody asks: the ceiling is off.
    Unlimited,
    /// The policy file.
    Policy,
    /// The role directory.
    Directory,
    /// Only the role directory could say, and it is not available.
    Unavailable,
    /// Nowhere: nobody knows the role, and it permits nothing.
    Unknown,
}

/// How the role directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DirectoryState {
    Read,
    /// Never read, too old, or nobody asked it.
    Unavailable,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct CeilingsTrace {
    pub(super) clients: CeilingTrace,
    pub(super) roles: CeilingTrace,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct CeilingTrace {
    pub(super) state: CeilingState,
    /// The scopes held that this ceiling alone takes away.
    pub(super) cuts: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CeilingState {
    Off,
    On,
    /// On, and not for this token: a client that acts alone, or one without ceiling in a policy's own test.
    Lifted,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct SideTrace {
    #[serde(serialize_with = "side_name")]
    pub(super) side: Side,
    pub(super) formula: Term,
}

/// A formula, and of what it is true.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Term {
    #[serde(flatten)]
    pub(super) formula: Formula,
    /// Of the scopes held.
    pub(super) held: bool,
    /// Of those that the client may use.
    pub(super) within_client_ceiling: bool,
    /// Of those that the roles permit too.
    pub(super) permitted: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Formula {
    Scope(String),
    AnyOf(Vec<Term>),
    AllOf(Vec<Term>),
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum DecisionTrace {
    Allow { allow: Access },
    Deny { deny: Reason, status: u16, detail: &'static str },
}

impl DecisionTrace {
    pub(super) fn of(denial: &Denial) -> Self {
        let reason = denial.reason();
        Self::Deny { deny: reason, status: denial.status().as_u16(), detail: reason.detail() }
    }
}

fn side_name<S: serde::Serializer>(side: &Side, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match side {
        Side::User => "user",
        Side::Admin => "admin",
    })
}
