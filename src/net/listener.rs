//! Listening sockets, one a worker.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use socket2::{Domain, Protocol, Socket as RawSocket, Type};

use super::Socket;

/// Connections that the kernel may hold ready for one worker to accept.
pub const BACKLOG: i32 = 4096;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A socket that listens and does not block.
#[derive(Debug)]
pub enum Listening {
    /// TCP.
    Tcp(TcpListener),
    /// A unix socket.
    Unix(UnixListener),
}

impl Listening {
    /// Where it listens, with the port that was given for port 0.
    ///
    /// # Errors
    ///
    /// What the operating system says; a unix socket without a name has no address.
    pub fn address(&self) -> io::Result<ListenAddress> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(ListenAddress::Tcp),
            Self::Unix(listener) => {
                let address = listener.local_addr()?;
                let path = address.as_pathname().ok_or(io::ErrorKind::AddrNotAvailable)?;
                Ok(ListenAddress::Unix(path.to_owned()))
            }
        }
    }
}

/// A worker's end of a listening socket, on its runtime.
#[derive(Debug)]
pub enum Acceptor {
    /// TCP.
    Tcp(tokio::net::TcpListener),
    /// A unix socket.
    Unix(tokio::net::UnixListener),
}

impl Acceptor {
    /// Registers the socket with the runtime of the present thread.
    ///
    /// # Errors
    ///
    /// What the operating system says when the socket cannot be watched.
    pub fn new(listening: Listening) -> io::Result<Self> {
        match listening {
            Listening::Tcp(listener) => tokio::net::TcpListener::from_std(listener).map(Self::Tcp),
            Listening::Unix(listener) => tokio::net::UnixListener::from_std(listener).map(Self::Unix),
        }
    }

    /// Waits for the next connection; the address is the peer's, which one of a unix socket does not have.
    ///
    /// # Errors
    ///
    /// What the operating system says: of this connection, or because it lacks descriptors or memory.
    pub async fn accept(&self) -> io::Result<(Socket, Option<IpAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Answers are written whole: nothing is won by waiting for more. A peer that has gone shows at the first read.
                let _ = stream.set_nodelay(true);
                Ok((Socket::Tcp(stream), Some(address.ip())))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), None))
            }
        }
    }
}

/// Opens `workers` sockets (at least one) that listen on the same address.
///
/// Over TCP the kernel spreads new connections over them, and with port 0 the first is given a free port and the others share it.
/// Of a unix socket each is a handle on the same queue of connections.
///
/// # Errors
///
/// What the operating system says when the address cannot be had.
pub fn bind(address: &ListenAddress, workers: usize) -> io::Result<Vec<Listening>> {
    match address {
        ListenAddress::Tcp(address) => bind_tcp(*address, workers),
        ListenAddress::Unix(_) => Err(io::Error::other("unix sockets are not listened on yet")),
    }
}

fn bind_tcp(address: SocketAddr, workers: usize) -> io::Result<Vec<Listening>> {
    let first = bind_one(address)?;
    let actual = first.local_addr()?;
    let mut listeners = vec![Listening::Tcp(first)];
    for _ in 1..workers {
        listeners.push(Listening::Tcp(bind_one(actual)?));
    }
    Ok(listeners)
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_the_port_that_the_first_was_given() {
        let listeners = bind(&ListenAddress::Tcp("127.0.0.1:0".parse().unwrap()), 3).unwrap();
        let addresses: Vec<_> = listeners.iter().map(|listener| listener.address().unwrap()).collect();
        assert!(matches!(&addresses[0], ListenAddress::Tcp(address) if address.port() != 0));
        assert_eq!(addresses, vec![addresses[0].clone(); 3]);
    }

    #[test]
    fn a_foreign_address_is_refused() {
        assert!(bind(&ListenAddress::Tcp("203.0.113.1:0".parse().unwrap()), 1).is_err());
    }
}
