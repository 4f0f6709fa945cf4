//! What the log tells of people: who logged in, approved, and took back. Never a password, a cookie or a code.

use std::net::IpAddr;

use crate::store::ScopeNames;

/// Somebody logged in.
pub(super) fn logged_in(subject: &str, peer: IpAddr) {
    tracing::info!(subject, %peer, "a user logged in");
}

/// Somebody did not: the user whose login was typed. A login that nobody has is not told: people type passwords in its place.
pub(super) fn login_failed(subject: Option<&str>, peer: IpAddr) {
    tracing::warn!(subject, %peer, "a login failed");
}

/// Somebody tries too often.
pub(super) fn too_many_attempts(peer: IpAddr) {
    tracing::warn!(%peer, "too many attempts to log in");
}

/// Somebody logged out.
pub(super) fn logged_out(subject: &str) {
    tracing::info!(subject, "a user logged out");
}

/// A password was replaced by its user.
pub(super) fn password_changed(subject: &str) {
    tracing::info!(subject, "a user changed the password");
}

/// Whoever sits at a session did not know its password.
pub(super) fn password_not_changed(subject: &str) {
    tracing::warn!(subject, "a change of password failed");
}

/// Scopes were approved, and a code issued; the scopes may be none.
pub(super) fn approved(subject: &str, client_id: &str, scope: &ScopeNames) {
    tracing::info!(subject, client_id, %scope, "an authorization code was issued, and these scopes newly approved");
}

/// A user approved nothing.
pub(super) fn denied(subject: &str, client_id: &str) {
    tracing::info!(subject, client_id, "a user denied access");
}

/// An approval was removed by its user: of one scope, or of all.
pub(super) fn approval_removed(subject: &str, client_id: &str, scope: Option<&str>) {
    tracing::info!(subject, client_id, scope = scope.unwrap_or("*"), "a user removed an approval");
}

/// A form came from another site.
pub(super) fn foreign_form() {
    tracing::warn!("a form was sent from another site");
}

/// A page could not be shown, and its reader was told no more than that.
pub(super) fn not_shown(fault: &(dyn std::error::Error + 'static)) {
    tracing::error!(fault, "a page could not be shown");
}
