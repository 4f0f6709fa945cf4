//! The role directory: what roles permit besides those of the policy file, fetched while the gateway runs.
//!
//! [`Directory`] asks its server every few seconds, on the control runtime, and keeps the last good answer until it is too old.
//! [`TableRoles`] are what its roles permit under one table: each table that is in force has its own, because the bits of a
//! scope set mean other scopes under another catalogue. A new answer is compiled for all of them before it counts, and a new
//! table begins with the latest answer: there is no moment without one. Workers read them without a lock.
//!
//! What a role permits a token is the business of `policy`; this room neither decides nor knows tokens.

mod live;
mod refresh;

#[cfg(test)]
mod live_tests;

pub use live::{Directory, DirectoryState, TableRoles};
