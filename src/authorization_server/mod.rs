//! The companion authorization server: clients, users, roles, consent, codes, tokens.
//!
//! It follows RFC 6749 (with RFC 9700, RFC 7636 S256 alone), RFC 7009, RFC 7662, RFC 8414, RFC 9068, RFC 9207 and OpenID Connect
//! Core. What is granted is decided by the pure functions of `grant`: the client's allow list and what the user approved, and never
//! more. What a role permits is not its affair: a token may hold a scope that opens nothing, for scopes limit and roles permit.
//!
//! Users and clients are administered over an API of its own (`/api/v1`), guarded by its own scopes, and by the command line. Pages
//! come from the room `pages`; whatever must survive a crash is a transaction of the room `store`.

mod administer_approvals;
mod administer_clients;
mod administer_roles;
mod administer_users;
mod administration;
mod administration_fault;
mod attempts;
mod authorization_server;
mod catalogue;
mod fault;
mod first_start;
mod grant;
mod password;
mod router;
mod secrets;
mod serve;
mod settings;
mod signing_key;
mod validity;
mod views;

pub use administer_clients::ClientDraft;
pub use administer_users::UserDraft;
pub use administration::{Administration, Caller};
pub use administration_fault::AdministrationFault;
pub use authorization_server::AuthorizationServer;
pub use catalogue::{Catalogue, DEFAULT_ADMIN_ROLE, DEFAULT_USER_ROLE, ScopeText};
pub use fault::NoRandomness;
pub use first_start::{FIRST_LOGIN, FirstAdministrator, FirstStartFault};
pub use password::LONGEST_PASSWORD;
pub use serve::serve;
pub use settings::{AuthorizationServerSettings, Lifetimes};
pub use views::{ApprovalView, ClientView, RoleView, ScopeView, UserView};
