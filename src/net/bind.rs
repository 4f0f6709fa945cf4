//! The sockets of one listener: opened, dealt out to workers, passed on to the process that comes next.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket as RawSocket, Type};

use super::socket_file::{self, SocketFile};
use super::{BACKLOG, ListenAddress, Listening};

/// What listens on one address: one or more sockets, each with a queue of connections of its own.
///
/// Over TCP the kernel spreads new connections over the queues (`SO_REUSEPORT`); a unix socket has one. Each worker accepts from
/// handles that [`Listener::deal`] makes. Dropped, it takes the file of its unix socket away.
#[derive(Debug)]
pub struct Listener {
    address: ListenAddress,
    sockets: Vec<Listening>,
    /// Somebody outside holds the sockets too and keeps their queues when this process ends: there are never more.
    held_outside: bool,
    file: Option<SocketFile>,
}

impl Listener {
    /// Listens on `address`, for `workers` (at least one); with port 0 the first socket is given a free port and the others share it.
    ///
    /// The file of a unix socket that nobody listens on any more is replaced. Owner and group may connect to a new one.
    ///
    /// # Errors
    ///
    /// What the operating system says when the address cannot be had; `AddrInUse` also where a path is that of anything but a
    /// socket.
    pub fn bind(address: &ListenAddress, workers: usize) -> io::Result<Self> {
        let (socket, file) = match address {
            ListenAddress::Tcp(address) => (Listening::Tcp(bind_tcp(*address)?), None),
            ListenAddress::Unix(path) => {
                let (socket, file) = socket_file::bind(path)?;
                (Listening::Unix(socket), Some(file))
            }
        };
        let mut listener = Self { address: socket.address()?, sockets: vec![socket], held_outside: false, file };
        listener.open_for(workers)?;
        Ok(listener)
    }

    /// Makes sure that nobody listens on `address` yet. [`Listener::bind`] would share the port of a process of the same user, and each
    /// would get some of the connections.
    ///
    /// # Errors
    ///
    /// `AddrInUse` where somebody does, or where a path is that of anything but a socket; or what the operating system says when the address cannot be had.
    pub fn ensure_free(address: &ListenAddress) -> io::Result<()> {
        match address {
            ListenAddress::Tcp(address) => match tcp_socket(*address)?.bind(&(*address).into()) {
                Err(fault) if fault.kind() == io::ErrorKind::AddrInUse => {
                    Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there"))
                }
                bound => bound,
            },
            ListenAddress::Unix(path) => socket_file::ensure_free(path).map(drop),
        }
    }

    /// Takes over what another process has opened: at least one socket, all on one address. `held_outside` says that the opener
    /// keeps the sockets for whoever comes next.
    ///
    /// # Errors
    ///
    /// `InvalidInput` where there is no socket, or what the operating system says when it cannot tell the address.
    pub fn inherited(sockets: Vec<Listening>, held_outside: bool) -> io::Result<Self> {
        let Some(first) = sockets.first() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a listener without a socket"));
        };
        Ok(Self { address: first.address()?, sockets, held_outside, file: None })
    }

    /// Makes what was inherited this process' own: from now on the file of a unix socket goes with it, unless it is held outside.
    pub fn adopt(&mut self) {
        if let (ListenAddress::Unix(path), false, None) = (&self.address, self.held_outside, &self.file) {
            self.file = SocketFile::of(path).ok();
        }
    }

    /// Opens as many more sockets as `workers` need for a queue each, where the family has that.
    ///
    /// # Errors
    ///
    /// What the operating system says. A socket that was opened without `SO_REUSEPORT` is shared by the workers instead.
    pub fn open_for(&mut self, workers: usize) -> io::Result<()> {
        let ListenAddress::Tcp(address) = self.address else { return Ok(()) };
        let shares_port = |socket: &Listening| socket2::SockRef::from(socket).reuse_port();
        if self.held_outside || !self.sockets.iter().map(shares_port).collect::<io::Result<Vec<_>>>()?.contains(&true) {
            return Ok(());
        }
        while self.sockets.len() < workers {
            self.sockets.push(Listening::Tcp(bind_tcp(address)?));
        }
        Ok(())
    }

    /// Where it listens, with the port that was given for port 0.
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// The sockets.
    pub fn sockets(&self) -> &[Listening] {
        &self.sockets
    }

    /// Whether somebody outside holds the sockets too.
    pub fn is_held_outside(&self) -> bool {
        self.held_outside
    }

    /// Handles for `workers` (at least one): each worker has one or more, and of each socket some worker has one.
    ///
    /// # Errors
    ///
    /// What the operating system says when it has no descriptor left.
    pub fn deal(&self, workers: usize) -> io::Result<Vec<Vec<Listening>>> {
        let mut dealt: Vec<Vec<Listening>> = (0..workers).map(|_| Vec::new()).collect();
        let turns = workers.max(self.sockets.len());
        for (turn, socket) in self.sockets.iter().cycle().take(turns).enumerate() {
            if let Some(worker) = dealt.get_mut(turn % workers.max(1)) {
                worker.push(socket.try_clone()?);
            }
        }
        Ok(dealt)
    }

    /// Closes this process' own handles: its workers have theirs, and with the last of them a queue is gone.
    pub fn close(&mut self) {
        self.sockets.clear();
    }

    /// Leaves the file of the unix socket to the process that has taken it over.
    pub fn leave_file(&mut self) {
        if let Some(file) = self.file.take() {
            file.leave();
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = tcp_socket(address)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Can be bound beside connections of the port that have ended, and not beside a socket that listens.
fn tcp_socket(address: SocketAddr) -> io::Result<RawSocket> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any_port() -> ListenAddress {
        ListenAddress::Tcp("127.0.0.1:0".parse().unwrap())
    }

    #[test]
    fn workers_share_the_port_that_the_first_was_given() {
        let listener = Listener::bind(&any_port(), 3).unwrap();
        assert!(matches!(listener.address(), ListenAddress::Tcp(address) if address.port() != 0));
        let addresses: Vec<_> = listener.sockets().iter().map(|socket| socket.address().unwrap()).collect();
        assert_eq!(addresses, vec![listener.address().clone(); 3]);
    }

    #[test]
    fn a_foreign_address_is_refused() {
        assert!(Listener::bind(&ListenAddress::Tcp("203.0.113.1:0".parse().unwrap()), 1).is_err());
    }

    #[test]
    fn an_address_is_free_until_somebody_listens_there_and_again_afterwards() {
        Listener::ensure_free(&any_port()).unwrap();
        let mut listener = Listener::bind(&any_port(), 2).unwrap();
        let ListenAddress::Tcp(address) = listener.address().clone() else { panic!("TCP") };
        for taken in [address, SocketAddr::from(([0, 0, 0, 0], address.port()))] {
            let fault = Listener::ensure_free(&ListenAddress::Tcp(taken)).unwrap_err();
            assert_eq!(
                (fault.kind(), &*fault.to_string()),
                (io::ErrorKind::AddrInUse, "another process listens there")
            );
        }
        // What has been accepted goes on, and what has ended is remembered by the system for a while.
        let client = std::net::TcpStream::connect(address).unwrap();
        let Listening::Tcp(first) = &listener.sockets()[0] else { panic!("TCP") };
        let Listening::Tcp(second) = &listener.sockets()[1] else { panic!("TCP") };
        let accepted = std::iter::repeat_with(|| first.accept().or_else(|_| second.accept())).find_map(Result::ok);
        listener.close();
        Listener::ensure_free(&ListenAddress::Tcp(address)).unwrap();
        drop((accepted, client));
        Listener::ensure_free(&ListenAddress::Tcp(address)).unwrap();
    }

    #[test]
    fn every_worker_has_a_socket_and_every_socket_a_worker() {
        for (sockets, workers, expected) in
            [(1, 3, vec![1, 1, 1]), (3, 1, vec![3]), (3, 2, vec![2, 1]), (2, 2, vec![1, 1])]
        {
            let listener = Listener::bind(&any_port(), sockets).unwrap();
            let dealt: Vec<_> = listener.deal(workers).unwrap().iter().map(Vec::len).collect();
            assert_eq!(dealt, expected, "{sockets} sockets for {workers} workers");
        }
    }

    #[test]
    fn sockets_that_are_inherited_grow_in_number_unless_they_are_held_outside() {
        for (held_outside, expected) in [(false, 3), (true, 1)] {
            let Listener { sockets, .. } = Listener::bind(&any_port(), 1).unwrap();
            let mut heir = Listener::inherited(sockets, held_outside).unwrap();
            heir.open_for(3).unwrap();
            assert_eq!(heir.sockets().len(), expected);
        }
    }

    #[test]
    fn a_socket_that_shares_its_port_with_nobody_is_shared_by_the_workers() {
        let alone = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut heir = Listener::inherited(vec![Listening::Tcp(alone)], false).unwrap();
        heir.open_for(2).unwrap();
        assert_eq!(heir.sockets().len(), 1);
        assert_eq!(heir.deal(2).unwrap().iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    }
}
