//! What is granted: pure rules over an allow list, what was approved, and what is asked for.
//!
//! None of them knows of roles: a scope that no role permits may be approved and granted, and opens nothing.

use super::Catalogue;
use crate::store::{Client, GrantType, ScopeNames};

/// A refresh token is issued only where this scope was asked for, allowed and approved (OpenID Connect Core §11).
pub(super) const OFFLINE_ACCESS: &str = "offline_access";

/// What a client may be granted at all: its allow list, as far as the catalogue knows it and tokens may carry it. The one use of
/// `offline_access` is a refresh token, so nobody is asked for it by a client that could not use one.
pub(super) fn grantable(client: &Client, catalogue: &Catalogue) -> ScopeNames {
    let mut grantable = client.allow_list.intersection(&catalogue.for_tokens());
    if !client.grant_types.contains(&GrantType::RefreshToken) {
        grantable.remove(OFFLINE_ACCESS);
    }
    grantable
}

/// What to present to the user: what is asked for and may be granted, and was not approved yet. Nothing that is not asked for is.
pub(super) fn to_ask(grantable: &ScopeNames, approved: &ScopeNames, requested: &ScopeNames) -> ScopeNames {
    requested.intersection(grantable).without(approved)
}

/// What a user's token may hold: all that may be granted and was approved, asked for or not; but `offline_access` only where it is
/// asked for. Empty means that nothing could be granted (`invalid_scope`).
pub(super) fn granted(grantable: &ScopeNames, approved: &ScopeNames, requested: &ScopeNames) -> ScopeNames {
    let mut granted = grantable.intersection(approved);
    if !requested.contains(OFFLINE_ACCESS) {
        granted.remove(OFFLINE_ACCESS);
    }
    granted
}

/// What a client's own token holds (RFC 6749 §4.4): what is asked for, or everything when nothing is; never `offline_access`.
pub(super) fn granted_to_client(grantable: &ScopeNames, requested: &ScopeNames) -> ScopeNames {
    let mut granted = if requested.is_empty() { grantable.clone() } else { grantable.intersection(requested) };
    granted.remove(OFFLINE_ACCESS);
    granted
}
