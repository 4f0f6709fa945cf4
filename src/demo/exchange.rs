//! One request and its answer, over a connection of its own, to a server on loopback.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

/// How long an exchange may take.
const LONGEST: Duration = Duration::from_secs(10);
/// Bytes of an answer's content at most.
const LARGEST: usize = 256 * 1024;

/// An answer, read whole.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) fields: HeaderMap,
    pub(super) content: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeFault {
    #[error("the address is none of a server on loopback")]
    NotLoopback,
    #[error("the server cannot be reached")]
    Unreachable(#[from] std::io::Error),
    #[error("the connection broke off")]
    BrokenOff(#[from] hyper::Error),
    #[error("the answer broke off, or is beyond 256 KiB")]
    Content(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the server did not answer in time")]
    TooLong,
    #[error("the answer is not the JSON that was expected")]
    Json(#[from] serde_json::Error),
}

/// Sends a request whose URI is absolute, and reads the answer whole. Redirects are not followed.
///
/// # Errors
///
/// [`ExchangeFault`]; an answer of any status is an answer.
pub(super) async fn send(request: Request<String>) -> Result<Answer, ExchangeFault> {
    tokio::time::timeout(LONGEST, exchange(request)).await.map_err(|_| ExchangeFault::TooLong)?
}

async fn exchange(request: Request<String>) -> Result<Answer, ExchangeFault> {
    let (mut head, content) = request.into_parts();
    let address = address(&head.uri)?;
    let authority = HeaderValue::from_str(&address.to_string()).map_err(|_| ExchangeFault::NotLoopback)?;
    head.headers.insert(HOST, authority);
    // RFC 9112 §3.2.1: a server is asked in origin form.
    head.uri = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")).into();
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let response = sender.send_request(Request::from_parts(head, Full::new(Bytes::from(content)))).await?;
    let (head, body) = response.into_parts();
    let content = Limited::new(body, LARGEST).collect().await.map_err(ExchangeFault::Content)?.to_bytes();
    Ok(Answer { status: head.status, fields: head.headers, content })
}

/// Secrets go along: nobody beyond this machine is asked, whatever a metadata document says.
fn address(uri: &Uri) -> Result<SocketAddr, ExchangeFault> {
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http")).ok_or(ExchangeFault::NotLoopback)?;
    let address: SocketAddr = authority.as_str().parse().map_err(|_| ExchangeFault::NotLoopback)?;
    if address.ip().is_loopback() { Ok(address) } else { Err(ExchangeFault::NotLoopback) }
}

impl Answer {
    /// The content as JSON of this form.
    ///
    /// # Errors
    ///
    /// [`ExchangeFault::Json`].
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, ExchangeFault> {
        Ok(serde_json::from_slice(&self.content)?)
    }

    /// The content as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }

    /// One field as text.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(|value| value.to_str().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_beyond_this_machine_is_asked() {
        for uri in ["http://127.0.0.1:80/a", "http://[::1]:8080"] {
            assert!(address(&Uri::from_static(uri)).is_ok(), "{uri}");
        }
        for uri in ["https://127.0.0.1:80/", "http://10.0.0.1:80/", "http://127.0.0.1/", "http://localhost:80/", "/a"] {
            assert!(address(&Uri::from_static(uri)).is_err(), "{uri}");
        }
    }
}
