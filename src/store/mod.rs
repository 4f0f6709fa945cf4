//! The authorization server's database: one SQLite file in WAL mode.
//!
//! Everything that must survive a crash, or must never happen twice, is a transaction here: [`Store`] reads, and a [`Change`]
//! collects writes that become true together at [`Change::commit`] or not at all. The rules that hang on such a transaction live
//! beside it: a code is redeemed once (RFC 6749 §4.1.2), a refresh token is used once (RFC 9700 §4.14.2), an approval that is
//! removed narrows the refresh tokens that carry it, and whatever takes a right away also writes the entry of the revocation
//! feed that says so.
//!
//! Queries are static text with bound values, and of a kind that PostgreSQL runs too. Secrets arrive hashed; signing keys are
//! the exception, and the file is readable by its owner alone. Tables come from numbered files of SQL beside this one, which are run
//! in their order, once each, and never changed after a release. Times are arguments: whole seconds since the Unix epoch. What is
//! granted, to whom and after which proof is decided elsewhere.

mod access_tokens;
mod approvals;
mod clients;
mod codes;
mod fault;
mod file;
mod keys;
mod lists;
mod open;
mod purge;
mod refresh_tokens;
mod revocations;
mod roles;
mod scope_names;
mod sessions;
mod users;

#[cfg(test)]
mod approvals_tests;
#[cfg(test)]
mod grants_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod open_tests;
#[cfg(test)]
mod people_tests;
#[cfg(test)]
mod revocations_tests;
#[cfg(test)]
mod samples;

pub use access_tokens::AccessToken;
pub use approvals::{Approval, ApprovalFilter};
pub use clients::{Client, ClientChange, ClientSecret, GrantType, NewClient};
pub use codes::{Code, CodeUse};
pub use fault::StoreFault;
pub use keys::SigningKey;
pub use open::{Change, Opened, Store};
pub use refresh_tokens::{RefreshToken, RefreshUse};
pub use revocations::{FeedEntry, FeedPage};
pub use roles::{Level, Role};
pub use scope_names::ScopeNames;
pub use sessions::Session;
pub use users::{NewUser, Password, User, UserChange};

/// Whole seconds since the Unix epoch.
pub type Seconds = i64;
