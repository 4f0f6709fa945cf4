//! The counters of the table in force, as the registry shows them.

use std::time::Duration;

use prometheus::core::Desc;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use super::counters::{RouteCounters, Sample};
use super::families::describe;

/// What is shown of the table itself.
#[derive(Debug)]
pub(super) struct InForce {
    pub(super) fingerprint: String,
    pub(super) routes: u64,
    /// Since the Unix epoch.
    pub(super) loaded: Duration,
}

/// The names of the families that `LiveTable` shows.
#[derive(Debug)]
pub(super) struct Described {
    requests: Desc,
    allowed: Desc,
    denials: Desc,
    info: Desc,
    routes: Desc,
    loaded: Desc,
}

impl Described {
    pub(super) fn new() -> Self {
        Self {
            requests: describe(
                "scopegate_requests_total",
                "Finished requests, by who answered them.",
                &["route", "method", "code", "source"],
            ),
            allowed: describe(
                "scopegate_allowed_total",
                "Requests that were granted, by the side that was granted.",
                &["route", "method", "access"],
            ),
            denials: describe(
                "scopegate_denials_total",
                "Requests that were refused with a status of 4xx or 501, by reason.",
                &["route", "method", "reason", "required"],
            ),
            info: describe("scopegate_table_info", "The table in force.", &["fingerprint"]),
            routes: describe("scopegate_table_routes", "Routes of the table in force.", &[]),
            loaded: describe(
                "scopegate_table_loaded_timestamp_seconds",
                "When the table in force was put in force, in seconds since the Unix epoch.",
                &[],
            ),
        }
    }
}

impl Described {
    /// Every family.
    pub(super) fn all(&self) -> Vec<&Desc> {
        let Self { requests, allowed, denials, info, routes, loaded } = self;
        vec![requests, allowed, denials, info, routes, loaded]
    }

    /// The samples of routes.
    pub(super) fn counted<'a>(&self, counters: impl Iterator<Item = &'a RouteCounters>) -> [MetricFamily; 3] {
        let mut requests = Vec::new();
        let mut allowed = Vec::new();
        let mut denials = Vec::new();
        for route in counters {
            let id = route.id();
            route.samples(|sample, count| match sample {
                Sample::Request { method, code, source } => {
                    requests.push(counter(&self.requests, &[id, method, &code.to_string(), source], count));
                }
                Sample::Allowed { method, access } => {
                    allowed.push(counter(&self.allowed, &[id, method, access], count));
                }
                Sample::Denied { method, reason, required } => {
                    denials.push(counter(&self.denials, &[id, method, reason, required], count));
                }
            });
        }
        [
            family(&self.requests, MetricType::COUNTER, requests),
            family(&self.allowed, MetricType::COUNTER, allowed),
            family(&self.denials, MetricType::COUNTER, denials),
        ]
    }

    /// The table in force.
    pub(super) fn table(&self, table: &InForce) -> [MetricFamily; 3] {
        let info = gauge(&self.info, &[&table.fingerprint], 1.0);
        let routes = gauge(&self.routes, &[], as_number(table.routes));
        let loaded = gauge(&self.loaded, &[], table.loaded.as_secs_f64());
        [
            family(&self.info, MetricType::GAUGE, vec![info]),
            family(&self.routes, MetricType::GAUGE, vec![routes]),
            family(&self.loaded, MetricType::GAUGE, vec![loaded]),
        ]
    }
}

fn family(described: &Desc, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(described.fq_name.clone());
    family.set_help(described.help.clone());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn counter(described: &Desc, labels: &[&str], count: u64) -> Metric {
    let mut value = Counter::default();
    value.set_value(as_number(count));
    let mut metric = Metric::from_label(pairs(described, labels));
    metric.set_counter(value);
    metric
}

fn gauge(described: &Desc, labels: &[&str], number: f64) -> Metric {
    let mut value = Gauge::default();
    value.set_value(number);
    let mut metric = Metric::from_label(pairs(described, labels));
    metric.set_gauge(value);
    metric
}

fn pairs(described: &Desc, labels: &[&str]) -> Vec<LabelPair> {
    let pairs = described.variable_labels.iter().zip(labels);
    let pair = |(name, &value): (&String, &&str)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.clone());
        pair.set_value(value.to_owned());
        pair
    };
    pairs.map(pair).collect()
}

/// The number as Prometheus has it: exact below 2^53.
fn as_number(count: u64) -> f64 {
    count as f64
}
