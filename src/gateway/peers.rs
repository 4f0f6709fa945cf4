//! A worker's peers: accepting them, and serving each to its end.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use http::{Request, Version};
use hyper::body::Incoming;

use crate::gateway::Limits;
use crate::gateway::body::AnswerContent;
use crate::gateway::challenge::refuse;
use crate::gateway::data_plane::DataPlane;
use crate::gateway::exchange::{Origin, PeerConnection};
use crate::gateway::forwarded::Story;
use crate::gateway::service::{Answer, respond};
use crate::gateway::turned_away::{answer_at_once, shed};
use crate::net::{
    AcceptFault, Accepted, Acceptor, Application, BACKLOG, ConnectionEnd, ConnectionEvent, Drained, Excess, Phase,
    Protocol, Protocols, ServerLimits, ServerTls, Socket, Stream, Watch, serve_connection,
};
use crate::policy::Denial;
use crate::telemetry::{ConnectionError, ConnectionProtocol};
use crate::verify::FairShare;

/// How long to wait after the system refused to accept, for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What a handshake may still take once the drain has begun.
const HANDSHAKE_GRACE: Duration = Duration::from_secs(1);
/// Bytes that a head takes besides the names and values that the limits count: for each field, and for the request line.
const HEAD_EXTRA: usize = 16 * 1024;

/// Accepts and serves peers until the drain begins, and then those who wait.
pub(super) async fn accept(plane: Rc<DataPlane>, listener: Acceptor, position: usize, mut drained: Drained) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = drained.begun() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, address)) => welcome(&plane, socket, address, position, &drained),
            Err(fault) if is_of_one_connection(&fault) => {}
            Err(fault) => {
                if !shed(&plane, &listener, position, &fault) {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    if drained.is_taken_over(position) {
        return;
    }
    // Those whose handshake the kernel has completed believe that they are connected: serve what they send.
    for _ in 0..BACKLOG {
        match ready_now(listener.accept()).await {
            Some(Ok((socket, address))) => welcome(&plane, socket, address, position, &drained),
            Some(Err(fault)) => drop(shed(&plane, &listener, position, &fault)),
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

fn welcome(plane: &Rc<DataPlane>, socket: Socket, address: Option<IpAddr>, listener: usize, drained: &Drained) {
    let view = plane.view();
    let limits = &view.snapshot.limits;
    let Some(settings) = view.snapshot.listeners.get(listener) else { return };
    let Some(counted) = Counted::new(plane, settings.address.to_string()) else {
        plane.shared.metrics.connection_error(ConnectionError::TooMany);
        if settings.tls.is_none() {
            turn_away(plane, socket);
        }
        return;
    };
    let tls = settings.tls.clone().map(|tls| (tls, drained.clone()));
    let entrance = Entrance { tls, protocols: settings.protocols, limits: server_limits(limits) };
    let connection = Rc::new(PeerConnection {
        address,
        story: Story::new(address),
        fair_share: FairShare::default(),
        listener,
        tunnel: RefCell::default(),
    });
    let peer = Peer { plane: Rc::clone(plane), connection, counted: Rc::new(counted) };
    plane.connections.spawn_local(serve_peer(peer, socket, entrance));
}

/// How a peer comes in.
struct Entrance {
    /// With the signal to drain, for which no handshake is waited.
    tls: Option<(ServerTls, Drained)>,
    protocols: Protocols,
    limits: ServerLimits,
}

/// Serves one peer, from the handshake on.
async fn serve_peer(peer: Peer, socket: Socket, entrance: Entrance) {
    let Entrance { tls, protocols, limits } = entrance;
    let Peer { plane, connection, counted: _counted } = peer.clone();
    let stream = match tls {
        None => Some((Stream::Clear(socket), None)),
        // Boxed, so that a connection that rests does not hold the space that a handshake needs.
        Some((tls, drained)) => Box::pin(secure(&plane, socket, tls, drained, limits.header_time)).await,
    };
    let Some((stream, protocol)) = stream else { return };
    let watch = Rc::new(Watch::new(limits.keep_alive, limits.header_time));
    plane.watch(&watch);
    let draining = Rc::clone(&plane.draining);
    let warm_places = plane.warm_places.clone();
    let accepted = Accepted { stream, protocol, protocols, watch, draining, warm_places };
    let end = serve_connection(accepted, limits, peer).await;
    if let Some(kind) = kind_of(&end) {
        plane.shared.metrics.connection_error(kind);
    }
    let tunnel = connection.tunnel.take();
    if let (ConnectionEnd::Switched(peer), Some(tunnel)) = (end, tunnel) {
        // Boxed, so that those who never become one do not hold its space.
        Box::pin(tunnel.run(peer.stream, peer.early)).await;
    }
}

/// Tells a peer for whom there is no place.
fn turn_away(plane: &Rc<DataPlane>, socket: Socket) {
    let realm = &plane.view().snapshot.realm;
    let refusal = refuse(&Denial::Overloaded, realm, &plane.request_ids.choose(None));
    match plane.turned_away.place() {
        Some(place) => drop(tokio::task::spawn_local(place.answer(socket, refusal))),
        None => answer_at_once(&socket, refusal),
    }
}

fn server_limits(limits: &Limits) -> ServerLimits {
    ServerLimits {
        fields: limits.fields,
        head_bytes: limits.header_bytes + limits.target_bytes + HEAD_EXTRA,
        header_time: limits.header_time,
        body_idle: limits.body_idle,
        keep_alive: limits.keep_alive,
        streams: limits.streams,
        resets: limits.resets,
    }
}

/// A peer whose requests the gateway answers.
#[derive(Clone)]
struct Peer {
    plane: Rc<DataPlane>,
    connection: Rc<PeerConnection>,
    counted: Rc<Counted>,
}

impl Application for Peer {
    type Content = Box<AnswerContent>;

    fn answer(
        &self,
        request: Request<Incoming>,
        watch: Rc<Watch>,
    ) -> impl Future<Output = Result<Answer, Infallible>> + 'static {
        if request.version() == Version::HTTP_2 {
            self.plane.watch(&watch);
        }
        respond(Rc::clone(&self.plane), Origin { connection: Rc::clone(&self.connection), watch }, request)
    }

    fn note(&self, event: ConnectionEvent) {
        match event {
            ConnectionEvent::Speaks(Protocol::Http1) => self.counted.becomes(ConnectionProtocol::Http1),
            ConnectionEvent::Speaks(Protocol::Http2) => self.counted.becomes(ConnectionProtocol::Http2),
            ConnectionEvent::StreamTimedOut(_) => {
                self.plane.shared.metrics.connection_error(ConnectionError::BodyTimeout);
            }
        }
    }
}

/// Takes the peer's handshake; with the version of HTTP that ALPN chose, if the peer speaks ALPN. `None` if the handshake comes to
/// nothing, which has then been counted, or has not ended soon after the drain began.
async fn secure(
    plane: &DataPlane,
    socket: Socket,
    tls: ServerTls,
    drained: Drained,
    time: Duration,
) -> Option<(Stream, Option<Protocol>)> {
    let taken = tokio::select! {
        biased;
        taken = tls.accept(socket, time) => taken,
        () = pass_after_drain(drained, HANDSHAKE_GRACE) => return None,
    };
    let fault = match taken {
        Ok(accepted) => return Some(accepted),
        Err(fault) => fault,
    };
    match &fault {
        AcceptFault::Left => {}
        AcceptFault::TimedOut => plane.shared.metrics.connection_error(ConnectionError::HeaderTimeout),
        AcceptFault::Failed(cause) => {
            plane.shared.metrics.connection_error(ConnectionError::Tls);
            tracing::debug!(%fault, %cause, "a peer was not let in");
        }
    }
    None
}

/// Waits until the drain has begun, and `time` longer.
async fn pass_after_drain(mut drained: Drained, time: Duration) {
    drained.begun().await;
    tokio::time::sleep(time).await;
}

/// A connection's place among those of the process, for as long as it lasts, however it ends.
struct Counted {
    plane: Rc<DataPlane>,
    listener: String,
    protocol: Cell<ConnectionProtocol>,
}

impl Counted {
    fn new(plane: &Rc<DataPlane>, listener: String) -> Option<Self> {
        if !plane.shared.begin_connection(plane.most_connections) {
            return None;
        }
        let protocol = ConnectionProtocol::New;
        plane.shared.metrics.connection(&listener, protocol, 1);
        Some(Self { plane: Rc::clone(plane), listener, protocol: Cell::new(protocol) })
    }

    /// Counts the connection under what it speaks from now on.
    fn becomes(&self, protocol: ConnectionProtocol) {
        let metrics = &self.plane.shared.metrics;
        metrics.connection(&self.listener, self.protocol.replace(protocol), -1);
        metrics.connection(&self.listener, protocol, 1);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.plane.shared.metrics.connection_error(ConnectionError::Panic);
        }
        self.plane.shared.metrics.connection(&self.listener, self.protocol.get(), -1);
        self.plane.shared.end_connection();
    }
}

/// What a connection's end is counted as, unless it is nobody's fault.
fn kind_of(end: &ConnectionEnd) -> Option<ConnectionError> {
    match end {
        ConnectionEnd::Closed | ConnectionEnd::Switched(_) | ConnectionEnd::TimedOut(Phase::Idle) => None,
        ConnectionEnd::TimedOut(Phase::Head) => Some(ConnectionError::HeaderTimeout),
        ConnectionEnd::TimedOut(Phase::Content | Phase::Peer | Phase::Upstream) => Some(ConnectionError::BodyTimeout),
        ConnectionEnd::Fault(fault) if fault.is_parse_too_large() => Some(ConnectionError::TooLarge),
        ConnectionEnd::Fault(fault) if fault.is_parse() => Some(ConnectionError::Parse),
        ConnectionEnd::Fault(fault) if fault.is_incomplete_message() => Some(ConnectionError::Incomplete),
        // Our own service's fault: the upstream broke off, and was counted as the upstream's failure.
        ConnectionEnd::Fault(fault) if fault.is_user() => None,
        ConnectionEnd::Fault(fault) => Some(kind_over_http2(fault)),
        ConnectionEnd::Broken(_) => Some(ConnectionError::Io),
        ConnectionEnd::WrongProtocol => Some(ConnectionError::Parse),
        ConnectionEnd::Excess(Excess::Frames) => Some(ConnectionError::Flood),
        ConnectionEnd::Excess(Excess::Resets) => Some(ConnectionError::Resets),
    }
}

/// What HTTP/2's own checks ended a connection for; else the socket's fault.
fn kind_over_http2(fault: &hyper::Error) -> ConnectionError {
    let fault = fault.source().and_then(|source| source.downcast_ref::<h2::Error>());
    match fault.filter(|fault| !fault.is_io() && !fault.is_remote()).and_then(h2::Error::reason) {
        Some(h2::Reason::ENHANCE_YOUR_CALM) => ConnectionError::Flood,
        Some(_) => ConnectionError::Parse,
        None => ConnectionError::Io,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that the task of a peer takes while its connection rests, besides what a stream under TLS keeps and what the gateway
    /// holds of the peer.
    const TASK: usize = 1024;

    fn size_of_task<F>(_: fn(Peer, Socket, Entrance) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_peer_at_rest_is_a_small_task() {
        let size = size_of_task(serve_peer);
        assert!(size <= TASK, "{size}");
    }
}
