//! Connections of the authorization server.

use std::future::Future;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::FutureExt;
use http::{HeaderValue, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::AuthorizationServer;
use super::events;
use super::router::router;
use super::signing_keys::rotate_when_due;

/// Bytes of a head and of what is read ahead, at most.
const HEAD: usize = 32 * 1024;
/// Bytes of a request's body, at most.
const BODY: usize = 64 * 1024;
/// Connections at most; others wait in the listener's backlog.
const CONNECTIONS: usize = 1024;
/// How long to wait when the process has no descriptor for another connection.
const PAUSE: Duration = Duration::from_millis(100);
/// How often what has ended is taken out of the database, and the next signing key made if it is due.
const PURGE: Duration = Duration::from_mins(1);

/// How long a peer may take.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// For the head of a request, from the moment on when one could be sent.
    head: Duration,
    /// For a request's body.
    body: Duration,
    /// For a whole connection, before it is asked to end.
    connection: Duration,
    /// For the answer that a connection is giving when it is asked to end.
    grace: Duration,
}

const TIMES: Times = Times {
    head: Duration::from_secs(10),
    body: Duration::from_secs(10),
    connection: Duration::from_secs(300),
    grace: Duration::from_secs(10),
};

/// Serves until `shutdown` is done, then lets answers that have begun end within 10 seconds.
///
/// Every request finds its peer's address in [`ConnectInfo`] and its body read whole, at most 64 KiB; a panic costs one request.
pub async fn serve(listener: TcpListener, server: Arc<AuthorizationServer>, shutdown: impl Future<Output = ()>) {
    let router = router(Arc::clone(&server))
        .merge(Router::new().route("/healthz", get(healthz)))
        .layer(from_fn(|request, next| within_bounds(TIMES.body, request, next)));
    let connections = Connections { router, times: TIMES, stop: CancellationToken::new() };
    let tasks = TaskTracker::new();
    tasks.spawn(keep_house(Arc::clone(&server), connections.stop.clone()));
    tokio::select! {
        () = connections.accept(&listener, &tasks) => {}
        () = shutdown => {}
    }
    drop(listener);
    connections.stop.cancel();
    tasks.close();
    tasks.wait().await;
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
async fn within_bounds(time: Duration, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let read = tokio::time::timeout(time, axum::body::to_bytes(body, BODY)).await;
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

/// What every connection is served with.
#[derive(Clone)]
struct Connections {
    router: Router,
    times: Times,
    stop: CancellationToken,
}

impl Connections {
    async fn accept(&self, listener: &TcpListener, tasks: &TaskTracker) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        // The semaphore is never closed, so this ends only by being dropped.
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    tasks.spawn(self.clone().connection(stream, peer, place));
                }
                Err(fault) => {
                    events::not_accepted(&fault);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Serves one connection; what goes wrong on it is its peer's affair.
    async fn connection(self, stream: TcpStream, peer: SocketAddr, _place: OwnedSemaphorePermit) {
        let service = WithPeer { router: TowerToHyperService::new(self.router), peer };
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.times.head)
            .max_buf_size(HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let mut served = pin!(served);
        tokio::select! {
            _ = served.as_mut() => return,
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(self.times.connection) => {}
        }
        served.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(self.times.grace, served).await;
    }
}

/// The router, which is told whom it answers.
struct WithPeer {
    router: TowerToHyperService<Router>,
    peer: SocketAddr,
}

impl Service<Request<Incoming>> for WithPeer {
    type Response = Response;
    type Error = std::convert::Infallible;
    type Future = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(ConnectInfo(self.peer));
        self.router.call(request)
    }
}
