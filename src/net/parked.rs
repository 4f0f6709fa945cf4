//! A connection that waits for bytes: nothing is held for it but the stream, its watch and a small task.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};

use super::driver::{Driven, Driver, Rest};
use super::{ConnectionEnd, Protocol, Protocols, Stream};

/// RFC 9113 §3.4: what a client's end of an HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes that are read at once before it is known who reads them. They lie on the stack.
const FIRST: usize = 4096;

/// Who is to read a connection, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// As TLS or earlier requests say.
    Known(Protocol),
    /// The first bytes will tell which of these.
    OneOf(Protocols),
}

/// Waits for the first bytes of a connection's next, or first, message, and tells what they are.
///
/// # Errors
///
/// The connection's end, where there is no one to read them.
pub(super) async fn first_bytes(
    stream: &mut Stream,
    driver: &mut Driver,
    reader: Reader,
) -> Result<(Protocol, Bytes), ConnectionEnd> {
    let mut bytes = BytesMut::new();
    loop {
        match poll_fn(|context| driver.poll(context, Rest::Ignored, |context| read(stream, context, &mut bytes))).await
        {
            Driven::Ended(Ok(0)) => return Err(ConnectionEnd::Closed),
            Driven::Ended(Ok(_)) => driver.watch.bytes_arrived(),
            // A peer that leaves before it has begun is nobody's fault, in whatever way it leaves.
            Driven::Ended(Err(fault)) if bytes.is_empty() && has_left(&fault) => return Err(ConnectionEnd::Closed),
            Driven::Ended(Err(fault)) => return Err(ConnectionEnd::Broken(fault)),
            Driven::TimedOut(phase) => return Err(ConnectionEnd::TimedOut(phase)),
            Driven::Rested => {}
        }
        match reader.read(&bytes) {
            Verdict::Speaks(protocol) => return Ok((protocol, bytes.freeze())),
            Verdict::Nobody => return Err(ConnectionEnd::WrongProtocol),
            Verdict::Unclear => {}
        }
    }
}

/// Under TLS an end of the stream that was not announced (RFC 8446 §6.1) cuts nothing off where nothing has begun.
fn has_left(fault: &io::Error) -> bool {
    matches!(fault.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof)
}

/// Reads once; nothing is allocated before bytes are there.
fn read(stream: &mut Stream, context: &mut Context<'_>, bytes: &mut BytesMut) -> Poll<io::Result<usize>> {
    let mut space = [const { MaybeUninit::<u8>::uninit() }; FIRST];
    let mut buffer = ReadBuf::uninit(&mut space);
    ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
    bytes.extend_from_slice(buffer.filled());
    Poll::Ready(Ok(buffer.filled().len()))
}

/// What bytes say of who reads them.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Speaks(Protocol),
    /// More bytes will tell.
    Unclear,
    Nobody,
}

impl Reader {
    fn read(self, bytes: &[u8]) -> Verdict {
        let protocols = match self {
            Self::Known(protocol) => return Verdict::Speaks(protocol),
            Self::OneOf(protocols) => protocols,
        };
        let is_preface = bytes.starts_with(PREFACE);
        match protocols {
            Protocols { http2: true, .. } if is_preface => Verdict::Speaks(Protocol::Http2),
            Protocols { http2: true, .. } if PREFACE.starts_with(bytes) => Verdict::Unclear,
            Protocols { http1: true, .. } => Verdict::Speaks(Protocol::Http1),
            Protocols { http1: false, .. } => Verdict::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_9113_section_3_4_the_preface_alone_makes_it_http_2() {
        let http1 = Protocols { http1: true, http2: false };
        let http2 = Protocols { http1: false, http2: true };
        let (speaks1, speaks2) = (Verdict::Speaks(Protocol::Http1), Verdict::Speaks(Protocol::Http2));
        for (bytes, both, only1, only2) in [
            (&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &speaks2, &speaks1, &speaks2),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0", &speaks2, &speaks1, &speaks2),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", &Verdict::Unclear, &speaks1, &Verdict::Unclear),
            (b"P", &Verdict::Unclear, &speaks1, &Verdict::Unclear),
            (b"PRI * HTTP/1.1\r\n", &speaks1, &speaks1, &Verdict::Nobody),
            (b"PUT /a HTTP/1.1\r\n", &speaks1, &speaks1, &Verdict::Nobody),
            (b"GET", &speaks1, &speaks1, &Verdict::Nobody),
            (b"\x16\x03\x01", &speaks1, &speaks1, &Verdict::Nobody),
        ] {
            assert_eq!(&Reader::OneOf(Protocols::ALL).read(bytes), both, "{bytes:?}");
            assert_eq!(&Reader::OneOf(http1).read(bytes), only1, "{bytes:?}");
            assert_eq!(&Reader::OneOf(http2).read(bytes), only2, "{bytes:?}");
            assert_eq!(Reader::Known(Protocol::Http1).read(bytes), speaks1);
        }
    }
}
