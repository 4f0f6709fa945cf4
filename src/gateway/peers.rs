//! One worker at its listeners: accepting peers, serving them, draining.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::service::service_fn;

use crate::gateway::data_plane::DataPlane;
use crate::gateway::exchange::PeerConnection;
use crate::gateway::forwarded::Story;
use crate::gateway::service::respond;
use crate::gateway::snapshot::Shared;
use crate::net::{
    Acceptor, BACKLOG, ConnectionEnd, Drained, Listening, Phase, ServerLimits, Socket, Stream, Watch, serve_connection,
};
use crate::telemetry::ConnectionError;

/// How long to wait after the system refused to accept, for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often idle upstream connections are looked at.
const REAP_EVERY: Duration = Duration::from_secs(5);
/// What answers may still take to leave once the drain's time is over.
const CUT_GRACE: Duration = Duration::from_secs(1);
/// Bytes that a head takes besides the names and values that the limits count: for each field, and for the request line.
const HEAD_EXTRA: usize = 16 * 1024;

/// What one worker is given to run with.
#[derive(Debug)]
pub struct WorkerStart {
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// This worker's sockets, each with the position of its listener in the snapshot.
    pub listeners: Vec<(usize, Listening)>,
    /// The signal to drain.
    pub drained: Drained,
    /// How many workers there are: each has its share of what is bounded for the process.
    pub workers: usize,
    /// A random number, other for every worker.
    pub seed: u64,
}

/// Serves until the drain has ended.
///
/// # Errors
///
/// What the system says when a listening socket cannot be watched.
pub async fn serve(start: WorkerStart) -> io::Result<()> {
    let WorkerStart { shared, listeners, mut drained, workers, seed } = start;
    let plane = DataPlane::new(shared, workers, seed);
    let mut accepting = Vec::new();
    for (position, listener) in listeners {
        let listener = Acceptor::new(listener)?;
        accepting.push(tokio::task::spawn_local(accept(Rc::clone(&plane), listener, position, drained.clone())));
    }
    let reaping = tokio::task::spawn_local(reap(Rc::clone(&plane)));
    drained.begun().await;
    plane.draining.set(true);
    plane.wake_all();
    for listener in accepting {
        // A listener's task ends by itself; if it panicked there is nothing left to accept.
        let _ = listener.await;
    }
    drain(&plane, plane.view().snapshot.drain_timeout).await;
    reaping.abort();
    Ok(())
}

async fn accept(plane: Rc<DataPlane>, listener: Acceptor, position: usize, mut drained: Drained) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = drained.begun() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, address)) => welcome(&plane, socket, address, position),
            Err(fault) if is_of_one_connection(&fault) => {}
            Err(fault) => {
                tracing::warn!(%fault, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    if drained.is_taken_over(position) {
        return;
    }
    // Those whose handshake the kernel has completed believe that they are connected: serve what they send.
    for _ in 0..BACKLOG {
        match ready_now(listener.accept()).await {
            Some(Ok((socket, address))) => welcome(&plane, socket, address, position),
            Some(Err(_)) => {}
            None => return,
        }
    }
}

/// The peer has gone before it was accepted.
fn is_of_one_connection(fault: &io::Error) -> bool {
    matches!(
        fault.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

async fn ready_now<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        value = future => Some(value),
        () = std::future::ready(()) => None,
    }
}

fn welcome(plane: &Rc<DataPlane>, socket: Socket, address: Option<IpAddr>, listener: usize) {
    let view = plane.view();
    let limits = &view.snapshot.limits;
    let name = view.snapshot.listeners.get(listener).map_or_else(String::new, |listener| listener.address.to_string());
    let Some(counted) = Counted::new(plane, name) else {
        plane.shared.metrics.connection_error(ConnectionError::TooMany);
        return;
    };
    let watch = Rc::new(Watch::new(limits.keep_alive, limits.header_time));
    plane.watch(&watch);
    let server_limits =
        ServerLimits { fields: limits.fields, head_bytes: limits.header_bytes + limits.target_bytes + HEAD_EXTRA };
    let connection =
        Rc::new(PeerConnection { watch: Rc::clone(&watch), address, story: Story::new(address), listener });
    let tracker = plane.connections.clone();
    let plane = Rc::clone(plane);
    tracker.spawn_local(async move {
        let _counted = counted;
        let service = service_fn(|request| respond(Rc::clone(&plane), Rc::clone(&connection), request));
        let end =
            serve_connection(Stream::Clear(socket), watch, server_limits, Rc::clone(&plane.draining), service).await;
        if let Some(kind) = kind_of(&end) {
            plane.shared.metrics.connection_error(kind);
        }
    });
}

/// A connection's place among those of the process, for as long as it lasts, however it ends.
struct Counted {
    plane: Rc<DataPlane>,
    listener: String,
}

impl Counted {
    fn new(plane: &Rc<DataPlane>, listener: String) -> Option<Self> {
        if !plane.shared.begin_connection(plane.most_connections) {
            return None;
        }
        plane.shared.metrics.connection(&listener, 1);
        Some(Self { plane: Rc::clone(plane), listener })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.plane.shared.metrics.connection_error(ConnectionError::Panic);
        }
        self.plane.shared.metrics.connection(&self.listener, -1);
        self.plane.shared.end_connection();
    }
}

/// What a connection's end is counted as, unless it is nobody's fault.
fn kind_of(end: &ConnectionEnd) -> Option<ConnectionError> {
    match end {
        ConnectionEnd::Closed | ConnectionEnd::TimedOut(Phase::Idle) => None,
        ConnectionEnd::TimedOut(Phase::Head) => Some(ConnectionError::HeaderTimeout),
        ConnectionEnd::TimedOut(Phase::Content | Phase::Peer | Phase::Upstream) => Some(ConnectionError::BodyTimeout),
        ConnectionEnd::Fault(fault) if fault.is_parse_too_large() => Some(ConnectionError::TooLarge),
        ConnectionEnd::Fault(fault) if fault.is_parse() => Some(ConnectionError::Parse),
        ConnectionEnd::Fault(fault) if fault.is_incomplete_message() => Some(ConnectionError::Incomplete),
        // Our own service's fault: the upstream broke off, and was counted as the upstream's failure.
        ConnectionEnd::Fault(fault) if fault.is_user() => None,
        ConnectionEnd::Fault(_) => Some(ConnectionError::Io),
    }
}

async fn reap(plane: Rc<DataPlane>) {
    let mut ticks = tokio::time::interval(REAP_EVERY);
    loop {
        ticks.tick().await;
        plane.reap(Instant::now());
    }
}

/// Waits until every connection has ended, for `timeout` at most; then refuses what is still unanswered.
async fn drain(plane: &Rc<DataPlane>, timeout: Duration) {
    plane.connections.close();
    if tokio::time::timeout(timeout, plane.connections.wait()).await.is_ok() {
        return;
    }
    plane.cutting.set(true);
    plane.wake_all();
    let _ = tokio::time::timeout(CUT_GRACE, plane.connections.wait()).await;
}
