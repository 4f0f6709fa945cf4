//! Upstreams: connected to as the gateway connects, and sent no request.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::finding::{Check, Finding};
use crate::gateway::UpstreamSettings;
use crate::net::{ConnectFault, Endpoint, HandshakeFault, PoolSettings, Protocol, Stream, UpstreamPool};

/// For so long a connection is listened to after it was made: in TLS 1.3 a server sees the client's certificate only after
/// the client's handshake is over, and refuses it then (RFC 8446 §4.4.2.4).
const LISTENED: Duration = Duration::from_millis(500);

/// What came of connecting.
enum Reached {
    /// It waits for a request.
    Waiting,
    /// It speaks first, which HTTP/1.1 never does.
    Talking,
    /// It has closed the connection.
    Closed,
}

/// Connects, shakes hands and, over HTTP/2, exchanges settings.
pub(super) async fn examine(upstream: &UpstreamSettings, longest: Duration) -> Finding {
    let (check, name) = (Check::Upstream, &*upstream.name);
    let at = shown(upstream);
    match reach(upstream, upstream.connect.min(longest)).await {
        Ok(Reached::Waiting) => {
            Finding::ok(check, name, format!("`{at}` can be connected to, and speaks {}", spoken(upstream)))
        }
        Ok(Reached::Talking) => {
            let message = format!("what answers at `{at}` speaks before it is asked: that is no HTTP/1.1");
            Finding::failed(check, name, message)
                .hint("is the port right? for TLS write `https://`, for HTTP/2 alone `protocol: http2`")
        }
        Ok(Reached::Closed) => {
            let message = format!("`{at}` closes the connection at once");
            Finding::warning(check, name, message).hint("what does its log say? does it take connections from here?")
        }
        Err(fault) => {
            let message = format!("`{at}`: {}", told(&fault));
            Finding::failed(check, name, message).hint_if(hint(upstream, &fault))
        }
    }
}

async fn reach(upstream: &UpstreamSettings, longest: Duration) -> Result<Reached, ConnectFault> {
    match upstream.protocol {
        Protocol::Http1 => {
            let stream = upstream.endpoint.connect(longest, upstream.tls.as_ref()).await?;
            listen(stream).await
        }
        Protocol::Http2 => {
            let settings = PoolSettings {
                endpoint: upstream.endpoint.clone(),
                tls: upstream.tls.clone(),
                protocol: upstream.protocol,
                connect: longest,
                max: 1,
                queue: 1,
                idle: longest,
            };
            let pool = UpstreamPool::<Full<Bytes>>::new(settings, |_| ());
            let lease = timeout(longest, pool.acquire(0)).await.unwrap_or(Err(ConnectFault::TimedOut));
            pool.retire();
            match lease {
                Ok(_) => Ok(Reached::Waiting),
                Err(fault @ ConnectFault::Protocol) => Err(alert(upstream, longest).await.unwrap_or(fault)),
                Err(fault) => Err(fault),
            }
        }
    }
}

/// Over HTTP/2 an alert that follows the handshake looks like any other end of the connection; by itself it is seen.
async fn alert(upstream: &UpstreamSettings, longest: Duration) -> Option<ConnectFault> {
    let stream = upstream.endpoint.connect(longest, upstream.tls.as_ref()).await.ok()?;
    listen(stream).await.err().filter(|fault| matches!(fault, ConnectFault::Tls(_)))
}

async fn listen(mut stream: Stream) -> Result<Reached, ConnectFault> {
    match timeout(LISTENED, stream.read(&mut [0; 1])).await {
        Err(_) => Ok(Reached::Waiting),
        Ok(Ok(0)) => Ok(Reached::Closed),
        Ok(Ok(_)) => Ok(Reached::Talking),
        Ok(Err(fault)) if matches!(stream, Stream::Tls(_)) => Err(HandshakeFault::Failed(fault).into()),
        Ok(Err(fault)) => Err(ConnectFault::Refused(fault)),
    }
}

fn shown(upstream: &UpstreamSettings) -> String {
    match &upstream.endpoint {
        Endpoint::Unix(path) => format!("unix:{}", path.display()),
        endpoint @ Endpoint::Tcp { .. } => {
            let scheme = if upstream.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{}", endpoint.authority())
        }
    }
}

fn spoken(upstream: &UpstreamSettings) -> &'static str {
    match (upstream.protocol, upstream.tls.is_some()) {
        (Protocol::Http1, false) => "in clear text",
        (Protocol::Http1, true) => "TLS with a certificate that is trusted",
        (Protocol::Http2, false) => "HTTP/2 in clear text",
        (Protocol::Http2, true) => "HTTP/2 over TLS with a certificate that is trusted",
    }
}

fn told(fault: &ConnectFault) -> String {
    let cause = std::error::Error::source(fault).map(|cause| format!(": {cause}")).unwrap_or_default();
    match fault {
        // Its text has the cause already.
        ConnectFault::Tls(_) => fault.to_string(),
        ConnectFault::Refused(_) | ConnectFault::TimedOut | ConnectFault::QueueFull | ConnectFault::Protocol => {
            format!("{fault}{cause}")
        }
    }
}

fn hint(upstream: &UpstreamSettings, fault: &ConnectFault) -> Option<&'static str> {
    match (fault, &upstream.endpoint) {
        (ConnectFault::Refused(_), Endpoint::Unix(_)) => {
            Some("does it listen there, and may this user write to the socket?")
        }
        (ConnectFault::Refused(_), Endpoint::Tcp { .. }) => {
            Some("is it running, and are host and port of `endpoints` right?")
        }
        (ConnectFault::TimedOut, _) => Some("is a firewall or a network policy in between?"),
        (ConnectFault::Tls(fault), _) => fault.hint(),
        (ConnectFault::Protocol, _) => Some("does it speak HTTP/2? otherwise remove `protocol: http2`"),
        (ConnectFault::QueueFull, _) => None,
    }
}
