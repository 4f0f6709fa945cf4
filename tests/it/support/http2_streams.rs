//! A client of HTTP/2 by prior knowledge whose streams go both ways at once, for asynchronous tests.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{Request, StatusCode};

/// One connection.
pub struct Http2Streams {
    requests: SendRequest<Bytes>,
}

/// An answer, with both ways of its stream.
pub struct Http2Answer {
    pub head: http::response::Parts,
    pub received: RecvStream,
    pub sent: SendStream<Bytes>,
}

impl Http2Streams {
    /// A connection whose peer has told its settings.
    pub async fn connect(address: SocketAddr) -> Self {
        let socket = tokio::net::TcpStream::connect(address).await.expect("a connection");
        let (requests, connection) = Builder::new().handshake(socket).await.expect("HTTP/2");
        tokio::spawn(async move {
            // Its end is seen on its streams.
            let _ = connection.await;
        });
        let client = Self { requests };
        while !client.requests.is_extended_connect_protocol_enabled() {
            tokio::task::yield_now().await;
        }
        client
    }

    /// Sends a request, and reads the head of its answer.
    pub async fn send(&mut self, request: Request<()>, ends: bool) -> Result<Http2Answer, h2::Error> {
        let mut requests = self.requests.clone().ready().await?;
        let (answer, sent) = requests.send_request(request, ends)?;
        let (head, received) = answer.await?.into_parts();
        Ok(Http2Answer { head, received, sent })
    }

    /// `GET`.
    pub async fn get(&mut self, target: &str) -> Http2Answer {
        let request = Request::get(format!("http://api.test{target}")).body(()).expect("a request");
        self.send(request, true).await.expect("an answer")
    }

    /// Extended CONNECT (RFC 8441 §4).
    pub async fn connect_to(&mut self, target: &str, protocol: &'static str, fields: &[(&str, &str)]) -> Http2Answer {
        let mut request =
            Request::connect(format!("http://api.test{target}")).extension(Protocol::from_static(protocol));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.send(request.body(()).expect("a request"), false).await.expect("an answer")
    }
}

impl Http2Answer {
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The next part of the content; `None` at its end.
    pub async fn part(&mut self) -> Option<Bytes> {
        let part = self.received.data().await?.expect("content");
        let _ = self.received.flow_control().release_capacity(part.len());
        Some(part)
    }

    /// The rest of the content.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        while let Some(part) = self.part().await {
            rest.extend_from_slice(&part);
        }
        rest
    }
}
