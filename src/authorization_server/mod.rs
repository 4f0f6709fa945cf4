//! The companion authorization server: clients, users, roles, consent, codes, tokens.
//!
//! It follows RFC 6749 (with RFC 9700, RFC 7636 S256 alone), RFC 7009, RFC 7662, RFC 8414, RFC 9068, RFC 9207 and OpenID Connect
//! Core. What is granted is decided by the pure functions of `grant`: the client's allow list and what the user approved, and never
//! more. What a role permits is not its affair: a token may hold a scope that opens nothing, for scopes limit and roles permit.
//!
//! Users and clients are administered over an API of its own (`/api/v1`), guarded by its own scopes, and by the command line. Pages
//! come from the room `pages`; whatever must survive a crash is a transaction of the room `store`.
//!
//! | files | their one job |
//! |---|---|
//! | `grant`, `approved`, `catalogue`, `audience` | what is granted: pure rules over an allow list, approvals and what is asked for |
//! | `authorize`, `authorization_*`, `redirect_uri`, `destination`, `visit`, `issue_code`, `lead_on` | the authorization request, from its parameters to a code or an error |
//! | `login`, `logout`, `password_change`, `new_password`, `account_choice`, `session`, `csrf` | who sits in front of the browser |
//! | `consent`, `approvals_page`, `home`, `page`, `page_*`, `own_page` | what is shown to that person, and what may be posted back |
//! | `token`, `token_*`, `access_token`, `id_token`, `client_authentication`, `cross_origin` | the token endpoint |
//! | `introspect`, `revoke`, `userinfo`, `metadata`, `feed`, `bearer` | the other endpoints for clients and protected resources |
//! | `signer`, `signing_key`, `signing_keys` | keys: made, rotated, published, signed with |
//! | `attempts`, `limit`, `peer`, `password`, `secrets`, `parameters`, `url_encoded` | what both sides of the server need to be hard to abuse |
//! | `administration`, `administration_fault`, `administer_*`, `validity`, `views` | the rules of administering, for the API and the command line alike |
//! | `api_*`, `openapi` | those rules over HTTP |
//! | `server`, `router`, `serve`, `first_start`, `settings`, `events`, `page_events`, `fault` | what they share, and how they are started |

mod access_token;
mod account_choice;
mod administer_approvals;
mod administer_clients;
mod administer_roles;
mod administer_users;
mod administration;
mod administration_fault;
mod api_approvals;
mod api_clients;
#[cfg(test)]
mod api_content_tests;
mod api_directory;
mod api_guard;
mod api_problem;
mod api_request;
mod api_roles;
mod api_router;
mod api_scopes;
#[cfg(test)]
mod api_tests;
mod api_users;
mod approvals_page;
mod approved;
mod attempts;
mod audience;
mod authorization_fault;
mod authorization_request;
#[cfg(test)]
mod authorization_request_tests;
mod authorization_step;
#[cfg(test)]
mod authorization_step_tests;
mod authorize;
mod bearer;
mod catalogue;
mod client_authentication;
mod consent;
mod cross_origin;
mod csrf;
mod destination;
#[cfg(test)]
mod endpoint_tests;
mod events;
mod fault;
mod feed;
mod first_start;
#[cfg(test)]
mod front_channel_testing;
#[cfg(test)]
mod front_channel_tests;
mod grant;
#[cfg(test)]
mod grant_tests;
mod home;
#[cfg(test)]
mod hostile_input_tests;
mod id_token;
mod introspect;
mod issue_code;
mod lead_on;
mod limit;
mod login;
#[cfg(test)]
mod login_tests;
mod logout;
mod metadata;
mod new_password;
mod openapi;
mod own_page;
mod page;
mod page_events;
mod page_fault;
mod page_form;
mod parameters;
mod password;
mod password_change;
mod peer;
#[cfg(test)]
mod published_tests;
mod redirect_uri;
mod revoke;
mod router;
mod secrets;
mod serve;
mod server;
mod session;
mod settings;
mod signer;
mod signing_key;
mod signing_keys;
#[cfg(test)]
mod testing;
mod token;
mod token_client_credentials;
mod token_code;
mod token_refresh;
#[cfg(test)]
mod token_request_tests;
#[cfg(test)]
mod token_tests;
mod url_encoded;
mod userinfo;
mod validity;
mod views;
mod visit;

pub use administer_clients::ClientDraft;
pub use administer_roles::RoleChange;
pub use administer_users::UserDraft;
pub use administration::{Administration, Caller};
pub use administration_fault::AdministrationFault;
pub use catalogue::{Catalogue, DEFAULT_ADMIN_ROLE, DEFAULT_USER_ROLE, ScopeText};
pub use fault::NoRandomness;
pub use first_start::{FIRST_LOGIN, FirstAdministrator, FirstStartFault};
pub use password::{LONGEST_PASSWORD, hash_password};
pub use serve::serve;
pub use server::AuthorizationServer;
pub use settings::{AuthorizationServerSettings, Lifetimes};
pub use signing_keys::{KeyRotationFault, rotate_signing_key, withdraw_signing_key};
pub use views::{ApprovalView, ClientView, GrantTypeView, LevelView, RoleView, ScopeView, UserView};
