//! A request's content on its way to an upstream, part by part: counted, under a deadline, its trailers cleaned.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::gateway::exchange::Exchange;
use crate::gateway::request_fields;
use crate::net::{self, Phase, Watch, reset};

/// How long the frame may take that says that no more content comes, after the last of the content.
const END_TIME: Duration = Duration::from_secs(1);

/// Bytes of content that nobody wants, and that are read all the same if they are there, so that the connection can go on.
const UNWANTED: usize = 64 * 1024;
/// Turns that the connection's task gets to bring what is there, at most.
const TURNS: usize = 16;
/// Turns in which nothing came, after which nothing is there.
const IDLE_TURNS: usize = 2;

/// How long the two sides of a stream may take for the next part.
#[derive(Clone, Copy, Debug)]
pub(super) struct ContentTimes {
    /// The peer, to send or to take it.
    pub(super) peer: Duration,
    /// The upstream, to take it or to answer, or to send it.
    pub(super) upstream: Duration,
}

/// A request's content as the exchange knows it, however often the request is sent.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// None for a request without content, and once nobody wants the rest.
    incoming: RefCell<Option<Incoming>>,
    pub(super) bytes: Cell<u64>,
    /// It was malformed, or ended before its end: the peer's fault, whatever the upstream makes of it.
    pub(super) broke_off: Cell<Option<BrokeOff>>,
    /// Some of it has been handed on, and is gone.
    begun: Cell<bool>,
    /// It comes over HTTP/2.
    is_stream: Cell<bool>,
    /// The number of the sending that it belongs to now.
    sending: Cell<u32>,
    /// Who waits for the next part.
    waiting: RefCell<Option<Waker>>,
}

/// How a request's content broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BrokeOff {
    /// It is framed as no content may be.
    Malformed,
    /// The peer said that nothing more comes.
    Incomplete,
    /// The connection failed, which it tells of itself.
    Failed,
}

/// What came of content that nobody wants.
enum Rest {
    Ended,
    /// So many bytes.
    Part(usize),
    /// It broke off, or somebody has let go of it.
    Lost,
}

impl From<&hyper::Error> for BrokeOff {
    fn from(fault: &hyper::Error) -> Self {
        match () {
            // Of a connection that ends it tells itself (RFC 9113 §5.4.1).
            () if reset(fault).is_some_and(h2::Error::is_go_away) => Self::Failed,
            () if net::is_malformed(fault) => Self::Malformed,
            () if net::is_incomplete(fault) => Self::Incomplete,
            () => Self::Failed,
        }
    }
}

/// A request's content, for one sending of the request.
#[derive(Debug)]
pub(super) struct RequestContent {
    received: Rc<Received>,
    sending: u32,
    watch: Rc<Watch>,
    times: ContentTimes,
    remove: Rc<[HeaderName]>,
}

/// Why the content of a request broke off. The sources tell an HTTP/2 upstream the reason (RFC 9113 §7).
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestFault {
    /// The peer reset its stream, or sent what is no content.
    #[error("the request's content broke off")]
    Peer(#[source] hyper::Error),
    /// The peer left.
    #[error("the peer left")]
    Left(#[source] h2::Error),
    /// The peer reset its stream without an error before the end, which hyper takes for the end.
    #[error("the request's content ended too early")]
    Short(#[source] h2::Error),
    /// The whole answer has gone out, or the request is sent on another connection: nobody waits for the rest.
    #[error("the rest of the request is not wanted")]
    NotWanted(#[source] h2::Error),
}

impl Received {
    /// Whether all of the content that was announced is there, and over HTTP/2 the end of the stream is not.
    fn lacks_only_its_end(&self, incoming: &Incoming) -> bool {
        self.is_stream.get() && !incoming.is_end_stream() && incoming.size_hint().exact() == Some(0)
    }

    fn wait(&self, waker: &Waker) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *waiting = Some(waker.clone());
        }
    }

    /// Takes what comes with a request that was `received_by` this version.
    pub(super) fn begin(&self, incoming: Incoming, received_by: Version) {
        self.is_stream.set(received_by == Version::HTTP_2);
        *self.incoming.borrow_mut() = (!incoming.is_end_stream()).then_some(incoming);
    }

    /// Reads what is there of content that nobody wants, over HTTP/1.1; whether that was all.
    pub(super) async fn rest_is_there(&self, watch: &Watch) -> bool {
        self.stop();
        let (mut read, mut idle_turns) = (0, 0);
        for _ in 0..TURNS {
            match poll_fn(|context| Poll::Ready(self.poll_rest(context, watch))).await {
                Poll::Ready(Rest::Ended) => return true,
                Poll::Ready(Rest::Lost) => return false,
                Poll::Ready(Rest::Part(length)) => (read, idle_turns) = (read + length, 0),
                Poll::Pending => idle_turns += 1,
            }
            if read > UNWANTED || idle_turns > IDLE_TURNS {
                return false;
            }
            // hyper hands over one part at a time, when its task gets a turn.
            tokio::task::yield_now().await;
        }
        false
    }

    fn poll_rest(&self, context: &mut Context<'_>, watch: &Watch) -> Poll<Rest> {
        let mut incoming = self.incoming.borrow_mut();
        let Some(incoming) = &mut *incoming else { return Poll::Ready(Rest::Lost) };
        let rest = match ready!(Pin::new(&mut *incoming).poll_frame(context)) {
            Some(Err(_)) => Rest::Lost,
            Some(Ok(frame)) if !frame.is_trailers() && !incoming.is_end_stream() => {
                Rest::Part(frame.data_ref().map_or(0, Bytes::len))
            }
            Some(Ok(_)) | None => {
                watch.content_ended();
                Rest::Ended
            }
        };
        Poll::Ready(rest)
    }

    /// Has whoever still sends the content stop: the exchange is over.
    pub(super) fn end(&self) {
        self.stop();
        if let Some(incoming) = self.incoming.take().filter(|incoming| self.lacks_only_its_end(incoming)) {
            // Dropped now it would reset a stream on which nothing is wanting, while the peer is about to end it: rightly
            // (RFC 9113 §8.1), but not every client takes that well. Meanwhile it counts as one of the peer's streams.
            tokio::task::spawn_local(tokio::time::timeout(END_TIME, to_its_end(incoming)));
        }
    }

    /// The same for what nobody wants although the answer is still to go out.
    pub(super) fn refuse(&self) {
        self.stop();
        self.let_go();
    }

    fn stop(&self) {
        self.sending.set(self.sending.get().wrapping_add(1));
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }

    /// The peer learns that nobody takes the rest, if there is any.
    fn let_go(&self) {
        let mut incoming = self.incoming.borrow_mut();
        drop(incoming.take_if(|incoming| !self.lacks_only_its_end(incoming)));
    }
}

impl RequestContent {
    /// What came with the request of `exchange`; `upstream` is how long the upstream may take to take it, and to answer.
    pub(super) fn new(exchange: &Exchange, upstream: Duration, remove: &Rc<[HeaderName]>) -> Self {
        let received = Rc::clone(&exchange.content);
        Self {
            sending: received.sending.get(),
            received,
            watch: Rc::clone(&exchange.watch),
            times: ContentTimes { peer: exchange.view.snapshot.limits.body_idle, upstream },
            remove: Rc::clone(remove),
        }
    }

    /// The same content for another sending, which is to be begun by [`RequestContent::begin_again`].
    pub(super) fn spare(&self) -> Self {
        Self {
            received: Rc::clone(&self.received),
            sending: self.sending.wrapping_add(1),
            watch: Rc::clone(&self.watch),
            times: self.times,
            remove: Rc::clone(&self.remove),
        }
    }

    /// Takes the content over from the sending before; `false` if part of it is gone.
    pub(super) fn begin_again(&self) -> bool {
        self.received.sending.set(self.sending);
        !self.received.begun.get()
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.received.incoming.borrow().is_none() && !self.received.begun.get()
    }
}

impl Body for RequestContent {
    type Data = Bytes;
    type Error = RequestFault;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RequestFault>>> {
        let received = &self.received;
        if received.sending.get() != self.sending {
            return Poll::Ready(Some(Err(RequestFault::NotWanted(h2::Reason::CANCEL.into()))));
        }
        let mut incoming = received.incoming.borrow_mut();
        let Some(incoming) = &mut *incoming else { return Poll::Ready(None) };
        let polled = Pin::new(&mut *incoming).poll_frame(context);
        if polled.is_pending() {
            received.wait(context.waker());
            if self.watch.phase() != Phase::Content {
                self.watch.enter(Phase::Content, Instant::now(), self.times.peer);
            }
            return Poll::Pending;
        }
        let frame = ready!(polled);
        received.begun.set(true);
        match frame {
            Some(Err(fault)) => {
                received.broke_off.set(Some(BrokeOff::from(&fault)));
                Poll::Ready(Some(Err(RequestFault::from(fault))))
            }
            None if received.is_stream.get() && !incoming.is_end_stream() => {
                received.broke_off.set(Some(BrokeOff::Incomplete));
                Poll::Ready(Some(Err(RequestFault::Short(h2::Reason::CANCEL.into()))))
            }
            Some(Ok(frame)) => {
                self.goes_on(frame.is_trailers() || incoming.is_end_stream());
                Poll::Ready(Some(Ok(self.pass(frame))))
            }
            None => {
                self.goes_on(true);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.received.incoming.borrow().as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.received.incoming.borrow().as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl RequestContent {
    fn goes_on(&self, has_ended: bool) {
        self.watch.enter(Phase::Upstream, Instant::now(), self.times.upstream);
        if has_ended {
            self.watch.content_ended();
        }
    }

    fn pass(&self, frame: Frame<Bytes>) -> Frame<Bytes> {
        if let Some(data) = frame.data_ref() {
            self.received.bytes.set(self.received.bytes.get() + data.len() as u64);
        }
        match frame.into_trailers() {
            Ok(mut trailers) => {
                request_fields::clean_trailers(&mut trailers, &self.remove);
                Frame::trailers(trailers)
            }
            Err(data) => data,
        }
    }
}

impl Drop for RequestContent {
    fn drop(&mut self) {
        // What has not been begun may yet be sent again.
        if self.received.sending.get() == self.sending && self.received.begun.get() {
            self.received.let_go();
        }
    }
}

/// Reads what comes without content.
async fn to_its_end(mut incoming: Incoming) {
    while let Some(Ok(_)) = poll_fn(|context| Pin::new(&mut incoming).poll_frame(context)).await {}
}

impl From<hyper::Error> for RequestFault {
    fn from(fault: hyper::Error) -> Self {
        match reset(&fault).and_then(h2::Error::reason) {
            Some(_) => Self::Peer(fault),
            // The peer's connection ended. Over HTTP/2 that is told as what it means: nobody waits for the answer any more.
            None => Self::Left(h2::Reason::CANCEL.into()),
        }
    }
}
