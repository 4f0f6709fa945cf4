//! How many descriptors the process may have, and how many connections that allows.

use std::num::NonZero;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config;
use crate::gateway::TURNED_AWAY_AT_ONCE;

/// Descriptors for what is neither a peer's connection nor an upstream's: files that are read, the admin listener and its connections,
/// fetches, a hand-over.
const OWN: usize = 40;
/// For each worker: its runtime.
const OF_WORKER: usize = 4;
/// For each worker at each listener: a socket, a handle on it, and one that is kept spare.
const OF_LISTENER: usize = 3;

/// What a gateway may have open, and what this process would allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorBudget {
    /// Descriptors that the gateway file lets it have.
    pub needed: usize,
    /// Descriptors that it may have: a gateway raises its soft bound to the hard one. `None` if there is no bound.
    pub most: Option<usize>,
    /// Peers' connections that it would take at one time.
    pub connections: usize,
}

impl DescriptorBudget {
    /// The budget of a gateway that is started with the bounds of this process; nothing is raised.
    pub fn of(gateway: &config::Gateway) -> Self {
        let wanted = Wanted::of(gateway, workers(gateway));
        let most = getrlimit(Resource::Nofile).maximum.map(|most| usize::try_from(most).unwrap_or(usize::MAX));
        Self { needed: wanted.total(), most, connections: most.map_or(wanted.peers, |most| wanted.affordable(most)) }
    }
}

/// How many workers a gateway has: as many as it says, or one a core.
pub(super) fn workers(gateway: &config::Gateway) -> usize {
    match gateway.workers {
        0 => std::thread::available_parallelism().map_or(1, NonZero::get),
        workers => workers,
    }
}

/// What a gateway's file lets it have open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    /// Peers' connections at most.
    peers: usize,
    /// Connections that are being turned away, at most.
    turned_away: usize,
    /// Connections to upstreams at most.
    upstreams: usize,
    own: usize,
}

/// Raises the bound on the process' descriptors as far as it may be raised, and gives the number of peers' connections that may be open
/// at one time: `limits.connections`, or fewer, said so in the log, where there are not descriptors enough for them and for the
/// connections to upstreams.
pub(super) fn affordable_connections(gateway: &config::Gateway, workers: usize) -> usize {
    let wanted = Wanted::of(gateway, workers);
    let Some(most) = raise() else { return wanted.peers };
    let (needed, connections) = (wanted.total(), wanted.affordable(most));
    if needed > most {
        tracing::warn!(
            connections,
            descriptors = most,
            needed,
            "the process may have too few descriptors for `limits.connections` and the `connections.max` of upstreams, so that fewer \
             connections are accepted: raise the hard limit (`LimitNOFILE=` of systemd, `ulimit -Hn`), or lower the two"
        );
    }
    connections
}

/// The bound on the process' descriptors, as high as it may be; `None` if there is none.
fn raise() -> Option<usize> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let is_raised = current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let most = if is_raised { maximum } else { current };
    most.map(|most| usize::try_from(most).unwrap_or(usize::MAX))
}

impl Wanted {
    fn of(gateway: &config::Gateway, workers: usize) -> Self {
        let of_one_worker: usize = gateway.upstreams.iter().map(|upstream| upstream.max_connections).sum();
        Self {
            peers: gateway.limits.connections,
            turned_away: TURNED_AWAY_AT_ONCE.saturating_mul(workers),
            upstreams: of_one_worker.saturating_mul(workers),
            own: OWN + workers * (OF_WORKER + OF_LISTENER * gateway.listeners.len()),
        }
    }

    fn total(self) -> usize {
        self.peers.saturating_add(self.turned_away).saturating_add(self.upstreams).saturating_add(self.own)
    }

    /// Peers' connections at most where there are `most` descriptors. Upstreams have as many as they may want, and half of all if that is
    /// less, since a request needs one of each; of the rest those have a part that are turned away, never more than are served.
    fn affordable(self, most: usize) -> usize {
        let left = most.saturating_sub(self.own);
        let of_peers = left - self.upstreams.min(left / 2);
        let served = of_peers.saturating_sub(self.turned_away).max(of_peers / 2);
        self.peers.min(served).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_have_what_upstreams_and_those_who_are_turned_away_leave() {
        for (peers, upstreams, most, expected) in [
            (20_000, 512, 1_000_000, 20_000),
            (20_000, 512, 20_740, 20_000),
            (20_000, 512, 20_739, 19_999),
            (20_000, 512, 1_124, 384),
            (20_000, 100_000, 1_100, 372),
            (10, 100_000, 1_100, 10),
            (20_000, 512, 300, 50),
            (20_000, 512, 100, 1),
            (20_000, 512, 0, 1),
        ] {
            let wanted = Wanted { peers, turned_away: 128, upstreams, own: 100 };
            assert_eq!(wanted.affordable(most), expected, "{wanted:?} of {most}");
        }
    }

    #[test]
    fn the_soft_bound_is_raised_to_the_hard_one() {
        raise();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current, maximum);
    }
}
