//! What is in force: one value that a request takes once and keeps.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use http::HeaderValue;

use crate::clock::Clock;
use crate::directory::TableRoles;
use crate::gateway::seldom::Seldom;
use crate::gateway::{Limits, ListenerSettings, RevealRoutes, UpstreamSettings};
use crate::policy::RouteTable;
use crate::telemetry::{Log, Metrics, RouteMetrics, UpstreamMetrics};
use crate::traces::Tracer;
use crate::verify::Issuers;

/// The table, the issuers and the settings that were loaded together. Immutable; a reload makes another.
#[derive(Debug)]
pub struct Snapshot {
    /// Routes, scopes and ceilings.
    pub table: Arc<RouteTable>,
    /// What the roles of the role directory permit under the table, always the newest; `None` where there is no directory.
    pub roles: Option<Arc<TableRoles>>,
    /// Counters of the table's routes.
    pub routes: RouteMetrics,
    /// Issuers with their keys and revocations, which are always the newest.
    pub issuers: Arc<Issuers>,
    /// In the order of `table.upstreams()`.
    pub upstreams: Vec<Upstream>,
    /// In the order in which they were bound.
    pub listeners: Vec<ListenerSettings>,
    /// Bounds.
    pub limits: Limits,
    /// The challenge's `realm`, free of `"` and `\`.
    pub realm: String,
    /// Whether a valid token is asked for before a route is shown to exist.
    pub reveal_routes: RevealRoutes,
    /// How long requests under way may take once the process drains.
    pub drain_timeout: Duration,
    /// How long the next process may take to be ready.
    pub handover_timeout: Duration,
    /// `Scopegate-Route` of each route, by its index.
    pub route_ids: Vec<HeaderValue>,
    /// Where spans go; `None` where there are no traces.
    pub traces: Option<Arc<Tracer>>,
}

/// An upstream's settings with its counters.
#[derive(Debug)]
pub struct Upstream {
    /// As the gateway file describes it.
    pub settings: UpstreamSettings,
    /// Its counters.
    pub metrics: UpstreamMetrics,
    /// That there is no connection with it.
    told: Seldom,
}

impl Upstream {
    /// An upstream of which nothing has been told yet.
    pub fn new(settings: UpstreamSettings, metrics: &Metrics) -> Self {
        Self { metrics: metrics.upstream(&settings.name), settings, told: Seldom::default() }
    }

    /// Tells the operator, who can mend it, why there is no connection, and not for every request that it fails.
    pub(super) fn tell(&self, fault: &dyn fmt::Display) {
        if self.told.is_due(Instant::now()) {
            tracing::warn!(upstream = &*self.settings.name, %fault, "no connection to the upstream");
        }
    }
}

/// What every worker of the process shares.
#[derive(Debug)]
pub struct Shared {
    /// What is in force.
    pub snapshot: ArcSwap<Snapshot>,
    /// The registry.
    pub metrics: Arc<Metrics>,
    /// Where records go.
    pub log: Log,
    /// The wall clock.
    pub clock: Clock,
    in_flight: AtomicUsize,
    connections: AtomicUsize,
    tunnels: AtomicUsize,
}

impl Shared {
    /// Begins with `snapshot` in force and nothing under way.
    pub fn new(snapshot: Snapshot, metrics: Arc<Metrics>, log: Log, clock: Clock) -> Self {
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            metrics,
            log,
            clock,
            in_flight: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            tunnels: AtomicUsize::new(0),
        }
    }

    /// Requests under way in the process.
    pub fn requests_in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a request in; whether it is within `limit`. [`Shared::end_request`] counts it out in either case.
    pub(super) fn begin_request(&self, limit: usize) -> bool {
        self.metrics.in_flight(1);
        self.in_flight.fetch_add(1, Ordering::Relaxed) < limit
    }

    pub(super) fn end_request(&self) {
        self.metrics.in_flight(-1);
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts a connection in, unless `limit` are open already.
    pub(super) fn begin_connection(&self, limit: usize) -> bool {
        let within = self.connections.fetch_add(1, Ordering::Relaxed) < limit;
        if !within {
            self.end_connection();
        }
        within
    }

    /// Counts a tunnel in, unless there are `limit` already.
    pub(super) fn begin_tunnel(&self, limit: usize) -> bool {
        let within = self.tunnels.fetch_add(1, Ordering::Relaxed) < limit;
        if !within {
            self.end_tunnel();
        }
        within
    }

    pub(super) fn end_tunnel(&self) {
        self.tunnels.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn end_connection(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
