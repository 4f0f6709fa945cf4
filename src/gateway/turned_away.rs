//! Connections beyond a limit: told so before they are closed, as far as that costs next to nothing.

use std::cell::Cell;
use std::io::{self, Write as _};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderValue, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::gateway::challenge::refuse;
use crate::gateway::data_plane::DataPlane;
use crate::net::{Acceptor, Socket, lacks_descriptors};
use crate::policy::Denial;
use crate::telemetry::ConnectionError;

/// Connections that one worker has wait for an answer by which they are turned away, at one time and at most; further ones are answered
/// without waiting for what they ask.
pub const TURNED_AWAY_AT_ONCE: usize = 64;
/// For the peer to begin its request, and again to take the answer.
const TIME: Duration = Duration::from_secs(1);
/// Bytes of a request that are read, and thrown away, so that the answer is not lost with them.
const THROWN_AWAY: u64 = 64 * 1024;
/// The same where nothing is waited for.
const THROWN_AWAY_AT_ONCE: usize = 4096;
/// How HTTP/2 begins with prior knowledge (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0";
/// An empty SETTINGS, then GOAWAY with stream 0 and ENHANCE_YOUR_CALM: nothing was processed, all of it may be sent again elsewhere
/// (RFC 9113 §6.8).
const GOAWAY: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b";

/// How many connections are being turned away.
#[derive(Debug)]
pub(super) struct TurnedAway {
    now: Rc<Cell<usize>>,
    most: usize,
}

/// One of the places; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Rc<Cell<usize>>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl TurnedAway {
    /// Of a worker that has `connections` as its share: as many again are turned away at one time at most.
    pub(super) fn beside(connections: usize) -> Self {
        Self { now: Rc::default(), most: connections.min(TURNED_AWAY_AT_ONCE) }
    }

    /// Takes a place for one more that is given an answer, if there is one left.
    pub(super) fn place(&self) -> Option<Place> {
        let now = self.now.get();
        (now < self.most).then(|| {
            self.now.set(now + 1);
            Place(Rc::clone(&self.now))
        })
    }
}

impl Place {
    /// Answers the peer's first request with `refusal`, or in HTTP/2 by GOAWAY, and closes the connection: within three seconds,
    /// whatever the peer does.
    pub(super) async fn answer(self, mut socket: Socket, refusal: Response<Bytes>) {
        let Ok(Ok(speaks_http2)) = tokio::time::timeout(TIME, begins_with_preface(&mut socket)).await else { return };
        let answer = if speaks_http2 { GOAWAY.to_vec() } else { written(refusal) };
        let telling = async {
            socket.write_all(&answer).await?;
            socket.shutdown().await
        };
        if let Ok(Ok(())) = tokio::time::timeout(TIME, telling).await {
            // A socket that is closed with bytes unread resets the connection, and the peer may never see the answer.
            let mut rest = socket.take(THROWN_AWAY);
            let _ = tokio::time::timeout(TIME, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
        }
    }
}

/// Lets go of a connection for which the process has no descriptor, by the one that is kept for that; whether it did.
pub(super) fn shed(plane: &Rc<DataPlane>, listener: &Acceptor, position: usize, fault: &io::Error) -> bool {
    if plane.accept_faults.is_due(Instant::now()) {
        tracing::warn!(%fault, "connections cannot be accepted");
    }
    if !lacks_descriptors(fault) {
        return false;
    }
    let Some(socket) = listener.accept_surplus() else { return false };
    plane.shared.metrics.connection_error(ConnectionError::TooMany);
    let view = plane.view();
    if view.snapshot.listeners.get(position).is_some_and(|settings| settings.tls.is_none()) {
        let refusal = refuse(&Denial::Overloaded, &view.snapshot.realm, &plane.request_ids.choose(None));
        answer_at_once(&socket, refusal);
    }
    true
}

/// Says `refusal`, or GOAWAY in HTTP/2, as far as that can be done without waiting: for a connection that is closed in the next
/// moment.
pub(super) fn answer_at_once(socket: &Socket, refusal: Response<Bytes>) {
    let mut start = [0; THROWN_AWAY_AT_ONCE];
    let answer = match socket.read_now(&mut start) {
        Ok(0) => return,
        Ok(read) if start.get(..read).is_some_and(|start| start.starts_with(PREFACE)) => GOAWAY.to_vec(),
        // Nothing has come yet: what comes is most likely HTTP/1.1.
        Ok(_) | Err(_) => written(refusal),
    };
    // It is closed, whether it hears why or not.
    let _ = socket.write_now(&answer);
}

/// Reads until it is known whether the peer speaks HTTP/2.
///
/// # Errors
///
/// The socket's, or its end before the first byte.
async fn begins_with_preface(socket: &mut (impl AsyncRead + Unpin)) -> io::Result<bool> {
    let mut start = [0; PREFACE.len()];
    let mut known = 0;
    loop {
        let space = start.get_mut(known..).unwrap_or_default();
        let read = socket.read(space).await?;
        known += read;
        let start = start.get(..known).unwrap_or_default();
        match read {
            0 if known == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            0 => return Ok(false),
            _ if start == PREFACE => return Ok(true),
            _ if PREFACE.starts_with(start) => {}
            _ => return Ok(false),
        }
    }
}

/// The answer in HTTP/1.1's form (RFC 9112 §4), with which the connection ends.
fn written(refusal: Response<Bytes>) -> Vec<u8> {
    let (mut head, text) = refusal.into_parts();
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let mut answer = Vec::with_capacity(512);
    let reason = head.status.canonical_reason().unwrap_or_default();
    // Writing into memory cannot fail.
    let _ = write!(answer, "HTTP/1.1 {} {reason}\r\n", head.status.as_str());
    for (name, value) in &head.headers {
        answer.extend_from_slice(name.as_str().as_bytes());
        answer.extend_from_slice(b": ");
        answer.extend_from_slice(value.as_bytes());
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(&text);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rfc_9113_section_3_4_the_preface_is_known_wherever_reads_end() {
        for (sent, expected) in [
            (&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], Some(true)),
            (b"PRI * HTTP/1.1\r\n\r\n", Some(false)),
            (b"PUT / HTTP/1.1\r\n\r\n", Some(false)),
            (b"PRI", Some(false)),
            (b"", None),
        ] {
            for step in 1..=sent.len().max(1) {
                let (mut near, mut far) = tokio::io::duplex(step);
                let sending = async {
                    // The rest is not read once it is known.
                    let _ = far.write_all(sent).await;
                    drop(far);
                };
                let reading = async {
                    let known = begins_with_preface(&mut near).await.ok();
                    drop(near);
                    known
                };
                assert_eq!(tokio::join!(sending, reading).1, expected, "{sent:?} by {step}");
            }
        }
    }
}
