//! One accepted connection from its first byte to its end.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;

use super::driver::Driver;
use super::parked::{Reader, first_bytes};
use super::serve_http1::{Http1End, serve_http1};
use super::serve_http2::serve_http2;
use super::warm::WarmPlace;
use super::{Phase, Protocol, Protocols, Rewind, Stream, WarmPlaces, Watch};

/// What answers the requests of connections.
pub trait Application: Clone + 'static {
    /// The content of its answers.
    type Content: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin + 'static;

    /// Answers one request. `watch` is the connection's over HTTP/1.1 and the request's own over HTTP/2.
    fn answer(
        &self,
        request: Request<Incoming>,
        watch: Rc<Watch>,
    ) -> impl Future<Output = Result<Response<Self::Content>, Infallible>> + 'static;

    /// Takes note of what happens on a connection besides its end.
    fn note(&self, event: ConnectionEvent);
}

/// What happens on a connection besides requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// It is known what the peer speaks.
    Speaks(Protocol),
    /// A stream of an HTTP/2 connection was reset because the deadline of a phase passed; the connection goes on.
    StreamTimedOut(Phase),
}

/// What one peer's connection may take. What the parser itself refuses never reaches an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Fields of a request at most.
    pub fields: usize,
    /// Bytes of a request's head at most.
    pub head_bytes: usize,
    /// From the first byte of a head to its end.
    pub header_time: Duration,
    /// For a peer to take the next bytes of what it asked for.
    pub body_idle: Duration,
    /// How long a connection may rest.
    pub keep_alive: Duration,
    /// Requests at one time on an HTTP/2 connection, at most.
    pub streams: u32,
    /// Streams that the peer of an HTTP/2 connection may reset in one minute.
    pub resets: u32,
}

/// A connection that was accepted.
#[derive(Debug)]
pub struct Accepted {
    /// Its bytes.
    pub stream: Stream,
    /// What TLS says that the peer speaks; `None` where the first bytes will tell.
    pub protocol: Option<Protocol>,
    /// What the listener takes.
    pub protocols: Protocols,
    /// Its watch, which has begun.
    pub watch: Rc<Watch>,
    /// Set, and the watch woken, when the process drains.
    pub draining: Rc<Cell<bool>>,
    /// Its worker's.
    pub warm_places: WarmPlaces,
}

/// How a connection ended.
#[derive(Debug)]
pub enum ConnectionEnd {
    /// As its protocol ends one, or by the drain.
    Closed,
    /// The deadline of a phase passed.
    TimedOut(Phase),
    /// The peer broke off, or sent what is no HTTP.
    Fault(hyper::Error),
    /// A 101 has gone out, as [`Watch::switch_protocols`] announced: what now goes over the stream is no HTTP/1.1.
    Switched(Switched),
    /// The socket failed before anything was said.
    Broken(io::Error),
    /// The peer speaks a version that the listener does not take.
    WrongProtocol,
    /// The peer of an HTTP/2 connection asked for too much.
    Excess(Excess),
}

/// What the peer of an HTTP/2 connection sent too many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// Frames that carry nothing of a request.
    Frames,
    /// Resets of streams that were not answered yet.
    Resets,
}

/// A stream that has left HTTP/1.1 (RFC 9110 §7.8).
#[derive(Debug)]
pub struct Switched {
    /// The stream, at the first byte that nobody has read.
    pub stream: Stream,
    /// Bytes that were read with the last message and come after it.
    pub early: Bytes,
}

/// Serves the requests of one connection until it ends, its watch closes it, or `draining` is set (and [`Watch::wake`] called):
/// then what is under way is the last, and a connection that rests closes soon.
///
/// After a 101 that [`Watch::switch_protocols`] announced, the stream is not shut down but handed back.
///
/// While no request is under way nothing is held for it but the stream and this future, which is small.
pub async fn serve_connection<A: Application>(
    accepted: Accepted,
    limits: ServerLimits,
    application: A,
) -> ConnectionEnd {
    let Accepted { mut stream, protocol, protocols, watch, draining, warm_places } = accepted;
    let mut driver = Driver::new(watch, draining).with_place(WarmPlace::new(warm_places));
    let mut reader = protocol.map_or(Reader::OneOf(protocols), Reader::Known);
    let mut is_told = false;
    loop {
        let (protocol, ahead) = match first_bytes(&mut stream, &mut driver, reader).await {
            Ok(first) => first,
            Err(end) => return end,
        };
        if !std::mem::replace(&mut is_told, true) {
            application.note(ConnectionEvent::Speaks(protocol));
        }
        reader = Reader::Known(protocol);
        let rewound = Rewind::new(stream, ahead);
        // Boxed, so that a connection that rests does not hold the space that a busy one needs.
        stream = match protocol {
            Protocol::Http1 => match Box::pin(serve_http1(rewound, &mut driver, &limits, &application)).await {
                Http1End::Ended(end) => return end,
                Http1End::Rested(stream) => stream,
            },
            Protocol::Http2 => return Box::pin(serve_http2(rewound, &mut driver, &limits, &application)).await,
        };
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::super::Socket;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LIMITS: ServerLimits = ServerLimits {
        fields: 100,
        head_bytes: 65_536,
        header_time: SECOND,
        body_idle: SECOND,
        keep_alive: SECOND,
        streams: 8,
        resets: 8,
    };
    /// Bytes that the task of a connection takes while it rests, besides its stream's own buffers.
    const TASK: usize = 512;

    #[derive(Clone)]
    struct Greeting;

    impl Application for Greeting {
        type Content = Full<Bytes>;

        fn answer(
            &self,
            _: Request<Incoming>,
            _: Rc<Watch>,
        ) -> impl Future<Output = Result<Response<Full<Bytes>>, Infallible>> + 'static {
            std::future::ready(Ok(Response::new(Full::from("hello"))))
        }

        fn note(&self, _: ConnectionEvent) {}
    }

    fn accepted() -> (Accepted, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        let accepted = Accepted {
            stream: Stream::Clear(Socket::Unix(near)),
            protocol: None,
            protocols: Protocols::ALL,
            watch: Rc::new(Watch::new(SECOND, SECOND)),
            draining: Rc::default(),
            warm_places: WarmPlaces::default(),
        };
        (accepted, far)
    }

    #[tokio::test]
    async fn a_connection_at_rest_is_a_small_task() {
        let serving = serve_connection(accepted().0, LIMITS, Greeting);
        assert!(size_of_val(&serving) <= TASK, "{}", size_of_val(&serving));
    }

    #[tokio::test]
    async fn what_alpn_chose_is_not_asked_again() {
        let (mut accepted, mut far) = accepted();
        accepted.protocol = Some(Protocol::Http1);
        far.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        assert!(matches!(serve_connection(accepted, LIMITS, Greeting).await, ConnectionEnd::Fault(_)));
    }

    #[tokio::test]
    async fn a_peer_that_leaves_before_its_first_byte_is_nobodys_fault() {
        let (accepted, far) = accepted();
        drop(far);
        assert!(matches!(serve_connection(accepted, LIMITS, Greeting).await, ConnectionEnd::Closed));
    }

    #[tokio::test]
    async fn bytes_are_served_wherever_they_are_cut() {
        let (accepted, mut far) = accepted();
        let serving = serve_connection(accepted, LIMITS, Greeting);
        let asking = async move {
            for byte in b"PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" {
                far.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            let mut answer = String::new();
            far.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let (end, answer) = tokio::join!(serving, asking);
        assert!(matches!(end, ConnectionEnd::Closed), "{end:?}");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    }

    #[tokio::test]
    async fn without_a_place_every_request_is_answered_however_it_comes() {
        const NEXT: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let (mut accepted, mut far) = accepted();
        accepted.warm_places = WarmPlaces::full();
        let serving = serve_connection(accepted, LIMITS, Greeting);
        let asking = async move {
            far.write_all(NEXT).await.unwrap();
            let mut answer = [0; 512];
            let length = far.read(&mut answer).await.unwrap();
            assert!(answer[..length].ends_with(b"hello"));
            // Two and a half at once, and the rest of the third.
            let (half, rest) = NEXT.split_at(20);
            far.write_all(&[NEXT, NEXT, half].concat()).await.unwrap();
            tokio::task::yield_now().await;
            far.write_all(rest).await.unwrap();
            far.shutdown().await.unwrap();
            let mut answers = String::new();
            far.read_to_string(&mut answers).await.unwrap();
            answers.matches("hello").count()
        };
        let (end, answers) = tokio::join!(serving, asking);
        assert!(matches!(end, ConnectionEnd::Closed), "{end:?}");
        assert_eq!(answers, 3);
    }
}
