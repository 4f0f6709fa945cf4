//! One upstream connection, lent for one exchange.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use tokio::sync::oneshot;

use super::{Switched, UpstreamPool};

/// Where a connection's task hands its stream after a 101, if somebody asked for one.
pub(super) type SwitchedSlot = Rc<Cell<Option<oneshot::Sender<Switched>>>>;

/// A connection in use. Given back by [`Lease::release`]; merely dropped, it is closed.
pub struct Lease<B> {
    pool: Rc<UpstreamPool<B>>,
    sender: SendRequest<B>,
    read: Rc<Cell<u64>>,
    exchanges: u64,
    slot: SwitchedSlot,
    switched: Option<oneshot::Receiver<Switched>>,
}

/// The head of an answer, with its content still to come.
pub type Exchanged = Response<Incoming>;

/// Why a request got no answer on a connection.
#[derive(Debug)]
pub struct SendFault<B> {
    /// The request, if not a byte of it was sent.
    pub unsent: Option<Request<B>>,
    /// Whether the upstream had begun to answer.
    pub answered: bool,
    /// What hyper says.
    pub source: hyper::Error,
}

impl<B> fmt::Debug for Lease<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("exchanges", &self.exchanges).finish_non_exhaustive()
    }
}

impl<B> Lease<B> {
    pub(super) fn new(
        pool: Rc<UpstreamPool<B>>,
        sender: SendRequest<B>,
        read: Rc<Cell<u64>>,
        slot: SwitchedSlot,
    ) -> Self {
        Self { pool, sender, read, exchanges: 0, slot, switched: None }
    }

    /// Says that the next request asks for another protocol (RFC 9110 §7.8). Whatever the answer, the connection serves no other
    /// exchange.
    pub fn expect_switch(&mut self) {
        let (give, take) = oneshot::channel();
        self.slot.set(Some(give));
        self.switched = Some(take);
    }

    /// After a 101: the stream, with what the upstream has sent on it already. `None` if it has failed, or nobody called
    /// [`Lease::expect_switch`].
    pub async fn switched(self) -> Option<Switched> {
        self.switched?.await.ok()
    }

    /// Whether the connection has carried an exchange already, so that the upstream may be closing it just now.
    pub fn is_reused(&self) -> bool {
        self.exchanges > 0
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until the connection can take a request; `false` if it has closed.
    pub(super) async fn ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }
}

impl<B> Lease<B>
where
    B: Body + 'static,
{
    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    ///
    /// [`SendFault`], which says what may be sent again without harm.
    pub async fn send(&mut self, request: Request<B>) -> Result<Exchanged, SendFault<B>> {
        self.exchanges += 1;
        let before = self.read.get();
        self.sender.try_send_request(request).await.map_err(|mut fault| SendFault {
            unsent: fault.take_message(),
            answered: self.read.get() > before,
            source: fault.into_error(),
        })
    }

    /// Gives the connection back for the next exchange once it can take one; closes it if it never will.
    pub fn release(mut self) {
        if self.switched.is_some() {
            // An upstream that was asked for another protocol may believe that it speaks it.
            return;
        }
        if self.sender.is_ready() {
            let pool = Rc::clone(&self.pool);
            pool.keep(self);
        } else if !self.sender.is_closed() {
            // The answer came before the request was sent whole: the rest of it still goes out.
            tokio::task::spawn_local(async move {
                if self.ready().await {
                    let pool = Rc::clone(&self.pool);
                    pool.keep(self);
                }
            });
        }
    }
}
