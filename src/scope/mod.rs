//! Scope-tokens, sets of them, and the catalogue that says what implies what.
//!
//! A [`Scope`] is one scope-token of RFC 6749 §3.3. A policy names every scope that it uses in one list; [`Catalog`]
//! gives each a position ([`ScopeId`]) and works out, once, what each contains through `implies`. From then on a set
//! of scopes is a [`ScopeSet`]: bits over those positions, so that a decision compares words and no text.
//!
//! The bits mean nothing without their catalogue. Whoever keeps a [`ScopeSet`] longer than a table lives must keep the
//! table's generation beside it.
//!
//! Left alone here: routes, requirements, ceilings and tokens. This room knows nothing of ours.

mod catalog;
mod closure;
mod scope_token;
mod set;

#[cfg(test)]
mod catalog_tests;

pub use catalog::{Catalog, CatalogFault, ScopeEntry, Side, Uses};
pub use scope_token::{InvalidScope, Scope};
pub use set::{ScopeId, ScopeSet};
