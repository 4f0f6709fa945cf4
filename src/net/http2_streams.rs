//! The streams of an HTTP/2 connection: each a task of its own under a watch of its own.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use hyper::rt::Executor;

use super::driver::{Driven, Driver, Rest};
use super::http2_wire::Wire;
use super::serve::{Application, ConnectionEvent};
use super::{Phase, Watch};

/// The time over which resets are counted.
const MINUTE: Duration = Duration::from_mins(1);

/// What a connection and its streams know of each other.
#[derive(Debug)]
pub(super) struct State {
    /// The connection's, by which it is woken.
    watch: Rc<Watch>,
    /// Streams under way.
    streams: Cell<usize>,
    /// Since when there have been none.
    idle_since: Cell<Instant>,
    has_served: Cell<bool>,
    /// The stream whose answer was asked for last, until it is spawned.
    next: RefCell<Option<Next>>,
    /// The stream that is being polled.
    polled: RefCell<Option<Rc<Watch>>>,
    resets: Resets,
}

/// A stream about to be spawned.
#[derive(Clone, Debug)]
pub(super) struct Next {
    pub(super) watch: Rc<Watch>,
    /// The whole of its answer has been given to hyper.
    pub(super) is_given: Rc<Cell<bool>>,
}

impl State {
    pub(super) fn new(watch: Rc<Watch>, wire: Wire, most_resets: u32) -> Self {
        Self {
            watch,
            streams: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            has_served: Cell::new(false),
            next: RefCell::default(),
            polled: RefCell::default(),
            resets: Resets::new(wire, most_resets),
        }
    }

    /// A stream whose answer is about to be asked for.
    pub(super) fn next_stream(&self) -> Next {
        self.has_served.set(true);
        self.resets.wire.brought_request();
        let next = Next { watch: Rc::new(Watch::of_stream()), is_given: Rc::default() };
        // INVARIANT: hyper hands each stream to the executor at once when it has asked for its answer, before anything else.
        *self.next.borrow_mut() = Some(next.clone());
        next
    }

    /// Whether no stream is under way, and since when.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        (self.streams.get() == 0).then(|| self.idle_since.get())
    }

    /// Whether there has been a stream.
    pub(super) fn has_served(&self) -> bool {
        self.has_served.get()
    }

    /// Whether the peer has reset more streams than it may.
    pub(super) fn is_reset_too_often(&self) -> bool {
        self.resets.too_many.get()
    }
}

/// Counts streams that ended before their answers were taken, as far as the peer has sent so many resets.
///
/// A reset of what was answered already costs nothing and is not counted; a stream that ends early for other reasons is no reset.
#[derive(Debug)]
struct Resets {
    wire: Wire,
    most: u64,
    since: Cell<Instant>,
    /// Resets that the peer had sent then.
    before: Cell<u64>,
    unanswered: Cell<u64>,
    too_many: Cell<bool>,
}

impl Resets {
    fn new(wire: Wire, most: u32) -> Self {
        Self {
            wire,
            most: u64::from(most),
            since: Cell::new(Instant::now()),
            before: Cell::new(0),
            unanswered: Cell::new(0),
            too_many: Cell::new(false),
        }
    }

    fn ended_unanswered(&self) {
        let now = Instant::now();
        let sent = self.wire.resets();
        if now.saturating_duration_since(self.since.get()) > MINUTE {
            self.since.set(now);
            self.before.set(sent.saturating_sub(1));
            self.unanswered.set(0);
        }
        self.unanswered.set(self.unanswered.get() + 1);
        if self.unanswered.get().min(sent.saturating_sub(self.before.get())) > self.most {
            self.too_many.set(true);
        }
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
pub(super) struct Streams<A> {
    pub(super) state: Rc<State>,
    pub(super) application: A,
}

impl<A: Clone> Clone for Streams<A> {
    fn clone(&self) -> Self {
        Self { state: Rc::clone(&self.state), application: self.application.clone() }
    }
}

impl<A: Application, F: Future<Output = ()> + 'static> Executor<F> for Streams<A> {
    fn execute(&self, future: F) {
        let under = Under::begin(&self.state);
        let next = self.state.next.borrow_mut().take();
        let Some(next) = next else {
            // What hyper spawns besides carries what is sent on the stream that is being polled, and has become a tunnel.
            let watch = self.state.polled.borrow().clone().unwrap_or_else(|| Rc::new(Watch::of_stream()));
            tokio::task::spawn_local(async move {
                let _under = under;
                drive_tunnel(&watch, future).await;
            });
            return;
        };
        let application = self.application.clone();
        // Boxed, for every future that it is handed to by value would hold its space again.
        let mut stream = Box::pin(future);
        tokio::task::spawn_local(async move {
            match drive(next, &under.0, stream.as_mut()).await {
                StreamEnd::Answered => {}
                StreamEnd::Unanswered => {
                    under.0.resets.ended_unanswered();
                    if under.0.is_reset_too_often() {
                        under.0.watch.wake();
                    }
                }
                StreamEnd::TimedOut(phase) => application.note(ConnectionEvent::StreamTimedOut(phase)),
            }
        });
    }
}

/// How a stream's task ended.
enum StreamEnd {
    /// hyper was given the whole of the answer and was done with it at once.
    Answered,
    /// The peer reset it, its connection ended, or it waited with the last of its answer, for either end.
    Unanswered,
    /// The deadline of a phase passed.
    TimedOut(Phase),
}

/// Runs a stream to its end, or to the deadline of a phase of its own: then it is reset by being dropped.
async fn drive(next: Next, state: &State, mut stream: Pin<&mut impl Future<Output = ()>>) -> StreamEnd {
    let Next { watch, is_given } = next;
    let mut driver = Driver::new(watch, Rc::default());
    poll_fn(|context| {
        let was_given = is_given.get();
        state.polled.replace(Some(Rc::clone(&driver.watch)));
        let polled = driver.poll(context, Rest::Ignored, |context| stream.as_mut().poll(context));
        state.polled.replace(None);
        polled.map(|driven| match driven {
            Driven::TimedOut(phase) => StreamEnd::TimedOut(phase),
            Driven::Ended(()) | Driven::Rested if is_given.get() && !was_given => StreamEnd::Answered,
            Driven::Ended(()) | Driven::Rested => StreamEnd::Unanswered,
        })
    })
    .await
}

/// Runs what sends on a stream that has become a tunnel, until it is done or the tunnel is over: hyper would wait without end for a peer
/// that takes nothing. To drop it resets the stream (RFC 8441 §5).
async fn drive_tunnel(watch: &Watch, sending: impl Future<Output = ()>) {
    let mut sending = pin!(sending);
    poll_fn(|context| {
        watch.driven_by(context.waker());
        if watch.is_tunnel_over() { Poll::Ready(()) } else { sending.as_mut().poll(context) }
    })
    .await;
}

/// Lets hyper look first whether the peer has reset the stream meanwhile: then nothing is done for it.
pub(super) async fn yield_once<T>(answer: impl Future<Output = T>) -> T {
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
