//! The counters of a whole table, and how they outlive it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::Histogram;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use crate::policy::{Found, RouteIndex, RouteTable};

use super::counters::{Outcome, RouteCounters};
use super::exposition::{Described, InForce};
use super::families::observe;
use super::labels::{Children, MethodLabel, Source};
use super::record::AccessRecord;
use super::upstreams::UpstreamFamilies;

/// The label `route` of a request that met no route.
pub(super) const UNMATCHED: &str = "_unmatched";

/// The counters of one table, handed to whoever serves requests under it.
///
/// A route that the next table also has keeps its counts there; counts made under a table that is no longer in force
/// reach only the routes that are still in force.
#[derive(Debug)]
pub struct RouteMetrics {
    routes: Box<[TableRoute]>,
    unmatched: Arc<RouteCounters>,
    /// In the order of the table's upstreams.
    durations: Box<[Children<Source, Histogram>]>,
    unmatched_durations: Children<Source, Histogram>,
}

#[derive(Debug)]
struct TableRoute {
    counters: Arc<RouteCounters>,
    upstream: usize,
}

impl RouteMetrics {
    /// The id of a route, as metrics and logs show it.
    pub(super) fn route_id(&self, route: RouteIndex) -> Option<&str> {
        self.route(route).map(|route| route.counters.id())
    }

    /// Counts one finished request and how long it took.
    pub(super) fn count(&self, record: &AccessRecord<'_>) {
        let route = record.route.and_then(|route| self.route(route));
        let counters = route.map_or(&self.unmatched, |route| &route.counters);
        counters.count(MethodLabel::of(record.method), outcome(record));
        let durations = route.and_then(|route| self.durations.get(route.upstream)).unwrap_or(&self.unmatched_durations);
        observe(durations.get(record.source), answered_after(record));
    }

    fn route(&self, route: RouteIndex) -> Option<&TableRoute> {
        self.routes.get(usize::try_from(route.0).ok()?)
    }
}

/// How long the peer waited for its answer: a tunnel lives on after that for as long as its two sides like.
fn answered_after(record: &AccessRecord<'_>) -> Duration {
    match (record.status, record.upstream_duration) {
        (101, Some(waited)) => waited,
        (_, _) => record.duration,
    }
}

/// What of a record is counted.
fn outcome<'a>(record: &AccessRecord<'a>) -> Outcome<'a> {
    let is_denial = matches!(record.status, 400..=428 | 430..=499 | 501);
    Outcome {
        status: record.status,
        source: record.source,
        access: record.access,
        denial: record.reason.filter(|_| is_denial),
        required: record.required.unwrap_or_default(),
    }
}

/// The table in force, as metrics show it. Cloned handles are one and the same.
#[derive(Clone, Debug)]
pub(super) struct LiveTable {
    state: Arc<Mutex<State>>,
    described: Arc<Described>,
}

#[derive(Debug)]
struct State {
    unmatched: Arc<RouteCounters>,
    routes: Vec<Arc<RouteCounters>>,
    in_force: Option<InForce>,
}

impl LiveTable {
    pub(super) fn new() -> Self {
        let unmatched = Arc::new(RouteCounters::new(UNMATCHED));
        let state = State { unmatched, routes: Vec::new(), in_force: None };
        Self { state: Arc::new(Mutex::new(state)), described: Arc::new(Described::new()) }
    }

    /// Puts a table in force: routes that were in force before keep their counters, all others end.
    pub(super) fn replace(&self, table: &RouteTable, now: Duration, upstreams: &UpstreamFamilies) -> RouteMetrics {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known: HashMap<Box<str>, Arc<RouteCounters>> =
            state.routes.drain(..).map(|counters| (counters.id().into(), counters)).collect();
        known.insert(UNMATCHED.into(), Arc::clone(&state.unmatched));
        let routes: Box<[TableRoute]> = (0..)
            .map(RouteIndex)
            .zip(table.routes())
            .map(|(index, route)| {
                let counters =
                    known.entry((*route.id).into()).or_insert_with(|| Arc::new(RouteCounters::new(&route.id)));
                counters.retain_required(|text| has_requirement(table, index, route.methods.len(), text));
                TableRoute { counters: Arc::clone(counters), upstream: route.upstream }
            })
            .collect();
        state.routes = distinct(&routes, &state.unmatched);
        let count = u64::try_from(table.routes().len()).unwrap_or(u64::MAX);
        state.in_force = Some(InForce { fingerprint: table.fingerprint().to_owned(), routes: count, loaded: now });
        RouteMetrics {
            routes,
            unmatched: Arc::clone(&state.unmatched),
            durations: table.upstreams().iter().map(|upstream| upstreams.durations(&upstream.name)).collect(),
            unmatched_durations: upstreams.durations(""),
        }
    }
}

fn has_requirement(table: &RouteTable, route: RouteIndex, methods: usize, text: &str) -> bool {
    (0..methods).any(|method| table.required(Found { route, method }) == text)
}

/// Each of the table's counters once: two samples of one name and equal labels are no metrics text.
fn distinct(routes: &[TableRoute], unmatched: &Arc<RouteCounters>) -> Vec<Arc<RouteCounters>> {
    let mut seen: HashSet<*const RouteCounters> = [Arc::as_ptr(unmatched)].into();
    let counters = routes.iter().map(|route| &route.counters);
    counters.filter(|counters| seen.insert(Arc::as_ptr(counters))).cloned().collect()
}

impl Collector for LiveTable {
    fn desc(&self) -> Vec<&Desc> {
        self.described.all()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = state.routes.iter().chain([&state.unmatched]).map(|counters| &**counters);
        let mut families = Vec::from(self.described.counted(counters));
        families.extend(state.in_force.iter().flat_map(|table| self.described.table(table)));
        families
    }
}
