//! What the log tells of tokens: who got which, and who tried what. Never a secret, a code or a token.

use std::net::IpAddr;

use crate::store::{Role, ScopeNames};

/// Tokens were issued: for a code, or to a client for itself (`subject` is then the client's own), or anew for a refresh token.
pub(super) fn issued(grant_type: &'static str, subject: &str, client_id: &str, scope: &ScopeNames, peer: IpAddr) {
    tracing::info!(grant_type, subject, client_id, %scope, %peer, "tokens were issued");
}

/// A client revoked a token of its own.
pub(super) fn revoked(client_id: &str, peer: IpAddr) {
    tracing::info!(client_id, %peer, "a token was revoked");
}

/// An unknown client, or one whose secret was wrong. The name of an unknown one is not told: it may be a secret that was put in the
/// wrong place.
pub(super) fn client_not_authenticated(client_id: Option<&str>, peer: IpAddr) {
    tracing::warn!(client_id, %peer, "a client did not authenticate");
}

/// A token held a scope of the administration that nothing permits to its bearer.
pub(super) fn not_permitted(by: &str, scope: &str) {
    tracing::warn!(by, scope, "a request to administer was not permitted");
}

/// An administrator's rights were taken back while a request of his waited.
pub(super) fn withdrawn(by: &str) {
    tracing::warn!(by, "a request to administer came too late: its caller's rights were taken back");
}

/// An administrator would have given, or commanded, more than is permitted to himself.
pub(super) fn exceeds_caller(by: &str, scope: &str) {
    tracing::warn!(by, scope, "a request to administer reached further than its caller's own rights");
}

/// A good code was shown with another client, redirect URI or verifier than it was given for.
pub(super) fn code_not_proven(client_id: &str, peer: IpAddr) {
    tracing::warn!(client_id, %peer, "an authorization code was shown without its proof");
}

/// A code was shown again after it was redeemed.
pub(super) fn code_replayed(client_id: &str, peer: IpAddr) {
    tracing::warn!(client_id, %peer, "an authorization code was shown twice, and its tokens are revoked");
}

/// A refresh token was shown again after it was used.
pub(super) fn refresh_token_replayed(client_id: &str, peer: IpAddr) {
    tracing::warn!(client_id, %peer, "a refresh token was shown twice, and its grant is revoked");
}

/// The next signing key was made.
pub(super) fn signing_key_follows(kid: &str) {
    tracing::info!(kid, "the next signing key is published");
}

/// The next signing key was due and could not be made.
pub(super) fn no_signing_key_follows(fault: &dyn std::error::Error) {
    tracing::error!(%fault, "the next signing key could not be made");
}

/// What has ended is still in the database.
pub(super) fn not_purged(fault: &dyn std::error::Error) {
    tracing::warn!(%fault, "what has ended could not be taken out of the database");
}

/// A request could not be served, and its peer was told no more than that.
pub(super) fn not_served(fault: &(dyn std::error::Error + 'static)) {
    tracing::error!(fault, "a request could not be served");
}

/// An administrator did something to a user.
pub(super) fn user_administered(what: &'static str, by: &str, user: &str) {
    tracing::info!(by, user, "{what}");
}

/// An administrator did something to a role.
pub(super) fn role_administered(what: &'static str, by: &str, role: &Role) {
    tracing::info!(by, role = role.name, scope = %role.scopes, "{what}");
}

/// An administrator did something to a client.
pub(super) fn client_administered(what: &'static str, by: &str, client_id: &str) {
    tracing::info!(by, client_id, "{what}");
}

/// An administrator removed one approval, or all of a pair.
pub(super) fn approval_removed(by: &str, user: &str, client_id: &str, scope: Option<&str>) {
    tracing::info!(by, user, client_id, scope, "an approval was removed");
}

/// A request met a defect of ours.
pub(super) fn panicked() {
    tracing::error!("a request met a defect of ours");
}
