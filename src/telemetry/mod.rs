//! What operators see: metrics with closed labels, one access record a request, operational events.
//!
//! [`finish`] ends a request: it counts it and hands its record to the log, both from the same [`AccessRecord`], so that
//! a metric and a line never disagree. The `reason` in both is [`crate::policy::Reason`], the list that problem documents
//! and tests use too.
//!
//! **Metrics.** Labels come from closed lists, from the table in force and from the gateway file, never from a peer:
//! `route` is a route's id or `_unmatched`, `method` a standard method or `OTHER`. On the request path nothing is locked
//! and nothing looked up by label: [`Metrics::table`] hands out the counters of a table, which are made at their first
//! use, and a route that the next table also has keeps its counts. Everything is shown by [`Metrics::render`] in
//! Prometheus' text format. Two families are counted here beyond what a reader of a request sees:
//! `scopegate_log_lines_dropped_total`, and panics as `scopegate_connection_errors_total{kind="panic"}`; a request sent
//! to an upstream a second time is `scopegate_upstream_failures_total{kind="retried"}`.
//!
//! **Logs.** Lines of JSON, or text for people, are written to stdout by one thread. Workers copy what they know and go
//! on; the thread makes the line. A refusal is always written, save that equal ones (route, reason, peer) beyond a hundred
//! a second are summed in one line with `count`; where more than 4,096 different ones come in a second, the rest are summed
//! by reason alone. A record of an allowed request is dropped, and counted, when the thread is behind. No line can be
//! broken or forged by what a request holds.
//!
//! Left alone here: the wall clock (an argument), who may read metrics (the admin listener), tokens (a record has only
//! the first digits of a token's hash).

mod certificates;
mod connection_labels;
mod counters;
mod events;
mod exposition;
mod families;
mod handovers;
mod introspection;
mod keys;
mod labels;
mod line;
mod log;
mod metrics;
mod overflow;
mod owned;
mod pseudonym;
mod record;
mod routes;
mod settings;
mod spans;
mod sums;
mod tally;
mod timestamp;
mod tunnels;
mod upstreams;
mod writer;

#[cfg(test)]
mod log_tests;
#[cfg(test)]
mod metrics_tests;
#[cfg(test)]
mod routes_tests;

pub use certificates::CertificateExpiry;
pub use connection_labels::{ConnectionError, ConnectionProtocol, UpstreamFailure};
pub use handovers::HandoverResult;
pub use introspection::{IntrospectionMetrics, IntrospectionResult};
pub use labels::{CacheResult, FetchResult, ReloadResult, Source, TokenLabel};
pub use log::Log;
pub use metrics::{Metrics, REVISION, VERSION};
pub use record::{AccessRecord, CutOff, Peer, finish};
pub use routes::RouteMetrics;
pub use settings::{LogAccess, LogFormat, LogSettings, LogSubject};
pub use spans::SpanResult;
pub use tunnels::TunnelEnd;
pub use upstreams::UpstreamMetrics;
