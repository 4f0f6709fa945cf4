//! A client that sends the bytes it is given, and reads answers strictly.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::DEADLINE;
use super::message::Message;

/// One connection to a server.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub message: Message,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).expect("a connection")
    }

    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Whether a byte of an answer comes, rather than the connection's end.
    pub fn has_byte(&mut self) -> bool {
        self.stream.fill_buf().is_ok_and(|bytes| !bytes.is_empty())
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("sent");
    }

    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// Sends a request without content and reads the answer. `fields` are lines, each ended by CRLF.
    pub fn request(&mut self, method: &str, target: &str, fields: &str) -> Response {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: api.test\r\n{fields}\r\n"));
        self.response_to(method)
    }

    /// `GET` with a bearer token.
    pub fn get(&mut self, target: &str, token: &str) -> Response {
        self.request("GET", target, &format!("Authorization: Bearer {token}\r\n"))
    }

    /// Reads the answer to a request with this method, interim answers left out (RFC 9110 §15.2).
    pub fn response_to(&mut self, method: &str) -> Response {
        self.try_response_to(method).expect("an answer").expect("an answer before the end")
    }

    /// The same; `None` if the connection ends instead.
    pub fn try_response_to(&mut self, method: &str) -> io::Result<Option<Response>> {
        loop {
            let Some(response) = self.try_head()? else { return Ok(None) };
            if response.status >= 200 {
                return self.with_content(response, method).map(Some);
            }
        }
    }

    /// Reads a head, of an interim answer too.
    pub fn try_head(&mut self) -> io::Result<Option<Response>> {
        let Some(message) = Message::read_head(&mut self.stream)? else { return Ok(None) };
        let status = message.start_line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Ok(Some(Response { status, message }))
    }

    fn with_content(&mut self, mut response: Response, method: &str) -> io::Result<Response> {
        // RFC 9112 §6.3: these have no content, whatever their fields say.
        if method != "HEAD" && response.status != 204 && response.status != 304 {
            response.message.read_content(&mut self.stream)?;
        }
        Ok(response)
    }

    /// Whether the server closes the connection without another byte.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]), Ok(0) | Err(_))
    }

    /// What is left to read, to the end.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest);
        rest
    }

    /// The reading side, for parts of messages.
    pub fn reader(&mut self) -> &mut BufReader<TcpStream> {
        &mut self.stream
    }
}

impl Response {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.message.field(name)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.message.content.clone()).expect("text")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.message.content).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// The `reason` of a refusal's problem document.
    pub fn reason(&self) -> String {
        self.json()["reason"].as_str().expect("a reason").to_owned()
    }
}
