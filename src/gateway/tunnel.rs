//! A tunnel's life: from the 101 to its end, and its place among those of the process.

use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::gateway::data_plane::DataPlane;
use crate::gateway::exchange::Exchange;
use crate::gateway::settings::TunnelSettings;
use crate::net::{self, Switched};
use crate::telemetry::{TunnelEnd, UpstreamMetrics};

/// How long the clock is trusted not to be set: a token's end is looked at anew so often.
const CLOCK_TRUST: Duration = Duration::from_secs(15);

/// A place among the tunnels of the process, from before the upstream is asked to the tunnel's end.
#[derive(Debug)]
pub(super) struct TunnelPlace {
    plane: Rc<DataPlane>,
}

impl TunnelPlace {
    /// A place, unless `limit` are taken.
    pub(super) fn take(plane: &Rc<DataPlane>, limit: usize) -> Option<Self> {
        plane.shared.begin_tunnel(limit).then(|| Self { plane: Rc::clone(plane) })
    }
}

impl Drop for TunnelPlace {
    fn drop(&mut self) {
        self.plane.shared.end_tunnel();
    }
}

/// An upstream that has changed to WebSocket, and what a tunnel to it may do.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) upstream: Switched,
    pub(super) settings: TunnelSettings,
    pub(super) metrics: UpstreamMetrics,
    pub(super) place: TunnelPlace,
}

/// An upstream's side, and the exchange that goes on until the tunnel ends.
#[derive(Debug)]
pub(super) struct Tunnel {
    exchange: Exchange,
    opened: Opened,
}

impl Tunnel {
    /// The exchange is from now on a tunnel, and no request in flight.
    pub(super) fn new(exchange: Exchange, opened: Opened) -> Self {
        exchange.leave_flight();
        Self { exchange, opened }
    }

    /// Carries bytes both ways until the tunnel ends; `early` is what the peer had sent before it knew that there would be one.
    pub(super) async fn run(self, peer: impl AsyncRead + AsyncWrite + Unpin, early: Bytes) {
        let Self { exchange, opened: Opened { upstream, settings, metrics, place } } = self;
        let _counted = Counted::new(&exchange, metrics);
        let mut tunnel = net::Tunnel::new((peer, early), (upstream.stream, upstream.early), settings.idle);
        let carrying = poll_fn(|context| {
            let polled = tunnel.poll(context);
            exchange.carried(tunnel.carried());
            polled
        });
        let end = tokio::select! {
            biased;
            end = carrying => match end {
                net::TunnelEnd::Closed => TunnelEnd::Closed,
                net::TunnelEnd::Idle => TunnelEnd::Idle,
                net::TunnelEnd::Peer(_) => TunnelEnd::PeerFailed,
                net::TunnelEnd::Upstream(_) => TunnelEnd::UpstreamFailed,
            },
            () = token_end(&exchange, settings.end_with_token) => TunnelEnd::Token,
            () = cut(&exchange.plane) => TunnelEnd::Drained,
        };
        exchange.plane.shared.metrics.tunnel_ended(end);
        drop(place);
    }
}

/// Ready when the token that opened the tunnel ends, if it is to end the tunnel; a tunnel without a token goes on.
async fn token_end(exchange: &Exchange, ends: bool) {
    let Some(end) = exchange.token_end().filter(|_| ends) else { return std::future::pending().await };
    loop {
        let now = exchange.plane.shared.clock.now();
        if now >= end {
            return;
        }
        tokio::time::sleep(CLOCK_TRUST.min(end.saturating_sub(now))).await;
    }
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
    listener: String,
    upstream: UpstreamMetrics,
}

impl Counted {
    fn new(exchange: &Exchange, upstream: UpstreamMetrics) -> Self {
        let listener = exchange.view.snapshot.listeners.get(exchange.connection.listener);
        let listener = listener.map_or_else(String::new, |listener| listener.address.to_string());
        let counted = Self { plane: Rc::clone(&exchange.plane), listener, upstream };
        counted.change(1);
        counted
    }

    /// The connection counts as `upgraded` while it is one. The pool has let go of the upstream's.
    fn change(&self, change: i64) {
        self.plane.shared.metrics.connection(&self.listener, -change);
        self.plane.shared.metrics.upgraded(&self.listener, change);
        self.upstream.connections(change);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.change(-1);
    }
}
