//! The bytes of an HTTP/2 connection: under hyper's codec, and still in hand when that is gone.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use h2::Reason;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::http2_frames::Frames;
use super::{Rewind, Stream};

/// A handle on one connection's bytes; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Wire(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    stream: RefCell<Rewind<Stream>>,
    frames: RefCell<Frames>,
    /// The field section that is on its way, and since when.
    section: Cell<Option<(u64, Instant)>>,
    /// Since when the peer has taken nothing of what was written.
    blocked_since: Cell<Option<Instant>>,
    /// All that was written has left, so that the last frame is whole.
    settled: Cell<bool>,
    is_flooded: Cell<bool>,
    /// Its end has begun from our side.
    is_shut: Cell<bool>,
}

impl Wire {
    pub(super) fn new(stream: Rewind<Stream>) -> Self {
        Self(Rc::new(Shared {
            stream: RefCell::new(stream),
            frames: RefCell::new(Frames::new(Instant::now())),
            section: Cell::new(None),
            blocked_since: Cell::new(None),
            settled: Cell::new(true),
            is_flooded: Cell::new(false),
            is_shut: Cell::new(false),
        }))
    }

    /// Since when a request's fields have been on their way.
    pub(super) fn section_since(&self) -> Option<Instant> {
        self.0.section.get().map(|(_, since)| since)
    }

    /// Since when the peer has taken nothing of what is to be written.
    pub(super) fn blocked_since(&self) -> Option<Instant> {
        self.0.blocked_since.get()
    }

    /// Whether the peer has sent more frames without use than it may. Nothing more is read then.
    pub(super) fn is_flooded(&self) -> bool {
        self.0.is_flooded.get()
    }

    /// Whether what speaks over it has shut it down, as it does at its end.
    pub(super) fn is_shut(&self) -> bool {
        self.0.is_shut.get()
    }

    /// Takes note of a request that was read.
    pub(super) fn brought_request(&self) {
        self.0.frames.borrow_mut().brought_request();
    }

    /// Field sections that the peer has begun.
    pub(super) fn sections(&self) -> u64 {
        self.0.frames.borrow().sections()
    }

    /// Streams that the peer has reset.
    pub(super) fn resets(&self) -> u64 {
        self.0.frames.borrow().resets()
    }

    /// Tells the peer why the connection ends, and which streams nobody has looked at (RFC 9113 §6.8), if that can be said without
    /// waiting.
    pub(super) async fn go_away(&self, reason: Reason) {
        if !self.0.settled.get() {
            return;
        }
        let [s0, s1, s2, s3] = self.0.frames.borrow().last_stream().to_be_bytes();
        let [r0, r1, r2, r3] = u32::from(reason).to_be_bytes();
        let goaway = [0, 0, 8, 7, 0, 0, 0, 0, 0, s0, s1, s2, s3, r0, r1, r2, r3];
        poll_fn(|context| {
            let mut stream = self.0.stream.borrow_mut();
            // Best effort: whoever takes nothing does not hear why.
            let mut stream = Pin::new(&mut *stream);
            let _ = stream.as_mut().poll_write(context, &goaway);
            let _ = stream.as_mut().poll_flush(context);
            let _ = stream.as_mut().poll_shutdown(context);
            Poll::Ready(())
        })
        .await;
    }

    fn arrived(&self, bytes: &mut [u8]) {
        let mut frames = self.0.frames.borrow_mut();
        frames.read(bytes);
        let section = frames.open_section().map(|number| match self.0.section.get() {
            Some((known, since)) if known == number => (number, since),
            Some(_) | None => (number, Instant::now()),
        });
        self.0.section.set(section);
        if frames.is_flood(Instant::now) {
            self.0.is_flooded.set(true);
        }
    }

    fn written(&self, data: &[IoSlice<'_>], polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.0.settled.set(false);
        match &polled {
            Poll::Ready(Ok(bytes)) => {
                let mut left = *bytes;
                for part in data {
                    let part = part.get(..left).unwrap_or(part);
                    self.0.frames.borrow_mut().wrote(part);
                    left -= part.len();
                }
                self.0.blocked_since.set(None);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.0.blocked_since.set(Some(self.0.blocked_since.get().unwrap_or_else(Instant::now)));
            }
        }
        polled
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_flooded() {
            // Whoever drives the connection ends it after this.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut *self.0.stream.borrow_mut()).poll_read(context, buffer);
        if let Some(arrived) = buffer.filled_mut().get_mut(before..).filter(|arrived| !arrived.is_empty()) {
            self.arrived(arrived);
        }
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.0.stream.borrow_mut()).poll_write(context, data);
        self.written(&[IoSlice::new(data)], polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.0.stream.borrow_mut()).poll_write_vectored(context, data);
        self.written(data, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.stream.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut *self.0.stream.borrow_mut()).poll_flush(context);
        self.0.settled.set(matches!(polled, Poll::Ready(Ok(()))));
        polled
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.settled.set(false);
        self.0.is_shut.set(true);
        Pin::new(&mut *self.0.stream.borrow_mut()).poll_shutdown(context)
    }
}
