//! Driving one accepted connection: hyper's parser under our deadlines.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::time::Sleep;

use super::{Metered, Phase, Stream, Watch};

/// hyper's own bound on fields; with it the parser's table lies on the stack.
const FIELDS_ON_STACK: usize = 100;
/// How long a drain waits for the first request of a connection that has not sent any.
const DRAIN_GRACE: Duration = Duration::from_secs(1);

/// Bounds that the parser itself enforces; what it refuses never reaches a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Fields of a request at most.
    pub fields: usize,
    /// Bytes of a request's head at most.
    pub head_bytes: usize,
}

/// How a connection ended.
#[derive(Debug)]
pub enum ConnectionEnd {
    /// As HTTP/1.1 ends one, or by the drain.
    Closed,
    /// The deadline of a phase passed.
    TimedOut(Phase),
    /// The peer broke off, or sent what is no HTTP/1.1.
    Fault(hyper::Error),
    /// A 101 has gone out, as [`Watch::switch_protocols`] announced: what now goes over the stream is no HTTP/1.1.
    Switched(Switched),
}

/// A stream that has left HTTP/1.1 (RFC 9110 §7.8).
#[derive(Debug)]
pub struct Switched {
    /// The stream, at the first byte that nobody has read.
    pub stream: Stream,
    /// Bytes that were read with the last message and come after it.
    pub early: Bytes,
}

/// Serves the requests of one connection until it ends, its watch closes it, or `draining` is set (and [`Watch::wake`] called):
/// then the exchange under way is the last, and an idle connection closes at once. After a 101 that [`Watch::switch_protocols`]
/// announced, the stream is not shut down but handed back.
pub async fn serve_connection<S>(
    stream: Stream,
    watch: Rc<Watch>,
    limits: ServerLimits,
    draining: Rc<Cell<bool>>,
    service: S,
) -> ConnectionEnd
where
    S: HttpService<Incoming> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::ResBody: Body + 'static,
    <S::ResBody as Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = TokioIo::new(Metered::watched(stream, Rc::clone(&watch)));
    let mut connection = parser(limits).serve_connection(stream, service);
    let mut driver = Driver { watch, draining, timer: None };
    let ended = poll_fn(|context| driver.poll_until_drain(context, Pin::new(&mut connection))).await;
    let end = match ended {
        Some(end) => end,
        None => {
            Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|context| driver.poll(context, Pin::new(&mut connection))).await
        }
    };
    match end {
        // hyper ends its part without a shutdown where a 101 answers a request that asked for one.
        ConnectionEnd::Closed if driver.watch.has_switched() => {
            let parts = connection.into_parts();
            ConnectionEnd::Switched(Switched { stream: parts.io.into_inner().into_inner(), early: parts.read_buf })
        }
        end => end,
    }
}

fn parser(limits: ServerLimits) -> http1::Builder {
    let mut parser = http1::Builder::new();
    // Two deadlines of our own stand in for hyper's: one until the first byte, one from it.
    parser.header_read_timeout(None);
    parser.max_buf_size(limits.head_bytes);
    if limits.fields > FIELDS_ON_STACK {
        parser.max_headers(limits.fields);
    }
    parser
}

struct Driver {
    watch: Rc<Watch>,
    draining: Rc<Cell<bool>>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Driver {
    /// Ready with the connection's end, or with nothing when it is to be shut down for the drain.
    fn poll_until_drain<C>(
        &mut self,
        context: &mut Context<'_>,
        mut connection: Pin<&mut C>,
    ) -> Poll<Option<ConnectionEnd>>
    where
        C: Future<Output = hyper::Result<()>>,
    {
        // The poll comes first: a request whose bytes lie ready has begun, and is answered.
        if let Poll::Ready(end) = self.poll(context, connection.as_mut()) {
            return Poll::Ready(Some(end));
        }
        if !self.draining.get() {
            return Poll::Pending;
        }
        match self.watch.phase() {
            Phase::Idle if self.watch.served() == 0 && self.watch.shorten(DRAIN_GRACE) => {
                self.poll(context, connection).map(Some)
            }
            // A request has begun. hyper takes its connection for idle until the head is complete, and would close it.
            Phase::Head => Poll::Pending,
            Phase::Idle | Phase::Upstream | Phase::Content | Phase::Peer => Poll::Ready(None),
        }
    }

    fn poll<C>(&mut self, context: &mut Context<'_>, mut connection: Pin<&mut C>) -> Poll<ConnectionEnd>
    where
        C: Future<Output = hyper::Result<()>>,
    {
        self.watch.driven_by(context.waker());
        loop {
            let was_expired = self.watch.has_expired();
            match connection.as_mut().poll(context) {
                Poll::Ready(Ok(())) => return Poll::Ready(ConnectionEnd::Closed),
                Poll::Ready(Err(fault)) => return Poll::Ready(ConnectionEnd::Fault(fault)),
                Poll::Pending => {}
            }
            let phase = self.watch.phase();
            if was_expired && self.watch.has_expired() {
                // Whoever waits for the upstream or for content had its chance to answer for it.
                return Poll::Ready(ConnectionEnd::TimedOut(phase));
            }
            if self.poll_timer(context).is_pending() {
                return Poll::Pending;
            }
            match phase {
                Phase::Upstream | Phase::Content => {}
                Phase::Idle | Phase::Head | Phase::Peer => return Poll::Ready(ConnectionEnd::TimedOut(phase)),
            }
        }
    }

    /// Ready when the deadline of the present phase has passed.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(at) = self.watch.to_arm() {
                match &mut self.timer {
                    Some(timer) => timer.as_mut().reset(at.into()),
                    None => self.timer = Some(Box::pin(tokio::time::sleep_until(at.into()))),
                }
            }
            let Some(timer) = &mut self.timer else { return Poll::Pending };
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if self.watch.fired(Instant::now()) {
                return Poll::Ready(());
            }
        }
    }
}
