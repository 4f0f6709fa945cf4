//! Every path of the server.

use std::sync::Arc;

use axum::Router;

use super::{AuthorizationServer, api_router, feed, introspect, metadata, revoke, token, userinfo};

/// Every path of the server, over what the endpoints share. Each subject brings a router of its own, which is merged here.
pub(super) fn router(server: Arc<AuthorizationServer>) -> Router {
    Router::new()
        .merge(api_router::routes())
        .merge(feed::routes())
        .merge(introspect::routes())
        .merge(metadata::routes())
        .merge(revoke::routes())
        .merge(token::routes())
        .merge(userinfo::routes())
        .with_state(server)
}
