//! One HTTP/1.1 connection to an upstream, lent for one exchange.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::http1_exchange::Http1Connection;
use super::pool::{Http1Pool, Place};
use super::{ExchangeFault, SendFault, Switched};

/// What the upstream may take to read the rest of a request that it has answered already.
const REST_TIME: Duration = Duration::from_secs(1);

/// A connection in use. Given back by [`Http1Lease::release`]; merely dropped, it is closed.
pub(super) struct Http1Lease<B> {
    /// Shared with whoever sends the rest of a request that was answered early, and with nobody else.
    connection: Rc<RefCell<Http1Connection<B>>>,
    uploading: Option<AbortOnDropHandle<()>>,
    exchanges: u64,
    is_switching: bool,
    place: Place<B>,
}

impl<B> fmt::Debug for Http1Lease<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1Lease").field("exchanges", &self.exchanges).finish_non_exhaustive()
    }
}

impl<B> Http1Lease<B> {
    pub(super) fn new(connection: Http1Connection<B>, place: Place<B>) -> Self {
        let connection = Rc::new(RefCell::new(connection));
        Self { connection, uploading: None, exchanges: 0, is_switching: false, place }
    }

    /// Says that the next request asks for another protocol. Whatever the answer, the connection serves no other exchange: the upstream
    /// may believe that it speaks it.
    pub(super) fn expect_switch(&mut self) {
        self.is_switching = true;
    }

    /// After a 101: the stream. `None` if nobody expected it.
    pub(super) fn switched(self) -> Option<Switched> {
        let connection = Rc::into_inner(self.connection).filter(|_| self.is_switching)?;
        Some(connection.into_inner().switched())
    }

    /// Whether the connection has carried an exchange already, so that the upstream may be closing it just now.
    pub(super) fn is_reused(&self) -> bool {
        self.exchanges > 0
    }

    /// Whether a connection at rest is open, and nothing was said on it; `context` is woken when that changes.
    pub(super) fn poll_quiet(&self, context: &mut Context<'_>) -> bool {
        self.connection.borrow_mut().poll_quiet(context)
    }

    pub(super) fn poll_content(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ExchangeFault>>> {
        self.connection.borrow_mut().poll_content(context)
    }

    /// Whether the last of the content has been taken.
    pub(super) fn has_ended(&self) -> bool {
        self.connection.borrow().has_ended()
    }

    /// How much content is still to come.
    pub(super) fn size(&self) -> SizeHint {
        self.connection.borrow().size()
    }
}

impl<B> Http1Lease<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
{
    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    ///
    /// [`SendFault`], which says what may be sent again without harm.
    pub(super) async fn send(&mut self, request: Request<B>) -> Result<Response<()>, SendFault<B>> {
        self.exchanges += 1;
        let (mut parts, body) = request.into_parts();
        self.connection.borrow_mut().begin(&parts, body);
        // The request's fields give their space to the answer's.
        let fields = &mut parts.headers;
        let answered = poll_fn(|context| self.connection.borrow_mut().poll_head(context, fields)).await;
        match answered {
            Ok(head) => {
                if !self.connection.borrow().is_sent() {
                    self.uploading = Some(AbortOnDropHandle::new(tokio::task::spawn_local(self.upload())));
                }
                Ok(head)
            }
            Err(source) => {
                let mut connection = self.connection.borrow_mut();
                Err(SendFault {
                    request: connection.take_body().map(|body| Request::from_parts(parts, body)),
                    unsent: !connection.has_begun(),
                    answered: connection.has_answered(),
                    unprocessed: false,
                    source,
                })
            }
        }
    }

    /// Sends the rest of a request that has been answered: its peer may read nothing before all of it is gone.
    fn upload(&self) -> impl Future<Output = ()> + use<B> {
        let connection = Rc::clone(&self.connection);
        poll_fn(move |context| connection.borrow_mut().poll_upload(context))
    }

    /// Gives the connection back for the next exchange once it can take one; closes it if it never will.
    pub(super) fn release(mut self) {
        let (may_go_on, is_sent) = {
            let connection = self.connection.borrow();
            (connection.may_go_on() && !self.is_switching, connection.is_sent())
        };
        if !may_go_on {
            return;
        }
        self.uploading = None;
        if is_sent {
            return self.rest();
        }
        // The answer came before the request was sent whole: what there is of it still goes out, if the upstream takes it.
        tokio::task::spawn_local(async move {
            let sent = timeout(REST_TIME, self.upload()).await.is_ok();
            let may_go_on = self.connection.borrow().may_go_on();
            if sent && may_go_on {
                self.rest();
            }
        });
    }

    fn rest(self) {
        self.connection.borrow_mut().rest();
        let pool = Rc::clone(self.place.pool());
        Http1Pool::keep(&pool, self);
    }
}
