//! Sockets that are open before this process opens any: of the process before it, or of a service manager.

use std::env;

use super::fault::StartFault;
use super::handover_messages::{Counts, VARIABLE};
use super::predecessor::Predecessor;
use crate::net::{ListenAddress, Listener, Listening, passed_sockets};

/// What a process starts with.
#[derive(Debug, Default)]
pub(super) struct Inheritance {
    pub(super) predecessor: Option<Predecessor>,
    pub(super) counts: Counts,
    listeners: Vec<Inherited>,
}

#[derive(Debug)]
struct Inherited {
    /// What it is to the process before; a service manager does not say.
    place: Option<Place>,
    /// As that process' gateway file says it.
    address: String,
    listener: Listener,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// With its position there.
    Listener(usize),
    Admin,
}

/// Who is to listen on what was inherited.
#[derive(Debug)]
pub(super) struct Heirlooms {
    /// For each address of the gateway file, in its order.
    pub(super) listeners: Vec<Option<Listener>>,
    pub(super) admin: Option<Listener>,
    /// For each listener of the process before, whether it is among them.
    pub(super) taken_over: Vec<bool>,
    /// The ports on which the process before listens.
    ports: Vec<u16>,
}

impl Heirlooms {
    /// Whether the process before listens on the port of `address`, be it on another address of the host: there it is no stranger
    /// with whom the port is shared.
    pub(super) fn is_port_of_predecessor(&self, address: &ListenAddress) -> bool {
        port(address).is_some_and(|port| self.ports.contains(&port))
    }
}

fn port(address: &ListenAddress) -> Option<u16> {
    match address {
        ListenAddress::Tcp(address) => Some(address.port()),
        ListenAddress::Unix(_) => None,
    }
}

impl Inheritance {
    /// What the environment says that there is. To be called once, before the process has threads.
    ///
    /// # Errors
    ///
    /// [`StartFault::Inheritance`] where the environment speaks of sockets that are not to be had.
    pub(super) fn from_environment() -> Result<Self, StartFault> {
        let failed = |source| StartFault::Inheritance { source };
        // Taken out of the environment in any case, so that no other process takes them for its own.
        let passed = passed_sockets().map_err(failed)?;
        if env::var_os(VARIABLE).is_some() {
            return Self::of_predecessor().map_err(failed);
        }
        let listeners = by_address(passed).map_err(failed)?;
        Ok(Self { listeners, ..Self::default() })
    }

    fn of_predecessor() -> std::io::Result<Self> {
        let predecessor = Predecessor::at_standard_input()?;
        let (offer, listeners, admin) = predecessor.receive()?;
        let placed = listeners.into_iter().zip(offer.listeners).enumerate();
        let placed = placed.map(|(position, (listener, offered))| Inherited {
            place: Some(Place::Listener(position)),
            address: offered.address,
            listener,
        });
        let admin = admin.zip(offer.admin).map(|(listener, offered)| Inherited {
            place: Some(Place::Admin),
            address: offered.address,
            listener,
        });
        Ok(Self { listeners: placed.chain(admin).collect(), predecessor: Some(predecessor), counts: offer.counts })
    }

    /// Finds for each address what was inherited. What the process before has and no address asks for is closed: that process
    /// still serves who waits there.
    ///
    /// # Errors
    ///
    /// [`StartFault::Passed`] for a socket of a service manager that no address asks for: a mistake in one file or the other.
    pub(super) fn divide(mut self, wanted: &[ListenAddress], admin: &ListenAddress) -> Result<Heirlooms, StartFault> {
        let mut taken_over = vec![false; self.listeners.iter().filter(|one| one.is_listener()).count()];
        let ports = self.listeners.iter().filter_map(|inherited| port(inherited.listener.address())).collect();
        let mut found = Vec::with_capacity(wanted.len());
        for address in wanted {
            let inherited = self.take(address, Inherited::is_listener);
            if let Some(Place::Listener(position)) = inherited.as_ref().and_then(|inherited| inherited.place)
                && let Some(taken_over) = taken_over.get_mut(position)
            {
                *taken_over = true;
            }
            found.push(inherited.map(|inherited| inherited.listener));
        }
        let admin = self.take(admin, |inherited| !inherited.is_listener()).map(|inherited| inherited.listener);
        match self.listeners.into_iter().find(|inherited| inherited.place.is_none()) {
            Some(left) => Err(StartFault::Passed { address: left.listener.address().clone() }),
            None => Ok(Heirlooms { listeners: found, admin, taken_over, ports }),
        }
    }

    /// As the file says it, so that port 0 keeps its port; or else as it is bound.
    fn take(&mut self, address: &ListenAddress, fits: impl Fn(&Inherited) -> bool) -> Option<Inherited> {
        let written = address.to_string();
        let fits = |inherited: &&Inherited| inherited.place.is_none() || fits(inherited);
        let mut candidates = self.listeners.iter().enumerate().filter(|(_, inherited)| fits(inherited));
        let same = candidates.clone().find(|(_, inherited)| inherited.address == written);
        let (position, _) =
            same.or_else(|| candidates.find(|(_, inherited)| inherited.listener.address() == address))?;
        Some(self.listeners.remove(position))
    }
}

impl Inherited {
    fn is_listener(&self) -> bool {
        matches!(self.place, Some(Place::Listener(_)))
    }
}

fn by_address(sockets: Vec<Listening>) -> std::io::Result<Vec<Inherited>> {
    let mut groups: Vec<(ListenAddress, Vec<Listening>)> = Vec::new();
    for socket in sockets {
        let address = socket.address()?;
        match groups.iter_mut().find(|(known, _)| *known == address) {
            Some((_, group)) => group.push(socket),
            None => groups.push((address, vec![socket])),
        }
    }
    let inherited = |(address, sockets): (ListenAddress, Vec<Listening>)| {
        Ok(Inherited { place: None, address: address.to_string(), listener: Listener::inherited(sockets, true)? })
    };
    groups.into_iter().map(inherited).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(address: &str) -> Listener {
        Listener::bind(&ListenAddress::Tcp(address.parse().unwrap()), 1).unwrap()
    }

    fn of_predecessor(listeners: &[&str], admin: &str) -> (Inheritance, Vec<ListenAddress>) {
        let addresses = listeners.iter().enumerate().map(|(position, text)| (Place::Listener(position), *text));
        let listeners: Vec<_> = addresses
            .chain([(Place::Admin, admin)])
            .map(|(place, text)| Inherited { place: Some(place), address: text.into(), listener: listening(text) })
            .collect();
        let bound = listeners.iter().map(|inherited| inherited.listener.address().clone()).collect();
        (Inheritance { listeners, ..Inheritance::default() }, bound)
    }

    fn any() -> ListenAddress {
        ListenAddress::Tcp("127.0.0.1:0".parse().unwrap())
    }

    fn address(found: Option<&Listener>) -> Option<ListenAddress> {
        found.map(|listener| listener.address().clone())
    }

    #[test]
    fn listeners_on_any_port_keep_theirs_and_never_the_admin_listeners() {
        let (inheritance, bound) = of_predecessor(&["127.0.0.1:0"], "127.0.0.1:0");
        let heirlooms = inheritance.divide(&[any(), any()], &any()).unwrap();
        assert_eq!(address(heirlooms.listeners[0].as_ref()), Some(bound[0].clone()));
        assert!(heirlooms.listeners[1].is_none(), "a listener that is new");
        assert_eq!(address(heirlooms.admin.as_ref()), Some(bound[1].clone()));
        assert_eq!(heirlooms.taken_over, [true]);
    }

    #[test]
    fn a_port_that_was_given_can_be_written_down_afterwards() {
        let (inheritance, bound) = of_predecessor(&["127.0.0.1:0", "127.0.0.1:0"], "127.0.0.1:0");
        let heirlooms = inheritance.divide(&[bound[1].clone()], &bound[2]).unwrap();
        assert_eq!(address(heirlooms.listeners[0].as_ref()), Some(bound[1].clone()));
        assert_eq!(heirlooms.taken_over, [false, true]);
        assert!(heirlooms.admin.is_some());
    }

    #[test]
    fn what_a_service_manager_passes_has_to_be_asked_for() {
        let passed = |count: usize| {
            let listener = listening("127.0.0.1:0");
            let address = listener.address().clone();
            let sockets = (0..count).map(|_| listener.sockets()[0].try_clone().unwrap()).collect();
            (Inheritance { listeners: by_address(sockets).unwrap(), ..Inheritance::default() }, address)
        };
        let (inheritance, bound) = passed(2);
        let heirlooms = inheritance.divide(&[any(), bound.clone()], &any()).unwrap();
        assert!(heirlooms.listeners[0].is_none() && heirlooms.admin.is_none());
        let listener = heirlooms.listeners[1].as_ref().unwrap();
        assert!(listener.sockets().len() == 2 && listener.is_held_outside());
        let (inheritance, bound) = passed(1);
        assert!(inheritance.divide(&[any()], &bound).unwrap().admin.is_some());
        let (inheritance, bound) = passed(1);
        let left = inheritance.divide(&[any()], &any()).unwrap_err();
        assert!(matches!(left, StartFault::Passed { address } if address == bound));
    }
}
