//! Connections of the authorization server.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::FutureExt;
use http::{HeaderValue, StatusCode, header};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::AuthorizationServer;
use super::events;
use super::router::router;
use super::signing_keys::rotate_when_due;
use crate::net::{RouterBounds, serve_router};

/// Bytes of a request's body, at most.
const BODY: usize = 64 * 1024;
/// How often what has ended is taken out of the database, and the next signing key made if it is due.
const PURGE: Duration = Duration::from_mins(1);

/// For a request's body to come.
const BODY_TIME: Duration = Duration::from_secs(10);
/// What a peer may take of all else.
const BOUNDS: RouterBounds = RouterBounds {
    connections: 1024,
    head: Duration::from_secs(10),
    age: Duration::from_secs(300),
    grace: Duration::from_secs(10),
};

/// Serves until `shutdown` is done, then lets answers that have begun end within 10 seconds.
///
/// Every request finds its body read whole, at most 64 KiB; a panic costs one request.
pub async fn serve(listener: TcpListener, server: Arc<AuthorizationServer>, shutdown: impl Future<Output = ()>) {
    let router =
        router(Arc::clone(&server)).merge(Router::new().route("/healthz", get(healthz))).layer(from_fn(within_bounds));
    let stop = CancellationToken::new();
    let house = tokio::spawn(keep_house(server, stop.clone()));
    serve_router("authorization server", listener, router, BOUNDS, shutdown).await;
    stop.cancel();
    // Its panic, if there was one, has been told, and there is nothing left to keep.
    let _ = house.await;
}

/// Ends between two rounds: one that was broken off would leave a connection to the database behind, and its log unwritten.
async fn keep_house(server: Arc<AuthorizationServer>, stop: CancellationToken) {
    let mut due = tokio::time::interval(PURGE);
    loop {
        tokio::select! {
            _ = due.tick() => {}
            () = stop.cancelled() => return,
        }
        if let Err(fault) = server.store.purge(server.now()).await {
            events::not_purged(&fault);
        }
        if let Err(fault) = rotate_when_due(&server).await {
            events::no_signing_key_follows(&fault);
        }
    }
}

async fn healthz() -> &'static str {
    "ok\n"
}

/// Reads the body before anything else looks at the request, and catches what must not happen.
async fn within_bounds(request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let read = tokio::time::timeout(BODY_TIME, axum::body::to_bytes(body, BODY)).await;
    let mut response = match read {
        Ok(Ok(bytes)) => {
            let request = Request::from_parts(head, Body::from(bytes));
            match AssertUnwindSafe(next.run(request)).catch_unwind().await {
                Ok(response) => response,
                Err(_) => {
                    events::panicked();
                    (StatusCode::INTERNAL_SERVER_ERROR, "the server met a defect of its own\n").into_response()
                }
            }
        }
        Ok(Err(_)) => (StatusCode::PAYLOAD_TOO_LARGE, "the body broke off or is beyond 64 KiB\n").into_response(),
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "the body did not come in time\n").into_response(),
    };
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
