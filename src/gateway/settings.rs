//! What the gateway file says of listeners, upstreams and limits, as valid values.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};

use crate::net::{ClientTls, Endpoint, ListenAddress, Network, Protocol, Protocols, ServerTls};

/// `limits:` as far as requests, connections and tokens are concerned.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Bytes of all field names and values of one request, at most.
    pub header_bytes: usize,
    /// Fields of one request, at most.
    pub fields: usize,
    /// Bytes of a request target, at most.
    pub target_bytes: usize,
    /// Bytes of a bearer token, at most.
    pub token_bytes: usize,
    /// From the first byte of a request to the end of its head.
    pub header_time: Duration,
    /// Between two parts of a request's content, and for a peer to take the next part of an answer.
    pub body_idle: Duration,
    /// From the end of one exchange to the first byte of the next request.
    pub keep_alive: Duration,
    /// Requests under way in the process, at most.
    pub requests_in_flight: usize,
    /// Tunnels in the process, at most.
    pub tunnels: usize,
    /// Connections of peers in the process, at most.
    pub connections: usize,
    /// Requests at one time on one HTTP/2 connection, at most.
    pub streams: u32,
    /// Streams that the peer of an HTTP/2 connection may reset in one minute.
    pub resets: u32,
    /// Verified tokens that the process remembers, at most.
    pub remembered_tokens: usize,
    /// Share of a worker's time for unknown tokens, above 0 and at most 1.
    pub verification: f64,
}

/// One upstream as requests reach it; what its paths mean is in `policy::UpstreamRules`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// The name that routes use.
    pub name: Arc<str>,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// What it speaks.
    pub protocol: Protocol,
    /// TLS with it; without, it is spoken to in clear text.
    pub tls: Option<ClientTls>,
    /// Whether the token is passed on.
    pub forward_token: bool,
    /// What its `Host` field says.
    pub host: HostRule,
    /// In which fields it is told of the peer.
    pub forwarded: ForwardedStyle,
    /// More request fields to take away; lower case, with `-`.
    pub remove: Vec<HeaderName>,
    /// For connecting, and for waiting until a connection is free.
    pub connect: Duration,
    /// From the request's last progress to the fields of the answer.
    pub response: Duration,
    /// Between two parts of an answer's content.
    pub idle: Duration,
    /// What its tunnels may do.
    pub tunnels: TunnelSettings,
    /// Connections of each worker, at most.
    pub max_connections: usize,
    /// Requests of each worker that wait for a connection, at most.
    pub queue: usize,
    /// How long an unused connection is kept.
    pub connection_idle: Duration,
}

/// Tunnels to one upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelSettings {
    /// Whether WebSocket handshakes are passed on; if not they go on as plain requests.
    pub websocket: bool,
    /// How long a tunnel may carry nothing.
    pub idle: Duration,
    /// Whether a tunnel ends when the token that opened it expires or is revoked.
    pub end_with_token: bool,
}

/// What an upstream's `Host` field says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRule {
    /// What the peer sent.
    Keep,
    /// The endpoint's own authority.
    Endpoint,
    /// A fixed name.
    Fixed(HeaderValue),
}

/// In which fields an upstream is told of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedStyle {
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// All of them.
    Both,
    /// None.
    None,
}

/// Whether those without a valid token learn which routes exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevealRoutes {
    /// 404 and 405 come before 401, and a 401 names the scope.
    Always,
    /// A valid token is asked for first, and no 401 names a scope.
    Authenticated,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Where it listens.
    pub address: ListenAddress,
    /// Which versions of HTTP it takes.
    pub protocols: Protocols,
    /// TLS with its peers; without, it takes clear text.
    pub tls: Option<ServerTls>,
    /// Scheme and authority that upstreams are told of.
    pub public_url: Option<Uri>,
    /// Peers whose `Forwarded` and `X-Forwarded-*` fields are kept.
    pub trusted_peers: TrustedPeers,
}

/// Peers that are believed what they say of whom they speak for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedPeers {
    /// Those with an address in one of these.
    pub networks: Vec<Network>,
    /// Those at a unix socket, who have none.
    pub unix: bool,
}

impl TrustedPeers {
    /// Whether a peer with this address is among them.
    pub fn contains(&self, address: Option<IpAddr>) -> bool {
        match address {
            Some(address) => self.networks.iter().any(|network| network.contains(address)),
            None => self.unix,
        }
    }
}
