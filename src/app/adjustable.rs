//! What a reload can change besides the table, to tell whether it has.

use std::time::Duration;

use crate::config::{self, Inputs};
use crate::gateway::{Limits, ListenerSettings, RevealRoutes, UpstreamSettings};
use crate::net::Polled;
use crate::telemetry::LogSettings;
use crate::traces::TracesSettings;
use crate::verify::{IssuerSettings, KeySource};

/// The settings that follow a reload, with what key files hold.
#[derive(Debug, PartialEq)]
pub(super) struct Adjustable {
    listeners: Vec<ListenerSettings>,
    issuers: Vec<IssuerSettings>,
    keys: Inputs,
    role_directory: Option<Polled>,
    reveal_routes: RevealRoutes,
    upstreams: Vec<UpstreamSettings>,
    limits: Limits,
    realm: String,
    drain_timeout: Duration,
    handover_timeout: Duration,
    log: LogSettings,
    traces: Option<TracesSettings>,
}

impl Adjustable {
    /// Those of `gateway`; `listeners` are its listeners as far as they are bound.
    pub(super) fn of(gateway: &config::Gateway, listeners: &[ListenerSettings]) -> Self {
        let file = |issuer: &IssuerSettings| match &issuer.keys {
            KeySource::File(path) => Some(path.clone()),
            KeySource::Remote { .. } => None,
        };
        // Named one by one, so that a new setting is thought of here.
        let config::Gateway {
            listeners: _,
            admin: _,
            workers: _,
            issuers,
            role_directory,
            reveal_routes,
            upstreams,
            limits,
            realm,
            drain_timeout,
            handover_timeout,
            log,
            traces,
            table: _,
            warnings: _,
            tests_passed: _,
        } = gateway;
        Self {
            listeners: listeners.to_vec(),
            issuers: issuers.clone(),
            keys: issuers.iter().filter_map(file).collect::<Vec<_>>().into(),
            role_directory: role_directory.clone(),
            reveal_routes: *reveal_routes,
            upstreams: upstreams.clone(),
            // New sizes of these two wait for a restart.
            limits: Limits { connections: 0, remembered_tokens: 0, ..limits.clone() },
            realm: realm.clone(),
            drain_timeout: *drain_timeout,
            handover_timeout: *handover_timeout,
            log: log.clone(),
            traces: traces.clone(),
        }
    }
}
