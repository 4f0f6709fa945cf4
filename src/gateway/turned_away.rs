//! Connections beyond the limit: told so before they are closed, as far as that costs next to nothing.

use std::cell::Cell;
use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderValue, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::net::Socket;

/// Connections that one worker turns away with an answer at one time; further ones are closed without.
const AT_ONCE: usize = 64;
/// For the peer to begin its request, and again to take the answer.
const TIME: Duration = Duration::from_secs(1);
/// Bytes of a request that are read, and thrown away, so that the answer is not lost with them.
const THROWN_AWAY: u64 = 64 * 1024;
/// How HTTP/2 begins with prior knowledge (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0";
/// An empty SETTINGS, then GOAWAY with stream 0 and ENHANCE_YOUR_CALM: nothing was processed, all of it may be sent again elsewhere
/// (RFC 9113 §6.8).
const GOAWAY: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b";

/// How many connections are being turned away.
#[derive(Debug, Default)]
pub(super) struct TurnedAway {
    now: Cell<usize>,
}

/// One of the places.
struct Place<'a>(&'a Cell<usize>);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl TurnedAway {
    /// Whether one more may be given an answer.
    pub(super) fn has_place(&self) -> bool {
        self.now.get() < AT_ONCE
    }

    /// Answers the peer's first request with `refusal`, or in HTTP/2 by GOAWAY, and closes the connection: within three seconds,
    /// whatever the peer does.
    pub(super) async fn answer(&self, mut socket: Socket, refusal: Response<Bytes>) {
        self.now.set(self.now.get() + 1);
        let _place = Place(&self.now);
        let mut start = [0; PREFACE.len()];
        let Ok(Ok(read)) = tokio::time::timeout(TIME, socket.read(&mut start)).await else { return };
        let answer = match start.get(..read) {
            None | Some([]) => return,
            Some(start) if start == PREFACE => GOAWAY.to_vec(),
            Some(_) => written(refusal),
        };
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
