//! The companion authorization server: clients, users, roles, consent, codes, tokens.
//!
//! It follows RFC 6749 (with RFC 9700, RFC 7636 S256 alone), RFC 7009, RFC 7662, RFC 8414, RFC 9068, RFC 9207 and OpenID Connect
//! Core. What is granted is decided by the pure functions of `grant`: the client's allow list and what the user approved, and never
//! more. What a role permits is not its affair: a token may hold a scope that opens nothing, for scopes limit and roles permit.
//!
//! Users and clients are administered over an API of its own (`/api/v1`), guarded by its own scopes, and by the command line. Pages
//! come from the room `pages`; whatever must survive a crash is a transaction of the room `store`.

mod access_token;
mod approved;
mod attempts;
mod audience;
mod authorization_server;
mod bearer;
mod catalogue;
mod client_authentication;
mod cross_origin;
mod events;
mod fault;
mod feed;
mod first_start;
mod grant;
mod id_token;
mod introspect;
mod limit;
mod metadata;
mod parameters;
mod password;
mod peer;
mod revoke;
mod router;
mod secrets;
mod serve;
mod settings;
mod signer;
mod signing_key;
mod signing_keys;
mod token;
mod token_client_credentials;
mod token_code;
mod token_refresh;
mod userinfo;

#[cfg(test)]
mod endpoint_tests;
#[cfg(test)]
mod grant_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod token_tests;

pub use authorization_server::AuthorizationServer;
pub use catalogue::{Catalogue, DEFAULT_ADMIN_ROLE, DEFAULT_USER_ROLE, ScopeText};
pub use fault::NoRandomness;
pub use first_start::{FIRST_LOGIN, FirstAdministrator, FirstStartFault};
pub use password::LONGEST_PASSWORD;
pub use serve::serve;
pub use settings::{AuthorizationServerSettings, Lifetimes};
pub use signing_keys::{KeyRotationFault, rotate_signing_key};
