//! A worker's HTTP/2 connections to one upstream: each carries many exchanges at once (RFC 9113 §5).
//!
//! A request takes a stream of the first connection that has one free; another connection is opened only when all are full. How many
//! streams a connection carries is the upstream's to say (`SETTINGS_MAX_CONCURRENT_STREAMS`), up to a bound of ours. A connection
//! takes its first request when the upstream's settings are there, so that what is no HTTP/2 is told apart from what is, and no
//! more streams are opened than are allowed.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::Instant;

use http_body::Body;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::multiplexed::{Multiplexed, STREAMS, connect};
use super::turns::Turns;
use super::{ConnectFault, PoolEvent, PoolSettings};

pub(super) use super::multiplexed::Http2Lease;

/// One that waits.
struct Waiter<B> {
    /// Connections that had been begun before.
    begun: u64,
    /// Where it is given a stream, or told why there is none.
    turn: oneshot::Sender<Result<Http2Lease<B>, ConnectFault>>,
}

/// HTTP/2 connections to one upstream, kept by one worker.
pub(super) struct Http2Pool<B> {
    settings: PoolSettings,
    /// Those that take streams, or did until lately; the first that has room is used, so that the others can fall idle.
    connections: RefCell<Vec<Rc<Multiplexed<B>>>>,
    /// Places taken: connections that are open or being opened.
    open: Cell<usize>,
    /// Those being opened.
    opening: Cell<usize>,
    /// All that were begun, whatever became of them.
    begun: Cell<u64>,
    retired: Cell<bool>,
    waiting: RefCell<Turns<Waiter<B>>>,
    told: Box<dyn Fn(PoolEvent)>,
}

/// One of the `max` places; gives itself back when the last task of its connection has ended.
pub(super) struct Place<B> {
    pool: Rc<Http2Pool<B>>,
    opened: Cell<bool>,
}

/// One that is being opened, until it is open or has failed.
struct Opening<B>(Rc<Http2Pool<B>>);

impl<B> fmt::Debug for Http2Pool<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2Pool").field("settings", &self.settings).field("open", &self.open).finish_non_exhaustive()
    }
}

impl<B> Http2Pool<B> {
    pub(super) fn new(settings: PoolSettings, told: impl Fn(PoolEvent) + 'static) -> Rc<Self> {
        Rc::new(Self {
            settings,
            connections: RefCell::default(),
            open: Cell::new(0),
            opening: Cell::new(0),
            begun: Cell::new(0),
            retired: Cell::new(false),
            waiting: RefCell::default(),
            told: Box::new(told),
        })
    }

    pub(super) fn settings(&self) -> &PoolSettings {
        &self.settings
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.get()
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }

    /// Adds a connection that takes streams from now on.
    fn add(&self, connection: Rc<Multiplexed<B>>) {
        self.connections.borrow_mut().push(connection);
    }

    pub(super) fn reap(&self, now: Instant) {
        self.close_if(|connection| connection.is_idle_for(self.settings.idle, now));
    }

    pub(super) fn retire(&self) {
        self.retired.set(true);
        self.close_if(Multiplexed::is_unused);
    }

    fn close_if(&self, condition: impl Fn(&Multiplexed<B>) -> bool) {
        let closing: Vec<_> =
            self.connections.borrow().iter().filter(|connection| condition(connection)).cloned().collect();
        closing.iter().for_each(|connection| connection.close());
    }

    fn free(&self) -> Option<Http2Lease<B>> {
        let connections = self.connections.borrow();
        connections.iter().find_map(Multiplexed::lend)
    }

    /// Gives free streams to those who wait, in their order.
    pub(super) fn offer(&self) {
        while self.has_waiting() {
            let Some(lease) = self.free() else { return };
            let Some(waiter) = self.next_waiting() else { return };
            // INVARIANT: the waiter is there, for nothing runs between finding it open and this.
            let _ = waiter.turn.send(Ok(lease));
        }
    }

    /// The first that still waits. Those who gave up are passed over.
    fn next_waiting(&self) -> Option<Waiter<B>> {
        let mut waiting = self.waiting.borrow_mut();
        while let Some(waiter) = waiting.pop() {
            if !waiter.turn.is_closed() {
                return Some(waiter);
            }
        }
        None
    }

    /// Tells those who wait that the connection with this number cannot be had, unless others may still serve them. Who came when it had
    /// been begun already waits for the next: it may have been at its end by then.
    fn failed(&self, number: u64, fault: &ConnectFault) {
        if self.opening.get() > 0 || self.connections.borrow().iter().any(|connection| connection.is_open()) {
            return;
        }
        let failed = self.waiting.borrow_mut().take_if(|waiter| waiter.begun < number || waiter.turn.is_closed());
        for waiter in failed {
            let _ = waiter.turn.send(Err(fault.repeated()));
        }
    }

    /// Forgets a connection that takes no more streams.
    pub(super) fn remove(&self, connection: &Multiplexed<B>) {
        self.connections.borrow_mut().retain(|known| !std::ptr::eq(&**known, connection));
    }
}

impl<B> Http2Pool<B>
where
    B: Body + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(super) async fn acquire(self: &Rc<Self>, peer: usize) -> Result<Http2Lease<B>, ConnectFault> {
        if let Some(lease) = self.free() {
            return Ok(lease);
        }
        let turn = self.queue_up(peer)?;
        self.open_for_waiting();
        match timeout(self.settings.connect, turn).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(_)) => Err(ConnectFault::QueueFull),
            Err(_) if self.opening.get() > 0 && self.connections.borrow().is_empty() => Err(ConnectFault::TimedOut),
            Err(_) => Err(ConnectFault::QueueFull),
        }
    }

    fn queue_up(&self, peer: usize) -> Result<oneshot::Receiver<Result<Http2Lease<B>, ConnectFault>>, ConnectFault> {
        let mut waiting = self.waiting.borrow_mut();
        // Those for whom a connection is on its way are not of the queue.
        let room = self.settings.max.saturating_sub(self.open.get()) + self.opening.get();
        let most = self.settings.queue.saturating_add(room.saturating_mul(STREAMS));
        if waiting.len() >= most {
            waiting.retain(|waiter| !waiter.turn.is_closed());
        }
        let (give, turn) = oneshot::channel();
        if !waiting.push(peer, Waiter { begun: self.begun.get(), turn: give }, most) {
            return Err(ConnectFault::QueueFull);
        }
        Ok(turn)
    }

    /// Opens as many connections as those who wait need, and there are places for.
    pub(super) fn open_for_waiting(self: &Rc<Self>) {
        while self.waiting.borrow().len() > self.opening.get().saturating_mul(STREAMS)
            && self.open.get() < self.settings.max
        {
            self.open_one();
        }
    }

    fn open_one(self: &Rc<Self>) {
        self.open.set(self.open.get() + 1);
        self.opening.set(self.opening.get() + 1);
        let number = self.begun.get() + 1;
        self.begun.set(number);
        let place = Place { pool: Rc::clone(self), opened: Cell::new(false) };
        let opening = Opening(Rc::clone(self));
        let pool = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let connected = timeout(pool.settings.connect, connect(&pool, place)).await;
            drop(opening);
            match connected.unwrap_or(Err(ConnectFault::TimedOut)) {
                Ok(connection) => {
                    pool.add(connection);
                    pool.offer();
                }
                Err(fault) => {
                    pool.failed(number, &fault);
                    pool.open_for_waiting();
                }
            }
        });
    }
}

impl<B> Place<B> {
    /// Counts the connection as open.
    pub(super) fn open(&self) {
        self.opened.set(true);
        (self.pool.told)(PoolEvent::Opened);
    }
}

impl<B> Drop for Place<B> {
    fn drop(&mut self) {
        if self.opened.get() {
            (self.pool.told)(PoolEvent::Closed);
        }
        self.pool.open.set(self.pool.open.get().saturating_sub(1));
    }
}

impl<B> Drop for Opening<B> {
    fn drop(&mut self) {
        self.0.opening.set(self.0.opening.get().saturating_sub(1));
    }
}
