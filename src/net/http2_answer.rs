//! The content of an answer as one stream of HTTP/2 sends it.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Response};
use http_body::{Body, Frame, SizeHint};

/// Bytes that hyper is given at once. It takes what it is given as soon as the peer's window is open by one byte, and is done with
/// the stream when that was the last: what it then holds for a peer that takes no more is no longer under the stream's watch.
const PORTION: usize = 16 * 1024;

/// Content in small portions, which tells when the last of it was given away.
pub(super) struct Portions<B> {
    content: B,
    held: Bytes,
    is_given: Rc<Cell<bool>>,
    /// Whether none of the content is sent.
    is_withheld: bool,
}

impl<B: Body> Portions<B> {
    /// `is_given` is set when nothing of `content` is left to give.
    pub(super) fn new(content: B, is_given: Rc<Cell<bool>>) -> Self {
        is_given.set(content.is_end_stream());
        Self { content, held: Bytes::new(), is_given, is_withheld: false }
    }

    /// The answer to a `HEAD`, which has the fields of its content and none of the content (RFC 9110 §9.3.2). hyper sees to that for
    /// HTTP/1.1 only.
    pub(super) fn withheld(mut answer: Response<B>, is_given: Rc<Cell<bool>>) -> Response<Self> {
        // The upstream's answer says its length itself, or has a reason not to; its content is empty here.
        if let Some(length) = answer.body().size_hint().exact().filter(|length| *length > 0) {
            answer.headers_mut().entry(CONTENT_LENGTH).or_insert(HeaderValue::from(length));
        }
        is_given.set(true);
        answer.map(|content| Self { content, held: Bytes::new(), is_given, is_withheld: true })
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Portions<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Self { content, held, is_given, is_withheld } = &mut *self;
        if *is_withheld {
            return Poll::Ready(None);
        }
        let polled = match held.is_empty() {
            true => ready!(Pin::new(&mut *content).poll_frame(context)),
            false => Some(Ok(Frame::data(std::mem::take(held)))),
        };
        let polled = polled.map(|frame| frame.map(|frame| portion(frame, held)));
        let is_last = match &polled {
            Some(Ok(frame)) => frame.is_trailers() || content.is_end_stream(),
            Some(Err(_)) | None => true,
        };
        is_given.set(is_last && held.is_empty());
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.is_withheld || (self.held.is_empty() && self.content.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match (self.is_withheld, self.held.is_empty()) {
            (true, _) => SizeHint::with_exact(0),
            (false, true) => self.content.size_hint(),
            (false, false) => SizeHint::default(),
        }
    }
}

/// The first portion of a frame; what is more is held.
fn portion(frame: Frame<Bytes>, held: &mut Bytes) -> Frame<Bytes> {
    match frame.into_data() {
        Ok(mut data) if data.len() > PORTION => {
            let first = data.split_to(PORTION);
            // The last portion may stay for long, and must not keep the whole of what it was read into.
            *held = if data.len() <= PORTION { Bytes::copy_from_slice(&data) } else { data };
            Frame::data(first)
        }
        Ok(data) => Frame::data(data),
        Err(other) => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::future::poll_fn;

    use http::HeaderMap;

    use super::*;

    struct Parts(VecDeque<Frame<Bytes>>);

    impl Body for Parts {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(Ok))
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_empty()
        }
    }

    async fn given(frames: Vec<Frame<Bytes>>) -> Vec<(usize, bool)> {
        let is_given = Rc::new(Cell::new(false));
        let mut portions = std::pin::pin!(Portions::new(Parts(frames.into()), Rc::clone(&is_given)));
        let mut seen = Vec::new();
        while !portions.is_end_stream() {
            let Some(frame) = poll_fn(|context| portions.as_mut().poll_frame(context)).await else { break };
            seen.push((frame.unwrap().data_ref().map_or(0, Bytes::len), is_given.get()));
        }
        assert!(is_given.get());
        seen
    }

    #[tokio::test]
    async fn content_is_given_in_portions_and_its_end_is_told() {
        let data = |length| Frame::data(Bytes::from(vec![7; length]));
        assert_eq!(given(vec![]).await, []);
        assert_eq!(given(vec![data(5)]).await, [(5, true)]);
        assert_eq!(given(vec![data(5), data(PORTION)]).await, [(5, false), (PORTION, true)]);
        let more = given(vec![data(2 * PORTION + 1), Frame::trailers(HeaderMap::new())]).await;
        assert_eq!(more, [(PORTION, false), (PORTION, false), (1, false), (0, true)]);
    }
}
