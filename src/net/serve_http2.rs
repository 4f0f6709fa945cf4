//! HTTP/2 (RFC 9113) on one connection, through hyper.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use h2::Reason;
use http::{Method, Request};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::Sleep;

use super::driver::Driver;
use super::http2_answer::Portions;
use super::http2_streams::{State, Streams, yield_once};
use super::http2_wire::Wire;
use super::serve::{Application, ConnectionEnd, Excess, ServerLimits};
use super::{Phase, Rewind, Stream};

/// Bytes of content that a peer may send ahead on one stream.
const STREAM_WINDOW: u32 = 256 * 1024;
/// Bytes of content that a peer may send ahead on all streams: so much of its requests is held at most.
///
/// h2 grants half as many bytes for what the frames of unread content cost it besides, if they have less than 256 bytes: so much is
/// enough for a stream that its upstream leaves full of frames of 16 bytes.
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;
/// Bytes of an answer that are held on one stream for a peer that does not take them.
const SEND_BUFFER: usize = 64 * 1024;
/// Bytes of a frame at most: the least bound that RFC 9113 §4.2 allows.
const FRAME: u32 = 16 * 1024;
/// Streams with a fault, or beyond `limits.streams`, in the whole life of a connection: h2 knows no bound by time. What comes of them
/// in a while is bounded by the frames that they take.
const STREAM_FAULTS: usize = 1024;
/// RFC 9113 §6.5.2: what a field counts for besides its name and value.
const FIELD_EXTRA: usize = 32;
/// How long a peer that was told of the end may take to agree.
const GOAWAY_GRACE: Duration = Duration::from_secs(5);
/// How long a peer may leave a ping unanswered.
const PING_TIME: Duration = Duration::from_secs(20);

/// Serves streams until the connection ends; its streams have ended then.
pub(super) async fn serve_http2<A: Application>(
    stream: Rewind<Stream>,
    driver: &mut Driver,
    limits: &ServerLimits,
    application: &A,
) -> ConnectionEnd {
    let wire = Wire::new(stream);
    let state = Rc::new(State::new(Rc::clone(&driver.watch), wire.clone(), limits.resets));
    let end = {
        let executor = Streams { state: Rc::clone(&state), application: application.clone() };
        let service = service_fn(|request: Request<Incoming>| {
            let next = state.next_stream();
            let is_head = request.method() == Method::HEAD;
            // Boxed, so that it is gone when the head of the answer is there: what the peer does not take holds the content alone.
            let answer = Box::pin(application.answer(request, next.watch));
            yield_once(async move {
                let answer = answer.await?;
                Ok::<_, std::convert::Infallible>(match is_head {
                    true => Portions::withheld(answer, next.is_given),
                    false => answer.map(|content| Portions::new(content, next.is_given)),
                })
            })
        });
        let connection = protocol(limits, executor).serve_connection(TokioIo::new(wire.clone()), service);
        let mut connection = pin!(connection);
        let mut served = Served::new(limits, &state, &wire);
        loop {
            match poll_fn(|context| served.poll(context, driver, connection.as_mut())).await {
                Step::Close => connection.as_mut().graceful_shutdown(),
                Step::End(end) => break end,
            }
        }
    };
    if let Some(reason) = reason(&end) {
        wire.go_away(reason).await;
    }
    // Without its connection every stream ends by itself.
    poll_fn(|context| {
        driver.watch.driven_by(context.waker());
        state.idle_since().map_or(Poll::Pending, |_| Poll::Ready(()))
    })
    .await;
    end
}

/// What the peer is told (RFC 9113 §7) where hyper has told it nothing.
fn reason(end: &ConnectionEnd) -> Option<Reason> {
    match end {
        ConnectionEnd::Excess(_) => Some(Reason::ENHANCE_YOUR_CALM),
        ConnectionEnd::TimedOut(_) => Some(Reason::NO_ERROR),
        ConnectionEnd::Closed
        | ConnectionEnd::Fault(_)
        | ConnectionEnd::Switched(_)
        | ConnectionEnd::Broken(_)
        | ConnectionEnd::WrongProtocol => None,
    }
}

fn protocol<E: Clone>(limits: &ServerLimits, executor: E) -> http2::Builder<E> {
    let mut protocol = http2::Builder::new(executor);
    // Room for what our own limits count, so that it is we who refuse a head that is a little too large.
    let list = limits.head_bytes + limits.fields * FIELD_EXTRA;
    let resets = usize::try_from(limits.resets).unwrap_or(usize::MAX);
    protocol
        .timer(TokioTimer::new())
        // RFC 8441 §3: a peer may ask for WebSocket on a stream.
        .enable_connect_protocol()
        .max_header_list_size(u32::try_from(list).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.streams)
        .max_pending_accept_reset_streams(resets)
        .max_local_error_reset_streams(STREAM_FAULTS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_frame_size(FRAME)
        // A peer that vanished while it waits for an answer shows only by this: nothing else is sent to it.
        .keep_alive_interval(limits.body_idle)
        .keep_alive_timeout(PING_TIME);
    protocol
}

/// A connection that is being served.
struct Served<'a> {
    limits: &'a ServerLimits,
    state: &'a State,
    wire: &'a Wire,
    /// Since when the peer has been told of the end.
    closing: Option<Instant>,
    /// How often hyper has stopped before the connection's end.
    stops: u64,
    armed: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// What is next for a connection.
enum Step {
    /// The peer is told that the streams under way are the last (RFC 9113 §6.8).
    Close,
    End(ConnectionEnd),
}

impl<'a> Served<'a> {
    fn new(limits: &'a ServerLimits, state: &'a State, wire: &'a Wire) -> Self {
        Self { limits, state, wire, closing: None, stops: 0, armed: None, timer: None }
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
        driver: &Driver,
        connection: Pin<&mut impl Future<Output = hyper::Result<()>>>,
    ) -> Poll<Step> {
        driver.watch.driven_by(context.waker());
        if let Poll::Ready(ended) = self.poll_connection(context, connection) {
            let end = ended.map_or_else(ConnectionEnd::Fault, |()| ConnectionEnd::Closed);
            return Poll::Ready(Step::End(end));
        }
        if let Some(excess) = self.excess() {
            return Poll::Ready(Step::End(ConnectionEnd::Excess(excess)));
        }
        if driver.is_draining() && self.closing.is_none() {
            return Poll::Ready(self.close());
        }
        loop {
            let Some((deadline, step)) = self.deadline() else { return Poll::Pending };
            if self.poll_timer(context, deadline).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= deadline {
                return Poll::Ready(match step {
                    Step::Close => self.close(),
                    Step::End(end) => Step::End(end),
                });
            }
        }
    }

    /// hyper stops at a CONNECT that says it has content (RFC 9110 §9.3.6), as if its connection had ended, when it has reset the stream. But
    /// it can go on, and the other streams of the connection have done nothing wrong.
    fn poll_connection(
        &mut self,
        context: &mut Context<'_>,
        mut connection: Pin<&mut impl Future<Output = hyper::Result<()>>>,
    ) -> Poll<hyper::Result<()>> {
        loop {
            let polled = connection.as_mut().poll(context);
            let has_stopped = matches!(polled, Poll::Ready(Ok(()))) && !self.wire.is_shut();
            // Each time one request is the cause.
            if !has_stopped || self.stops >= self.wire.sections() {
                return polled;
            }
            self.stops += 1;
        }
    }

    fn excess(&self) -> Option<Excess> {
        match (self.wire.is_flooded(), self.state.is_reset_too_often()) {
            (true, _) => Some(Excess::Frames),
            (false, true) => Some(Excess::Resets),
            (false, false) => None,
        }
    }

    fn close(&mut self) -> Step {
        self.closing = Some(Instant::now());
        Step::Close
    }

    /// When something is due at the latest if nothing happens before, and what.
    fn deadline(&self) -> Option<(Instant, Step)> {
        let ends = |since: Option<Instant>, time: Duration, phase: Phase| {
            since.map(|since| (since + time, Step::End(ConnectionEnd::TimedOut(phase))))
        };
        let head = ends(self.wire.section_since(), self.limits.header_time, Phase::Head);
        let peer = ends(self.wire.blocked_since(), self.limits.body_idle, Phase::Peer);
        let idle = self.state.idle_since().filter(|_| peer.is_none()).map(|since| self.idle_deadline(since));
        [head, peer, idle].into_iter().flatten().min_by_key(|(deadline, _)| *deadline)
    }

    fn idle_deadline(&self, since: Instant) -> (Instant, Step) {
        let time = if self.state.has_served() { self.limits.keep_alive } else { self.limits.header_time };
        match self.closing {
            Some(closing) => (since.max(closing) + GOAWAY_GRACE, Step::End(ConnectionEnd::Closed)),
            None => (since + time, Step::Close),
        }
    }

    /// Ready when the timer fires, which may be long before `deadline`.
    fn poll_timer(&mut self, context: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if self.armed.is_none_or(|armed| armed > deadline) {
            self.armed = Some(deadline);
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(deadline.into()),
                None => self.timer = Some(Box::pin(tokio::time::sleep_until(deadline.into()))),
            }
        }
        let Some(timer) = &mut self.timer else { return Poll::Pending };
        timer.as_mut().poll(context).map(|()| self.armed = None)
    }
}
