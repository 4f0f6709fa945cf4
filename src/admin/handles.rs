//! What the rest of the process hands the admin listener.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Serialize;

use crate::policy::RouteTable;

/// What the admin listener can ask the process; every closure may be called at any time, from any thread.
#[derive(Clone)]
pub struct AdminHandles {
    /// Whether requests can be served now.
    pub readiness: Arc<dyn Fn() -> Readiness + Send + Sync>,
    /// The table in force.
    pub table: Arc<dyn Fn() -> Arc<RouteTable> + Send + Sync>,
    /// Reads the files anew; the texts of an error are the diagnostics. Runs to its end even if the asker goes away.
    pub reload: Arc<dyn Fn() -> BoxFuture<'static, Result<ReloadOutcome, Vec<String>>> + Send + Sync>,
    /// The metrics as of now, in Prometheus' text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

impl fmt::Debug for AdminHandles {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("AdminHandles(…)")
    }
}

/// Whether requests can be served, and what an operator should know of it.
#[derive(Clone, Debug, Serialize)]
pub struct Readiness {
    /// Decides between 200 and 503.
    pub ready: bool,
    /// Why not, one text each.
    pub reasons: Vec<String>,
    /// What does not decide: issuers' keys, the last reload.
    pub detail: serde_json::Value,
}

/// What a reload without a fault did.
#[derive(Clone, Debug, Serialize)]
pub struct ReloadOutcome {
    /// Whether anything is in force that was not before.
    pub changed: bool,
    /// Of the table now in force.
    pub fingerprint: String,
    /// Keys of the gateway file whose change waits for a restart.
    pub restart_needed: Vec<String>,
    /// Warnings about what is now in force.
    pub warnings: Vec<String>,
}
