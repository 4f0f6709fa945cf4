//! HTTP/2 (RFC 9113) on one connection, through hyper.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::Request;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::Sleep;

use super::driver::{Driven, Driver, Rest};
use super::serve::{Application, ConnectionEnd, ConnectionEvent, ServerLimits};
use super::{Metered, Phase, Rewind, Stream, Watch};

/// Bytes of content that a peer may send ahead on one stream, and on all of a connection. They bound what is held of its requests.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of an answer's content that are held for a peer that does not take them, on one stream.
const SEND_BUFFER: usize = 64 * 1024;
/// Content comes, and headers come, in frames of this many bytes at most: the least that RFC 9113 §4.2 allows.
const FRAME: u32 = 16 * 1024;
/// RFC 9113 §6.5.2: what a field counts for besides its name and value.
const FIELD_EXTRA: usize = 32;
/// How long a peer that was told of the end may take to hear of it.
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
    let state = Rc::new(State::new(Rc::clone(&driver.watch)));
    let end = {
        let executor = Streams { state: Rc::clone(&state), application: application.clone() };
        let service = service_fn(|request: Request<Incoming>| {
            let watch = state.next_stream();
            yield_once(application.answer(request, watch))
        });
        let metered = TokioIo::new(Metered::new(stream));
        let connection = protocol(limits, executor).serve_connection(metered, service);
        let mut served = Served::new(limits, &state);
        let mut connection = pin!(connection);
        loop {
            match poll_fn(|context| served.poll(context, driver, connection.as_mut())).await {
                Step::Close => connection.as_mut().graceful_shutdown(),
                Step::End(end) => break end,
            }
        }
    };
    // Without its connection every stream ends by itself.
    poll_fn(|context| {
        driver.watch.driven_by(context.waker());
        if state.streams.get() == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    end
}

fn protocol<E: Clone>(limits: &ServerLimits, executor: E) -> http2::Builder<E> {
    let mut protocol = http2::Builder::new(executor);
    // Room for what our own limits count, so that it is we who refuse a head that is a little too large.
    let list = limits.head_bytes + limits.fields * FIELD_EXTRA;
    protocol
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(list).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.streams)
        .max_pending_accept_reset_streams(usize::try_from(limits.resets).ok())
        .max_local_error_reset_streams(usize::try_from(limits.resets).ok())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_frame_size(FRAME)
        // A peer that vanished while it waits for an answer shows only by this: nothing else is sent to it.
        .keep_alive_interval(limits.body_idle)
        .keep_alive_timeout(PING_TIME);
    protocol
}

/// What a connection and its streams know of each other.
#[derive(Debug)]
struct State {
    /// The connection's, by which it is woken.
    watch: Rc<Watch>,
    /// Streams under way.
    streams: Cell<usize>,
    /// Since when there have been none.
    idle_since: Cell<Instant>,
    /// Whether there has been one.
    has_served: Cell<bool>,
    /// The watch of the stream whose answer was asked for last, until that stream is spawned.
    next: RefCell<Option<Rc<Watch>>>,
}

impl State {
    fn new(watch: Rc<Watch>) -> Self {
        Self {
            watch,
            streams: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            has_served: Cell::new(false),
            next: RefCell::default(),
        }
    }

    /// The watch of a stream whose answer is about to be asked for.
    fn next_stream(&self) -> Rc<Watch> {
        self.has_served.set(true);
        let watch = Rc::new(Watch::of_stream());
        // INVARIANT: hyper hands each stream to the executor at once when it has asked for its answer, before anything else.
        *self.next.borrow_mut() = Some(Rc::clone(&watch));
        watch
    }
}

/// A stream under way, for as long as its task lives.
struct Under(Rc<State>);

impl Under {
    fn begin(state: &Rc<State>) -> Self {
        state.streams.set(state.streams.get() + 1);
        Self(Rc::clone(state))
    }
}

impl Drop for Under {
    fn drop(&mut self) {
        let left = self.0.streams.get().saturating_sub(1);
        self.0.streams.set(left);
        if left == 0 {
            self.0.idle_since.set(Instant::now());
            self.0.watch.wake();
        }
    }
}

/// Runs what hyper spawns: streams, each under its own watch.
struct Streams<A> {
    state: Rc<State>,
    application: A,
}

impl<A: Clone> Clone for Streams<A> {
    fn clone(&self) -> Self {
        Self { state: Rc::clone(&self.state), application: self.application.clone() }
    }
}

impl<A: Application, F: Future<Output = ()> + 'static> Executor<F> for Streams<A> {
    fn execute(&self, future: F) {
        // What hyper spawns besides has no watch: it carries the content of a stream that goes on without it.
        let Some(watch) = self.state.next.borrow_mut().take() else {
            tokio::task::spawn_local(future);
            return;
        };
        let under = Under::begin(&self.state);
        let application = self.application.clone();
        tokio::task::spawn_local(async move {
            let _under = under;
            if let Some(phase) = drive(watch, future).await {
                application.note(ConnectionEvent::StreamTimedOut(phase));
            }
        });
    }
}

/// Runs a stream to its end, or to the deadline of a phase of its own: then it is reset by being dropped.
async fn drive(watch: Rc<Watch>, stream: impl Future<Output = ()>) -> Option<Phase> {
    let mut driver = Driver::new(watch, Rc::default());
    let mut stream = pin!(stream);
    let polled = poll_fn(|context| driver.poll(context, Rest::Ignored, |context| stream.as_mut().poll(context)));
    match polled.await {
        Driven::TimedOut(phase) => Some(phase),
        Driven::Ended(()) | Driven::Rested => None,
    }
}

/// Lets hyper look first whether the peer has reset the stream meanwhile: then nothing is done for it.
async fn yield_once<T>(answer: impl Future<Output = T>) -> T {
    let mut has_yielded = false;
    poll_fn(|context| match std::mem::replace(&mut has_yielded, true) {
        true => Poll::Ready(()),
        false => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
    answer.await
}

/// A connection that is being served.
struct Served<'a> {
    limits: &'a ServerLimits,
    state: &'a State,
    /// Since when the peer has been told of the end.
    closing: Option<Instant>,
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
    fn new(limits: &'a ServerLimits, state: &'a State) -> Self {
        Self { limits, state, closing: None, armed: None, timer: None }
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
        driver: &Driver,
        connection: Pin<&mut impl Future<Output = hyper::Result<()>>>,
    ) -> Poll<Step> {
        driver.watch.driven_by(context.waker());
        match connection.poll(context) {
            Poll::Ready(Ok(())) => return Poll::Ready(Step::End(ConnectionEnd::Closed)),
            Poll::Ready(Err(fault)) => return Poll::Ready(Step::End(ConnectionEnd::Fault(fault))),
            Poll::Pending => {}
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

    fn close(&mut self) -> Step {
        self.closing = Some(Instant::now());
        Step::Close
    }

    /// When something is due at the latest if nothing happens before, and what.
    fn deadline(&self) -> Option<(Instant, Step)> {
        if self.state.streams.get() > 0 {
            return None;
        }
        let since = self.state.idle_since.get();
        let idle = if self.state.has_served.get() { self.limits.keep_alive } else { self.limits.header_time };
        Some(match self.closing {
            Some(closing) => (since.max(closing) + GOAWAY_GRACE, Step::End(ConnectionEnd::Closed)),
            None => (since + idle, Step::Close),
        })
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
