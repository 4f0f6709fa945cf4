//! A worker's connections to one upstream, whichever version of HTTP they speak.

use std::fmt;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};

use super::lease::Http1Lease;
use super::multiplex::{Http2Lease, Http2Pool};
use super::pool::Http1Pool;
use super::{ClientTls, ConnectFault, Endpoint, ExchangeFault, Protocol, Switched};

/// How many connections a worker may hold to one upstream, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Where the upstream listens.
    pub endpoint: Endpoint,
    /// TLS with it, if it is not spoken to in clear text.
    pub tls: Option<ClientTls>,
    /// What it speaks.
    pub protocol: Protocol,
    /// The time that waiting for a place may take, and again that connecting may.
    pub connect: Duration,
    /// Connections at most, in use or idle.
    pub max: usize,
    /// Requests at most that wait for a connection, or for a stream of one.
    pub queue: usize,
    /// How long a connection may stand idle before it is closed.
    pub idle: Duration,
}

/// What happened to the number of open connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolEvent {
    /// One more is open.
    Opened,
    /// One has closed.
    Closed,
}

/// Connections to one upstream, kept by one worker. Clones share them.
pub struct UpstreamPool<B>(Pool<B>);

enum Pool<B> {
    /// HTTP/1.1: a connection carries one exchange after the other.
    Http1(Rc<Http1Pool<B>>),
    /// HTTP/2: a connection carries many exchanges at once.
    Http2(Rc<Http2Pool<B>>),
}

/// Leave to send one request: a connection (HTTP/1.1), or a stream of one (HTTP/2).
///
/// Given back by [`Lease::release`]. Merely dropped, a connection is closed, and a stream whose answer has not ended is reset.
pub struct Lease<B>(Lent<B>);

enum Lent<B> {
    /// A connection.
    Http1(Http1Lease<B>),
    /// A stream.
    Http2(Http2Lease<B>),
}

/// Why a request got no answer.
#[derive(Debug)]
pub struct SendFault<B> {
    /// The request, if it is still there.
    pub request: Option<Request<B>>,
    /// Not a byte of it was sent.
    pub unsent: bool,
    /// Whether the upstream had begun to answer.
    pub answered: bool,
    /// Whether the upstream says that it did nothing with the request (RFC 9113 §8.7): sent again, it takes effect once.
    pub unprocessed: bool,
    /// What became of it.
    pub source: ExchangeFault,
}

impl<B> Clone for UpstreamPool<B> {
    fn clone(&self) -> Self {
        match &self.0 {
            Pool::Http1(pool) => Self(Pool::Http1(Rc::clone(pool))),
            Pool::Http2(pool) => Self(Pool::Http2(Rc::clone(pool))),
        }
    }
}

impl<B> fmt::Debug for UpstreamPool<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Pool::Http1(pool) => pool.fmt(f),
            Pool::Http2(pool) => pool.fmt(f),
        }
    }
}

impl<B> fmt::Debug for Lease<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Lent::Http1(lease) => lease.fmt(f),
            Lent::Http2(lease) => lease.fmt(f),
        }
    }
}

impl<B> UpstreamPool<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// A pool without connections; `told` hears of each that opens or closes.
    pub fn new(settings: PoolSettings, told: impl Fn(PoolEvent) + 'static) -> Self {
        match settings.protocol {
            Protocol::Http1 => Self(Pool::Http1(Http1Pool::new(settings, told))),
            Protocol::Http2 => Self(Pool::Http2(Http2Pool::new(settings, told))),
        }
    }

    /// What the pool was made with.
    pub fn settings(&self) -> &PoolSettings {
        match &self.0 {
            Pool::Http1(pool) => pool.settings(),
            Pool::Http2(pool) => pool.settings(),
        }
    }

    /// Whether both are the same pool.
    pub fn is(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Pool::Http1(one), Pool::Http1(other)) => Rc::ptr_eq(one, other),
            (Pool::Http2(one), Pool::Http2(other)) => Rc::ptr_eq(one, other),
            (Pool::Http1(_), Pool::Http2(_)) | (Pool::Http2(_), Pool::Http1(_)) => false,
        }
    }

    /// Closes what has been idle for longer than the settings allow; to be called now and then.
    pub fn reap(&self, now: Instant) {
        match &self.0 {
            Pool::Http1(pool) => pool.reap(now),
            Pool::Http2(pool) => pool.reap(now),
        }
    }

    /// Closes what is idle, and from now on every connection after its exchanges: another pool has taken this one's place.
    pub fn retire(&self) {
        match &self.0 {
            Pool::Http1(pool) => pool.retire(),
            Pool::Http2(pool) => pool.retire(),
        }
    }

    /// Leave to send one request: on a connection at hand, a new one, or the first that others give back. `peer` says for whom, by
    /// any number: where several wait, each peer has its turn.
    ///
    /// # Errors
    ///
    /// [`ConnectFault`]; `QueueFull` when `queue` requests wait already whose turn comes before, or nothing came free in the time
    /// for connecting.
    pub async fn acquire(&self, peer: usize) -> Result<Lease<B>, ConnectFault> {
        match &self.0 {
            Pool::Http1(pool) => pool.acquire(peer).await.map(|lease| Lease(Lent::Http1(lease))),
            Pool::Http2(pool) => pool.acquire(peer).await.map(|lease| Lease(Lent::Http2(lease))),
        }
    }

    /// The same after a connection at hand has failed: over HTTP/1.1 one that nobody has used yet, or that was given back while
    /// waiting for a place; over HTTP/2 any that still takes streams.
    ///
    /// # Errors
    ///
    /// As [`UpstreamPool::acquire`].
    pub async fn acquire_again(&self, peer: usize) -> Result<Lease<B>, ConnectFault> {
        match &self.0 {
            Pool::Http1(pool) => pool.acquire_new(peer).await.map(|lease| Lease(Lent::Http1(lease))),
            Pool::Http2(pool) => pool.acquire(peer).await.map(|lease| Lease(Lent::Http2(lease))),
        }
    }
}

impl<B> Lease<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
{
    /// Whether the connection has carried an exchange already, so that the upstream may be closing it just now.
    pub fn is_reused(&self) -> bool {
        match &self.0 {
            Lent::Http1(lease) => lease.is_reused(),
            Lent::Http2(lease) => lease.is_reused(),
        }
    }

    /// Whether it is a stream of HTTP/2, so that the upstream can say that it did nothing with a request.
    pub fn is_stream(&self) -> bool {
        match &self.0 {
            Lent::Http1(_) => false,
            Lent::Http2(_) => true,
        }
    }

    /// Says that the next request asks for another protocol (RFC 9110 §7.8). Whatever the answer, the connection serves no other
    /// exchange. HTTP/2 has no such thing: there it says nothing.
    pub fn expect_switch(&mut self) {
        match &mut self.0 {
            Lent::Http1(lease) => lease.expect_switch(),
            Lent::Http2(_) => {}
        }
    }

    /// After a 101: the stream, with what the upstream has sent on it already. `None` if nobody called [`Lease::expect_switch`].
    pub fn switched(self) -> Option<Switched> {
        match self.0 {
            Lent::Http1(lease) => lease.switched(),
            Lent::Http2(_) => None,
        }
    }

    /// Sends a request and waits for the head of its answer; the content is then to be had from [`Lease::poll_content`].
    ///
    /// # Errors
    ///
    /// [`SendFault`], which says what may be sent again without harm.
    pub async fn send(&mut self, request: Request<B>) -> Result<Response<()>, SendFault<B>> {
        match &mut self.0 {
            Lent::Http1(lease) => lease.send(request).await,
            Lent::Http2(lease) => lease.send(request).await,
        }
    }

    /// Waits for the next part of the answer's content, be it trailers; `None` at its end.
    pub fn poll_content(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ExchangeFault>>> {
        match &mut self.0 {
            Lent::Http1(lease) => lease.poll_content(context),
            Lent::Http2(lease) => lease.poll_content(context),
        }
    }

    /// Whether nothing more of the answer can come.
    pub fn has_ended(&self) -> bool {
        match &self.0 {
            Lent::Http1(lease) => lease.has_ended(),
            Lent::Http2(lease) => lease.has_ended(),
        }
    }

    /// How much of the answer's content is still to come, if that is known.
    pub fn size(&self) -> SizeHint {
        match &self.0 {
            Lent::Http1(lease) => lease.size(),
            Lent::Http2(lease) => lease.size(),
        }
    }

    /// Takes note that an answer, or the next part of one, did not come in time. A connection that brought nothing at all since
    /// the request was sent takes no more of them.
    pub fn suspect(&self) {
        match &self.0 {
            Lent::Http1(_) => {}
            Lent::Http2(lease) => lease.suspect(),
        }
    }

    /// Gives back what was lent, once the answer has ended.
    pub fn release(self) {
        match self.0 {
            Lent::Http1(lease) => lease.release(),
            Lent::Http2(_) => {}
        }
    }
}
