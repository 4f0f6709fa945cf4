//! A server on loopback for tests of what fetches: it answers as it is told, and counts.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// What the server does with each request from now on.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// Sends these bytes and closes.
    Raw(Vec<u8>),
    /// Sends these bytes and then nothing, for ever.
    Hang(Vec<u8>),
}

impl Behaviour {
    /// A whole answer with status 200.
    pub(crate) fn ok(body: &str) -> Self {
        Self::ok_with("X-Test: 1", body)
    }

    /// A whole answer with status 200 and one more field line.
    pub(crate) fn ok_with(field: &str, body: &str) -> Self {
        let length = body.len();
        Self::Raw(format!("HTTP/1.1 200 OK\r\n{field}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes())
    }

    /// An answer without a body.
    pub(crate) fn status(line: &str) -> Self {
        Self::Raw(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n").into_bytes())
    }

    /// A body of so many bytes, in chunks, so that no length warns of it.
    pub(crate) fn chunks(bytes: usize) -> Self {
        let mut message = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..bytes / 1024 {
            message.extend_from_slice(b"400\r\n");
            message.extend_from_slice(&[b' '; 1024]);
            message.extend_from_slice(b"\r\n");
        }
        message.extend_from_slice(b"0\r\n\r\n");
        Self::Raw(message)
    }
}

/// The server; dropping it closes its port and all its connections.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    behaviour: Arc<Mutex<Behaviour>>,
    requests: Arc<AtomicUsize>,
    /// The head of the latest request.
    latest: Arc<Mutex<String>>,
    _accepting: AbortOnDropHandle<()>,
}

impl Server {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        Self::start_at("127.0.0.1:0", behaviour, None).await
    }

    pub(crate) async fn start_at(address: &str, behaviour: Behaviour, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let behaviour = Arc::new(Mutex::new(behaviour));
        let (requests, latest) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(String::new())));
        let state = (behaviour.clone(), requests.clone(), latest.clone());
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (behaviour, requests, latest) = state.clone();
                let tls = tls.clone();
                connections.spawn(async move {
                    match tls {
                        None => answer(stream, &behaviour, &requests, &latest).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                answer(stream, &behaviour, &requests, &latest).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, behaviour, requests, latest, _accepting: AbortOnDropHandle::new(accepting) }
    }

    pub(crate) fn url(&self) -> http::Uri {
        format!("http://{}/keys?a=1", self.address).parse().unwrap()
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn latest(&self) -> String {
        self.latest.lock().unwrap().clone()
    }
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    behaviour: &Mutex<Behaviour>,
    requests: &AtomicUsize,
    latest: &Mutex<String>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte).await {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    *latest.lock().unwrap() = String::from_utf8_lossy(&head).into_owned();
    requests.fetch_add(1, Ordering::SeqCst);
    let told = behaviour.lock().unwrap().clone();
    match told {
        // The peer may hang up before it has read all.
        Behaviour::Raw(bytes) => _ = stream.write_all(&bytes).await,
        Behaviour::Hang(bytes) => {
            let _ = stream.write_all(&bytes).await;
            std::future::pending::<()>().await;
        }
    }
    let _ = stream.shutdown().await;
}
