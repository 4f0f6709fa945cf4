//! Connections of the admin listener.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::token::Secret;

use super::endpoints::router;
use super::guard::Guard;
use super::handles::AdminHandles;

/// Bytes of a head and of what is read ahead, at most.
const HEAD: usize = 32 * 1024;
/// Connections at most; others wait in the listener's backlog.
const CONNECTIONS: usize = 128;
/// How long to wait when the process has no descriptor for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// How long an asker may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// For the head of a request, from the moment on when one could be sent.
    pub(super) head: Duration,
    /// For a request's body.
    pub(super) body: Duration,
    /// For a whole connection, before it is asked to end.
    pub(super) connection: Duration,
    /// For the answer that a connection is giving when it is asked to end.
    pub(super) grace: Duration,
}

const TIMES: Times = Times {
    head: Duration::from_secs(10),
    body: Duration::from_secs(5),
    connection: Duration::from_secs(300),
    grace: Duration::from_secs(5),
};

/// `admin:` of the gateway file.
#[derive(Clone, Debug, PartialEq)]
pub struct AdminSettings {
    /// Where to listen.
    pub address: SocketAddr,
    /// What askers must present; needed where the address is not loopback.
    pub token: Option<Secret>,
    /// `/metrics` without the token.
    pub open_metrics: bool,
}

/// Why the admin listener does not serve.
#[derive(Debug, thiserror::Error)]
pub enum AdminFault {
    /// Everybody could reach it.
    #[error("the admin listener on `{0}` is not on a loopback address and needs a token")]
    TokenDemanded(IpAddr),
    /// The listener has no address.
    #[error("the admin listener has no address")]
    Address(#[source] std::io::Error),
}

/// Serves the admin listener until `shutdown` is done, then lets answers that have begun end within 5 seconds.
///
/// The rules for askers follow the address that `listener` is bound to, not that of the settings.
///
/// # Errors
///
/// [`AdminFault`] before the first connection is accepted; never afterwards.
pub async fn serve(
    listener: TcpListener,
    settings: &AdminSettings,
    handles: AdminHandles,
    shutdown: impl Future<Output = ()>,
) -> Result<(), AdminFault> {
    serve_within(TIMES, listener, settings, handles, shutdown).await
}

/// [`serve`], with other times.
pub(super) async fn serve_within(
    times: Times,
    listener: TcpListener,
    settings: &AdminSettings,
    handles: AdminHandles,
    shutdown: impl Future<Output = ()>,
) -> Result<(), AdminFault> {
    let address = listener.local_addr().map_err(AdminFault::Address)?.ip();
    if !address.is_loopback() && settings.token.is_none() {
        return Err(AdminFault::TokenDemanded(address));
    }
    let guard = Guard { address, token: settings.token.clone(), open_metrics: settings.open_metrics };
    let server = Server { router: router(guard, handles, times.body), times, stop: CancellationToken::new() };
    let tasks = TaskTracker::new();
    tokio::select! {
        () = server.accept(&listener, &tasks) => {}
        () = shutdown => {}
    }
    drop(listener);
    server.stop.cancel();
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// What every connection is served with.
#[derive(Clone)]
struct Server {
    router: Router,
    times: Times,
    stop: CancellationToken,
}

impl Server {
    async fn accept(&self, listener: &TcpListener, tasks: &TaskTracker) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        // The semaphore is never closed, so this ends only by being dropped.
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => {
                    tasks.spawn(self.clone().connection(stream, place));
                }
                Err(fault) => {
                    tracing::warn!(%fault, "the admin listener could not accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Serves one connection; what goes wrong on it is its peer's affair.
    async fn connection(self, stream: TcpStream, _place: OwnedSemaphorePermit) {
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.times.head)
            .max_buf_size(HEAD)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(self.router));
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
