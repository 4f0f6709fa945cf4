//! A client that speaks HTTP/2 by prior knowledge, stream by stream.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::DEADLINE;

/// One connection to a server.
pub struct Http2Client {
    runtime: Runtime,
    sender: SendRequest<Bytes>,
}

/// A request that has been begun.
pub struct Asked {
    answer: ResponseFuture,
    pub content: SendStream<Bytes>,
}

/// An answer, whole.
#[derive(Debug)]
pub struct Answered {
    pub head: Response<()>,
    /// Whether nothing followed the fields.
    pub ends_with_fields: bool,
    pub content: Vec<u8>,
    pub trailers: HeaderMap,
}

impl Http2Client {
    pub fn connect(address: SocketAddr) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let sender = runtime.block_on(async {
            let stream = TcpStream::connect(address).await.expect("a connection");
            let (sender, connection) = h2::client::handshake(stream).await.expect("a handshake");
            tokio::spawn(connection);
            sender
        });
        Self { runtime, sender }
    }

    /// Begins a request to `api.test`; `ends` if there is no content.
    pub fn begin(&mut self, method: &str, target: &str, fields: &[(&str, &str)], ends: bool) -> Asked {
        let mut request = Request::builder().method(method).uri(format!("http://api.test{target}"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (answer, content) = self.sender.send_request(request.body(()).expect("a request"), ends).expect("a stream");
        Asked { answer, content }
    }

    /// The fields of an answer, and its content to come.
    pub fn head(&self, asked: Asked) -> Result<(Response<RecvStream>, SendStream<Bytes>), h2::Error> {
        let Asked { answer, content } = asked;
        self.wait(answer).map(|response| (response, content))
    }

    /// The whole of an answer.
    pub fn answer(&self, asked: Asked) -> Result<Answered, h2::Error> {
        let (response, _content) = self.head(asked)?;
        self.rest(response)
    }

    /// The rest of an answer.
    pub fn rest(&self, response: Response<RecvStream>) -> Result<Answered, h2::Error> {
        let (head, mut stream) = response.into_parts();
        let ends_with_fields = stream.is_end_stream();
        let mut content = Vec::new();
        self.wait(async {
            while let Some(part) = stream.data().await {
                let part = part?;
                let _ = stream.flow_control().release_capacity(part.len());
                content.extend(part);
            }
            let trailers = stream.trailers().await?.unwrap_or_default();
            Ok(Answered { head: Response::from_parts(head, ()), ends_with_fields, content, trailers })
        })
    }

    /// Sends a request without content and reads the answer.
    pub fn ask(&mut self, method: &str, target: &str, fields: &[(&str, &str)]) -> Result<Answered, h2::Error> {
        let asked = self.begin(method, target, fields, true);
        self.answer(asked)
    }

    /// The reason for which the server resets the sending side of a stream.
    pub fn reset_of(&self, content: &mut SendStream<Bytes>) -> Reason {
        self.wait(std::future::poll_fn(|context| content.poll_reset(context))).expect("a reset")
    }

    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { timeout(DEADLINE, future).await.expect("in time") })
    }
}

impl Answered {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.headers().get(name).map(|value| value.to_str().expect("text"))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.content.clone()).expect("text")
    }
}
