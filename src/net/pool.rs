//! A worker's HTTP/1.1 connections to one upstream.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::Instant;

use http_body::Body;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

use super::lease::{Http1Lease, SwitchedSlot};
use super::turns::Turns;
use super::{ConnectFault, Metered, PoolEvent, PoolSettings, Switched};

/// Connections to one upstream, kept by one worker: the one used last is used next, so that the others can fall idle.
pub(super) struct Http1Pool<B> {
    settings: PoolSettings,
    idle: RefCell<Vec<Resting<B>>>,
    open: Cell<usize>,
    retired: Cell<bool>,
    waiting: RefCell<Turns<oneshot::Sender<Turn<B>>>>,
    told: Box<dyn Fn(PoolEvent)>,
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
        })
    }

    /// What the pool was made with.
    pub(super) fn settings(&self) -> &PoolSettings {
        &self.settings
    }

    /// Closes what has been idle for longer than the settings allow; to be called now and then.
    pub(super) fn reap(&self, now: Instant) {
        let limit = self.settings.idle;
        // Closing a connection runs its place's end, which looks at this list: let go of it first.
        let mut idle = self.idle.take();
        idle.retain(|resting| !resting.lease.is_closed() && now.saturating_duration_since(resting.since) < limit);
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
        drop(self.idle.take());
    }

    fn place(self: &Rc<Self>) -> Place<B> {
        self.open.set(self.open.get() + 1);
        Place { pool: Rc::clone(self), opened: false, is_offered_on: false }
    }

    pub(super) fn keep(&self, mut lease: Http1Lease<B>) {
        loop {
            let Some(waiter) = self.waiting.borrow_mut().pop() else { break };
            match waiter.send(Turn::Connection(lease)) {
                Ok(()) => return,
                Err(Turn::Connection(back)) => lease = back,
                Err(Turn::Place(_)) => return,
            }
        }
        if !self.retired.get() {
            self.idle.borrow_mut().push(Resting { lease, since: Instant::now() });
        }
    }
}

impl<B> Http1Pool<B>
where
    B: Body + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// A connection to use for one exchange: an idle one, a new one, or the first that others give back.
    ///
    /// # Errors
    ///
    /// [`ConnectFault`]; `QueueFull` when `queue` requests wait already, or none came free in the time for connecting.
    pub(super) async fn acquire(self: &Rc<Self>, peer: usize) -> Result<Http1Lease<B>, ConnectFault> {
        while let Some(mut resting) = self.take_idle() {
            if resting.ready().await {
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
        let stream =
            Metered::new(self.settings.endpoint.connect(self.settings.connect, self.settings.tls.as_ref()).await?);
        let read = stream.bytes_read();
        let slot = SwitchedSlot::default();
        let given = Rc::clone(&slot);
        let (sender, mut connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|fault| ConnectFault::Refused(std::io::Error::other(fault)))?;
        place.opened = true;
        (self.told)(PoolEvent::Opened);
        let driving = tokio::task::spawn_local(async move {
            // A fault of the connection reaches the request that it carries; one without a request concerns nobody.
            let ended = (&mut connection).await;
            if let (Ok(()), Some(give)) = (ended, given.take()) {
                // hyper ends its part without a shutdown after a 101. After anything else nobody waits for the stream.
                let parts = connection.into_parts();
                let _ = give.send(Switched { stream: parts.io.into_inner().into_inner(), early: parts.read_buf });
            }
            drop(place);
        });
        Ok(Http1Lease::new(Rc::clone(self), sender, read, driving.abort_handle(), slot))
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
