//! A connection to an upstream of HTTP/1.1 (RFC 9112), and the one exchange that it carries at a time.
//!
//! Nothing drives it but whoever waits: for the head of an answer, then for its content. An answer may begin, and end, before the
//! request has been sent whole; whoever lends the connection sees to it that the rest goes out.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, Method, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::io::poll_read_buf;

use super::http1_answer::{Ends, Flaw, take_head};
use super::http1_chunks::{Chunks, Part};
use super::http1_upload::{Upload, UploadFault};
use super::{ExchangeFault, Stream, Switched};

/// Bytes that are read at once at first, and where little comes.
const LEAST: usize = 8 * 1024;
/// Bytes that are read at once where much comes.
const MOST: usize = 256 * 1024;
/// Bytes that a connection at rest may hold.
const AT_REST: usize = 16 * 1024;

/// A connection, with what it carries.
pub(super) struct Http1Connection<B> {
    stream: Stream,
    /// What was read and not taken yet.
    bytes: BytesMut,
    /// How much to read next.
    wanted: usize,
    upload: Upload<B>,
    method: Method,
    content: Content,
    /// The upstream has answered, be it with a byte.
    has_answered: bool,
    keeps_alive: bool,
    /// What ended the upload before its end.
    upload_fault: Option<UploadFault>,
    /// Who waits for content while somebody else sends the rest of the request, and that other.
    waiting: Option<Waker>,
    uploading: Option<Waker>,
}

/// What is left of an answer.
#[derive(Debug)]
enum Content {
    /// So many bytes.
    Length(u64),
    Chunked(Chunks),
    UntilEnd,
    Ended,
}

impl<B> fmt::Debug for Http1Connection<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1Connection").field("content", &self.content).finish_non_exhaustive()
    }
}

impl<B> Http1Connection<B> {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            bytes: BytesMut::new(),
            wanted: LEAST,
            upload: Upload::none(),
            method: Method::GET,
            content: Content::Ended,
            has_answered: false,
            keeps_alive: true,
            upload_fault: None,
            waiting: None,
            uploading: None,
        }
    }

    /// Whether the upstream has answered the last request, be it with a byte.
    pub(super) fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// Whether bytes of the last request have been written.
    pub(super) fn has_begun(&self) -> bool {
        self.upload.has_begun()
    }

    /// The content of the last request, which is sent no further.
    pub(super) fn take_body(&mut self) -> Option<B> {
        self.upload.take_body()
    }

    pub(super) fn is_sent(&self) -> bool {
        self.upload.has_ended()
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.content, Content::Ended)
    }

    /// How long the content is that is still to come.
    pub(super) fn size(&self) -> SizeHint {
        match self.content {
            Content::Ended => SizeHint::with_exact(0),
            Content::Length(left) => SizeHint::with_exact(left),
            Content::Chunked(_) | Content::UntilEnd => SizeHint::default(),
        }
    }

    /// Whether the connection may carry another exchange once its request has been sent whole.
    pub(super) fn may_go_on(&self) -> bool {
        self.keeps_alive && self.has_ended() && self.bytes.is_empty() && self.upload_fault.is_none()
    }

    /// Lets go of what a connection at rest need not hold.
    pub(super) fn rest(&mut self) {
        drop(self.upload.take_body());
        if self.bytes.capacity() > AT_REST {
            self.bytes = BytesMut::new();
        }
        self.wanted = LEAST;
    }

    /// Whether a connection at rest is as it should be: open, and with nothing said on it. `context` is woken when that changes.
    pub(super) fn poll_quiet(&mut self, context: &mut Context<'_>) -> bool {
        let mut byte = [0];
        Pin::new(&mut self.stream).poll_read(context, &mut ReadBuf::new(&mut byte)).is_pending()
    }

    /// The stream, after a 101.
    pub(super) fn switched(self) -> Switched {
        Switched { stream: self.stream, early: self.bytes.freeze() }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.bytes.reserve(self.wanted);
        let read = ready!(poll_read_buf(Pin::new(&mut self.stream), context, &mut self.bytes))?;
        if read >= self.wanted {
            self.wanted = (self.wanted * 2).min(MOST);
        } else if read < self.wanted / 4 {
            self.wanted = (self.wanted / 2).max(LEAST);
        }
        Poll::Ready(Ok(read))
    }

    /// Waits for more bytes of the answer.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ExchangeFault>> {
        match ready!(self.poll_read(context)) {
            Ok(0) => Poll::Ready(Err(ExchangeFault::Closed)),
            Ok(_) => {
                self.has_answered = true;
                Poll::Ready(Ok(()))
            }
            Err(fault) => Poll::Ready(Err(ExchangeFault::Broken(fault))),
        }
    }

    fn take_content(&mut self) -> Result<Part, Flaw> {
        match &mut self.content {
            Content::Ended => Ok(Part::End),
            Content::Chunked(chunks) => {
                let part = chunks.take(&mut self.bytes)?;
                if chunks.has_ended() {
                    self.content = Content::Ended;
                }
                Ok(part)
            }
            Content::Length(_) | Content::UntilEnd if self.bytes.is_empty() => Ok(Part::Unclear),
            Content::UntilEnd => Ok(Part::Data(self.bytes.split().freeze())),
            Content::Length(left) => {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(self.bytes.len());
                *left = left.saturating_sub(length as u64);
                if *left == 0 {
                    self.content = Content::Ended;
                }
                Ok(Part::Data(self.bytes.split_to(length).freeze()))
            }
        }
    }

    /// Waits for the next part of the answer's content; `None` at its end.
    pub(super) fn poll_content(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ExchangeFault>>> {
        loop {
            if let Some(UploadFault::Content) = &self.upload_fault {
                return Poll::Ready(Some(Err(ExchangeFault::Content)));
            }
            match self.take_content() {
                Ok(Part::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Part::Trailers(trailers)) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Ok(Part::End) => return Poll::Ready(None),
                Ok(Part::Unclear) => {}
                Err(flaw) => return Poll::Ready(Some(Err(ExchangeFault::Malformed(flaw)))),
            }
            match self.poll_more(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(ExchangeFault::Closed)) if matches!(self.content, Content::UntilEnd) => {
                    self.content = Content::Ended;
                    self.keeps_alive = false;
                }
                Poll::Ready(Err(fault)) => return Poll::Ready(Some(Err(fault))),
                Poll::Pending => {
                    if !self.is_sent() {
                        self.waiting = Some(context.waker().clone());
                        // The answer may be waiting for the rest of the request, and that for the peer, who is then to hurry.
                        if let Some(uploading) = self.uploading.take() {
                            uploading.wake();
                        }
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}

impl<B> Http1Connection<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// Begins an exchange; [`Http1Connection::poll_head`] sends the request.
    pub(super) fn begin(&mut self, parts: &Parts, body: B) {
        self.method = parts.method.clone();
        self.has_answered = false;
        self.upload.begin(parts, body);
    }

    /// Sends the request and waits for the head of its answer. `fields` are written anew.
    ///
    /// # Errors
    ///
    /// [`ExchangeFault`], after which the connection carries nothing more.
    pub(super) fn poll_head(
        &mut self,
        context: &mut Context<'_>,
        fields: &mut HeaderMap,
    ) -> Poll<Result<Response<()>, ExchangeFault>> {
        // A fault of the stream may follow an answer that lies ready.
        if let Poll::Ready(()) = self.poll_upload(context)
            && let Some(UploadFault::Content) = &self.upload_fault
        {
            return Poll::Ready(Err(ExchangeFault::Content));
        }
        loop {
            match take_head(&mut self.bytes, &self.method, fields) {
                Ok(Some(head)) => {
                    self.content = match head.ends {
                        Ends::After(0) => Content::Ended,
                        Ends::After(length) => Content::Length(length),
                        Ends::WithLastChunk => Content::Chunked(Chunks::new()),
                        Ends::WithConnection => Content::UntilEnd,
                    };
                    self.keeps_alive = head.keeps_alive;
                    if self.is_sent() {
                        drop(self.take_body());
                    }
                    return Poll::Ready(Ok(head.response));
                }
                Ok(None) => {}
                Err(flaw) => return Poll::Ready(Err(ExchangeFault::Malformed(flaw))),
            }
            let more = ready!(self.poll_more(context));
            // What the stream said first says more than that it has ended.
            more.map_err(|fault| match self.upload_fault.take() {
                Some(UploadFault::Stream(first)) => ExchangeFault::Broken(first),
                Some(UploadFault::Content) | None => fault,
            })?;
        }
    }

    /// Sends what is left of the request, or until nothing more can be sent.
    pub(super) fn poll_upload(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_sent() || self.upload_fault.is_some() {
            return Poll::Ready(());
        }
        let polled = self.upload.poll(Pin::new(&mut self.stream), context);
        if polled.is_pending() {
            self.uploading = Some(context.waker().clone());
        }
        if let Err(fault) = ready!(polled) {
            self.upload_fault = Some(fault);
            if let Some(waiting) = self.waiting.take() {
                waiting.wake();
            }
        }
        Poll::Ready(())
    }
}
