//! The registry.

use std::time::Duration;

#[cfg(target_os = "linux")]
use prometheus::process_collector::ProcessCollector;
use prometheus::{Gauge, Histogram, IntCounter, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::policy::RouteTable;

use super::certificates::{CertificateExpiry, CertificateFamilies};
use super::connection_labels::{ConnectionError, ConnectionProtocol};
use super::families::{DECISION_SECONDS, Families, increase, observe};
use super::handovers::{HandoverResult, Handovers};
use super::introspection::{IntrospectionFamilies, IntrospectionMetrics};
use super::keys::{FetchedFamilies, KEYS, REVOCATIONS, ROLE_DIRECTORY};
use super::labels::{CacheResult, Children, ClosedLabel, FetchResult, ReloadResult, TokenLabel};
use super::routes::{LiveTable, RouteMetrics};
use super::spans::{SpanResult, Spans};
use super::tunnels::{TunnelEnd, TunnelMetrics};
use super::upstreams::{UpstreamFamilies, UpstreamMetrics};

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The revision that this build was made from, which `build.rs` finds out, or `unknown`.
pub const REVISION: &str = env!("SCOPEGATE_REVISION");

/// Every metric of one gateway process.
///
/// What happens once a request or oftener is counted without a lock and without a look-up by label. Labels come from
/// closed lists, from the table and from the gateway file, never from a peer.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    table: LiveTable,
    upstreams: UpstreamFamilies,
    keys: FetchedFamilies,
    revocations: FetchedFamilies,
    role_directory: FetchedFamilies,
    introspection: IntrospectionFamilies,
    certificates: CertificateFamilies,
    requests: Requests,
    connections: Connections,
    tunnels: TunnelMetrics,
    tokens: Tokens,
    reloads: Reloads,
    handovers: Handovers,
    spans: Spans,
    log_lines_dropped: IntCounter,
}

impl Metrics {
    /// Makes a registry with every family of this build.
    pub fn new() -> Self {
        let registry = Registry::new();
        let families = Families(&registry);
        let table = LiveTable::new();
        families.collector(table.clone());
        register_process(&families);
        Self {
            table,
            upstreams: UpstreamFamilies::new(&families),
            keys: FetchedFamilies::new(&families, KEYS),
            revocations: FetchedFamilies::new(&families, REVOCATIONS),
            role_directory: FetchedFamilies::new(&families, ROLE_DIRECTORY),
            introspection: IntrospectionFamilies::new(&families),
            certificates: CertificateFamilies::new(&families),
            requests: Requests::new(&families),
            connections: Connections::new(&families),
            tunnels: TunnelMetrics::new(&families),
            tokens: Tokens::new(&families),
            reloads: Reloads::new(&families),
            handovers: Handovers::new(&families),
            spans: Spans::new(&families),
            log_lines_dropped: families.counter(
                "scopegate_log_lines_dropped_total",
                "Log lines dropped: of allowed requests when the writer was behind, of any kind when they could not be written.",
            ),
            registry,
        }
    }

    /// Returns everything in Prometheus' text format; ages are as of `now`, since the Unix epoch.
    pub fn render(&self, now: Duration) -> String {
        for fetched in [&self.keys, &self.revocations, &self.role_directory] {
            fetched.set_ages(now);
        }
        let mut text = String::new();
        if let Err(fault) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            tracing::error!(%fault, "metrics could not be written as text");
        }
        text
    }

    /// Puts a table in force at `now` and returns its counters.
    ///
    /// Routes and upstreams that the table before had too keep their counts; the children of those that are gone are
    /// removed, and what requests still count under the table before reaches only what is still in force.
    pub fn table(&self, table: &RouteTable, now: Duration) -> RouteMetrics {
        let route_metrics = self.table.replace(table, now, &self.upstreams);
        self.upstreams.retain(table.upstreams().iter().map(|upstream| &*upstream.name));
        route_metrics
    }

    /// Shows when these certificates expire, and no others.
    pub fn certificates(&self, in_use: Vec<CertificateExpiry>) {
        self.certificates.show(in_use);
    }

    /// Returns the counters of one upstream of the gateway file.
    pub fn upstream(&self, name: &str) -> UpstreamMetrics {
        self.upstreams.of(name)
    }

    /// Counts one look-up in the memory of verified tokens.
    pub fn token_lookup(&self, result: CacheResult) {
        increase(self.tokens.lookups.get(result));
    }

    /// Adds to the number of remembered tokens, which counts for the process.
    pub fn token_entries(&self, change: i64) {
        self.tokens.entries.add(change);
    }

    /// Sets how many usable keys an issuer has, and how old they are at `now`; `None` while it has had none.
    pub fn keys(&self, issuer: &str, keys: usize, age: Option<Duration>, now: Duration) {
        self.keys.set(issuer, keys, age, now);
    }

    /// Counts one fetch of an issuer's key set.
    pub fn keys_fetch(&self, issuer: &str, result: FetchResult) {
        self.keys.fetch(issuer, result);
    }

    /// Returns the counters of questions to one issuer about tokens.
    pub fn introspection(&self, issuer: &str) -> IntrospectionMetrics {
        self.introspection.of(issuer)
    }

    /// Removes the counters of questions to an issuer that is not asked any more.
    pub fn forget_introspection(&self, issuer: &str) {
        self.introspection.forget(issuer);
    }

    /// Sets how many revocations of an issuer are in force, and how old the latest reading is at `now`; `None` before any.
    pub fn revocations(&self, issuer: &str, entries: usize, age: Option<Duration>, now: Duration) {
        self.revocations.set(issuer, entries, age, now);
    }

    /// Counts one reading of an issuer's revocation feed.
    pub fn revocations_fetch(&self, issuer: &str, result: FetchResult) {
        self.revocations.fetch(issuer, result);
    }

    /// Removes what is counted of the revocations of an issuer that has no feed any more.
    pub fn forget_revocations(&self, issuer: &str) {
        self.revocations.forget(issuer);
    }

    /// Removes the children of an issuer that a reload dropped.
    pub fn forget_issuer(&self, issuer: &str) {
        self.keys.forget(issuer);
        self.introspection.forget(issuer);
        self.revocations.forget(issuer);
    }

    /// Sets how many roles the role directory has, and how old it is at `now`; `None` before it was ever read.
    pub fn role_directory(&self, roles: usize, age: Option<Duration>, now: Duration) {
        self.role_directory.set("", roles, age, now);
    }

    /// Counts one fetch of the role directory.
    pub fn role_directory_fetch(&self, result: FetchResult) {
        self.role_directory.fetch("", result);
    }

    /// Removes what is counted of a role directory that a reload dropped.
    pub fn forget_role_directory(&self) {
        self.role_directory.forget("");
    }

    /// Counts one reload that ended at `now`.
    pub fn reload(&self, result: ReloadResult, now: Duration) {
        increase(self.reloads.results.get(result));
        match result {
            ReloadResult::Ok | ReloadResult::Unchanged => self.reloads.success.set(now.as_secs_f64()),
            ReloadResult::Failed => {}
        }
    }

    /// Counts `times` hand-overs: one that ended now, or what the processes before this one have counted.
    pub fn handovers(&self, result: HandoverResult, times: u64) {
        self.handovers.count(result, times);
    }

    /// Hand-overs with this result so far.
    pub fn handovers_so_far(&self, result: HandoverResult) -> u64 {
        self.handovers.so_far(result)
    }

    /// Counts what ended a connection, or a panic in a request.
    pub fn connection_error(&self, kind: ConnectionError) {
        increase(self.connections.errors.get(kind));
    }

    /// Adds to the number of open connections of a listener, named as the gateway file writes its address, that speak `protocol`.
    pub fn connection(&self, listener: &str, protocol: ConnectionProtocol, change: i64) {
        self.connections.open.with_label_values(&[listener, protocol.text()]).add(change);
    }

    /// Counts the end of a tunnel.
    pub fn tunnel_ended(&self, end: TunnelEnd) {
        self.tunnels.ended(end);
    }

    /// Adds to the number of requests being served.
    pub fn in_flight(&self, change: i64) {
        self.requests.in_flight.add(change);
    }

    /// Observes how long one decision took, verification of the token included.
    pub fn decision(&self, token: TokenLabel, took: Duration) {
        observe(self.requests.decisions.get(token), took);
    }

    /// Counts spans by what became of them.
    pub fn spans(&self, result: SpanResult, spans: usize) {
        self.spans.count(result, spans);
    }

    /// Counts one log line that was not written.
    pub fn log_dropped(&self) {
        self.log_lines_dropped.inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// What is counted of requests besides the counters of routes.
#[derive(Debug)]
struct Requests {
    in_flight: IntGauge,
    decisions: Children<TokenLabel, Histogram>,
}

impl Requests {
    fn new(families: &Families<'_>) -> Self {
        let decisions = families.histograms(
            "scopegate_decision_duration_seconds",
            "From the request's fields to the decision, verification of the token included.",
            DECISION_SECONDS,
            &["token"],
        );
        Self {
            in_flight: families.gauge(Opts::new("scopegate_requests_in_flight", "Requests being served.")),
            decisions: Children::of(|token| decisions.with_label_values(&[token])),
        }
    }
}

/// What is counted of clients' connections.
#[derive(Debug)]
struct Connections {
    open: IntGaugeVec,
    errors: Children<ConnectionError, IntCounter>,
}

impl Connections {
    fn new(families: &Families<'_>) -> Self {
        Self {
            open: families.gauges("scopegate_connections", "Open connections of clients.", &["listener", "protocol"]),
            errors: families.closed_counters(
                "scopegate_connection_errors_total",
                "What ended connections, or refused messages before they were requests, and panics.",
                "kind",
            ),
        }
    }
}

/// What is counted of the memory of verified tokens.
#[derive(Debug)]
struct Tokens {
    entries: IntGauge,
    lookups: Children<CacheResult, IntCounter>,
}

impl Tokens {
    fn new(families: &Families<'_>) -> Self {
        Self {
            entries: families.gauge(Opts::new("scopegate_token_cache_entries", "Verified tokens remembered.")),
            lookups: families.closed_counters(
                "scopegate_token_cache_lookups_total",
                "Look-ups in the memory of verified tokens.",
                "result",
            ),
        }
    }
}

/// What is counted of reloads.
#[derive(Debug)]
struct Reloads {
    results: Children<ReloadResult, IntCounter>,
    success: Gauge,
}

impl Reloads {
    fn new(families: &Families<'_>) -> Self {
        Self {
            results: families.closed_counters("scopegate_reload_total", "Reloads of the files.", "result"),
            success: families.fraction(
                "scopegate_reload_last_success_timestamp_seconds",
                "When the files were last read without a fault, in seconds since the Unix epoch.",
            ),
        }
    }
}

fn register_process(families: &Families<'_>) {
    let build = Opts::new("scopegate_build_info", "The build of this process.");
    families.gauge(build.const_label("version", VERSION).const_label("revision", REVISION)).set(1);
    #[cfg(target_os = "linux")]
    families.collector(ProcessCollector::for_self());
}
