//! One worker's side of the gateway: what its requests share, and no other worker touches.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Instant;

use http::HeaderName;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::gateway::bearer::Note;
use crate::gateway::request_content::RequestContent;
use crate::gateway::request_id::RequestIds;
use crate::gateway::seldom::Seldom;
use crate::gateway::snapshot::{Shared, Snapshot, Upstream};
use crate::gateway::turned_away::TurnedAway;
use crate::net::{PoolEvent, PoolSettings, UpstreamPool, WarmPlaces, Watch};
use crate::verify::Verifier;

/// A worker's memory of tokens, connections to upstreams, and view of what is in force.
pub(super) struct DataPlane {
    pub(super) shared: Arc<Shared>,
    pub(super) verifier: Verifier<Note>,
    pub(super) request_ids: RequestIds,
    /// Set when the process drains: answers close their connections.
    pub(super) draining: Rc<Cell<bool>>,
    /// Set when the drain's time is over: what is still unanswered is refused.
    pub(super) cutting: Cell<bool>,
    /// Tells tunnels of it.
    pub(super) cut: Notify,
    /// `limits.connections` as it was at the start.
    pub(super) most_connections: usize,
    pub(super) turned_away: TurnedAway,
    /// That connections cannot be accepted.
    pub(super) accept_faults: Seldom,
    pub(super) warm_places: WarmPlaces,
    view: RefCell<Rc<View>>,
    peers: RefCell<Vec<Weak<Watch>>>,
    /// The connections' tasks; a drain waits for the last of them.
    pub(super) connections: TaskTracker,
}

/// A snapshot with this worker's pools for its upstreams.
pub(super) struct View {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) pools: Vec<Pool>,
}

/// A pool, and what its requests are spared.
pub(super) struct Pool {
    pub(super) connections: UpstreamPool<RequestContent>,
    pub(super) remove: Rc<[HeaderName]>,
}

impl fmt::Debug for DataPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataPlane").field("draining", &self.draining).finish_non_exhaustive()
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("table", &self.snapshot.table.fingerprint()).finish_non_exhaustive()
    }
}

impl DataPlane {
    pub(super) fn new(shared: Arc<Shared>, workers: usize, seed: u64) -> Rc<Self> {
        let snapshot = shared.snapshot.load_full();
        let remembered = snapshot.limits.remembered_tokens.div_ceil(workers.max(1));
        let verifier =
            Verifier::new(remembered, snapshot.limits.verification, shared.clock.clone(), Arc::clone(&shared.metrics));
        Rc::new(Self {
            verifier,
            request_ids: RequestIds::new(seed),
            draining: Rc::default(),
            cutting: Cell::new(false),
            cut: Notify::new(),
            most_connections: snapshot.limits.connections,
            turned_away: TurnedAway::beside(snapshot.limits.connections / workers.max(1)),
            accept_faults: Seldom::default(),
            warm_places: WarmPlaces::default(),
            view: RefCell::new(Rc::new(View::new(snapshot, None))),
            peers: RefCell::default(),
            connections: TaskTracker::new(),
            shared,
        })
    }

    /// What is in force now. A request calls this once and keeps what it is given.
    pub(super) fn view(&self) -> Rc<View> {
        let current = self.shared.snapshot.load();
        let mut view = self.view.borrow_mut();
        if !Arc::ptr_eq(&current, &view.snapshot) {
            self.verifier.set_share(current.limits.verification);
            let next = View::new(Arc::clone(&current), Some(&view));
            view.retire_all_but(&next);
            *view = Rc::new(next);
        }
        Rc::clone(&view)
    }

    /// Keeps a connection's watch until the connection has ended.
    pub(super) fn watch(&self, watch: &Rc<Watch>) {
        let mut peers = self.peers.borrow_mut();
        if peers.len() == peers.capacity() {
            peers.retain(|peer| peer.strong_count() > 0);
            // Room for as many more, so that those that live are not looked over again at once.
            let living = peers.len();
            peers.reserve(living);
        }
        peers.push(Rc::downgrade(watch));
    }

    /// Has every connection look at once at what has changed: the drain, or its end.
    pub(super) fn wake_all(&self) {
        let peers: Vec<Rc<Watch>> = self.peers.borrow().iter().filter_map(Weak::upgrade).collect();
        for peer in peers {
            if self.cutting.get() {
                peer.expire();
            }
            peer.wake();
        }
    }

    /// Closes upstream connections that have been idle for too long, and lets go of the text of tokens that nobody shows. A worker without requests so also comes to see, and let go
    /// of, what a reload has replaced.
    pub(super) fn reap(&self, now: Instant) {
        self.verifier.sweep();
        let view = self.view();
        for pool in &view.pools {
            pool.connections.reap(now);
        }
    }
}

impl View {
    fn new(snapshot: Arc<Snapshot>, previous: Option<&Self>) -> Self {
        let pools = snapshot.upstreams.iter().map(|upstream| Pool::new(upstream, previous)).collect();
        Self { snapshot, pools }
    }

    /// Retires the pools that `next` does not go on with.
    fn retire_all_but(&self, next: &Self) {
        for pool in &self.pools {
            if !next.pools.iter().any(|kept| kept.connections.is(&pool.connections)) {
                pool.connections.retire();
            }
        }
    }
}

impl Pool {
    /// A pool like that of the previous view is that pool: a reload closes no connection that is still of use.
    fn new(upstream: &Upstream, previous: Option<&View>) -> Self {
        let settings = &upstream.settings;
        let wanted = PoolSettings {
            endpoint: settings.endpoint.clone(),
            protocol: settings.protocol,
            tls: settings.tls.clone(),
            connect: settings.connect,
            max: settings.max_connections,
            queue: settings.queue,
            idle: settings.connection_idle,
        };
        let same = |view: &View| {
            let mut known = view.snapshot.upstreams.iter().zip(&view.pools);
            known
                .find(|(known, pool)| known.settings.name == settings.name && *pool.connections.settings() == wanted)
                .map(|(_, pool)| pool.connections.clone())
        };
        let connections = previous.and_then(same).unwrap_or_else(|| {
            let metrics = upstream.metrics.clone();
            UpstreamPool::new(wanted, move |event| match event {
                PoolEvent::Opened => metrics.connections(1),
                PoolEvent::Closed => metrics.connections(-1),
            })
        });
        Self { connections, remove: settings.remove.clone().into() }
    }
}
