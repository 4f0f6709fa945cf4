//! Everything that a gateway listens on.

use std::io;
use std::net::{SocketAddr, TcpListener};

use super::fault::StartFault;
use super::handover_messages::{Counts, Offer, Offered};
use super::inheritance::Heirlooms;
use crate::net::{ListenAddress, Listener, Listening};

/// The listeners, in the order of the gateway file, and the admin listener.
#[derive(Debug)]
pub(super) struct Listeners {
    listeners: Vec<(ListenAddress, Listener)>,
    admin: (ListenAddress, Listener),
}

/// The sockets of one worker, each with the position of its listener.
pub(super) type Dealt = Vec<(usize, Listening)>;

impl Listeners {
    /// Takes what was inherited and opens what is missing.
    ///
    /// # Errors
    ///
    /// [`StartFault::Listen`] with the address that cannot be had, or at which somebody listens already; nothing that was inherited is harmed.
    pub(super) fn open(
        wanted: &[ListenAddress],
        admin: SocketAddr,
        heirlooms: Heirlooms,
        workers: usize,
    ) -> Result<Self, StartFault> {
        let failed = |address: &ListenAddress| {
            let address = address.clone();
            |source| StartFault::Listen { address, source }
        };
        // Before the first of them is bound, for two of one file may share a port, and before anything is done.
        for (address, heirloom) in wanted.iter().zip(&heirlooms.listeners) {
            if heirloom.is_none() && !heirlooms.is_port_of_predecessor(address) {
                Listener::ensure_free(address).map_err(failed(address))?;
            }
        }
        let mut listeners = Vec::with_capacity(wanted.len());
        for (address, heirloom) in wanted.iter().zip(heirlooms.listeners) {
            let listener = heirloom.map_or_else(|| Listener::bind(address, workers), Ok).map_err(failed(address))?;
            listeners.push((address.clone(), listener));
        }
        let address = ListenAddress::Tcp(admin);
        let admin = heirlooms.admin.map_or_else(|| bind_alone(admin), Ok).map_err(failed(&address))?;
        // Last: connections that reach a further socket of an inherited port are this process' own from now on.
        for (address, listener) in &mut listeners {
            listener.open_for(workers).map_err(failed(address))?;
        }
        Ok(Self { listeners, admin: (address, admin) })
    }

    /// Makes what was inherited this process' own, once nothing can fail any more.
    pub(super) fn adopt(&mut self) {
        for (_, listener) in &mut self.listeners {
            listener.adopt();
        }
    }

    /// Where the listeners are bound.
    pub(super) fn addresses(&self) -> Vec<ListenAddress> {
        self.listeners.iter().map(|(_, listener)| listener.address().clone()).collect()
    }

    /// The sockets of each of `workers`.
    ///
    /// # Errors
    ///
    /// [`StartFault::System`].
    pub(super) fn deal(&self, workers: usize) -> Result<Vec<Dealt>, StartFault> {
        let mut dealt: Vec<Dealt> = (0..workers).map(|_| Vec::new()).collect();
        for (position, (_, listener)) in self.listeners.iter().enumerate() {
            let handles = listener.deal(workers).map_err(StartFault::system("the workers' sockets"))?;
            for (worker, handles) in dealt.iter_mut().zip(handles) {
                worker.extend(handles.into_iter().map(|socket| (position, socket)));
            }
        }
        Ok(dealt)
    }

    /// A handle on the admin listener's socket.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub(super) fn admin(&self) -> io::Result<TcpListener> {
        match self.admin.1.sockets().first().map(Listening::try_clone).transpose()? {
            Some(Listening::Tcp(listener)) => Ok(listener),
            Some(Listening::Unix(_)) | None => Err(io::ErrorKind::AddrNotAvailable.into()),
        }
    }

    /// What a new process is offered; [`Listeners::sockets`] has the sockets in the same order.
    pub(super) fn offer(&self, counts: Counts) -> Offer {
        let offered = |(address, listener): &(ListenAddress, Listener)| Offered {
            address: address.to_string(),
            sockets: listener.sockets().len(),
            held_outside: listener.is_held_outside(),
        };
        Offer { listeners: self.listeners.iter().map(offered).collect(), admin: Some(offered(&self.admin)), counts }
    }

    pub(super) fn sockets(&self) -> impl Iterator<Item = &Listening> {
        self.listeners.iter().chain([&self.admin]).flat_map(|(_, listener)| listener.sockets())
    }

    /// Closes the admin listener's socket: the process that has taken over answers there, or elsewhere.
    pub(super) fn close_admin(&mut self) {
        self.admin.1.close();
    }

    /// Leaves the listeners to the workers, who close them: with a worker's last handle a queue is gone, unless it was taken over.
    pub(super) fn close(&mut self, taken_over: &[bool]) {
        for (position, (_, listener)) in self.listeners.iter_mut().enumerate() {
            listener.close();
            if taken_over.get(position).copied().unwrap_or(false) {
                listener.leave_file();
            }
        }
    }
}

/// Without `SO_REUSEPORT`: two processes that answer for themselves on one port would mislead whoever asks.
fn bind_alone(address: SocketAddr) -> io::Result<Listener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Listener::inherited(vec![Listening::Tcp(listener)], false)
}
