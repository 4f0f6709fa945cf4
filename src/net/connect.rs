//! Connecting to an upstream.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream, lookup_host};

use super::attempts::connect_to_first;
use super::{ClientTls, HandshakeFault, Socket, Stream};

/// Where an upstream listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `http://host:port` or `https://host:port`.
    Tcp {
        /// A DNS name, or an address without brackets.
        host: String,
        /// The port, 1 to 65535.
        port: u16,
    },
    /// `unix:/path` of a socket.
    Unix(PathBuf),
}

/// Why no connection to an upstream could be had.
#[derive(Debug, thiserror::Error)]
pub enum ConnectFault {
    /// The name did not resolve, or the connection was refused.
    #[error("the upstream cannot be reached")]
    Refused(#[source] io::Error),
    /// There is no TLS with it.
    #[error(transparent)]
    Tls(#[from] HandshakeFault),
    /// It took longer than `timeouts.connect`.
    #[error("connecting to the upstream took too long")]
    TimedOut,
    /// Every connection is in use and the queue for one is full, or waiting took too long.
    #[error("every connection to the upstream is in use")]
    QueueFull,
    /// What answers there does not speak the protocol.
    #[error("the upstream does not speak the protocol that is configured for it")]
    Protocol,
}

impl ConnectFault {
    /// The same fault, to tell another who waited for the same connection.
    pub(super) fn repeated(&self) -> Self {
        match self {
            Self::Refused(cause) => Self::Refused(alike(cause)),
            Self::Tls(HandshakeFault::OtherProtocol(name)) => Self::Tls(HandshakeFault::OtherProtocol(name)),
            Self::Tls(HandshakeFault::Failed(cause)) => Self::Tls(HandshakeFault::Failed(alike(cause))),
            Self::TimedOut => Self::TimedOut,
            Self::QueueFull => Self::QueueFull,
            Self::Protocol => Self::Protocol,
        }
    }
}

/// A fault of the same kind that says the same.
fn alike(fault: &io::Error) -> io::Error {
    io::Error::new(fault.kind(), fault.to_string())
}

impl Endpoint {
    /// Connects within `timeout` to the first address of the name that answers, one that does not holding up the next for a
    /// moment only, and makes the handshake if there is to be TLS; small writes are sent at once.
    ///
    /// # Errors
    ///
    /// [`ConnectFault::Refused`] with the last address' answer, [`ConnectFault::Tls`] or [`ConnectFault::TimedOut`].
    pub async fn connect(&self, timeout: Duration, tls: Option<&ClientTls>) -> Result<Stream, ConnectFault> {
        let connecting = async {
            let socket = self.connect_socket(timeout).await.map_err(ConnectFault::Refused)?;
            match tls {
                Some(tls) => Ok(tls.connect(socket, self).await?),
                None => Ok(Stream::Clear(socket)),
            }
        };
        tokio::time::timeout(timeout, connecting).await.unwrap_or(Err(ConnectFault::TimedOut))
    }

    async fn connect_socket(&self, timeout: Duration) -> io::Result<Socket> {
        match self {
            Self::Tcp { host, port } => {
                let stream = match host.parse::<IpAddr>() {
                    Ok(address) => TcpStream::connect((address, *port)).await?,
                    Err(_) => connect_to_first(lookup_host((host.as_str(), *port)).await?.collect(), timeout).await?,
                };
                stream.set_nodelay(true)?;
                SockRef::from(&stream).set_tcp_keepalive(&keepalive())?;
                Ok(Socket::Tcp(stream))
            }
            Self::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
        }
    }

    /// What its certificate must name: the host, be it a name or an address.
    ///
    /// # Errors
    ///
    /// For a host that no certificate can name, and for a unix socket.
    pub(super) fn server_name(&self) -> io::Result<ServerName<'static>> {
        match self {
            Self::Tcp { host, .. } => ServerName::try_from(host.clone()).map_err(io::Error::other),
            Self::Unix(_) => Err(io::Error::other("a unix socket has no name that a certificate could have")),
        }
    }

    /// The authority that names the endpoint in a `Host` field (RFC 9110 §7.2); a unix socket has no better name than this host's.
    pub fn authority(&self) -> String {
        match self {
            Self::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port } => format!("{host}:{port}"),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

/// Has the system notice within two minutes that an upstream's host has vanished, however quiet its streams are. HTTP/2's own pings
/// would do the same, but gRPC servers take frequent ones for an attack.
fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15)).with_retries(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(host: &str, port: u16) -> Endpoint {
        Endpoint::Tcp { host: host.to_owned(), port }
    }

    #[test]
    fn an_ipv6_address_is_bracketed_in_the_authority() {
        assert_eq!(endpoint("::1", 80).authority(), "[::1]:80");
        assert_eq!(endpoint("api.internal", 80).authority(), "api.internal:80");
    }

    #[tokio::test]
    async fn nobody_listening_is_told_apart_from_a_timeout() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let refused = endpoint("127.0.0.1", free).connect(Duration::from_secs(5), None).await;
        assert!(matches!(refused, Err(ConnectFault::Refused(_))));
        let nowhere = Endpoint::Unix("/nonexistent/socket".into()).connect(Duration::from_secs(5), None).await;
        assert!(matches!(nowhere, Err(ConnectFault::Refused(_))));
    }
}
