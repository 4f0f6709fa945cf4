//! Content in both directions, part by part: counted, under a deadline, its trailers cleaned. None of it is ever held whole.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderName;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::gateway::exchange::Exchange;
use crate::gateway::{request_fields, response_fields};
use crate::net::{Lease, Phase, Watch};
use crate::telemetry::{UpstreamFailure, UpstreamMetrics};

/// How long the two sides of a stream may take for the next part.
#[derive(Clone, Copy, Debug)]
pub(super) struct ContentTimes {
    /// The peer, to send or to take it.
    pub(super) peer: Duration,
    /// The upstream, to take it or to answer, or to send it.
    pub(super) upstream: Duration,
}

/// What has been seen of a request's content.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) bytes: Cell<u64>,
    /// It was malformed, or ended before its end: the peer's fault, whatever the upstream makes of it.
    pub(super) broke_off: Cell<bool>,
    over: Cell<bool>,
    /// Whoever waits for more of it.
    reader: RefCell<Option<Waker>>,
}

impl Seen {
    /// The exchange is over: nobody waits for the rest.
    pub(super) fn end(&self) {
        self.over.set(true);
        if let Some(reader) = self.reader.borrow_mut().take() {
            reader.wake();
        }
    }

    /// Whether the exchange is over; if not, `context` is woken when it is.
    fn is_over(&self, context: &Context<'_>) -> bool {
        let mut reader = self.reader.borrow_mut();
        if !reader.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
            *reader = Some(context.waker().clone());
        }
        self.over.get()
    }
}

/// A request's content on its way to an upstream.
#[derive(Debug)]
pub(super) struct RequestContent {
    /// None for a request without content.
    incoming: Option<Incoming>,
    watch: Rc<Watch>,
    seen: Rc<Seen>,
    times: ContentTimes,
    remove: Rc<[HeaderName]>,
}

/// Why the content of a request broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestFault {
    /// The peer left, or sent what is no content.
    #[error("the request's content broke off")]
    Peer(#[source] hyper::Error),
    /// The whole answer has gone out: nobody waits for the rest.
    #[error("the request has been answered")]
    Answered,
}

impl RequestContent {
    pub(super) fn new(
        incoming: Incoming,
        watch: &Rc<Watch>,
        seen: Rc<Seen>,
        times: ContentTimes,
        remove: &Rc<[HeaderName]>,
    ) -> Self {
        let incoming = (!incoming.is_end_stream()).then_some(incoming);
        Self { incoming, watch: Rc::clone(watch), seen, times, remove: Rc::clone(remove) }
    }

    /// Content to send again, if there is none.
    pub(super) fn spare(&self) -> Option<Self> {
        let Self { incoming: None, watch, seen, times, remove } = self else { return None };
        Some(Self {
            incoming: None,
            watch: Rc::clone(watch),
            seen: Rc::clone(seen),
            times: *times,
            remove: Rc::clone(remove),
        })
    }
}

impl Body for RequestContent {
    type Data = Bytes;
    type Error = RequestFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestFault>>> {
        let Self { incoming: Some(incoming), watch, seen, times, .. } = &mut *self else { return Poll::Ready(None) };
        let polled = Pin::new(&mut *incoming).poll_frame(context);
        // Once the exchange is over, the watch may be the next one's.
        if seen.is_over(context) {
            return Poll::Ready(Some(Err(RequestFault::Answered)));
        }
        match &polled {
            Poll::Pending if watch.phase() != Phase::Content => {
                watch.enter(Phase::Content, Instant::now(), times.peer);
            }
            Poll::Pending => {}
            Poll::Ready(Some(Err(_))) => seen.broke_off.set(true),
            Poll::Ready(Some(Ok(_)) | None) => {
                watch.enter(Phase::Upstream, Instant::now(), times.upstream);
                if incoming.is_end_stream() {
                    watch.content_ended();
                }
            }
        }
        let Some(frame) = ready!(polled) else { return Poll::Ready(None) };
        Poll::Ready(Some(frame.map(|frame| self.pass(frame)).map_err(RequestFault::Peer)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl RequestContent {
    fn pass(&self, frame: Frame<Bytes>) -> Frame<Bytes> {
        if let Some(data) = frame.data_ref() {
            self.seen.bytes.set(self.seen.bytes.get() + data.len() as u64);
        }
        match frame.into_trailers() {
            Ok(mut trailers) => {
                request_fields::clean_trailers(&mut trailers, &self.remove);
                Frame::trailers(trailers)
            }
            Err(data) => data,
        }
    }
}

/// The content of an answer. It carries the exchange, which ends when the last of it is gone.
#[derive(Debug)]
pub(super) struct AnswerContent {
    source: Content,
    exchange: Option<Exchange>,
}

enum Content {
    Text(Option<Bytes>),
    Upstream(UpstreamContent),
}

pub(super) struct UpstreamContent {
    incoming: Incoming,
    /// Given back when the content has ended.
    lease: Option<Lease<RequestContent>>,
    metrics: UpstreamMetrics,
    times: ContentTimes,
}

/// Why an answer broke off after its fields had gone to the peer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerFault {
    /// The upstream broke off.
    #[error("the upstream broke off its answer")]
    Upstream(#[source] hyper::Error),
    /// The upstream sent nothing for too long.
    #[error("the upstream paused its answer for too long")]
    TimedOut,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.debug_tuple("Text").field(&text.as_ref().map(Bytes::len)).finish(),
            Self::Upstream(_) => f.write_str("Upstream"),
        }
    }
}

impl AnswerContent {
    pub(super) fn text(text: Bytes, exchange: Exchange) -> Self {
        exchange.sent_to_peer(text.len());
        Self { source: Content::Text(Some(text)), exchange: Some(exchange) }
    }

    /// A text that belongs to no exchange: the answer to a request whose exchange was lost.
    pub(super) fn lone_text(text: Bytes) -> Self {
        Self { source: Content::Text(Some(text)), exchange: None }
    }

    pub(super) fn upstream(content: UpstreamContent, exchange: Exchange) -> Self {
        Self { source: Content::Upstream(content), exchange: Some(exchange) }
    }
}

impl Body for AnswerContent {
    type Data = Bytes;
    type Error = AnswerFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerFault>>> {
        let Self { source, exchange } = &mut *self;
        match source {
            Content::Text(text) => {
                let Some(text) = text.take() else { return Poll::Ready(None) };
                if let Some(exchange) = exchange {
                    exchange.watch.enter(Phase::Peer, Instant::now(), exchange.view.snapshot.limits.body_idle);
                }
                Poll::Ready(Some(Ok(Frame::data(text))))
            }
            Content::Upstream(content) => {
                let frame = ready!(content.poll_frame(context, exchange.as_ref()));
                if let (Some(Ok(frame)), Some(exchange)) = (&frame, exchange)
                    && let Some(data) = frame.data_ref()
                {
                    exchange.sent_to_peer(data.len());
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Content::Text(text) => text.as_ref().is_none_or(Bytes::is_empty),
            Content::Upstream(content) => content.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Content::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Content::Upstream(content) => content.incoming.size_hint(),
        }
    }
}

impl UpstreamContent {
    pub(super) fn new(
        incoming: Incoming,
        lease: Lease<RequestContent>,
        metrics: UpstreamMetrics,
        times: ContentTimes,
    ) -> Self {
        let mut content = Self { incoming, lease: Some(lease), metrics, times };
        content.release_at_end();
        content
    }

    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
        exchange: Option<&Exchange>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerFault>>> {
        let watch = exchange.map(|exchange| &*exchange.watch);
        let polled = Pin::new(&mut self.incoming).poll_frame(context);
        match polled {
            Poll::Pending => match watch {
                Some(watch) if watch.phase() != Phase::Upstream && watch.phase() != Phase::Content => {
                    watch.enter(Phase::Upstream, Instant::now(), self.times.upstream);
                    Poll::Pending
                }
                Some(watch) if watch.has_expired() => {
                    self.metrics.failure(UpstreamFailure::IdleTimeout);
                    Poll::Ready(Some(Err(AnswerFault::TimedOut)))
                }
                Some(_) | None => Poll::Pending,
            },
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(watch) = watch {
                    watch.enter(Phase::Peer, Instant::now(), self.times.peer);
                }
                self.release_at_end();
                Poll::Ready(Some(Ok(pass(frame))))
            }
            Poll::Ready(Some(Err(fault))) => {
                self.lease = None;
                self.metrics.failure(UpstreamFailure::Closed);
                Poll::Ready(Some(Err(AnswerFault::Upstream(fault))))
            }
            Poll::Ready(None) => {
                self.release();
                Poll::Ready(None)
            }
        }
    }

    /// Gives the connection back as soon as nothing more can come, before the peer has taken the last of it.
    fn release_at_end(&mut self) {
        if self.incoming.is_end_stream() {
            self.release();
        }
    }

    fn release(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.release();
        }
    }
}

fn pass(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            response_fields::clean_trailers(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(data) => data,
    }
}
