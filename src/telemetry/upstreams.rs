//! What is counted of upstreams.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::connection_labels::UpstreamFailure;
use super::families::{Families, REQUEST_SECONDS, increase};
use super::labels::{Children, ClosedLabel, Source};

/// The counters of one upstream; clones count together, and are cheap.
#[derive(Clone, Debug)]
pub struct UpstreamMetrics(Arc<UpstreamCounters>);

#[derive(Debug)]
struct UpstreamCounters {
    connections: IntGauge,
    failures: Children<UpstreamFailure, IntCounter>,
}

impl UpstreamMetrics {
    /// Adds to the number of open connections to the upstream.
    pub fn connections(&self, change: i64) {
        self.0.connections.add(change);
    }

    /// Counts one exchange that failed.
    pub fn failure(&self, kind: UpstreamFailure) {
        increase(self.0.failures.get(kind));
    }
}

/// The families that have an upstream's name for a label.
#[derive(Debug)]
pub(super) struct UpstreamFamilies {
    durations: HistogramVec,
    connections: IntGaugeVec,
    failures: IntCounterVec,
    /// Names that children were made for.
    names: Mutex<BTreeSet<String>>,
}

impl UpstreamFamilies {
    pub(super) fn new(families: &Families<'_>) -> Self {
        Self {
            durations: families.histograms(
                "scopegate_request_duration_seconds",
                "From the request's fields to the end of the response, by the route's upstream (empty without a route).",
                REQUEST_SECONDS,
                &["upstream", "source"],
            ),
            connections: families.gauges(
                "scopegate_upstream_connections",
                "Open connections to an upstream.",
                &["upstream"],
            ),
            failures: families.counters(
                "scopegate_upstream_failures_total",
                "Exchanges with an upstream that failed.",
                &["upstream", "kind"],
            ),
            names: Mutex::default(),
        }
    }

    pub(super) fn of(&self, name: &str) -> UpstreamMetrics {
        self.names().insert(name.to_owned());
        UpstreamMetrics(Arc::new(UpstreamCounters {
            connections: self.connections.with_label_values(&[name]),
            failures: Children::of(|kind| self.failures.with_label_values(&[name, kind])),
        }))
    }

    /// How long requests to an upstream took; the name is empty for requests that met no route.
    pub(super) fn durations(&self, upstream: &str) -> Children<Source, Histogram> {
        Children::of(|source| self.durations.with_label_values(&[upstream, source]))
    }

    /// Removes the children of upstreams other than these.
    pub(super) fn retain<'a>(&self, in_force: impl Iterator<Item = &'a str>) {
        let in_force: BTreeSet<String> = in_force.map(str::to_owned).collect();
        let mut names = self.names();
        names.difference(&in_force).for_each(|gone| self.forget(gone));
        *names = in_force;
    }

    /// What is not there needs no removal: the errors say no more than that.
    fn forget(&self, name: &str) {
        let _ = self.connections.remove_label_values(&[name]);
        for kind in UpstreamFailure::ALL {
            let _ = self.failures.remove_label_values(&[name, kind.text()]);
        }
        for source in Source::ALL {
            let _ = self.durations.remove_label_values(&[name, source.text()]);
        }
    }

    fn names(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
