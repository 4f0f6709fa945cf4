//! A request on its way to an upstream of HTTP/1.1: its head, and its content as it comes.

use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::header::TRAILER;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Body;
use smallvec::SmallVec;
use tokio::io::AsyncWrite;

use super::http1_head::{Framing, write_field, write_head};

/// What follows each chunk, and a chunk after which no other comes (RFC 9112 §7.1).
const CHUNK_END: &[u8] = b"\r\n";
const LAST_CHUNK_END: &[u8] = b"\r\n0\r\n\r\n";

/// A request that is being sent. What is to be written next lies in three parts, so that no content is copied.
#[derive(Debug)]
pub(super) struct Upload<B> {
    /// The head, and what stands before the next part of the content.
    front: Vec<u8>,
    /// How much of it has been written.
    written: usize,
    data: Bytes,
    /// What stands behind it.
    tail: &'static [u8],
    body: Option<B>,
    /// What the head says in `Trailer`: no trailer goes out that it does not name (RFC 9110 §6.6.2).
    announced: SmallVec<[HeaderValue; 1]>,
    /// How what is left of the content is framed.
    framing: Framing,
    /// All of the content has been taken.
    has_all: bool,
    /// Bytes of the request have been written.
    has_begun: bool,
}

/// Why a request cannot be sent to its end.
#[derive(Debug)]
pub(super) enum UploadFault {
    /// The upstream takes no more of it.
    Stream(io::Error),
    /// Its content broke off, or is not as long as it was said to be.
    Content,
}

impl<B> Upload<B> {
    /// Nothing to send.
    pub(super) fn none() -> Self {
        Self {
            front: Vec::new(),
            written: 0,
            data: Bytes::new(),
            tail: &[],
            body: None,
            announced: SmallVec::new(),
            framing: Framing::Length(0),
            has_all: true,
            has_begun: false,
        }
    }

    /// Whether all of it has been written.
    pub(super) fn has_ended(&self) -> bool {
        self.has_all && self.has_written()
    }

    /// Whether bytes of it have been written.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// The content, which is sent no further.
    pub(super) fn take_body(&mut self) -> Option<B> {
        self.body.take()
    }

    fn has_written(&self) -> bool {
        self.written == self.front.len() && self.data.is_empty() && self.tail.is_empty()
    }

    fn poll_write<S>(&mut self, mut stream: Pin<&mut S>, context: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        S: AsyncWrite,
    {
        while !self.has_written() {
            let front = self.front.get(self.written..).unwrap_or_default();
            let count = if self.data.is_empty() && self.tail.is_empty() {
                ready!(stream.as_mut().poll_write(context, front))?
            } else {
                let slices = [front, &self.data, self.tail].map(IoSlice::new);
                ready!(stream.as_mut().poll_write_vectored(context, &slices))?
            };
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(count);
        }
        self.front.clear();
        self.written = 0;
        // Even of no length it would hold what it was cut from.
        self.data = Bytes::new();
        stream.poll_flush(context)
    }

    fn advance(&mut self, mut count: usize) {
        self.has_begun = true;
        let of_front = count.min(self.front.len().saturating_sub(self.written));
        self.written += of_front;
        count -= of_front;
        let of_data = count.min(self.data.len());
        self.data.advance(of_data);
        self.tail = self.tail.get(count - of_data..).unwrap_or_default();
    }

    /// Takes a part of the content.
    fn queue(&mut self, data: Bytes, is_last: bool) -> Result<(), UploadFault> {
        let length = data.len() as u64;
        match self.framing {
            Framing::Length(left) => {
                let left = left.checked_sub(length).ok_or(UploadFault::Content)?;
                self.framing = Framing::Length(left);
                self.has_all = left == 0;
            }
            // It would be the last chunk.
            Framing::Chunked if length == 0 => return Ok(()),
            Framing::Chunked => {
                // INVARIANT: a vector takes whatever is written to it.
                let _ = write!(self.front, "{length:X}\r\n");
                self.tail = if is_last { LAST_CHUNK_END } else { CHUNK_END };
                self.has_all = is_last;
            }
        }
        self.data = data;
        Ok(())
    }

    fn end(&mut self, trailers: &HeaderMap) -> Result<(), UploadFault> {
        self.has_all = true;
        match self.framing {
            Framing::Length(0) => Ok(()),
            Framing::Length(_) => Err(UploadFault::Content),
            Framing::Chunked => {
                self.front.extend_from_slice(b"0\r\n");
                for (name, value) in
                    trailers.iter().filter(|(name, _)| self.announced.iter().any(|list| names(list, name)))
                {
                    write_field(name.as_str(), value.as_bytes(), &mut self.front);
                }
                self.front.extend_from_slice(b"\r\n");
                Ok(())
            }
        }
    }
}

impl<B> Upload<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// Begins to send a request: the next polls write it.
    pub(super) fn begin(&mut self, parts: &Parts, body: B) {
        self.has_all = body.is_end_stream();
        self.framing = match body.size_hint().exact() {
            _ if self.has_all => Framing::Length(0),
            Some(length) => Framing::Length(length),
            None => Framing::Chunked,
        };
        self.body = Some(body);
        self.announced = match self.framing {
            Framing::Chunked => parts.headers.get_all(TRAILER).iter().cloned().collect(),
            Framing::Length(_) => SmallVec::new(),
        };
        self.has_begun = false;
        self.written = 0;
        self.front.clear();
        write_head(parts, self.framing, &mut self.front);
    }

    /// Goes on until all is written, or the content or the stream has to be waited for.
    ///
    /// # Errors
    ///
    /// [`UploadFault`], after which nothing more may be sent on the stream.
    pub(super) fn poll<S>(
        &mut self,
        mut stream: Pin<&mut S>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), UploadFault>>
    where
        S: AsyncWrite,
    {
        loop {
            // Content that is there goes out with what stands before it.
            let waits = !self.has_all
                && self.data.is_empty()
                && self.tail.is_empty()
                && match self.poll_content(context) {
                    Poll::Ready(taken) => {
                        taken?;
                        false
                    }
                    Poll::Pending => true,
                };
            ready!(self.poll_write(stream.as_mut(), context)).map_err(UploadFault::Stream)?;
            if self.has_all {
                return Poll::Ready(Ok(()));
            }
            if waits {
                return Poll::Pending;
            }
        }
    }

    fn poll_content(&mut self, context: &mut Context<'_>) -> Poll<Result<(), UploadFault>> {
        let Some(body) = &mut self.body else { return Poll::Ready(Err(UploadFault::Content)) };
        Poll::Ready(match ready!(Pin::new(&mut *body).poll_frame(context)) {
            None => self.end(&HeaderMap::new()),
            Some(Err(_)) => Err(UploadFault::Content),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    let is_last = body.is_end_stream();
                    self.queue(data, is_last)
                }
                Err(frame) => self.end(&frame.into_trailers().unwrap_or_default()),
            },
        })
    }
}

fn names(list: &HeaderValue, name: &HeaderName) -> bool {
    list.as_bytes()
        .split(|byte| *byte == b',')
        .any(|member| member.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::future::poll_fn;
    use std::pin::pin;

    use http::Request;
    use http_body::{Frame, SizeHint};
    use tokio::io::AsyncReadExt;

    use super::*;

    /// Content in parts, of a length that is said or not.
    struct Parted {
        frames: VecDeque<Frame<Bytes>>,
        length: Option<u64>,
        says_end: bool,
    }

    impl Body for Parted {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.frames.pop_front().map(Ok))
        }

        fn is_end_stream(&self) -> bool {
            self.says_end && self.frames.is_empty()
        }

        fn size_hint(&self) -> SizeHint {
            self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
        }
    }

    fn content(parts: &[&'static str], length: Option<u64>, says_end: bool) -> Parted {
        Parted {
            frames: parts.iter().map(|part| Frame::data(Bytes::from_static(part.as_bytes()))).collect(),
            length,
            says_end,
        }
    }

    /// What is written through a stream that takes `room` bytes at a time.
    async fn sent(body: Parted, room: usize) -> Result<String, UploadFault> {
        let (near, mut far) = tokio::io::duplex(room);
        let reading = async move {
            let mut text = String::new();
            far.read_to_string(&mut text).await.unwrap();
            text
        };
        let sending = async move {
            let mut upload = Upload::none();
            let mut stream = pin!(near);
            upload.begin(&Request::put("/").header("trailer", "x, Digest").body(()).unwrap().into_parts().0, body);
            let sent = poll_fn(|context| upload.poll(stream.as_mut(), context)).await;
            assert!(sent.is_err() || upload.has_ended());
            sent
        };
        let (text, sent) = tokio::join!(reading, sending);
        sent.map(|()| text.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    #[tokio::test]
    async fn rfc_9112_section_6_content_is_framed_as_it_is_known() {
        let trailers = HeaderMap::from_iter([
            (HeaderName::from_static("digest"), HeaderValue::from_static("a")),
            (HeaderName::from_static("other"), HeaderValue::from_static("b")),
        ]);
        let mut trailed = content(&["hello"], None, true);
        trailed.frames.push_back(Frame::trailers(trailers));
        for room in [1, 7, 1000] {
            for (body, expected) in [
                (content(&[], None, true), ""),
                (content(&["hello", "", " world"], Some(11), false), "hello world"),
                (content(&["hello", "", " world"], None, false), "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"),
                (content(&["hello", " world"], None, true), "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"),
                (content(&[], None, false), "0\r\n\r\n"),
            ] {
                assert_eq!(sent(body, room).await.unwrap(), expected);
            }
        }
        assert_eq!(sent(trailed, 7).await.unwrap(), "5\r\nhello\r\n0\r\ndigest: a\r\n\r\n");
    }

    #[tokio::test]
    async fn content_of_another_length_than_was_said_is_a_fault() {
        for parts in [&["hell"][..], &["hello", "!"], &["hello!"]] {
            let body = content(parts, Some(5), false);
            let sent = sent(body, 1000).await;
            let all_came = parts == ["hello", "!"];
            // What comes behind the last byte is not asked for.
            assert_eq!(sent.is_ok(), all_came, "{parts:?}: {sent:?}");
        }
    }
}
