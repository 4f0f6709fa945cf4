//! Families of the registry, made from names that are literals.

use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use super::labels::{Children, ClosedLabel};

/// Seconds: from 100 µs, a refusal, to 60 s, where the timeouts of upstreams end.
pub(super) const REQUEST_SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 60.0];

/// Seconds: from 1 µs, a remembered token, to 100 ms, a wait for keys.
pub(super) const DECISION_SECONDS: &[f64] =
    &[0.000_001, 0.000_002_5, 0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.0001, 0.000_25, 0.001, 0.005, 0.025, 0.1];

/// A registry that families are added to.
pub(super) struct Families<'a>(pub(super) &'a Registry);

impl Families<'_> {
    pub(super) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.add(IntCounter::new(name, help))
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add(IntCounterVec::new(Opts::new(name, help), labels))
    }

    /// Makes every child of a closed list, so that each is shown from the start, at zero.
    pub(super) fn closed_counters<L: ClosedLabel>(
        &self,
        name: &str,
        help: &str,
        label: &str,
    ) -> Children<L, IntCounter> {
        let family = self.counters(name, help, &[label]);
        Children::of(|value| family.with_label_values(&[value]))
    }

    pub(super) fn gauge(&self, options: Opts) -> IntGauge {
        self.add(IntGauge::with_opts(options))
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn fractions(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.add(GaugeVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn fraction(&self, name: &str, help: &str) -> Gauge {
        self.add(Gauge::new(name, help))
    }

    pub(super) fn histograms(&self, name: &str, help: &str, seconds: &[f64], labels: &[&str]) -> HistogramVec {
        self.add(HistogramVec::new(HistogramOpts::new(name, help).buckets(seconds.to_vec()), labels))
    }

    pub(super) fn collector(&self, collector: impl Collector + 'static) {
        literal(self.0.register(Box::new(collector)));
    }

    fn add<T: Collector + Clone + 'static>(&self, family: prometheus::Result<T>) -> T {
        let family = literal(family);
        literal(self.0.register(Box::new(family.clone())));
        family
    }
}

/// Describes a family whose children a collector of ours keeps.
pub(super) fn describe(name: &str, help: &str, labels: &[&str]) -> Desc {
    let labels = labels.iter().map(|&label| label.to_owned()).collect();
    literal(Desc::new(name.to_owned(), help.to_owned(), labels, Default::default()))
}

/// Adds one to a child of a closed label.
pub(super) fn increase(counter: Option<&IntCounter>) {
    if let Some(counter) = counter {
        counter.inc();
    }
}

/// Observes a duration; a histogram's unit is seconds.
pub(super) fn observe(histogram: Option<&Histogram>, took: Duration) {
    if let Some(histogram) = histogram {
        histogram.observe(took.as_secs_f64());
    }
}

/// Takes what was built from literals.
fn literal<T>(built: prometheus::Result<T>) -> T {
    match built {
        Ok(built) => built,
        // INVARIANT: names, labels and buckets are literals of this room, each used once; any test that makes a
        // registry meets a mistake in one of them.
        Err(fault) => unreachable!("a metric family of this build is malformed: {fault}"),
    }
}
