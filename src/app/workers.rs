//! The workers of the data plane: all of them stand before one of them accepts, and none ends before its time unnoticed.

use std::io;
use std::sync::{Arc, mpsc};

use tokio::sync::{mpsc as told, watch};

use super::fault::StartFault;
use super::listeners::Dealt;
use super::watchdog::{Heart, Pulse, heart};
use crate::gateway::{self, Shared, WorkerStart};
use crate::net::{Drain, Worker};

/// The workers that serve.
#[derive(Debug)]
pub(super) struct Workers {
    workers: Vec<Worker>,
    pulses: Vec<Pulse>,
    ended: told::UnboundedReceiver<Ended>,
}

/// A worker's thread has come to its end.
#[derive(Debug)]
struct Ended;

/// Tells of the end, however the thread comes to it.
struct TellsOfEnd(told::UnboundedSender<Ended>);

impl Drop for TellsOfEnd {
    fn drop(&mut self) {
        // Nobody hears it after the drain.
        let _ = self.0.send(Ended);
    }
}

impl Workers {
    /// Starts a worker for each of `sockets`. When this returns, every one of them accepts.
    ///
    /// # Errors
    ///
    /// [`StartFault::System`] if one of them cannot; then none has accepted anything.
    pub(super) fn start(shared: &Arc<Shared>, sockets: Vec<Dealt>, drain: &Drain) -> Result<Self, StartFault> {
        let (count, (tell, ended), (go, wait)) = (sockets.len(), told::unbounded_channel(), watch::channel(false));
        let (mut workers, mut pulses) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for (number, listeners) in sockets.into_iter().enumerate() {
            let start = WorkerStart {
                shared: Arc::clone(shared),
                listeners,
                drained: drain.listen(),
                workers: count,
                seed: random()?,
            };
            let (heart, pulse) = heart();
            let worker = start_one(format!("worker-{number}"), start, heart, TellsOfEnd(tell.clone()), wait.clone());
            workers.push(worker.map_err(StartFault::system("a worker"))?);
            pulses.push(pulse);
        }
        go.send_replace(true);
        Ok(Self { workers, pulses, ended })
    }

    /// How each of them is asked whether it is alive.
    pub(super) fn pulses(&self) -> Vec<Pulse> {
        self.pulses.clone()
    }

    /// Waits until one of them has ended.
    pub(super) async fn ended(&mut self) {
        // With the last sender the last worker has gone as well.
        let _ = self.ended.recv().await;
    }

    /// Blocks until all of them have ended.
    pub(super) fn join(self) {
        for worker in self.workers {
            worker.join();
        }
    }
}

/// Starts a worker that waits to be told to accept, and waits until it could.
fn start_one(
    name: String,
    start: WorkerStart,
    heart: Heart,
    tells_of_end: TellsOfEnd,
    mut go: watch::Receiver<bool>,
) -> io::Result<Worker> {
    let (report, reported) = mpsc::sync_channel(1);
    let main = move || async move {
        let _tells_of_end = tells_of_end;
        // Among the tasks that serve: it comes to its turn if they do.
        drop(tokio::task::spawn_local(heart.beat()));
        let standing = match gateway::stand(start) {
            Ok(standing) => standing,
            Err(fault) => return drop(report.send(Err(fault))),
        };
        // Whoever started this one waits for it.
        let _ = report.send(Ok(()));
        // Not told, it is not wanted: another could not start.
        if go.wait_for(|go| *go).await.is_ok()
            && let Err(fault) = standing.serve().await
        {
            tracing::error!(%fault, "a worker could not go on");
        }
    };
    let worker = Worker::start(name, main)?;
    match reported.recv() {
        Ok(Ok(())) => Ok(worker),
        Ok(Err(fault)) => Err(fault),
        Err(_) => Err(io::Error::other("the worker's thread ended before it stood")),
    }
}

fn random() -> Result<u64, StartFault> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| StartFault::system("random numbers")(io::Error::other("the system has none")))?;
    Ok(u64::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::OwnedFd;

    use super::super::control::{Live, snapshot, start_issuers};
    use super::*;
    use crate::clock::Clock;
    use crate::config;
    use crate::net::Listening;
    use crate::telemetry::{Log, LogSettings, Metrics};

    const GATEWAY: &str = "listeners: [{address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}\nupstreams: {api: {endpoints: \
                           ['http://127.0.0.1:9']}}\npolicy: [routes.yaml]\n";
    const ROUTES: &str = "routes:\n  - {path: /x, upstream: api, methods: {GET: public}}\n";

    fn shared() -> Arc<Shared> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("scopegate.yaml", GATEWAY), ("routes.yaml", ROUTES)] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let gateway = config::load_gateway(&folder.path().join("scopegate.yaml")).unwrap();
        let (clock, metrics, listeners) = (Clock::system(), Arc::new(Metrics::new()), gateway.listeners.clone());
        let issuers = start_issuers(&gateway.issuers, None, &clock, &metrics).unwrap();
        let snapshot = snapshot(gateway, listeners, Live { issuers, directory: None, traces: None }, &clock, &metrics);
        let log = Log::to(io::sink(), LogSettings::default(), Arc::clone(&metrics), clock.clone());
        Arc::new(Shared::new(snapshot, metrics, log, clock))
    }

    fn listening() -> Listening {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Listening::Tcp(listener)
    }

    #[test]
    fn nothing_has_started_where_one_socket_cannot_be_watched() {
        // epoll watches no file of a disk.
        let file: OwnedFd = tempfile::tempfile().unwrap().into();
        let sockets = vec![vec![(0, listening())], vec![(0, Listening::Tcp(file.into()))]];
        let fault = Workers::start(&shared(), sockets, &Drain::new()).unwrap_err();
        assert!(matches!(fault, StartFault::System { what: "a worker", .. }), "{fault:?}");
    }

    #[tokio::test]
    async fn the_end_of_one_worker_is_told() {
        let drain = Drain::new();
        let mut workers = Workers::start(&shared(), vec![vec![(0, listening())], Vec::new()], &drain).unwrap();
        let so_far = tokio::time::timeout(std::time::Duration::from_millis(50), workers.ended()).await;
        assert!(so_far.is_err(), "none has");
        drain.begin();
        workers.ended().await;
        workers.join();
    }
}
