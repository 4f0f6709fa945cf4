//! One HTTP/2 connection to an upstream, and the streams that are lent of it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;

use super::multiplex::{Http2Pool, Place};
use super::{ConnectFault, ExchangeFault, Metered, SendFault};

/// Exchanges at once on one connection, at most, whatever its upstream allows.
pub(super) const STREAMS: usize = 128;
/// Bytes of an answer that a stream may hold for a peer who does not take them.
const STREAM_WINDOW: u32 = 128 << 10;
/// Room for every stream's window: one whose peer takes nothing leaves the others theirs.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 128;
/// Bytes of names and values of an answer's fields.
const HEADER_LIST: u32 = 64 << 10;
/// Streams that we reset and still remember, so that what the upstream sent before it heard of it is passed over.
const RESET_STREAMS: usize = 1024;

/// A connection that carries many exchanges.
pub(super) struct Multiplexed<B> {
    pool: Rc<Http2Pool<B>>,
    /// Gone when no more streams are opened.
    sender: RefCell<Option<SendRequest<B>>>,
    /// How many streams the upstream allows at once; none until its settings are there.
    allowed: Box<dyn Fn() -> usize>,
    /// Bytes that the connection has brought.
    read: Rc<Cell<u64>>,
    streams: Cell<usize>,
    has_carried: Cell<bool>,
    /// When the last stream ended.
    unused_since: Cell<Instant>,
}

/// A stream that is lent for one exchange; dropped, it is given back.
pub(super) struct Http2Lease<B> {
    connection: Rc<Multiplexed<B>>,
    sender: SendRequest<B>,
    is_reused: bool,
    /// Bytes that the connection had brought when the request was sent.
    read_before: u64,
    /// The answer's content, once its head has come.
    content: Option<Incoming>,
}

/// A connection whose upstream has not sent its settings: closed if nobody waits for them any more.
struct Unsettled<'a, B>(Option<&'a Multiplexed<B>>);

/// Runs a connection's tasks on this worker, and sees after each step to those who wait for what it brought.
pub(super) struct Tasks<B>(Rc<Life<B>>);

/// What lasts until the last task of a connection has ended.
struct Life<B> {
    pool: Rc<Http2Pool<B>>,
    _place: Place<B>,
    /// Waits for the upstream's settings.
    opener: RefCell<Option<Waker>>,
}

impl<B> fmt::Debug for Http2Lease<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2Lease").field("streams", &self.connection.streams).finish_non_exhaustive()
    }
}

/// Opens a connection, and waits until the upstream has said how many streams it allows.
///
/// # Errors
///
/// [`ConnectFault`]; `Protocol` where what answers does not speak HTTP/2. How long it may take is the caller's to bound.
pub(super) async fn connect<B>(pool: &Rc<Http2Pool<B>>, place: Place<B>) -> Result<Rc<Multiplexed<B>>, ConnectFault>
where
    B: Body + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let settings = pool.settings();
    let stream = Metered::new(settings.endpoint.connect(settings.connect, settings.tls.as_ref()).await?);
    let read = stream.bytes_read();
    place.open();
    let life = Rc::new(Life { pool: Rc::clone(pool), _place: place, opener: RefCell::default() });
    let (sender, driver) = parameters(Tasks(Rc::clone(&life)))
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| ConnectFault::Protocol)?;
    let driver = Rc::new(RefCell::new(Some(driver)));
    let asked = Rc::clone(&driver);
    let allowed = move || {
        asked.try_borrow().ok().and_then(|driver| Some(driver.as_ref()?.current_max_send_streams())).unwrap_or(0)
    };
    let connection = Rc::new(Multiplexed {
        pool: Rc::clone(pool),
        sender: RefCell::new(Some(sender)),
        allowed: Box::new(allowed),
        read,
        streams: Cell::new(0),
        has_carried: Cell::new(false),
        unused_since: Cell::new(Instant::now()),
    });
    let driven = Rc::clone(&connection);
    Tasks(Rc::clone(&life)).execute(async move {
        poll_fn(|context| match &mut *driver.borrow_mut() {
            // What ended it reaches the exchanges that it carries; without one it concerns nobody.
            Some(driver) => Pin::new(driver).poll(context).map(drop),
            None => Poll::Ready(()),
        })
        .await;
        drop(driver.take());
        driven.close();
    });
    let mut unsettled = Unsettled(Some(&connection));
    settled(&connection, &life).await?;
    unsettled.0 = None;
    drop(unsettled);
    Ok(connection)
}

fn parameters<B>(tasks: Tasks<B>) -> http2::Builder<Tasks<B>> {
    let mut parameters = http2::Builder::new(tasks);
    parameters
        // None before the upstream's settings are there.
        .initial_max_send_streams(0)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADER_LIST)
        .max_concurrent_reset_streams(RESET_STREAMS)
        // An answer that breaks the rules costs its own stream, however often.
        .max_local_error_reset_streams(None);
    parameters
}

/// Waits for the upstream's settings (RFC 9113 §3.4).
async fn settled<B>(connection: &Multiplexed<B>, life: &Life<B>) -> Result<(), ConnectFault> {
    poll_fn(|context| {
        if (connection.allowed)() > 0 {
            return Poll::Ready(Ok(()));
        }
        if !connection.is_open() {
            return Poll::Ready(Err(ConnectFault::Protocol));
        }
        *life.opener.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    })
    .await
}

impl<B> Drop for Unsettled<'_, B> {
    fn drop(&mut self) {
        if let Some(connection) = self.0 {
            connection.close();
        }
    }
}

impl<B> Multiplexed<B> {
    /// Whether streams may still be opened.
    pub(super) fn is_open(&self) -> bool {
        self.sender.borrow().as_ref().is_some_and(|sender| !sender.is_closed())
    }

    pub(super) fn is_unused(&self) -> bool {
        self.streams.get() == 0
    }

    pub(super) fn is_idle_for(&self, limit: Duration, now: Instant) -> bool {
        self.is_unused() && now.saturating_duration_since(self.unused_since.get()) >= limit
    }

    /// Lends a stream, if one more may be opened now.
    pub(super) fn lend(connection: &Rc<Self>) -> Option<Http2Lease<B>> {
        let streams = connection.streams.get();
        if streams >= STREAMS || !connection.is_open() || streams >= (connection.allowed)() {
            return None;
        }
        let sender = connection.sender.borrow().as_ref()?.clone();
        connection.streams.set(streams + 1);
        let is_reused = connection.has_carried.replace(true);
        Some(Http2Lease {
            connection: Rc::clone(connection),
            sender,
            is_reused,
            read_before: connection.read.get(),
            content: None,
        })
    }

    /// Opens no more streams; those that are open go on, and the connection is closed after the last.
    pub(super) fn close(&self) {
        drop(self.sender.take());
        self.pool.remove(self);
    }
}

impl<B> Http2Lease<B> {
    pub(super) fn is_reused(&self) -> bool {
        self.is_reused
    }

    pub(super) fn suspect(&self) {
        if self.connection.read.get() == self.read_before {
            self.connection.close();
        }
    }
}

impl<B> Http2Lease<B>
where
    B: Body + 'static,
{
    pub(super) async fn send(&mut self, request: Request<B>) -> Result<Response<()>, SendFault<B>> {
        self.read_before = self.connection.read.get();
        match self.sender.try_send_request(request).await {
            Ok(answer) => Ok(answer.map(|content| drop(self.content.replace(content)))),
            Err(mut fault) => {
                let request = fault.take_message();
                let source = ExchangeFault::Http2(fault.into_error());
                if !source.is_reset() {
                    // The connection ends, and the next request is not to meet it again.
                    self.connection.close();
                }
                let (unsent, unprocessed) = (request.is_some(), is_unprocessed(&source));
                Err(SendFault { request, unsent, answered: false, unprocessed, source })
            }
        }
    }

    pub(super) fn poll_content(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ExchangeFault>>> {
        let Some(content) = &mut self.content else { return Poll::Ready(None) };
        Pin::new(content).poll_frame(context).map_err(ExchangeFault::Http2)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.content.as_ref().is_none_or(Body::is_end_stream)
    }

    pub(super) fn size(&self) -> SizeHint {
        self.content.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B> Drop for Http2Lease<B> {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.streams.set(connection.streams.get().saturating_sub(1));
        if connection.is_unused() {
            connection.unused_since.set(Instant::now());
            if connection.pool.is_retired() {
                connection.close();
            }
        }
        connection.pool.offer();
    }
}

/// RFC 9113 §8.7: a stream that was refused, or that is above the last that a `GOAWAY` names, was not processed.
fn is_unprocessed(fault: &ExchangeFault) -> bool {
    fault.reset().is_some_and(|cause| {
        cause.is_remote() && (cause.is_go_away() || cause.reason() == Some(h2::Reason::REFUSED_STREAM))
    })
}

impl<B> Clone for Tasks<B> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<B, F> Executor<F> for Tasks<B>
where
    B: Body + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, task: F) {
        let life = Rc::clone(&self.0);
        tokio::task::spawn_local(async move {
            let mut task = pin!(task);
            poll_fn(|context| {
                let polled = task.as_mut().poll(context);
                life.stepped();
                polled
            })
            .await;
            let pool = Rc::clone(&life.pool);
            // With the last task the connection's place comes free.
            drop(life);
            pool.offer();
            pool.open_for_waiting();
        });
    }
}

impl<B> Life<B> {
    fn stepped(&self) {
        if let Some(opener) = self.opener.take() {
            opener.wake();
        }
        self.pool.offer();
    }
}
