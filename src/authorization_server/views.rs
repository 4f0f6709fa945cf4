//! What the API and the command line show of users, roles, clients, scopes and approvals. Nothing secret is among it.

use serde::Serialize;
use utoipa::ToSchema;

use super::ScopeText;
use crate::scope::Side;
use crate::store::{Approval, Client, GrantType, Level, Role, Seconds, User};

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = User)]
pub struct UserView {
    /// The `sub` of tokens.
    pub id: String,
    /// What is typed at login, in lower case.
    pub login: String,
    /// For people to read.
    pub name: String,
    /// Whether logging in, and every token, is refused.
    pub disabled: bool,
    /// Names of roles.
    pub roles: Vec<String>,
    /// Whole seconds since 1970.
    #[schema(value_type = i64)]
    pub created_at: Seconds,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        let User { id, login, name, disabled, roles, created_at } = user;
        Self { id, login, name, disabled, roles: roles.into_iter().collect(), created_at }
    }
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Role)]
pub struct RoleView {
    /// Unique.
    pub name: String,
    /// How far it reaches.
    pub level: LevelView,
    /// What it permits.
    pub scopes: Vec<String>,
    /// Whether it came with the product; such a role cannot be changed or removed.
    pub default: bool,
}

/// How far a role reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Level)]
pub enum LevelView {
    /// The whole tenant.
    Admin,
    /// What the user owns or shares.
    User,
}

impl From<Level> for LevelView {
    fn from(level: Level) -> Self {
        match level {
            Level::Admin => Self::Admin,
            Level::User => Self::User,
        }
    }
}

impl From<LevelView> for Level {
    fn from(level: LevelView) -> Self {
        match level {
            LevelView::Admin => Self::Admin,
            LevelView::User => Self::User,
        }
    }
}

impl From<Role> for RoleView {
    fn from(role: Role) -> Self {
        let scopes = role.scopes.iter().map(str::to_owned).collect();
        Self { name: role.name, level: role.level.into(), scopes, default: role.is_default }
    }
}

/// A way to a token that a client may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = GrantType)]
pub enum GrantTypeView {
    /// RFC 6749 section 4.1.
    AuthorizationCode,
    /// RFC 6749 section 6.
    RefreshToken,
    /// RFC 6749 section 4.4.
    ClientCredentials,
}

impl GrantTypeView {
    /// How many there are.
    pub(super) const COUNT: usize = 3;
}

impl From<GrantType> for GrantTypeView {
    fn from(grant_type: GrantType) -> Self {
        match grant_type {
            GrantType::AuthorizationCode => Self::AuthorizationCode,
            GrantType::RefreshToken => Self::RefreshToken,
            GrantType::ClientCredentials => Self::ClientCredentials,
        }
    }
}

impl From<GrantTypeView> for GrantType {
    fn from(grant_type: GrantTypeView) -> Self {
        match grant_type {
            GrantTypeView::AuthorizationCode => Self::AuthorizationCode,
            GrantTypeView::RefreshToken => Self::RefreshToken,
            GrantTypeView::ClientCredentials => Self::ClientCredentials,
        }
    }
}

/// A client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Client)]
pub struct ClientView {
    /// The `client_id`.
    pub id: String,
    /// For people to read.
    pub name: String,
    /// Whether it has a secret.
    pub confidential: bool,
    /// Where codes are sent; compared byte for byte.
    pub redirect_uris: Vec<String>,
    /// What it may ask a token with.
    pub grant_types: Vec<GrantTypeView>,
    /// Nothing outside it is ever granted.
    pub allow_list: Vec<String>,
    /// Whether its whole allow list counts as approved.
    pub trusted: bool,
    /// Whether it may introspect tokens of other clients.
    pub introspects: bool,
    /// Whole seconds since 1970.
    #[schema(value_type = i64)]
    pub created_at: Seconds,
}

impl From<Client> for ClientView {
    fn from(client: Client) -> Self {
        Self {
            confidential: client.secret.is_some(),
            redirect_uris: client.redirect_uris.into_iter().collect(),
            grant_types: client.grant_types.into_iter().map(Into::into).collect(),
            allow_list: client.allow_list.iter().map(str::to_owned).collect(),
            id: client.id,
            name: client.name,
            trusted: client.trusted,
            introspects: client.introspects,
            created_at: client.created_at,
        }
    }
}

/// A scope of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Scope)]
pub struct ScopeView {
    /// The scope.
    pub name: String,
    /// What it lets an application do.
    pub describe: String,
    /// Whether it reaches what the user owns (`user`) or the whole tenant (`admin`).
    pub side: LevelView,
    /// Whether a token may carry it.
    pub token: bool,
    /// Whether a role may permit it.
    pub role: bool,
}

impl From<&ScopeText> for ScopeView {
    fn from(scope: &ScopeText) -> Self {
        let side = match scope.side {
            Side::Admin => LevelView::Admin,
            Side::User => LevelView::User,
        };
        Self { name: scope.name.clone(), describe: scope.describe.clone(), side, token: scope.token, role: scope.role }
    }
}

/// One scope that a user approved for a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Approval)]
pub struct ApprovalView {
    /// The user's identifier.
    pub user: String,
    /// The client's identifier.
    pub client: String,
    /// The scope.
    pub scope: String,
    /// Whole seconds since 1970.
    #[schema(value_type = i64)]
    pub approved_at: Seconds,
}

impl From<Approval> for ApprovalView {
    fn from(approval: Approval) -> Self {
        let Approval { user, client, scope, approved_at } = approval;
        Self { user, client, scope, approved_at }
    }
}
