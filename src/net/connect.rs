//! Connecting to an upstream.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::net::TcpStream;

/// Where an upstream listens: `http://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A DNS name, or an address without brackets.
    pub host: String,
    /// The port, 1 to 65535.
    pub port: u16,
}

/// Why no connection to an upstream could be had.
#[derive(Debug, thiserror::Error)]
pub enum ConnectFault {
    /// The name did not resolve, or the connection was refused.
    #[error("the upstream cannot be reached")]
    Refused(#[source] io::Error),
    /// It took longer than `timeouts.connect`.
    #[error("connecting to the upstream took too long")]
    TimedOut,
    /// Every connection is in use and the queue for one is full, or waiting took too long.
    #[error("every connection to the upstream is in use")]
    QueueFull,
}

impl Endpoint {
    /// Connects within `timeout`, trying each address that the name has; small writes are sent at once.
    ///
    /// # Errors
    ///
    /// [`ConnectFault::Refused`] with the last address' answer, or [`ConnectFault::TimedOut`].
    pub async fn connect(&self, timeout: Duration) -> Result<TcpStream, ConnectFault> {
        let connecting = async {
            match self.host.parse::<IpAddr>() {
                Ok(address) => TcpStream::connect((address, self.port)).await,
                Err(_) => TcpStream::connect((self.host.as_str(), self.port)).await,
            }
        };
        let stream = match tokio::time::timeout(timeout, connecting).await {
            Ok(connected) => connected.map_err(ConnectFault::Refused)?,
            Err(_) => return Err(ConnectFault::TimedOut),
        };
        stream.set_nodelay(true).map_err(ConnectFault::Refused)?;
        Ok(stream)
    }

    /// The authority that names the endpoint in a `Host` field (RFC 9110 §7.2).
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_is_bracketed_in_the_authority() {
        let authority = |host: &str| Endpoint { host: host.into(), port: 80 }.authority();
        assert_eq!(authority("::1"), "[::1]:80");
        assert_eq!(authority("api.internal"), "api.internal:80");
    }

    #[tokio::test]
    async fn nobody_listening_is_told_apart_from_a_timeout() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let endpoint = Endpoint { host: "127.0.0.1".into(), port: free };
        assert!(matches!(endpoint.connect(Duration::from_secs(5)).await, Err(ConnectFault::Refused(_))));
    }
}
