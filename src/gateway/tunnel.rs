//! A tunnel's life: from the 101 to its end, and its place among those of the process.

use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::gateway::data_plane::DataPlane;
use crate::gateway::exchange::Exchange;
use crate::gateway::settings::TunnelSettings;
use crate::gateway::snapshot::Upstream;
use crate::gateway::upgrade::Handshake;
use crate::net::{self, Phase, Protocol, Switched, Watch};
use crate::policy::Denial;
use crate::telemetry::{ConnectionProtocol, TunnelEnd, UpstreamMetrics};

/// How often it is looked whether a token was revoked, or the clock was set.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A place among the tunnels of the process, from before the upstream is asked to the tunnel's end.
#[derive(Debug)]
struct Place(Rc<DataPlane>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.shared.end_tunnel();
    }
}

/// A handshake that an upstream is asked for, with the place of the tunnel that may come of it.
#[derive(Debug)]
pub(super) struct Asking {
    handshake: Handshake,
    settings: TunnelSettings,
    metrics: UpstreamMetrics,
    place: Place,
}

/// An upstream that has changed to WebSocket.
#[derive(Debug)]
pub(super) struct Opened {
    asking: Asking,
    upstream: Switched,
}

impl Asking {
    /// Takes a place for a tunnel. `None` where the upstream is not asked: then the request is a plain one.
    ///
    /// # Errors
    ///
    /// `Overloaded` when every place is taken. `MethodUnknown` for a peer of HTTP/2 where the upstream is not asked: its request has
    /// no plain form (RFC 9220 §3 has the status).
    pub(super) fn new(handshake: Handshake, exchange: &Exchange, upstream: &Upstream) -> Result<Option<Self>, Denial> {
        let Upstream { settings, metrics, .. } = upstream;
        if !settings.tunnels.websocket || settings.protocol != Protocol::Http1 {
            return if handshake.is_on_stream() { Err(Denial::MethodUnknown) } else { Ok(None) };
        }
        let plane = &exchange.plane;
        if !plane.shared.begin_tunnel(exchange.view.snapshot.limits.tunnels) {
            return Err(Denial::Overloaded);
        }
        let place = Place(Rc::clone(plane));
        Ok(Some(Self { handshake, settings: settings.tunnels, metrics: metrics.clone(), place }))
    }

    /// The handshake that the upstream is asked for.
    pub(super) fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    /// Whether an answer may be passed on. Any 101 must prove that it was understood; and a success opens a stream of HTTP/2, so
    /// that nothing else may look like one.
    pub(super) fn may_be_answered(&self, status: StatusCode, fields: &HeaderMap) -> bool {
        match status {
            StatusCode::SWITCHING_PROTOCOLS => self.handshake.is_met_by(fields),
            _ => !(self.handshake.is_on_stream() && status.is_success()),
        }
    }

    /// The tunnel's upstream side, after its 101.
    pub(super) fn open(self, upstream: Switched) -> Opened {
        Opened { asking: self, upstream }
    }
}

/// An upstream's side, and the exchange that goes on until the tunnel ends.
#[derive(Debug)]
pub(super) struct Tunnel {
    exchange: Exchange,
    upstream: Switched,
    settings: TunnelSettings,
    metrics: UpstreamMetrics,
    place: Place,
}

impl Tunnel {
    /// Makes an exchange a tunnel, which is no request in flight, and has it run as soon as the peer has been told. Returns what
    /// it is told, with `fields`.
    pub(super) fn begin(exchange: Exchange, opened: Opened, mut fields: HeaderMap) -> Response<()> {
        exchange.leave_flight();
        let Opened { asking: Asking { handshake, settings, metrics, place }, upstream } = opened;
        let (status, stream) = handshake.accept(&mut fields);
        let tunnel = Self { exchange, upstream, settings, metrics, place };
        match stream {
            None => tunnel.wait_for_connection(),
            Some(stream) => {
                let tasks = tunnel.exchange.plane.connections.clone();
                tasks.spawn_local(tunnel.wait_for_stream(stream));
            }
        }
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.headers_mut() = fields;
        response
    }

    /// Whoever serves the connection comes for the tunnel when it is handed the stream.
    fn wait_for_connection(self) {
        let connection = Rc::clone(&self.exchange.connection);
        let watch = Rc::clone(&self.exchange.watch);
        watch.switch_protocols();
        watch.enter(Phase::Peer, Instant::now(), self.exchange.view.snapshot.limits.body_idle);
        connection.tunnel.replace(Some(Box::new(self)));
    }

    async fn wait_for_stream(self, stream: OnUpgrade) {
        // A fault is a peer that has left before it could be answered.
        if let Ok(stream) = stream.await {
            self.run(TokioIo::new(stream), Bytes::new()).await;
        }
    }

    /// Carries bytes both ways until the tunnel ends; `early` is what the peer had sent before it knew that there would be one.
    pub(super) async fn run(self, peer: impl AsyncRead + AsyncWrite + Unpin, early: Bytes) {
        let _ending = Ending(Rc::clone(&self.exchange.watch));
        let Self { exchange, upstream, settings, metrics, place } = self;
        let counted = Counted::new(&exchange, metrics);
        let mut tunnel = net::Tunnel::new((peer, early), (upstream.stream, upstream.early), settings.idle);
        let carrying = poll_fn(|context| {
            let polled = tunnel.poll(context);
            exchange.carried(tunnel.carried());
            polled
        });
        let end = tokio::select! {
            // First of all, whether it may carry anything at all.
            biased;
            () = token_end(&exchange, settings.end_with_token) => TunnelEnd::Token,
            () = cut(&exchange.plane) => TunnelEnd::Drained,
            end = carrying => match end {
                net::TunnelEnd::Closed => TunnelEnd::Closed,
                net::TunnelEnd::Idle => TunnelEnd::Idle,
                net::TunnelEnd::Peer(_) => TunnelEnd::PeerFailed,
                net::TunnelEnd::Upstream(_) => TunnelEnd::UpstreamFailed,
            },
        };
        // First the room that it took, then the word that it has ended.
        drop((counted, place));
        exchange.plane.shared.metrics.tunnel_ended(end);
    }
}

/// Tells the peer's stream of the tunnel's end, however that comes about.
struct Ending(Rc<Watch>);

impl Drop for Ending {
    fn drop(&mut self) {
        // hyper was done with a stream whose tunnel has closed before that was told.
        self.0.tunnel_ended();
    }
}

/// Ready when the token that opened the tunnel has ended or was revoked, if that is to end the tunnel; one without a token goes on.
async fn token_end(exchange: &Exchange, ends: bool) {
    if ends {
        while let Some(left) = exchange.token_lasts() {
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK_EVERY)).await;
        }
    }
    std::future::pending().await
}

/// Ready when the drain's time is over.
async fn cut(plane: &DataPlane) {
    let mut cut = std::pin::pin!(plane.cut.notified());
    poll_fn(|context| match cut.as_mut().poll(context) {
        Poll::Pending if plane.cutting.get() => Poll::Ready(()),
        polled @ (Poll::Pending | Poll::Ready(())) => polled,
    })
    .await;
}

/// A tunnel among the connections that metrics show.
struct Counted {
    plane: Rc<DataPlane>,
    is_connection: bool,
    listener: String,
    upstream: UpstreamMetrics,
}

impl Counted {
    fn new(exchange: &Exchange, upstream: UpstreamMetrics) -> Self {
        let listener = exchange.view.snapshot.listeners.get(exchange.connection.listener);
        let listener = listener.map_or_else(String::new, |listener| listener.address.to_string());
        let is_connection = exchange.watch.has_switched();
        let counted = Self { plane: Rc::clone(&exchange.plane), is_connection, listener, upstream };
        counted.change(1);
        counted
    }

    /// A connection of HTTP/1.1 is none while it is a tunnel; one of HTTP/2 goes on. The pool has let go of the upstream's.
    fn change(&self, change: i64) {
        let metrics = &self.plane.shared.metrics;
        if self.is_connection {
            metrics.connection(&self.listener, ConnectionProtocol::Http1, -change);
        }
        metrics.connection(&self.listener, ConnectionProtocol::Upgraded, change);
        self.upstream.connections(change);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.change(-1);
    }
}
