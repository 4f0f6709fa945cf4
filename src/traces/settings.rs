//! `traces:` of the gateway file.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};

/// Where spans go, which requests have some, and how much may wait.
#[derive(Clone, Debug, PartialEq)]
pub struct TracesSettings {
    /// The collector's address for traces, path included: `https`, or `http` where the configuration allows it.
    pub url: Uri,
    /// Which share of the traces that begin here is recorded, from 0 to 1.
    pub sample: f64,
    /// Whose `traceparent` is believed.
    pub parents: Parents,
    /// What all spans say of this process beside `service.name` and what the gateway knows itself.
    pub resource: Vec<(String, String)>,
    /// Fields of every request to the collector; their Debug shows no value.
    pub fields: Vec<(HeaderName, HeaderValue)>,
    /// How long spans wait to be sent together.
    pub interval: Duration,
    /// Recorded requests that wait, at most.
    pub queue: usize,
    /// For one answer of the collector.
    pub timeout: Duration,
    /// A PEM file of certificates that alone are trusted; without it the system's are.
    pub ca: Option<PathBuf>,
}

/// Whose `traceparent` is believed: whether a request goes on with a trace, and is recorded if that one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parents {
    /// Everybody's.
    All,
    /// That of a listener's trusted peers.
    Trusted,
    /// Nobody's: every trace begins here.
    None,
}
