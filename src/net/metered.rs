//! A stream that counts its bytes and tells its watch when some arrive.

use std::cell::Cell;
use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Watch;

/// How many bytes one stream has carried, as its owner and its reader both see it.
#[derive(Debug, Default)]
pub struct Bytes {
    /// Bytes read from the stream.
    pub read: Cell<u64>,
    /// Bytes written to it.
    pub written: Cell<u64>,
}

/// A stream with its counts, and with the watch of the connection that it belongs to, if it has one.
#[derive(Debug)]
pub struct Metered<S> {
    stream: S,
    bytes: Rc<Bytes>,
    watch: Option<Rc<Watch>>,
}

impl<S> Metered<S> {
    /// Counts what `stream` carries.
    pub fn new(stream: S) -> Self {
        Self { stream, bytes: Rc::default(), watch: None }
    }

    /// Counts, and tells `watch` of all that arrives and leaves.
    pub fn watched(stream: S, watch: Rc<Watch>) -> Self {
        Self { stream, bytes: Rc::default(), watch: Some(watch) }
    }

    /// The counts, which go on as the stream is used.
    pub fn bytes(&self) -> Rc<Bytes> {
        Rc::clone(&self.bytes)
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
            self.bytes.read.set(self.bytes.read.get() + arrived as u64);
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
        self.count_written(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, data);
        self.count_written(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S> Metered<S> {
    fn count_written(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(written)) = &polled {
            self.bytes.written.set(self.bytes.written.get() + *written as u64);
            if let Some(watch) = &self.watch {
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
    async fn both_directions_are_counted() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut stream = Metered::new(near);
        let bytes = stream.bytes();
        far.write_all(b"hello").await.unwrap();
        stream.read_exact(&mut [0; 5]).await.unwrap();
        stream.write_all(b"hi").await.unwrap();
        assert_eq!((bytes.read.get(), bytes.written.get()), (5, 2));
    }
}
