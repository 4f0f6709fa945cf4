//! Approvals and the code, in one change (RFC 6749 §4.1.2).

use axum::response::Response;

use super::page::see_other;
use super::page_fault::PageFault;
use super::session::LoggedIn;
use super::visit::Visit;
use super::{AuthorizationServer, page_events, secrets};
use crate::store::{Code, ScopeNames, Seconds};

/// How long a code can be redeemed, in seconds.
const LIFETIME: Seconds = 60;

/// Keeps what the user accepts and a code, on disk before the client hears of it, and leads back to the client.
pub(super) async fn issue(
    server: &AuthorizationServer,
    visit: &Visit,
    logged_in: &LoggedIn,
    accepted: &ScopeNames,
) -> Result<Response, PageFault> {
    let (code, family) = (secrets::secret()?, secrets::identifier()?);
    let now = server.now();
    let (user, client) = (&logged_in.session.user.id, &visit.request.client.id);
    let mut change = server.store.change().await?;
    if !accepted.is_empty() {
        change.approve(user, client, accepted, now).await?;
    }
    change
        .add_code(&Code {
            hash: secrets::hash(&code),
            family,
            client: client.clone(),
            user: user.clone(),
            redirect_uri: visit.request.return_address.redirect_uri.clone(),
            code_challenge: visit.request.code_challenge.clone(),
            requested: visit.request.requested.clone(),
            resources: visit.request.resources.clone(),
            nonce: visit.request.nonce.clone(),
            authenticated_at: logged_in.session.authenticated_at,
            expires_at: now.saturating_add(LIFETIME),
        })
        .await?;
    change.commit().await?;
    page_events::approved(user, client, accepted);
    see_other(&visit.request.return_address.code(&code, &server.settings.issuer))
}
