//! One HTTP/1.1 connection to an upstream, lent for one exchange.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use http::Request;
use http_body::Body;
use hyper::client::conn::http1::SendRequest;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::pool::Http1Pool;
use super::{Exchanged, SendFault, Switched};

/// Where a connection's task hands its stream after a 101, if somebody asked for one.
pub(super) type SwitchedSlot = Rc<Cell<Option<oneshot::Sender<Switched>>>>;

/// What the upstream may take to read the rest of a request that it has answered already.
const REST_TIME: Duration = Duration::from_secs(1);

/// A connection in use. Given back by [`Http1Lease::release`]; merely dropped, it is closed.
pub(super) struct Http1Lease<B> {
    pool: Rc<Http1Pool<B>>,
    sender: SendRequest<B>,
    read: Rc<Cell<u64>>,
    exchanges: u64,
    connection: AbortHandle,
    is_last: bool,
    slot: SwitchedSlot,
    switched: Option<oneshot::Receiver<Switched>>,
}

impl<B> fmt::Debug for Http1Lease<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1Lease").field("exchanges", &self.exchanges).finish_non_exhaustive()
    }
}

impl<B> Http1Lease<B> {
    pub(super) fn new(
        pool: Rc<Http1Pool<B>>,
        sender: SendRequest<B>,
        read: Rc<Cell<u64>>,
        connection: AbortHandle,
        slot: SwitchedSlot,
    ) -> Self {
        Self { pool, sender, read, exchanges: 0, connection, is_last: false, slot, switched: None }
    }

    /// Says that the next request asks for another protocol. Whatever the answer, the connection serves no other exchange.
    pub(super) fn expect_switch(&mut self) {
        let (give, take) = oneshot::channel();
        self.slot.set(Some(give));
        self.switched = Some(take);
    }

    /// After a 101: the stream. `None` if it has failed, or nobody expected it.
    pub(super) async fn switched(mut self) -> Option<Switched> {
        self.switched.take()?.await.ok()
    }

    /// Whether the connection has carried an exchange already, so that the upstream may be closing it just now.
    pub(super) fn is_reused(&self) -> bool {
        self.exchanges > 0
    }

    /// Has the connection closed after this exchange instead of kept.
    pub(super) fn use_no_more(&mut self) {
        self.is_last = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until the connection can take a request; `false` if it has closed.
    pub(super) async fn ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }
}

impl<B> Http1Lease<B>
where
    B: Body + 'static,
{
    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    ///
    /// [`SendFault`], which says what may be sent again without harm.
    pub(super) async fn send(&mut self, request: Request<B>) -> Result<Exchanged, SendFault<B>> {
        self.exchanges += 1;
        let before = self.read.get();
        self.sender.try_send_request(request).await.map_err(|mut fault| SendFault {
            unsent: fault.take_message(),
            answered: self.read.get() > before,
            unprocessed: false,
            source: fault.into_error(),
        })
    }

    /// Gives the connection back for the next exchange once it can take one; closes it if it never will.
    pub(super) fn release(mut self) {
        // An upstream that was asked for another protocol may believe that it speaks it.
        if self.is_last || self.switched.is_some() {
            return;
        }
        if self.sender.is_ready() {
            let pool = Rc::clone(&self.pool);
            pool.keep(self);
        } else if !self.sender.is_closed() {
            // The answer came before the request was sent whole: what hyper holds of it still goes out, if the upstream takes it.
            tokio::task::spawn_local(async move {
                if tokio::time::timeout(REST_TIME, self.ready()).await == Ok(true) {
                    let pool = Rc::clone(&self.pool);
                    pool.keep(self);
                }
            });
        }
    }
}

impl<B> Drop for Http1Lease<B> {
    fn drop(&mut self) {
        // hyper closes a connection only after all that it holds to be sent has been: an upstream that reads nothing would keep it.
        self.connection.abort();
    }
}
