//! A client that asks one thing after the other over HTTP/2.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use h2::Reason;
use h2::client::SendRequest;
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::DEADLINE;
use super::tls::TlsClient;

/// With its connection, if it has one.
pub struct BusyHttp2 {
    runtime: Runtime,
    address: SocketAddr,
    tls: Option<TlsClient>,
    sender: Option<SendRequest<Bytes>>,
}

impl BusyHttp2 {
    pub fn new(address: SocketAddr, tls: Option<TlsClient>) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, address, tls, sender: None }
    }

    /// One exchange, with content both ways. What the server says it has not looked at is sent again on another connection
    /// (RFC 9113 §6.8).
    pub fn ask(&mut self) -> io::Result<()> {
        let Self { runtime, address, tls, sender } = self;
        let asking = async {
            loop {
                let connection = match sender.take() {
                    Some(sender) => sender,
                    None => connect(*address, tls.as_ref()).await?,
                };
                match exchange(connection).await {
                    Ok(kept) => {
                        *sender = Some(kept);
                        return Ok(());
                    }
                    Err(Lost::Unseen) => {}
                    Err(Lost::Failed(fault)) => return Err(fault),
                }
            }
        };
        runtime.block_on(async { timeout(DEADLINE, asking).await.unwrap_or_else(|late| Err(late.into())) })
    }
}

/// Why there is no answer.
enum Lost {
    /// The server has not seen the request.
    Unseen,
    Failed(io::Error),
}

impl From<h2::Error> for Lost {
    fn from(fault: h2::Error) -> Self {
        let unseen = match fault.reason() {
            Some(Reason::NO_ERROR) => fault.is_go_away(),
            Some(reason) => reason == Reason::REFUSED_STREAM,
            None => false,
        };
        if unseen { Self::Unseen } else { Self::Failed(io::Error::other(fault)) }
    }
}

async fn connect(address: SocketAddr, tls: Option<&TlsClient>) -> io::Result<SendRequest<Bytes>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    match tls {
        Some(tls) => begin(tls.connect_http2(stream, "api.test").await?).await,
        None => begin(stream).await,
    }
}

async fn begin(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> io::Result<SendRequest<Bytes>> {
    let (sender, connection) = h2::client::handshake(stream).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn exchange(sender: SendRequest<Bytes>) -> Result<SendRequest<Bytes>, Lost> {
    // A connection that is going away takes no new request.
    let mut sender = sender.ready().await.map_err(|_| Lost::Unseen)?;
    let request = Request::post("http://api.test/open/x").body(()).expect("a request");
    let (answer, mut content) = sender.send_request(request, false).map_err(|_| Lost::Unseen)?;
    content.send_data(Bytes::from_static(b"content"), true)?;
    let (head, mut stream) = answer.await?.into_parts();
    while let Some(part) = stream.data().await {
        stream.flow_control().release_capacity(part?.len())?;
    }
    if head.status != 200 {
        return Err(Lost::Failed(io::Error::other(head.status.to_string())));
    }
    Ok(sender)
}
