//! What is known of one request when it ends.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use http::Method;

use crate::policy::{Access, Reason, RouteIndex};

use super::labels::Source;
use super::log::Log;
use super::routes::RouteMetrics;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// Its address, over TCP.
    Address(IpAddr),
    /// A process of this host, through a unix socket.
    Unix,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// Everything that is known of one request when it ends. Borrowed: making one allocates nothing.
#[derive(Clone, Debug)]
pub struct AccessRecord<'a> {
    /// The request id that the client and the upstream were given.
    pub request_id: &'a str,
    /// Who sent the request.
    pub peer: Peer,
    /// The method as sent.
    pub method: &'a Method,
    /// The host in lower case, if the target could be read.
    pub host: Option<&'a str>,
    /// The path without query, if the target could be read.
    pub path: Option<&'a str>,
    /// The route that matched, by its place in the table of the [`RouteMetrics`].
    pub route: Option<RouteIndex>,
    /// The status of the answer: for a refusal in gRPC's form the one that HTTP would have had.
    pub status: u16,
    /// Who answered.
    pub source: Source,
    /// Why the gateway refused; `None` for what it forwarded, whatever the upstream said.
    pub reason: Option<Reason>,
    /// The side that was granted.
    pub access: Option<Access>,
    /// Canonical text of the requirement.
    pub required: Option<&'a str>,
    /// What a set that opens the route has beyond the scopes held.
    pub missing: Option<&'a str>,
    /// Held, as far as the catalogue knows it.
    pub scope: Option<&'a str>,
    /// The roles of the token.
    pub roles: &'a [Box<str>],
    /// The issuer of the verified token.
    pub issuer: Option<&'a str>,
    /// The subject of the verified token.
    pub subject: Option<&'a str>,
    /// The client of the verified token.
    pub client_id: Option<&'a str>,
    /// The first 16 hex digits of the token's SHA-256; never the token.
    pub token_id: Option<&'a str>,
    /// The fingerprint of the table that decided.
    pub table: &'a str,
    /// From the request's fields to the end of the response.
    pub duration: Duration,
    /// The upstream that the request was forwarded to.
    pub upstream: Option<&'a str>,
    /// From forwarding to the upstream's fields.
    pub upstream_duration: Option<Duration>,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the response's body.
    pub bytes_out: u64,
    /// Who ended the response before its end, if somebody did.
    pub cut_off_by: Option<CutOff>,
    /// The trace that the request belongs to, as 32 hex digits, where there are traces.
    pub trace_id: Option<&'a str>,
}

/// Who ended a response before its end, after its status had gone out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutOff {
    /// The peer left, or took nothing for too long.
    Peer,
    /// The upstream broke off, paused for too long, or sent what cannot be read.
    Upstream,
    /// The time for a drain was over.
    Gateway,
}

impl CutOff {
    /// Returns the text of the log field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Upstream => "upstream",
            Self::Gateway => "gateway",
        }
    }
}

/// Ends one request: counts it (requests, allowed or denials, duration) and writes its record, both from the same fields.
///
/// `metrics` is that of the table that decided. Takes no lock; waits only if the request was refused and the log's
/// writer is thousands of lines behind.
pub fn finish(metrics: &RouteMetrics, log: &Log, record: &AccessRecord<'_>) {
    metrics.count(record);
    log.access(record, record.route.and_then(|route| metrics.route_id(route)));
}
