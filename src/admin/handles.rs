//! What the rest of the process hands the admin listener.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Serialize;

use crate::policy::{DirectoryRoles, RouteTable};

/// What the admin listener can ask the process; every closure may be called at any time, from any thread.
#[derive(Clone)]
pub struct AdminHandles {
    /// Whether requests can be served now.
    pub readiness: Arc<dyn Fn() -> Readiness + Send + Sync>,
    /// The table in force.
    pub table: Arc<dyn Fn() -> Arc<RouteTable> + Send + Sync>,
    /// The table in force and its role directory.
    pub terms: Arc<dyn Fn() -> InForce + Send + Sync>,
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

/// What a decision is made under at one moment.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The table.
    pub table: Arc<RouteTable>,
    /// What the roles of its role directory permit; `None` where there is none, or none that can be relied on.
    pub directory: Option<Arc<DirectoryRoles>>,
}

/// Whether requests can be served, and what an operator should know of it.
#[derive(Clone, Debug, Serialize)]
pub struct Readiness {
    /// Decides between 200 and 503.
    pub ready: bool,
    /// Why not, one text each.
    pub reasons: Vec<String>,
    /// What does not decide: issuers' keys and feeds, the role directory, the last reload.
    pub detail: serde_json::Value,
}

/// What a reload without a fault did.
#[derive(Clone, Debug, Serialize)]
pub struct ReloadOutcome {
    /// Whether anything is in force that was not before.
    pub changed: bool,
    /// Whether the table is another.
    pub table_changed: bool,
    /// Whether settings, certificates or keys from files are others.
    pub settings_changed: bool,
    /// Of the table now in force.
    pub fingerprint: String,
    /// Keys of the gateway file whose change waits for a restart.
    pub restart_needed: Vec<String>,
    /// Warnings about what is now in force.
    pub warnings: Vec<String>,
}
