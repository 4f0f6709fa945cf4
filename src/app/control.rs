//! Reloading, and what the admin listener can be told.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;

use super::adjustable::Adjustable;
use super::fault::StartFault;
use super::restart::Fixed;
use crate::admin::{AdminHandles, InForce, Readiness, ReloadOutcome};
use crate::clock::Clock;
use crate::config::{self, Diagnostic, Watcher};
use crate::directory::Directory;
use crate::gateway::{ListenerSettings, Shared, Snapshot, Upstream, UpstreamSettings};
use crate::net::{Certificate, Drain, ServerTls};
use crate::telemetry::{CertificateExpiry, Metrics, ReloadResult};
use crate::traces::Tracer;
use crate::verify::{IssuerSettings, Issuers};

/// How often to look whether what was replaced is still held.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What reloads, and answers for what is in force.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) path: PathBuf,
    pub(super) shared: Arc<Shared>,
    pub(super) fixed: Fixed,
    pub(super) drain: Drain,
    pub(super) watcher: Watcher,
    /// What is in force besides the table. Held for the length of a reload, so that two never interleave.
    adjustable: tokio::sync::Mutex<Adjustable>,
    /// Why the last reload failed, if it did.
    last_fault: Mutex<Option<String>>,
}

impl Control {
    pub(super) fn new(
        path: PathBuf,
        shared: Arc<Shared>,
        fixed: Fixed,
        adjustable: Adjustable,
        drain: Drain,
        watcher: Watcher,
    ) -> Self {
        let adjustable = tokio::sync::Mutex::new(adjustable);
        Self { path, shared, fixed, drain, watcher, adjustable, last_fault: Mutex::default() }
    }

    /// What the admin listener asks.
    pub(super) fn handles(self: Arc<Self>) -> AdminHandles {
        let (ready, table, terms) = (Arc::clone(&self), Arc::clone(&self), Arc::clone(&self));
        let (reload, metrics) = (Arc::clone(&self), self);
        AdminHandles {
            readiness: Arc::new(move || ready.readiness()),
            table: Arc::new(move || Arc::clone(&table.shared.snapshot.load().table)),
            terms: Arc::new(move || {
                let snapshot = terms.shared.snapshot.load();
                let roles = snapshot.roles.as_ref().and_then(|roles| roles.fresh(terms.shared.clock.now()));
                InForce { table: Arc::clone(&snapshot.table), directory: roles.and_then(|roles| Option::clone(&roles)) }
            }),
            reload: Arc::new(move || {
                let control = Arc::clone(&reload);
                Box::pin(async move { control.reload().await })
            }),
            metrics: Arc::new(move || metrics.shared.metrics.render(metrics.shared.clock.now())),
        }
    }

    /// Compiles the files anew and puts them in force; one that does not compile changes nothing.
    ///
    /// # Errors
    ///
    /// One text for each fault.
    pub(super) async fn reload(&self) -> Result<ReloadOutcome, Vec<String>> {
        let mut adjustable = self.adjustable.lock().await;
        let path = self.path.clone();
        let loaded = tokio::task::spawn_blocking(move || config::load_gateway_with_inputs(&path)).await;
        let replaced = match loaded {
            Ok((loaded, inputs)) => {
                // Of files that do not load as well: their mend is to be seen.
                self.watcher.set_files(inputs);
                match loaded {
                    Ok(gateway) => self.replace(gateway, &mut adjustable).map_err(|fault| vec![fault.to_string()]),
                    Err(diagnostics) => Err(diagnostics.iter().map(render).collect()),
                }
            }
            Err(_) => Err(vec!["the reload ended with an internal fault".to_owned()]),
        };
        self.tell(&replaced);
        replaced
    }

    fn replace(&self, gateway: config::Gateway, adjustable: &mut Adjustable) -> Result<ReloadOutcome, StartFault> {
        let current = self.shared.snapshot.load_full();
        let waiting = self.fixed.changed(&gateway);
        let listeners = self.fixed.listeners(&current.listeners, &gateway.listeners);
        let adjusted = Adjustable::of(&gateway, &listeners);
        tell_warnings(&self.path, &gateway.warnings);
        let warnings: Vec<String> = gateway.warnings.iter().map(render).collect();
        let metrics = &self.shared.metrics;
        let issuers = start_issuers(&gateway.issuers, Some(&current.issuers), &self.shared.clock, metrics)?;
        let before = current.roles.as_ref().map(|roles| roles.directory());
        let directory = Directory::start(gateway.role_directory.clone(), before, &self.shared.clock, metrics);
        self.shared.log.reconfigure(gateway.log.clone());
        let traces = Tracer::start(gateway.traces.clone(), current.traces.as_ref(), metrics);
        let live = Live { issuers, directory, traces };
        let snapshot = snapshot(gateway, listeners, live, &self.shared.clock, metrics);
        let table_changed = snapshot.table.fingerprint() != current.table.fingerprint();
        let settings_changed = adjusted != *adjustable;
        *adjustable = adjusted;
        let outcome = ReloadOutcome {
            changed: table_changed || settings_changed,
            table_changed,
            settings_changed,
            fingerprint: snapshot.table.fingerprint().to_owned(),
            restart_needed: waiting.into_iter().map(str::to_owned).collect(),
            warnings,
        };
        release(self.shared.snapshot.swap(Arc::new(snapshot)));
        Ok(outcome)
    }

    fn tell(&self, replaced: &Result<ReloadOutcome, Vec<String>>) {
        let now = self.shared.clock.now();
        let mut last_fault = self.last_fault.lock().unwrap_or_else(PoisonError::into_inner);
        match replaced {
            Ok(outcome) => {
                *last_fault = None;
                let result = if outcome.changed { ReloadResult::Ok } else { ReloadResult::Unchanged };
                self.shared.metrics.reload(result, now);
                let ReloadOutcome { changed, table_changed, settings_changed, fingerprint: table, .. } = outcome;
                tracing::info!(table, changed, table_changed, settings_changed, "reloaded");
                for key in &outcome.restart_needed {
                    tracing::warn!("`{key}` has changed and takes effect at the next start");
                }
            }
            Err(faults) => {
                self.shared.metrics.reload(ReloadResult::Failed, now);
                let mut told = String::from("the last reload failed, and the table before it is in force");
                for fault in faults {
                    tracing::error!("{fault}");
                    let first_line = fault.lines().next().unwrap_or_default();
                    // Writing into a text cannot fail.
                    let _ = write!(told, "; {first_line}");
                }
                *last_fault = Some(told);
            }
        }
    }

    /// What `/readyz` answers: a table is in force and the listeners are bound ever since this exists.
    pub(super) fn readiness(&self) -> Readiness {
        let snapshot = self.shared.snapshot.load();
        let (issuers, directory) =
            (snapshot.issuers.readiness(), snapshot.roles.as_ref().map(|roles| roles.directory().state()));
        let mut reasons = Vec::new();
        if self.drain.has_begun() {
            reasons.push("draining".to_owned());
        }
        for state in issuers.iter().filter(|state| state.required) {
            reasons.extend(state.lacks());
        }
        if directory.as_ref().is_some_and(|directory| !directory.was_read) {
            reasons.push("the role directory has not been read yet".to_owned());
        }
        let last_fault = self.last_fault.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let detail = serde_json::json!({
            "issuers": issuers,
            "role_directory": directory,
            "last_reload": last_fault.unwrap_or_else(|| "ok".to_owned()),
        });
        Readiness { ready: reasons.is_empty(), reasons, detail }
    }
}

/// What goes on living from one snapshot to the next.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) issuers: Arc<Issuers>,
    pub(super) directory: Option<Arc<Directory>>,
    pub(super) traces: Option<Arc<Tracer>>,
}

/// Frees what has been replaced once no worker holds it any more, here rather than there: a large table takes its time.
fn release(replaced: Arc<Snapshot>) {
    tokio::spawn(async move {
        while Arc::strong_count(&replaced) > 1 {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        // Nobody waits for it.
        drop(tokio::task::spawn_blocking(move || drop(replaced)));
    });
}

/// Logs the gateway file's own warnings, which are about safety, and only the number of the policy's: a reload of a large
/// policy would fill the log each time, and `scopegate check` shows them better.
pub(super) fn tell_warnings(path: &Path, warnings: &[Diagnostic]) {
    let own_file = path.display().to_string();
    let is_own = |warning: &&Diagnostic| warning.location.as_ref().is_none_or(|place| place.file == own_file);
    let (own, of_policy): (Vec<_>, Vec<_>) = warnings.iter().partition(is_own);
    for warning in own {
        tracing::warn!("{}", warning.message);
    }
    if !of_policy.is_empty() {
        tracing::warn!(warnings = of_policy.len(), "the policy has warnings; `scopegate check` shows them");
    }
}

/// Without colours: for logs and for the admin listener.
pub(super) fn render(diagnostic: &Diagnostic) -> String {
    diagnostic.render(false)
}

pub(super) fn start_issuers(
    settings: &[IssuerSettings],
    previous: Option<&Issuers>,
    clock: &Clock,
    metrics: &Arc<Metrics>,
) -> Result<Arc<Issuers>, StartFault> {
    Issuers::start(settings.to_vec(), previous, clock.clone(), Arc::clone(metrics))
        .map(Arc::new)
        .map_err(StartFault::Issuers)
}

pub(super) fn snapshot(
    gateway: config::Gateway,
    listeners: Vec<ListenerSettings>,
    live: Live,
    clock: &Clock,
    metrics: &Metrics,
) -> Snapshot {
    let table = gateway.table;
    metrics.certificates(expiries(&listeners, &gateway.upstreams));
    let upstreams = gateway.upstreams.into_iter().map(|settings| Upstream::new(settings, metrics));
    let route_id = |route: &crate::policy::Route| {
        HeaderValue::from_bytes(route.id.as_bytes()).unwrap_or(HeaderValue::from_static("-"))
    };
    Snapshot {
        routes: metrics.table(&table, clock.now()),
        route_ids: table.routes().iter().map(route_id).collect(),
        roles: live.directory.map(|directory| directory.under(Arc::clone(&table))),
        table,
        issuers: live.issuers,
        traces: live.traces,
        upstreams: upstreams.collect(),
        listeners,
        limits: gateway.limits,
        realm: gateway.realm,
        reveal_routes: gateway.reveal_routes,
        drain_timeout: gateway.drain_timeout,
        handover_timeout: gateway.handover_timeout,
    }
}

/// The certificates that peers and upstreams are shown, and when they expire.
fn expiries(listeners: &[ListenerSettings], upstreams: &[UpstreamSettings]) -> Vec<CertificateExpiry> {
    let used = |listener: String, upstream: &str, certificate: &Certificate| CertificateExpiry {
        listener,
        upstream: upstream.to_owned(),
        certificate: certificate.label().to_owned(),
        expires: certificate.expires(),
    };
    let of_listeners = listeners.iter().flat_map(|listener| {
        let certificates = listener.tls.iter().flat_map(ServerTls::certificates);
        certificates.map(|certificate| used(listener.address.to_string(), "", certificate))
    });
    let of_upstreams = upstreams.iter().filter_map(|upstream| {
        let certificate = upstream.tls.as_ref()?.certificate()?;
        Some(used(String::new(), &upstream.name, certificate))
    });
    of_listeners.chain(of_upstreams).collect()
}
