//! Bytes both ways between two streams, until both have ended.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Bytes that are read at once. They lie on the stack: only what the other side does not take at once is kept.
const PART: usize = 32 * 1024;
/// Parts that one way may carry before the other ways, and other tasks, have their turn.
const PARTS_A_TURN: usize = 32;

/// Two streams whose bytes are passed on to one another.
///
/// The end of one side's bytes is passed on as the end of the other's, and the other way goes on. What one side does not take
/// holds the other back: at most one part is kept for each way, and none while nothing flows.
#[derive(Debug)]
pub struct Tunnel<P, U> {
    peer: P,
    upstream: U,
    inward: Way,
    outward: Way,
    idle: Duration,
    last_moved: Instant,
    timer: Pin<Box<Sleep>>,
}

/// How a tunnel ended.
#[derive(Debug)]
pub enum TunnelEnd {
    /// Both sides have said all they had to say.
    Closed,
    /// Nothing flowed either way for too long.
    Idle,
    /// The peer's stream failed.
    Peer(io::Error),
    /// The upstream's stream failed.
    Upstream(io::Error),
}

/// Bytes that a tunnel has carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// From the peer to the upstream.
    pub inward: u64,
    /// From the upstream to the peer.
    pub outward: u64,
}

/// One way through a tunnel.
#[derive(Debug)]
struct Way {
    /// Read, and not yet taken by the other side.
    kept: Bytes,
    step: Step,
    unflushed: bool,
    carried: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Open,
    /// The source has ended; its end is being passed on.
    Closing,
    Closed,
}

/// Which of a way's two streams failed.
enum WayFault {
    Source(io::Error),
    Sink(io::Error),
}

impl<P, U> Tunnel<P, U>
where
    P: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    /// A tunnel between two streams, each with the bytes that have been read from it already. It ends when nothing has flowed
    /// for `idle`.
    pub fn new((peer, from_peer): (P, Bytes), (upstream, from_upstream): (U, Bytes), idle: Duration) -> Self {
        let now = Instant::now();
        Self {
            peer,
            upstream,
            inward: Way::new(from_peer),
            outward: Way::new(from_upstream),
            idle,
            last_moved: now,
            timer: Box::pin(tokio::time::sleep_until(now + idle)),
        }
    }

    /// Carries what can be carried; ready at the tunnel's end. Both streams are to be dropped then: one that has failed takes
    /// the other with it.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<TunnelEnd> {
        let before = self.carried();
        let inward = self.inward.poll(context, &mut self.peer, &mut self.upstream);
        let outward = self.outward.poll(context, &mut self.upstream, &mut self.peer);
        match (inward, outward) {
            (Poll::Ready(Err(WayFault::Source(fault))), _) | (_, Poll::Ready(Err(WayFault::Sink(fault)))) => {
                return Poll::Ready(TunnelEnd::Peer(fault));
            }
            (Poll::Ready(Err(WayFault::Sink(fault))), _) | (_, Poll::Ready(Err(WayFault::Source(fault)))) => {
                return Poll::Ready(TunnelEnd::Upstream(fault));
            }
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(TunnelEnd::Closed),
            (Poll::Ready(Ok(())) | Poll::Pending, Poll::Ready(Ok(())) | Poll::Pending) => {}
        }
        if self.carried() != before {
            self.last_moved = Instant::now();
        }
        self.poll_idle(context)
    }

    /// Bytes carried so far.
    pub fn carried(&self) -> Carried {
        Carried { inward: self.inward.carried, outward: self.outward.carried }
    }

    /// The timer is not moved with every part: when it fires it looks when the last one was.
    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<TunnelEnd> {
        loop {
            ready!(self.timer.as_mut().poll(context));
            let end = self.last_moved + self.idle;
            if Instant::now() >= end {
                return Poll::Ready(TunnelEnd::Idle);
            }
            self.timer.as_mut().reset(end);
        }
    }
}

impl Way {
    fn new(kept: Bytes) -> Self {
        Self { kept, step: Step::Open, unflushed: false, carried: 0 }
    }

    /// Ready when the source's end has been passed on, or a stream has failed.
    fn poll<R, W>(&mut self, context: &mut Context<'_>, source: &mut R, sink: &mut W) -> Poll<Result<(), WayFault>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        for _ in 0..PARTS_A_TURN {
            ready!(self.poll_kept(context, sink)).map_err(WayFault::Sink)?;
            match self.step {
                Step::Open => {}
                Step::Closing => {
                    ready!(Pin::new(&mut *sink).poll_shutdown(context)).map_err(WayFault::Sink)?;
                    self.step = Step::Closed;
                    return Poll::Ready(Ok(()));
                }
                Step::Closed => return Poll::Ready(Ok(())),
            }
            if self.poll_part(context, source, sink)?.is_pending() {
                return self.poll_flush(context, sink);
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_kept<W: AsyncWrite + Unpin>(&mut self, context: &mut Context<'_>, sink: &mut W) -> Poll<io::Result<()>> {
        while !self.kept.is_empty() {
            let written = ready!(Pin::new(&mut *sink).poll_write(context, &self.kept))?;
            self.took(written)?;
            self.kept.advance(written);
        }
        // What was read before the tunnel began lies in a large buffer of the parser's.
        self.kept = Bytes::new();
        Poll::Ready(Ok(()))
    }

    /// Reads one part and passes it on; what the sink does not take is kept.
    fn poll_part<R, W>(&mut self, context: &mut Context<'_>, source: &mut R, sink: &mut W) -> Result<Poll<()>, WayFault>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut space = [MaybeUninit::<u8>::uninit(); PART];
        let mut part = ReadBuf::uninit(&mut space);
        match Pin::new(source).poll_read(context, &mut part) {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(Err(fault)) => return Err(WayFault::Source(fault)),
            Poll::Ready(Ok(())) => {}
        }
        let part = part.filled();
        if part.is_empty() {
            self.step = Step::Closing;
            return Ok(Poll::Ready(()));
        }
        let written = match Pin::new(sink).poll_write(context, part) {
            Poll::Pending => 0,
            Poll::Ready(Err(fault)) => return Err(WayFault::Sink(fault)),
            Poll::Ready(Ok(written)) => {
                self.took(written).map_err(WayFault::Sink)?;
                written
            }
        };
        self.kept = Bytes::copy_from_slice(part.get(written..).unwrap_or_default());
        Ok(Poll::Ready(()))
    }

    fn took(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.carried += written as u64;
        self.unflushed = true;
        Ok(())
    }

    /// Nothing more comes for now: what TLS or HTTP/2 holds back goes out.
    fn poll_flush<W: AsyncWrite + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        sink: &mut W,
    ) -> Poll<Result<(), WayFault>> {
        if self.unflushed {
            ready!(Pin::new(sink).poll_flush(context)).map_err(WayFault::Sink)?;
            self.unflushed = false;
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, BufStream, DuplexStream, duplex};

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    type Near = BufStream<DuplexStream>;

    /// Two far ends, and the tunnel between their near ends, which hold back what is not flushed.
    fn between(early: &'static [u8], idle: Duration) -> (DuplexStream, DuplexStream, Tunnel<Near, Near>) {
        let ((near_peer, peer), (near_upstream, upstream)) = (duplex(64), duplex(64));
        let side = |near, early| -> (Near, Bytes) { (BufStream::new(near), Bytes::from_static(early)) };
        (peer, upstream, Tunnel::new(side(near_peer, early), side(near_upstream, b""), idle))
    }

    #[tokio::test]
    async fn what_was_read_before_comes_first_and_nothing_is_held_back() {
        let (mut peer, mut upstream, mut tunnel) = between(b"early ", HOUR);
        let running = tokio::spawn(async move {
            let end = poll_fn(|context| tunnel.poll(context)).await;
            (matches!(end, TunnelEnd::Closed), tunnel.carried())
        });
        peer.write_all(b"words").await.unwrap();
        let mut heard = [0; 11];
        upstream.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"early words");
        upstream.write_all(b"answer").await.unwrap();
        let mut heard = [0; 6];
        peer.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"answer");
        drop((peer, upstream));
        assert_eq!(running.await.unwrap(), (true, Carried { inward: 11, outward: 6 }));
    }

    #[tokio::test]
    async fn more_than_one_part_passes_whole() {
        let (mut peer, mut upstream, mut tunnel) = between(b"", HOUR);
        tokio::spawn(async move { poll_fn(|context| tunnel.poll(context)).await });
        let sent: Vec<u8> = (0..PART * 5 + 7).map(|number| u8::try_from(number % 251).unwrap()).collect();
        let expected = sent.clone();
        tokio::spawn(async move { peer.write_all(&sent).await });
        let mut heard = Vec::new();
        upstream.read_to_end(&mut heard).await.unwrap();
        assert!(heard == expected, "{} of {} bytes", heard.len(), expected.len());
    }

    #[tokio::test(start_paused = true)]
    async fn the_idle_time_runs_from_the_last_byte() {
        let (mut peer, _upstream, mut tunnel) = between(b"", HOUR);
        let begun = Instant::now();
        let running = tokio::spawn(async move {
            let end = poll_fn(|context| tunnel.poll(context)).await;
            (matches!(end, TunnelEnd::Idle), Instant::now() - begun)
        });
        tokio::time::sleep(HOUR / 2).await;
        peer.write_all(b"x").await.unwrap();
        let (is_idle, took) = running.await.unwrap();
        assert!(is_idle && took >= HOUR * 3 / 2 && took < HOUR * 2, "{took:?}");
    }
}
