//! Two clients of HTTP/2: a real one, and one that sends the frames it is given.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::DEADLINE;

/// One connection of a real client, by prior knowledge.
pub struct Http2Client {
    pub runtime: Runtime,
    pub sender: http2::SendRequest<Full<Bytes>>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Http2Response {
    pub status: StatusCode,
    pub fields: HeaderMap,
    pub content: Bytes,
}

impl Http2Client {
    pub fn connect(address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let sender = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let (sender, connection) =
                http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("a connection");
            tokio::spawn(connection);
            sender
        });
        Self { runtime, sender }
    }

    /// `fields` are added to those that the version demands.
    pub fn request(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> Http2Response {
        self.runtime.block_on(ask(self.sender.clone(), request(method, target, fields))).expect("an answer")
    }
}

/// A request for `api.test` without content.
pub fn request(method: &str, target: &str, fields: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(format!("http://api.test{target}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Full::default()).expect("a request")
}

/// Sends a request and reads the whole of its answer.
pub async fn ask(
    mut sender: http2::SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Http2Response, hyper::Error> {
    let (head, content) = sender.send_request(request).await?.into_parts();
    let content = content.collect().await?.to_bytes();
    Ok(Http2Response { status: head.status, fields: head.headers, content })
}

impl Http2Response {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|value| value.to_str().expect("text"))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.content).expect("text")
    }

    /// The `reason` of a refusal's problem document.
    pub fn reason(&self) -> String {
        let document: Value = serde_json::from_slice(&self.content).expect("JSON");
        document["reason"].as_str().expect("a reason").to_owned()
    }
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// The flag of the last frame of a stream.
pub const END_STREAM: u8 = 0x1;
/// The flag of the last frame of a field section.
pub const END_HEADERS: u8 = 0x4;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFrame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A connection that sends the frames it is given.
pub struct FrameClient {
    stream: TcpStream,
}

impl FrameClient {
    /// Sends the preface and settings, such as `(4, 0)` for windows of nothing.
    pub fn connect(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Self { stream };
        client.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("sent");
        let payload: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        client.send(SETTINGS, 0, 0, &payload);
        client
    }

    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        assert!(self.try_send(kind, flags, stream, payload), "sent");
    }

    /// Whether the connection still takes it.
    pub fn try_send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.stream.write_all(&frame(kind, flags, stream, payload)).is_ok()
    }

    /// Bytes as they are.
    pub fn try_send_bytes(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// `GET` without content.
    pub fn get(&mut self, stream: u32, target: &str) {
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, &section("GET", target));
    }

    /// The next frame; `None` at the end of the connection.
    pub fn next(&mut self) -> Option<RawFrame> {
        let mut header = [0; 9];
        match self.stream.read_exact(&mut header) {
            Ok(()) => {}
            Err(fault) if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("no frame in time")
            }
            Err(_) => return None,
        }
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = header;
        let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
        self.stream.read_exact(&mut payload).ok()?;
        Some(RawFrame { kind, flags, stream: u32::from_be_bytes([s0, s1, s2, s3]), payload })
    }

    /// The next frame of this kind and stream.
    pub fn until(&mut self, kind: u8, stream: u32) -> Option<RawFrame> {
        std::iter::from_fn(|| self.next()).find(|frame| (frame.kind, frame.stream) == (kind, stream))
    }

    /// The error code of the last `GOAWAY` before the end of the connection.
    pub fn last_goaway(&mut self) -> Option<u32> {
        std::iter::from_fn(|| self.next())
            .filter(|frame| frame.kind == GOAWAY)
            .last()
            .map(|frame| u32::from_be_bytes(frame.payload[4..8].try_into().unwrap()))
    }
}

/// The bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The field section of a request without more fields.
pub fn section(method: &str, target: &str) -> Vec<u8> {
    literals(&[(":method", method), (":scheme", "http"), (":authority", "api.test"), (":path", target)])
}

/// A field section as it is given, right or wrong: literals that are not indexed (RFC 7541 §6.2.2), of 126 bytes at most.
pub fn literals(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut section = Vec::new();
    for (name, value) in fields {
        section.push(0);
        for text in [name, value] {
            assert!(text.len() < 0x7F, "{text}");
            section.push(u8::try_from(text.len()).unwrap());
            section.extend(text.as_bytes());
        }
    }
    section
}
