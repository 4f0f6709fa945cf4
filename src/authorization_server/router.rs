//! Every path of the server.

use std::sync::Arc;

use axum::Router;

use super::AuthorizationServer;

/// Every path of the server, over what the endpoints share. Each subject brings a router of its own, which is merged here.
pub(super) fn router(server: Arc<AuthorizationServer>) -> Router {
    Router::new().with_state(server)
}
