//! The authorization server from its start to its end.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::control::{render, tell_warnings};
use super::fault::StartFault;
use super::signals::{Asked, Signals};
use crate::authorization_server::{
    self, AuthorizationServer, AuthorizationServerSettings, Catalogue, FirstAdministrator, FirstStartFault,
};
use crate::clock::Clock;
use crate::config::{self, AuthorizationServerConfiguration, Inputs, Watcher};
use crate::net::ListenAddress;
use crate::store::{Store, StoreFault};
use crate::telemetry::{Log, LogSettings, Metrics};

/// Starts the authorization server that `config` describes: when this returns, its database is ready and its listener accepts.
///
/// # Errors
///
/// [`StartFault`]; nothing is left running.
pub fn start_authorization_server(config: &Path) -> Result<RunningAuthorizationServer, StartFault> {
    let (loaded, inputs) = config::load_authorization_server(config);
    let configuration = loaded.map_err(StartFault::Files)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("authorization-server")
        .enable_all()
        .build()
        .map_err(StartFault::system("the runtime"))?;
    let started = runtime.block_on(Started::new(config, configuration, inputs))?;
    Ok(RunningAuthorizationServer { runtime, started })
}

/// An authorization server that runs.
#[derive(Debug)]
pub struct RunningAuthorizationServer {
    runtime: Runtime,
    started: Started,
}

#[derive(Debug)]
struct Started {
    path: PathBuf,
    /// As the file said when it was read first.
    settings: AuthorizationServerSettings,
    server: Arc<AuthorizationServer>,
    listener: tokio::net::TcpListener,
    address: SocketAddr,
    first: Option<FirstAdministrator>,
    log: LogSettings,
    inputs: Inputs,
    signals: Signals,
}

impl RunningAuthorizationServer {
    /// Where it listens, with the port that was given for port 0.
    pub fn address(&self) -> SocketAddr {
        self.started.address
    }

    /// Its issuer identifier.
    pub fn issuer(&self) -> &str {
        &self.started.server.settings.issuer
    }

    /// The administrator that the database got just now, because it had no user. Whoever starts the server has to show it.
    pub fn first_administrator(&self) -> Option<&FirstAdministrator> {
        self.started.first.as_ref()
    }

    /// Serves, follows its files, and returns when a signal has ended it.
    pub fn wait(self) {
        let Self { runtime, started } = self;
        runtime.block_on(started.run());
        // What a peer still waits for, nobody answers any more.
        runtime.shutdown_background();
    }
}

impl Started {
    async fn new(
        path: &Path,
        configuration: AuthorizationServerConfiguration,
        inputs: Inputs,
    ) -> Result<Self, StartFault> {
        let AuthorizationServerConfiguration { settings, catalogue, log, warnings } = configuration;
        let signals = Signals::listen()?;
        let listen = |source| StartFault::Listen { address: ListenAddress::Tcp(settings.address), source };
        let listener = tokio::net::TcpListener::bind(settings.address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let server = open(with_port(settings.clone(), address), catalogue).await?;
        let first = server.prepare().await.map_err(|fault| match fault {
            FirstStartFault::Store(fault) => StartFault::Store { path: settings.database.clone(), source: fault },
            FirstStartFault::NoRandomness(fault) => StartFault::system("random numbers")(io::Error::other(fault)),
        })?;
        tell_warnings(path, &warnings);
        Ok(Self { path: path.to_owned(), settings, server, listener, address, first, log, inputs, signals })
    }

    async fn run(self) {
        let Self { path, settings, server, listener, address, log, inputs, mut signals, .. } = self;
        let log = Log::start(log, Arc::new(Metrics::new()), Clock::system());
        tell_serving(address, &server.settings.issuer);
        let (watcher, mut files_changed) = Watcher::start(inputs);
        let files = Files { path, settings, watcher, log: log.clone(), server: Arc::clone(&server) };
        let shutdown = files.follow_until_drain(&mut files_changed, &mut signals);
        authorization_server::serve(listener, Arc::clone(&server), shutdown).await;
        server.store.clone().close().await;
        tell("drained");
        log.flush();
    }
}

async fn open(
    settings: AuthorizationServerSettings,
    catalogue: Catalogue,
) -> Result<Arc<AuthorizationServer>, StartFault> {
    let longest = i64::try_from(settings.lifetimes.access_token.as_secs()).unwrap_or(i64::MAX);
    let opened = Store::open(&settings.database, longest).await;
    let (store, _) = opened.map_err(|source| StartFault::Store { path: settings.database.clone(), source })?;
    Ok(AuthorizationServer::new(settings, catalogue, store, Clock::system()))
}

/// Port 0 of the issuer is the port that the system gave.
fn with_port(settings: AuthorizationServerSettings, address: SocketAddr) -> AuthorizationServerSettings {
    let issuer = match settings.issuer.strip_suffix(":0") {
        Some(host) => format!("{host}:{}", address.port()),
        None => settings.issuer,
    };
    AuthorizationServerSettings { issuer, ..settings }
}

/// What follows the files.
struct Files {
    path: PathBuf,
    settings: AuthorizationServerSettings,
    watcher: Watcher,
    log: Log,
    server: Arc<AuthorizationServer>,
}

impl Files {
    async fn follow_until_drain(self, files_changed: &mut mpsc::Receiver<()>, signals: &mut Signals) {
        loop {
            let asked = tokio::select! {
                asked = signals.next() => asked,
                Some(()) = files_changed.recv() => Asked::Reload,
            };
            match asked {
                Asked::Drain => break,
                Asked::Reload => self.reload().await,
                Asked::HandOver => tell_staying(),
            }
        }
        tell("draining");
    }

    /// Takes scopes and log settings over; files that do not compile change nothing but the log.
    async fn reload(&self) {
        let path = self.path.clone();
        let Ok((loaded, inputs)) = tokio::task::spawn_blocking(move || config::load_authorization_server(&path)).await
        else {
            tracing::error!("the reload ended with an internal fault");
            return;
        };
        // Of files that do not load as well: their mend is to be seen.
        self.watcher.set_files(inputs);
        match loaded {
            Ok(configuration) => self.replace(configuration).await,
            Err(diagnostics) => diagnostics.iter().for_each(|diagnostic| tracing::error!("{}", render(diagnostic))),
        }
    }

    async fn replace(&self, configuration: AuthorizationServerConfiguration) {
        let AuthorizationServerConfiguration { settings, catalogue, log, warnings } = configuration;
        tell_warnings(&self.path, &warnings);
        self.log.reconfigure(log);
        if settings != self.settings {
            tell_waiting();
        }
        match self.server.replace_catalogue(catalogue).await {
            Ok(()) => tell("reloaded"),
            Err(fault) => tell_not_taken(&fault),
        }
    }
}

fn tell(what: &'static str) {
    tracing::info!("{what}");
}

fn tell_serving(listener: SocketAddr, issuer: &str) {
    tracing::info!(%listener, issuer, "serving");
}

fn tell_staying() {
    tracing::warn!("the authorization server does not hand over to a new process");
}

fn tell_waiting() {
    tracing::warn!("what else than `policy` and `log` has changed takes effect at the next start");
}

fn tell_not_taken(fault: &StoreFault) {
    tracing::error!(%fault, "the scopes could not be taken over");
}
