//! Every path, and the server.

use std::io;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;

use super::caller::through_gateway;
use super::content::LARGEST;
use super::fault::Fault;
use super::rows::Rows;
use super::{automation_endpoints, run_endpoints, space_endpoints, writing};

/// Serves `rows` on `listener` until `ended`, and finishes the requests that it has begun.
///
/// It believes what the gateway's fields say: only the gateway may reach the listener.
///
/// # Errors
///
/// What the listener says.
pub async fn serve(
    listener: TcpListener,
    rows: Rows,
    ended: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router(rows)).with_graceful_shutdown(ended).await
}

fn router(rows: Rows) -> Router {
    let automations = automation_endpoints::routes().merge(run_endpoints::routes());
    Router::new()
        .route("/health", get(health))
        .nest("/api/v1/automations", automations.clone())
        // The new address of the same rows.
        .nest("/api/workflows/automations", automations)
        .nest("/api/v1/spaces", space_endpoints::routes())
        .fallback(no_path)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(middleware::from_fn(through_gateway))
        .with_state(rows)
}

async fn health() -> Response {
    writing::value(&json!({"status": "well"}))
}

async fn no_path() -> Fault {
    Fault::NoPath
}

async fn no_method() -> Fault {
    Fault::NoMethod
}
