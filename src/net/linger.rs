//! The end of a connection whose peer may still be sending (RFC 9112 §9.6).

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::{Socket, Stream};

/// How long a peer is listened to, at most. One that may rest for `limits.keep_alive` gains nothing by it.
const LONGEST: Duration = Duration::from_secs(5);
/// How long it may be silent meanwhile: longer than what it sent before it heard of the end is on its way.
const SILENCE: Duration = Duration::from_secs(1);
/// Bytes at most: about as many as lie in the buffers of both systems when a peer writes faster than it is read.
const MOST: usize = 4 << 20;
/// Bytes that are read at once. They lie on the stack.
const PART: usize = 16 * 1024;

/// Reads, and throws away, what a peer sends that has been told of the end, until it agrees or a bound is met. Closed with bytes
/// unread, a socket resets its connection, and the reset may overtake the answer.
///
/// `expects` says that more is on its way; if not, only what has come already is read. Under TLS nothing is deciphered any more.
pub(super) async fn linger(mut stream: Stream, expects: bool) {
    // Most often that is done; a peer that takes nothing is not waited for.
    let _ = timeout(SILENCE, stream.shutdown()).await;
    let socket = match &mut stream {
        Stream::Clear(socket) => socket,
        Stream::Tls(stream) => stream.get_mut().0,
    };
    let began = Instant::now();
    let (mut discarded, mut expects) = (0, expects);
    while discarded < MOST && began.elapsed() < LONGEST {
        let silence = if expects { SILENCE } else { Duration::ZERO };
        match timeout(silence, poll_fn(|context| discard(socket, context))).await {
            Ok(Ok(read)) if read > 0 => discarded += read,
            Ok(Ok(_) | Err(_)) | Err(_) => return,
        }
        expects = true;
    }
}

fn discard(socket: &mut Socket, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
    let mut space = [const { MaybeUninit::<u8>::uninit() }; PART];
    let mut buffer = ReadBuf::uninit(&mut space);
    ready!(Pin::new(socket).poll_read(context, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}
