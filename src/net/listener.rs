//! Sockets that listen, of whichever family.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::task::{Context, Poll, Waker, ready};

use socket2::{Domain, SockRef, Type};

use super::Socket;
use super::spare::Spare;

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
    /// Takes a descriptor that another process has opened for a socket that listens; from now on it does not block.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for anything else than a listening stream socket of these families, or what the operating system says.
    pub fn from_descriptor(descriptor: OwnedFd) -> io::Result<Self> {
        let socket = SockRef::from(&descriptor);
        if socket.r#type()? != Type::STREAM || !socket.is_listener()? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the descriptor is no socket that listens"));
        }
        socket.set_nonblocking(true)?;
        match socket.domain()? {
            Domain::IPV4 | Domain::IPV6 => Ok(Self::Tcp(descriptor.into())),
            Domain::UNIX => Ok(Self::Unix(descriptor.into())),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket is neither of TCP nor a unix socket")),
        }
    }

    /// Another handle on the same socket and its queue of connections.
    ///
    /// # Errors
    ///
    /// What the operating system says when it has no descriptor left.
    pub fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(listener) => listener.try_clone().map(Self::Tcp),
            Self::Unix(listener) => listener.try_clone().map(Self::Unix),
        }
    }

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

impl AsFd for Listening {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

/// A worker's end of a listening socket, on its runtime.
#[derive(Debug)]
pub struct Acceptor {
    socket: Accepting,
    spare: Spare,
}

#[derive(Debug)]
enum Accepting {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl Acceptor {
    /// Registers the socket with the runtime of the present thread, and keeps a descriptor spare.
    ///
    /// # Errors
    ///
    /// What the operating system says when the socket cannot be watched or there is no descriptor.
    pub fn new(listening: Listening) -> io::Result<Self> {
        let socket = match listening {
            Listening::Tcp(listener) => Accepting::Tcp(tokio::net::TcpListener::from_std(listener)?),
            Listening::Unix(listener) => Accepting::Unix(tokio::net::UnixListener::from_std(listener)?),
        };
        Ok(Self { socket, spare: Spare::new(1)? })
    }

    /// Waits for the next connection; the address is the peer's, which one of a unix socket does not have.
    ///
    /// # Errors
    ///
    /// What the operating system says: of this connection, or because it lacks descriptors ([`Acceptor::accept_surplus`]) or memory.
    pub async fn accept(&self) -> io::Result<(Socket, Option<IpAddr>)> {
        self.spare.refill();
        poll_fn(|context| self.poll_accept(context)).await
    }

    /// Accepts a connection by the descriptor that was kept spare, after [`Acceptor::accept`] had none: to be told so and closed
    /// before the next is waited for. `None` where nobody waits any more, or that descriptor is gone as well.
    pub fn accept_surplus(&self) -> Option<Socket> {
        if !self.spare.give_up() {
            return None;
        }
        match self.poll_accept(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok((socket, _))) => Some(socket),
            Poll::Ready(Err(_)) | Poll::Pending => None,
        }
    }

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(Socket, Option<IpAddr>)>> {
        match &self.socket {
            Accepting::Tcp(listener) => {
                let (stream, address) = ready!(listener.poll_accept(context))?;
                // Answers are written whole: nothing is won by waiting for more. A peer that has gone shows at the first read.
                let _ = stream.set_nodelay(true);
                Poll::Ready(Ok((Socket::Tcp(stream), Some(address.ip()))))
            }
            Accepting::Unix(listener) => {
                let (stream, _) = ready!(listener.poll_accept(context))?;
                Poll::Ready(Ok((Socket::Unix(stream), None)))
            }
        }
    }
}
