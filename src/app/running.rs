//! A gateway from its start to the end of its drain.

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::control::{Control, Live, snapshot, start_issuers, tell_warnings};
use super::fault::StartFault;
use super::restart::Fixed;
use super::signals::{Asked, Signals};
use crate::admin::{self, AdminSettings};
use crate::clock::Clock;
use crate::config::{self, Inputs, Watcher};
use crate::directory::Directory;
use crate::gateway::{self, Shared, WorkerStart};
use crate::net::{self, Drain, ListenAddress, Listening, Worker};
use crate::telemetry::{Log, Metrics};

/// Runs the gateway that `config` describes until a signal has drained it.
///
/// # Errors
///
/// [`StartFault`]; once it has started it ends well.
pub fn serve(config: &Path) -> Result<(), StartFault> {
    start(config)?.wait();
    Ok(())
}

/// Starts the gateway that `config` describes: when this returns, its listeners are bound and accept.
///
/// # Errors
///
/// [`StartFault`]; nothing is left running.
pub fn start(config: &Path) -> Result<Running, StartFault> {
    let (loaded, inputs) = config::load_gateway_with_inputs(config);
    let gateway = loaded.map_err(StartFault::Files)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(StartFault::system("the control runtime"))?;
    let entered = runtime.enter();
    let started = Started::new(config, gateway, inputs)?;
    drop(entered);
    Ok(Running { runtime, started })
}

/// A gateway that runs.
#[derive(Debug)]
pub struct Running {
    runtime: Runtime,
    started: Started,
}

#[derive(Debug)]
struct Started {
    control: Arc<Control>,
    addresses: Vec<ListenAddress>,
    admin_address: SocketAddr,
    workers: Vec<Worker>,
    files_changed: mpsc::Receiver<()>,
    signals: Signals,
}

impl Running {
    /// Where it listens, in the order of the gateway file, with the ports that were given for port 0.
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.started.addresses
    }

    /// Where its admin listener does.
    pub fn admin_address(&self) -> SocketAddr {
        self.started.admin_address
    }

    /// Reloads when files change or a signal asks, and returns when another signal has drained it.
    pub fn wait(self) {
        let Self { runtime, started } = self;
        let Started { control, workers, mut files_changed, mut signals, .. } = started;
        runtime.block_on(until_drain(&control, &mut files_changed, &mut signals));
        tracing::info!("draining");
        control.drain.begin();
        for worker in workers {
            worker.join();
        }
        tracing::info!("drained");
        control.shared.log.flush();
        // What still fetches keys or answers the admin listener has nobody left to serve.
        runtime.shutdown_background();
    }
}

async fn until_drain(control: &Arc<Control>, files_changed: &mut mpsc::Receiver<()>, signals: &mut Signals) {
    loop {
        let asked = tokio::select! {
            asked = signals.next() => asked,
            Some(()) = files_changed.recv() => Asked::Reload,
        };
        match asked {
            Asked::Drain => return,
            Asked::Reload => {
                let control = Arc::clone(control);
                // Told in the log by the reload itself, and aside, so that a drain need not wait for it.
                tokio::spawn(async move { drop(control.reload().await) });
            }
        }
    }
}

impl Started {
    /// Within the control runtime.
    fn new(path: &Path, gateway: config::Gateway, inputs: Inputs) -> Result<Self, StartFault> {
        let signals = Signals::listen()?;
        let clock = Clock::system();
        let metrics = Arc::new(Metrics::new());
        let log = Log::start(gateway.log.clone(), Arc::clone(&metrics), clock.clone());
        tell_warnings(path, &gateway.warnings);
        let issuers = start_issuers(&gateway.issuers, None, &clock, &metrics)?;
        let worker_count = match gateway.workers {
            0 => std::thread::available_parallelism().map_or(1, NonZero::get),
            workers => workers,
        };
        let (sockets, addresses) = bind_all(&gateway, worker_count)?;
        let (admin_listener, admin_address) = bind_admin(&gateway.admin)?;
        let fixed = Fixed::of(&gateway);
        let admin = gateway.admin.clone();
        let listeners = gateway.listeners.clone();
        let directory = Directory::start(gateway.role_directory.clone(), None, &clock, &metrics);
        let snapshot = snapshot(gateway, listeners, Live { issuers, directory }, &clock, &metrics);
        let table = snapshot.table.fingerprint().to_owned();
        let shared = Arc::new(Shared::new(snapshot, Arc::clone(&metrics), log, clock));
        let drain = Drain::new();
        let (watcher, files_changed) = Watcher::start(inputs);
        let control = Arc::new(Control::new(path.to_owned(), Arc::clone(&shared), fixed, drain.clone(), watcher));
        let workers = start_workers(&shared, sockets, &drain)?;
        serve_admin(&control, admin_listener, admin)?;
        for listener in &addresses {
            tracing::info!(%listener, admin = %admin_address, workers = worker_count, table, "serving");
        }
        Ok(Self { control, addresses, admin_address, workers, files_changed, signals })
    }
}

/// The sockets of each worker, and the addresses that they share.
type Bound = (Vec<Vec<Listening>>, Vec<ListenAddress>);

fn bind_all(gateway: &config::Gateway, workers: usize) -> Result<Bound, StartFault> {
    let mut sockets: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
    let mut addresses = Vec::new();
    for listener in &gateway.listeners {
        let failed = |source| StartFault::Listen { address: listener.address.clone(), source };
        let bound = net::bind(&listener.address, workers).map_err(failed)?;
        let address = bound.first().map_or_else(|| Ok(listener.address.clone()), Listening::address).map_err(failed)?;
        addresses.push(address);
        for (worker, socket) in sockets.iter_mut().zip(bound) {
            worker.push(socket);
        }
    }
    Ok((sockets, addresses))
}

fn bind_admin(admin: &AdminSettings) -> Result<(std::net::TcpListener, SocketAddr), StartFault> {
    let failed = |source| StartFault::Listen { address: ListenAddress::Tcp(admin.address), source };
    let listener = std::net::TcpListener::bind(admin.address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

fn start_workers(shared: &Arc<Shared>, sockets: Vec<Vec<Listening>>, drain: &Drain) -> Result<Vec<Worker>, StartFault> {
    let count = sockets.len();
    let mut workers = Vec::with_capacity(count);
    for (number, listeners) in sockets.into_iter().enumerate() {
        let start = WorkerStart {
            shared: Arc::clone(shared),
            listeners,
            drained: drain.listen(),
            workers: count,
            seed: random()?,
        };
        let main = move || async move {
            if let Err(fault) = gateway::serve(start).await {
                tracing::error!(%fault, "a worker could not serve");
            }
        };
        let worker = Worker::start(format!("worker-{number}"), main).map_err(StartFault::system("a worker"))?;
        workers.push(worker);
    }
    Ok(workers)
}

fn random() -> Result<u64, StartFault> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| StartFault::system("random numbers")(std::io::Error::other("the system has none")))?;
    Ok(u64::from_ne_bytes(bytes))
}

fn serve_admin(
    control: &Arc<Control>,
    listener: std::net::TcpListener,
    settings: AdminSettings,
) -> Result<(), StartFault> {
    let listener = tokio::net::TcpListener::from_std(listener).map_err(StartFault::system("the admin listener"))?;
    let handles = Arc::clone(control).handles();
    tokio::spawn(async move {
        if let Err(fault) = admin::serve(listener, &settings, handles, std::future::pending()).await {
            tracing::error!(%fault, "the admin listener ended");
        }
    });
    Ok(())
}
