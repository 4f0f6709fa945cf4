//! A gateway's start.

use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::adjustable::Adjustable;
use super::control::{Control, Live, snapshot, start_issuers, tell_warnings};
use super::descriptors::{affordable_connections, workers};
use super::fault::StartFault;
use super::handover_messages::{Counts, Progress};
use super::inheritance::Inheritance;
use super::launch::{Launch, Service};
use super::listeners::Listeners;
use super::predecessor::Predecessor;
use super::restart::Fixed;
use super::running::{Running, Started};
use super::signals::Signals;
use super::workers::Workers;
use crate::admin;
use crate::clock::Clock;
use crate::config::{self, Inputs, Watcher};
use crate::directory::Directory;
use crate::gateway::Shared;
use crate::net::{Drain, ListenAddress};
use crate::telemetry::{HandoverResult, Log, Metrics};
use crate::traces::Tracer;

/// Runs the gateway that `config` describes, as this process' only task, until a signal has drained it or another process has
/// taken over.
///
/// Sockets that the environment speaks of are taken over, and a service manager is told.
///
/// # Errors
///
/// [`StartFault`]; once it has started, only [`StartFault::WorkerEnded`].
pub fn serve(config: &Path) -> Result<(), StartFault> {
    let Launch { mut inheritance, service } = Launch::as_service()?;
    let predecessor = inheritance.predecessor.take();
    match start_within(config, inheritance, service, predecessor.as_ref()) {
        Ok(running) => {
            // The stream to the process before is of no use any more.
            drop(predecessor);
            running.wait()
        }
        Err(fault) => {
            if let Some(predecessor) = predecessor {
                predecessor.tell(&Progress::Failed { reason: fault.in_one_line() });
            }
            Err(fault)
        }
    }
}

/// Starts the gateway that `config` describes: when this returns, its listeners are bound and accept.
///
/// # Errors
///
/// [`StartFault`]; nothing is left running.
pub fn start(config: &Path) -> Result<Running, StartFault> {
    let Launch { inheritance, service } = Launch::default();
    start_within(config, inheritance, service, None)
}

fn start_within(
    config: &Path,
    inheritance: Inheritance,
    service: Service,
    predecessor: Option<&Predecessor>,
) -> Result<Running, StartFault> {
    let (loaded, inputs) = config::load_gateway_with_inputs(config);
    let gateway = loaded.map_err(StartFault::Files)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(StartFault::system("the control runtime"))?;
    let entered = runtime.enter();
    let prepared = Prepared::new(config, gateway, inputs, inheritance.counts)?;
    drop(entered);
    prepared.serve(runtime, inheritance, service, predecessor)
}

/// A gateway that could serve, and does not listen yet.
struct Prepared {
    control: Arc<Control>,
    workers: usize,
    drain: Drain,
    files_changed: mpsc::Receiver<()>,
    signals: Signals,
}

impl Prepared {
    /// Within the control runtime.
    fn new(path: &Path, mut gateway: config::Gateway, inputs: Inputs, counts: Counts) -> Result<Self, StartFault> {
        let signals = Signals::listen()?;
        let clock = Clock::system();
        let metrics = Arc::new(Metrics::new());
        count_on(&metrics, counts);
        let log = Log::start(gateway.log.clone(), Arc::clone(&metrics), clock.clone());
        tell_warnings(path, &gateway.warnings);
        let issuers = start_issuers(&gateway.issuers, None, &clock, &metrics)?;
        let workers = workers(&gateway);
        let fixed = Fixed::of(&gateway);
        gateway.limits.connections = affordable_connections(&gateway, workers);
        let listeners = gateway.listeners.clone();
        let adjustable = Adjustable::of(&gateway, &listeners);
        let directory = Directory::start(gateway.role_directory.clone(), None, &clock, &metrics);
        let traces = Tracer::start(gateway.traces.clone(), None, &metrics);
        let live = Live { issuers, directory, traces };
        let snapshot = snapshot(gateway, listeners, live, &clock, &metrics);
        let shared = Arc::new(Shared::new(snapshot, metrics, log, clock));
        let drain = Drain::new();
        let (watcher, files_changed) = Watcher::start(inputs);
        let control = Arc::new(Control::new(path.to_owned(), shared, fixed, adjustable, drain.clone(), watcher));
        Ok(Self { control, workers, drain, files_changed, signals })
    }

    /// Listens and serves, once the process before says so, if there is one.
    fn serve(
        mut self,
        runtime: Runtime,
        inheritance: Inheritance,
        service: Service,
        predecessor: Option<&Predecessor>,
    ) -> Result<Running, StartFault> {
        let fixed = &self.control.fixed;
        let admin = fixed.admin.address;
        let heirlooms = inheritance.divide(&fixed.listeners, &ListenAddress::Tcp(admin))?;
        if let Some(predecessor) = predecessor {
            runtime.block_on(predecessor.wait_for_turn(&self.control, &mut self.signals))?;
        }
        let taken_over = heirlooms.taken_over.clone();
        let listeners = Listeners::open(&fixed.listeners, admin, heirlooms, self.workers)?;
        let entered = runtime.enter();
        let started = self.start(listeners, service)?;
        drop(entered);
        if let Some(predecessor) = predecessor {
            predecessor.tell(&Progress::Serving { taken_over });
        }
        Ok(Running { runtime, started })
    }

    /// Within the control runtime.
    fn start(self, mut listeners: Listeners, service: Service) -> Result<Started, StartFault> {
        let Self { control, workers: count, drain, files_changed, signals } = self;
        let admin_ends = CancellationToken::new();
        let admin_address = serve_admin(&control, &listeners, admin_ends.clone())?;
        let workers = Workers::start(&control.shared, listeners.deal(count)?, &drain)?;
        listeners.adopt();
        let table = control.shared.snapshot.load().table.fingerprint().to_owned();
        for listener in listeners.addresses() {
            let pid = std::process::id();
            tracing::info!(%listener, admin = %admin_address, workers = count, table, pid, "serving");
        }
        service.notifier.ready("serving");
        Ok(Started { control, listeners, admin_address, admin_ends, workers, files_changed, signals, service })
    }
}

/// Goes on counting where the process before has ended, which is followed by this one.
fn count_on(metrics: &Metrics, Counts { done, failed, refused }: Counts) {
    let counts = [(HandoverResult::Done, done), (HandoverResult::Failed, failed), (HandoverResult::Refused, refused)];
    for (result, times) in counts {
        metrics.handovers(result, times);
    }
}

fn serve_admin(
    control: &Arc<Control>,
    listeners: &Listeners,
    ends: CancellationToken,
) -> Result<std::net::SocketAddr, StartFault> {
    let failed = || StartFault::system("the admin listener");
    let listener = listeners.admin().and_then(tokio::net::TcpListener::from_std).map_err(failed())?;
    let address = listener.local_addr().map_err(failed())?;
    let settings = control.fixed.admin.clone();
    let handles = Arc::clone(control).handles();
    tokio::spawn(async move {
        if let Err(fault) = admin::serve(listener, &settings, handles, ends.cancelled_owned()).await {
            tracing::error!(%fault, "the admin listener ended");
        }
    });
    Ok(address)
}
