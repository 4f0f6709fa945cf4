//! An answer's content, part by part: counted, under a deadline, its trailers cleaned. None but a small one is ever held whole.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::gateway::exchange::Exchange;
use crate::gateway::request_content::{ContentTimes, RequestContent};
use crate::gateway::response_fields;
use crate::net::{ExchangeFault, Lease, Phase, Watch};
use crate::telemetry::{ConnectionError, UpstreamFailure, UpstreamMetrics};

/// Bytes of content that are taken before an HTTP/2 peer asks for them; only the part that reaches it may go beyond.
const AHEAD: usize = 16 * 1024;
/// Turns that the other tasks get to hand over content that is there, at most.
const TURNS: usize = 8;
/// Turns in which nothing came, after which nothing is there.
const IDLE_TURNS: usize = 2;

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
    /// What brings it; given back when it has ended.
    lease: Option<Lease<RequestContent>>,
    /// Its length was known from the beginning.
    has_length: bool,
    metrics: UpstreamMetrics,
    times: ContentTimes,
    /// What was taken before the peer asked for it.
    ahead: VecDeque<Result<Frame<Bytes>, AnswerFault>>,
    /// Nothing more is asked of `incoming`.
    has_ended: bool,
}

/// Why an answer broke off after its fields had gone to the peer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerFault {
    /// The upstream broke off. The cause is kept from hyper, which would tell an HTTP/2 peer of faults that are not its own.
    #[error("the upstream broke off its answer: {0}")]
    Upstream(ExchangeFault),
    /// The upstream reset its stream for a reason that concerns the peer; hyper finds it here and resets the peer's likewise.
    #[error("the upstream reset its stream")]
    Reset(#[source] h2::Error),
    /// The upstream reset its stream without an error before the end, which hyper takes for the end.
    #[error("the upstream's answer ended too early")]
    Short,
    /// The upstream sent nothing for too long.
    #[error("the upstream paused its answer for too long")]
    TimedOut,
    /// The peer sent nothing of its request for too long.
    #[error("the request paused for too long")]
    RequestTimedOut,
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
        if content.is_end_stream() {
            exchange.answered_whole();
        } else if exchange.watch.phase() == Phase::Upstream {
            // The time for the fields is over; that for the first part of the content begins.
            exchange.watch.enter(Phase::Upstream, Instant::now(), content.times.upstream);
        }
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
                if let Some(exchange) = exchange {
                    content.tell(frame.as_ref(), exchange);
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Content::Text(text) => text.as_ref().is_none_or(Bytes::is_empty),
            Content::Upstream(content) => content.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Content::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Content::Upstream(content) => content.size_hint(),
        }
    }
}

impl UpstreamContent {
    pub(super) fn new(lease: Lease<RequestContent>, metrics: UpstreamMetrics, times: ContentTimes) -> Self {
        let has_length = lease.size().exact().is_some();
        let ahead = VecDeque::new();
        let mut content = Self { lease: Some(lease), has_length, metrics, times, ahead, has_ended: false };
        content.release_at_end();
        content
    }

    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
        exchange: Option<&Exchange>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerFault>>> {
        let watch = exchange.map(|exchange| &*exchange.watch);
        let taken = match self.ahead.pop_front() {
            Some(frame) => Some(frame),
            None if self.has_ended => None,
            None => match self.poll_lease(context).map(|polled| self.taken(polled)) {
                // What came before it goes out first.
                Poll::Ready(Some(Err(fault))) => {
                    self.ahead.push_back(Err(fault));
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(taken) => taken,
                Poll::Pending => return self.wait(watch),
            },
        };
        if let (Some(Ok(_)), Some(watch)) = (&taken, watch) {
            watch.enter(Phase::Peer, Instant::now(), self.times.peer);
        }
        Poll::Ready(taken)
    }

    fn poll_lease(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ExchangeFault>>> {
        self.lease.as_mut().map_or(Poll::Ready(None), |lease| lease.poll_content(context))
    }

    /// Whether nothing more comes of the upstream.
    fn has_all(&self) -> bool {
        self.lease.as_ref().is_none_or(Lease::has_ended)
    }

    /// Nothing is there: waits for the upstream, unless it took too long.
    fn wait(&mut self, watch: Option<&Watch>) -> Poll<Option<Result<Frame<Bytes>, AnswerFault>>> {
        match watch {
            Some(watch) if watch.phase() != Phase::Upstream && watch.phase() != Phase::Content => {
                watch.enter(Phase::Upstream, Instant::now(), self.times.upstream);
                Poll::Pending
            }
            Some(watch) if watch.has_expired() && watch.phase() == Phase::Content => {
                // The peer has not gone on with its request, so that the upstream may have nothing to say.
                self.lease = None;
                Poll::Ready(Some(Err(AnswerFault::RequestTimedOut)))
            }
            Some(watch) if watch.has_expired() => {
                if let Some(lease) = self.lease.take() {
                    lease.suspect();
                }
                self.metrics.failure(UpstreamFailure::IdleTimeout);
                Poll::Ready(Some(Err(AnswerFault::TimedOut)))
            }
            Some(_) | None => Poll::Pending,
        }
    }

    /// What the upstream brought, as the peer gets it. Gives the connection back, or closes it, if that was the last.
    fn taken(
        &mut self,
        polled: Option<Result<Frame<Bytes>, ExchangeFault>>,
    ) -> Option<Result<Frame<Bytes>, AnswerFault>> {
        match polled {
            Some(Ok(frame)) => {
                self.release_at_end();
                Some(Ok(pass(frame)))
            }
            Some(Err(fault)) => {
                self.lease = None;
                self.metrics.failure(if fault.is_malformed() {
                    UpstreamFailure::Protocol
                } else {
                    UpstreamFailure::Closed
                });
                Some(Err(AnswerFault::from(fault)))
            }
            None if self.is_short() => {
                self.lease = None;
                self.metrics.failure(UpstreamFailure::Closed);
                Some(Err(AnswerFault::Short))
            }
            None => {
                self.release();
                None
            }
        }
    }

    /// Takes what is there of the content, so that a small answer gives its connection back even if the peer takes none of it.
    ///
    /// Nothing is waited for: hyper hands over one part at a time, when its task gets a turn.
    pub(super) async fn take_ahead(&mut self) {
        let mut idle_turns = 0;
        for _ in 0..TURNS {
            if self.has_ended || self.is_ahead() {
                return;
            }
            let before = self.ahead.len();
            poll_fn(|context| {
                self.poll_ahead(context);
                Poll::Ready(())
            })
            .await;
            idle_turns = if self.ahead.len() == before { idle_turns + 1 } else { 0 };
            if self.has_ended || idle_turns > IDLE_TURNS {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Whether no more is to be taken ahead, or would not bring the end.
    fn is_ahead(&self) -> bool {
        self.ahead_bytes() + self.lease.as_ref().map_or(0, |lease| lease.size().lower()) > AHEAD as u64
    }

    fn ahead_bytes(&self) -> u64 {
        let data = self.ahead.iter().flatten().filter_map(Frame::data_ref);
        data.map(|data| data.len() as u64).sum()
    }

    fn poll_ahead(&mut self, context: &mut Context<'_>) {
        while !self.has_ended && !self.is_ahead() {
            if self.has_all() {
                self.has_ended = true;
                return;
            }
            let Poll::Ready(polled) = self.poll_lease(context) else { return };
            let taken = self.taken(polled);
            self.has_ended = !matches!(taken, Some(Ok(_)));
            self.ahead.extend(taken.map(|taken| taken.map(keep)));
        }
    }

    /// Whether nothing is left to give.
    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty() && (self.has_ended || self.has_all())
    }

    fn size_hint(&self) -> SizeHint {
        if !self.has_length {
            return SizeHint::default();
        }
        let left = self.lease.as_ref().and_then(|lease| lease.size().exact()).unwrap_or(0);
        SizeHint::with_exact(left + self.ahead_bytes())
    }

    fn is_short(&self) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.is_stream() && !lease.has_ended())
    }

    /// Has the record know of what goes to the peer, and whether it is the last of it.
    fn tell(&self, frame: Option<&Result<Frame<Bytes>, AnswerFault>>, exchange: &Exchange) {
        let is_last = match frame {
            Some(Err(AnswerFault::RequestTimedOut)) => {
                return exchange.plane.shared.metrics.connection_error(ConnectionError::BodyTimeout);
            }
            Some(Err(_)) => return exchange.answer_broke_off(),
            Some(Ok(frame)) => {
                exchange.sent_to_peer(frame.data_ref().map_or(0, Bytes::len));
                frame.is_trailers() || self.is_end_stream()
            }
            None => true,
        };
        if is_last {
            exchange.answered_whole();
        }
    }

    /// Gives the connection back as soon as nothing more can come, before the peer has taken the last of it.
    fn release_at_end(&mut self) {
        if self.has_all() {
            self.release();
        }
    }

    fn release(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.release();
        }
    }
}

/// A frame that may stay for long, without the rest of what it was read into.
fn keep(frame: Frame<Bytes>) -> Frame<Bytes> {
    frame.map_data(|data| if data.len() <= AHEAD { Bytes::copy_from_slice(&data) } else { data })
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

impl From<ExchangeFault> for AnswerFault {
    fn from(fault: ExchangeFault) -> Self {
        let cause = fault.reset().filter(|cause| cause.is_remote() && cause.is_reset());
        match cause.and_then(h2::Error::reason) {
            // Others speak of the connection, or would have the peer believe that nothing was done.
            Some(reason @ (h2::Reason::CANCEL | h2::Reason::ENHANCE_YOUR_CALM)) => Self::Reset(reason.into()),
            Some(_) | None => Self::Upstream(fault),
        }
    }
}
