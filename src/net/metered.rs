//! A stream that counts what is read from it, and tells its watch of all that arrives and leaves.

use std::cell::Cell;
use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Watch;

/// A stream with the count of what was read from it, and with the watch of the connection that it belongs to, if it has one.
#[derive(Debug)]
pub struct Metered<S> {
    stream: S,
    read: Rc<Cell<u64>>,
    watch: Option<Rc<Watch>>,
}

impl<S> Metered<S> {
    /// Counts what `stream` carries.
    pub fn new(stream: S) -> Self {
        Self { stream, read: Rc::default(), watch: None }
    }

    /// Counts, and tells `watch` of all that arrives and leaves.
    pub fn watched(stream: S, watch: Rc<Watch>) -> Self {
        Self { stream, read: Rc::default(), watch: Some(watch) }
    }

    /// The stream itself.
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// The bytes read so far; the count goes on as the stream is used.
    pub fn bytes_read(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.read)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let arrived = buffer.filled().len().saturating_sub(before);
        if arrived > 0 {
            self.read.set(self.read.get() + arrived as u64);
            if let Some(watch) = &self.watch {
                watch.bytes_arrived();
            }
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, data);
        self.tell_written(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, data);
        self.tell_written(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        if let (Poll::Ready(Ok(())), Some(watch)) = (&polled, &self.watch) {
            watch.settled(true);
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(watch) = &self.watch {
            watch.settled(false);
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S> Metered<S> {
    fn tell_written(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Some(watch) = &self.watch {
            watch.settled(false);
            if let Poll::Ready(Ok(_)) = &polled {
                watch.bytes_left();
            }
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_is_read_is_counted() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut stream = Metered::new(near);
        let read = stream.bytes_read();
        far.write_all(b"hello").await.unwrap();
        stream.read_exact(&mut [0; 5]).await.unwrap();
        stream.write_all(b"hi").await.unwrap();
        assert_eq!(read.get(), 5);
    }
}
