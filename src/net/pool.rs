//! A worker's HTTP/1.1 connections to one upstream.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use super::http1_exchange::Http1Connection;
use super::lease::Http1Lease;
use super::turns::Turns;
use super::{ConnectFault, PoolEvent, PoolSettings};

/// Connections to one upstream, kept by one worker: the one used last is used next, so that the others can fall idle.
pub(super) struct Http1Pool<B> {
    settings: PoolSettings,
    idle: RefCell<Vec<Resting<B>>>,
    open: Cell<usize>,
    retired: Cell<bool>,
    waiting: RefCell<Turns<oneshot::Sender<Turn<B>>>>,
    told: Box<dyn Fn(PoolEvent)>,
    /// Lets go of those at rest that the upstream closes.
    watching: RefCell<Option<AbortOnDropHandle<()>>>,
    /// Wakes it.
    watcher: RefCell<Waker>,
}

struct Resting<B> {
    lease: Http1Lease<B>,
    since: Instant,
}

/// What one that waited is given: a connection, or leave to open one.
enum Turn<B> {
    Connection(Http1Lease<B>),
    Place(Place<B>),
}

/// One of the `max` places; gives itself back when it is dropped, be it after the connection or instead of one.
pub(super) struct Place<B> {
    pool: Rc<Http1Pool<B>>,
    opened: bool,
    is_offered_on: bool,
}

impl<B> fmt::Debug for Http1Pool<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1Pool").field("settings", &self.settings).field("open", &self.open).finish_non_exhaustive()
    }
}

impl<B> Http1Pool<B> {
    /// A pool without connections; `told` hears of each that opens or closes.
    pub(super) fn new(settings: PoolSettings, told: impl Fn(PoolEvent) + 'static) -> Rc<Self> {
        Rc::new(Self {
            settings,
            idle: RefCell::default(),
            open: Cell::new(0),
            retired: Cell::new(false),
            waiting: RefCell::default(),
            told: Box::new(told),
            watching: RefCell::default(),
            watcher: RefCell::new(Waker::noop().clone()),
        })
    }

    /// What the pool was made with.
    pub(super) fn settings(&self) -> &PoolSettings {
        &self.settings
    }

    /// Closes what has been idle for longer than the settings allow; to be called now and then.
    pub(super) fn reap(&self, now: Instant) {
        let limit = self.settings.idle;
        self.rest_if(|resting| now.saturating_duration_since(resting.since) < limit);
    }

    fn rest_if(&self, mut may_rest: impl FnMut(&Resting<B>) -> bool) {
        // Closing a connection runs its place's end, which looks at this list: let go of it first.
        let mut idle = self.idle.take();
        idle.retain(|resting| may_rest(resting));
        let mut newer = self.idle.replace(idle);
        self.idle.borrow_mut().append(&mut newer);
    }

    /// Lets the first that waits open a connection, if there is a place.
    fn offer_place(self: &Rc<Self>) {
        while self.open.get() < self.settings.max {
            let Some(waiter) = self.waiting.borrow_mut().pop() else { return };
            if waiter.is_closed() {
                continue;
            }
            if let Err(Turn::Place(mut place)) = waiter.send(Turn::Place(self.place())) {
                // It gave up waiting just now: this loop offers the place to the next, not the place's own end.
                place.is_offered_on = true;
            }
        }
    }

    /// Closes what is idle, and from now on every connection after its exchange: another pool has taken this one's place.
    pub(super) fn retire(&self) {
        self.retired.set(true);
        drop(self.watching.take());
        drop(self.idle.take());
    }

    fn place(self: &Rc<Self>) -> Place<B> {
        self.open.set(self.open.get() + 1);
        Place { pool: Rc::clone(self), opened: false, is_offered_on: false }
    }

    /// Gives a connection to the first that waits for one, or has it rest.
    pub(super) fn keep(&self, mut lease: Http1Lease<B>) {
        loop {
            let Some(waiter) = self.waiting.borrow_mut().pop() else { break };
            match waiter.send(Turn::Connection(lease)) {
                Ok(()) => return,
                Err(Turn::Connection(back)) => lease = back,
                Err(Turn::Place(_)) => return,
            }
        }
        if !self.retired.get() && lease.poll_quiet(&mut Context::from_waker(&self.watcher.borrow())) {
            self.idle.borrow_mut().push(Resting { lease, since: Instant::now() });
        }
    }
}

impl<B: 'static> Http1Pool<B> {
    /// A connection to use for one exchange: an idle one, a new one, or the first that others give back.
    ///
    /// # Errors
    ///
    /// [`ConnectFault`]; `QueueFull` when `queue` requests wait already, or none came free in the time for connecting.
    pub(super) async fn acquire(self: &Rc<Self>, peer: usize) -> Result<Http1Lease<B>, ConnectFault> {
        // One whose end the runtime has heard of is none; its watcher may not have had its turn.
        let mut context = Context::from_waker(Waker::noop());
        while let Some(resting) = self.take_idle() {
            if resting.poll_quiet(&mut context) {
                return Ok(resting);
            }
        }
        self.acquire_new(peer).await
    }

    /// A connection that nobody has used yet, or one that was given back while waiting for a place.
    ///
    /// # Errors
    ///
    /// As [`Http1Pool::acquire`].
    pub(super) async fn acquire_new(self: &Rc<Self>, peer: usize) -> Result<Http1Lease<B>, ConnectFault> {
        if self.open.get() < self.settings.max {
            return self.open(self.place()).await;
        }
        match self.wait(peer).await? {
            Turn::Connection(lease) => Ok(lease),
            Turn::Place(place) => self.open(place).await,
        }
    }

    fn take_idle(&self) -> Option<Http1Lease<B>> {
        let mut idle = self.idle.borrow_mut();
        idle.pop().map(|resting| resting.lease)
    }

    async fn wait(&self, peer: usize) -> Result<Turn<B>, ConnectFault> {
        let turn = {
            let mut waiting = self.waiting.borrow_mut();
            if waiting.len() >= self.settings.queue {
                waiting.retain(|waiter| !waiter.is_closed());
            }
            let (waiter, turn) = oneshot::channel();
            if !waiting.push(peer, waiter, self.settings.queue) {
                return Err(ConnectFault::QueueFull);
            }
            turn
        };
        match tokio::time::timeout(self.settings.connect, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(ConnectFault::QueueFull),
        }
    }

    async fn open(self: &Rc<Self>, mut place: Place<B>) -> Result<Http1Lease<B>, ConnectFault> {
        let stream = self.settings.endpoint.connect(self.settings.connect, self.settings.tls.as_ref()).await?;
        place.opened = true;
        (self.told)(PoolEvent::Opened);
        self.watch_those_at_rest();
        Ok(Http1Lease::new(Http1Connection::new(stream), place))
    }

    fn watch_those_at_rest(self: &Rc<Self>) {
        let mut watching = self.watching.borrow_mut();
        if watching.is_some() || self.retired.get() {
            return;
        }
        let pool = Rc::downgrade(self);
        let task = poll_fn(move |context| {
            let Some(pool) = pool.upgrade() else { return Poll::Ready(()) };
            *pool.watcher.borrow_mut() = context.waker().clone();
            pool.rest_if(|resting| resting.lease.poll_quiet(context));
            Poll::Pending
        });
        *watching = Some(AbortOnDropHandle::new(tokio::task::spawn_local(task)));
    }
}

impl<B> Place<B> {
    pub(super) fn pool(&self) -> &Rc<Http1Pool<B>> {
        &self.pool
    }
}

impl<B> Drop for Place<B> {
    fn drop(&mut self) {
        if self.opened {
            (self.pool.told)(PoolEvent::Closed);
        }
        self.pool.open.set(self.pool.open.get().saturating_sub(1));
        if !self.is_offered_on {
            self.pool.offer_place();
        }
    }
}
