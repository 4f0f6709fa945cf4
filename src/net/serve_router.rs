//! Connections of the servers beside the data plane: a router of axum's, bounded in number and in time.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::spare::{Spare, lacks_descriptors};

/// Bytes of a head and of what is read ahead, at most.
const HEAD: usize = 32 * 1024;
/// How long to wait when the process has no descriptor for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Descriptors that are kept for connections when the process may have no more: whoever asks how it is has to be answered then.
const RESERVE: usize = 4;

/// What the peers of a [`serve_router`] may take.
#[derive(Clone, Copy, Debug)]
pub struct RouterBounds {
    /// Connections at one time; others wait in the listener's backlog.
    pub connections: usize,
    /// For the head of a request, from the moment on when one could be sent.
    pub head: Duration,
    /// For a whole connection, before it is asked to end.
    pub age: Duration,
    /// For the answer that a connection is giving when it is asked to end.
    pub grace: Duration,
}

/// Serves HTTP/1.1 until `shutdown` is done, then lets answers that have begun end within `bounds.grace`.
///
/// Every request finds its peer's address in [`ConnectInfo`]. `name` is the listener's in the log. Bodies are the router's to bound.
pub async fn serve_router(
    name: &'static str,
    listener: TcpListener,
    router: Router,
    bounds: RouterBounds,
    shutdown: impl Future<Output = ()>,
) {
    let connections = Connections { router, bounds, stop: CancellationToken::new() };
    let tasks = TaskTracker::new();
    tokio::select! {
        () = connections.accept(name, &listener, &tasks) => {}
        () = shutdown => {}
    }
    drop(listener);
    connections.stop.cancel();
    tasks.close();
    tasks.wait().await;
}

/// What every connection is served with.
#[derive(Clone)]
struct Connections {
    router: Router,
    bounds: RouterBounds,
    stop: CancellationToken,
}

impl Connections {
    async fn accept(&self, name: &'static str, listener: &TcpListener, tasks: &TaskTracker) {
        let places = Arc::new(Semaphore::new(self.bounds.connections));
        // Without, it answers as long as there are descriptors at all.
        let reserve = Spare::new(RESERVE).ok();
        let mut has_made_room = false;
        // The semaphore is never closed, so this ends only by being dropped.
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            if !std::mem::take(&mut has_made_room) {
                reserve.iter().for_each(Spare::refill);
            }
            match listener.accept().await {
                Ok((stream, peer)) => {
                    tasks.spawn(self.clone().connection(stream, peer, place));
                }
                Err(fault) if lacks_descriptors(&fault) && reserve.as_ref().is_some_and(Spare::give_up) => {
                    has_made_room = true;
                }
                Err(fault) => {
                    tracing::warn!(%fault, listener = name, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Serves one connection; what goes wrong on it is its peer's affair.
    async fn connection(self, stream: TcpStream, peer: SocketAddr, _place: OwnedSemaphorePermit) {
        let Self { router, bounds, stop } = self;
        let service = WithPeer { router: TowerToHyperService::new(router), peer };
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(bounds.head)
            .max_buf_size(HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let mut served = pin!(served);
        tokio::select! {
            _ = served.as_mut() => return,
            () = stop.cancelled() => {}
            () = tokio::time::sleep(bounds.age) => {}
        }
        served.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(bounds.grace, served).await;
    }
}

/// The router, which is told whom it answers.
struct WithPeer {
    router: TowerToHyperService<Router>,
    peer: SocketAddr,
}

impl Service<Request<Incoming>> for WithPeer {
    type Response = Response;
    type Error = Infallible;
    type Future = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(ConnectInfo(self.peer));
        self.router.call(request)
    }
}
