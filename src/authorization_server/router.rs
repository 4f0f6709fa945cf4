//! Every path of the server.

use std::sync::Arc;

use axum::Router;

use super::{
    AuthorizationServer, account_choice, api_router, approvals_page, authorize, consent, feed, home, introspect, login,
    logout, metadata, password_change, revoke, token, userinfo,
};

/// Every path of the server, over what the endpoints share. Each subject brings a router of its own, which is merged here.
pub(super) fn router(server: Arc<AuthorizationServer>) -> Router {
    Router::new()
        .merge(api_router::routes())
        .merge(home::routes())
        .merge(login::routes())
        .merge(logout::routes())
        .merge(password_change::routes())
        .merge(authorize::routes())
        .merge(account_choice::routes())
        .merge(consent::routes())
        .merge(approvals_page::routes())
        .fallback(home::not_found)
        .merge(feed::routes())
        .merge(introspect::routes())
        .merge(metadata::routes())
        .merge(revoke::routes())
        .merge(token::routes())
        .merge(userinfo::routes())
        .with_state(server)
}
