//! A gateway from the moment it serves to the end of its drain.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::control::Control;
use super::fault::StartFault;
use super::handover::{HandoverFault, Heir, Times, hand_over};
use super::handover_messages::Counts;
use super::launch::Service;
use super::listeners::Listeners;
use super::program::Program;
use super::signals::{Asked, Signals};
use super::watchdog;
use super::workers::Workers;
use crate::net::{Drain, ListenAddress};
use crate::telemetry::HandoverResult;

/// A gateway that runs.
#[derive(Debug)]
pub struct Running {
    pub(super) runtime: Runtime,
    pub(super) started: Started,
}

#[derive(Debug)]
pub(super) struct Started {
    pub(super) control: Arc<Control>,
    pub(super) listeners: Listeners,
    pub(super) admin_address: SocketAddr,
    /// Cancelled, it ends the admin listener.
    pub(super) admin_ends: CancellationToken,
    pub(super) workers: Workers,
    pub(super) files_changed: mpsc::Receiver<()>,
    pub(super) signals: Signals,
    pub(super) service: Service,
}

impl Running {
    /// Where it listens, in the order of the gateway file, with the ports that were given for port 0.
    pub fn addresses(&self) -> Vec<ListenAddress> {
        self.started.listeners.addresses()
    }

    /// Where its admin listener does.
    pub fn admin_address(&self) -> SocketAddr {
        self.started.admin_address
    }

    /// Reloads when files change or a signal asks, hands over when another asks, and returns when a third, or the hand-over, has
    /// drained it. A fourth, during the drain, cuts that short.
    ///
    /// # Errors
    ///
    /// [`StartFault::WorkerEnded`]; the others have been drained then.
    pub fn wait(self) -> Result<(), StartFault> {
        let Self { runtime, mut started } = self;
        let end = runtime.block_on(started.until_drain());
        let result = if matches!(end, End::WorkerEnded) { Err(StartFault::WorkerEnded) } else { Ok(()) };
        started.drain(end, &runtime);
        // What still fetches keys or answers the admin listener has nobody left to serve.
        runtime.shutdown_background();
        result
    }
}

/// Why a gateway drains.
enum End {
    Asked,
    HandedOver(Heir),
    WorkerEnded,
}

/// Signals that come closer together are one: whoever ends a group of processes, or forwards a signal, sends it twice.
const ONE_SIGNAL: Duration = Duration::from_secs(1);

type HandingOver<'a> = Pin<Box<dyn Future<Output = Result<Heir, HandoverFault>> + 'a>>;

impl Started {
    /// Ends when a process has taken over, when a signal asks for the end, or when there is no going on: a hand-over under way then
    /// fails.
    async fn until_drain(&mut self) -> End {
        let Self { control, listeners, files_changed, signals, service, workers, .. } = self;
        let mut under_way: Option<HandingOver<'_>> = None;
        let pulses = workers.pulses();
        let mut feeding = pin!(watchdog::feed(&service.notifier, &pulses));
        loop {
            let asked = tokio::select! {
                // It never ends.
                () = &mut feeding => continue,
                asked = signals.next() => asked,
                Some(()) = files_changed.recv() => Asked::Reload,
                ended = outcome(&mut under_way) => {
                    under_way = None;
                    match ended {
                        Ok(heir) => return End::HandedOver(heir),
                        Err(fault) => tell_failed(control, service, &fault),
                    }
                    continue;
                }
                () = workers.ended() => {
                    tracing::error!("a worker has ended before its time, and this process ends with it");
                    return End::WorkerEnded;
                }
            };
            match asked {
                Asked::Drain => return End::Asked,
                Asked::Reload => reload(control, service),
                Asked::HandOver => match may_hand_over(under_way.is_some(), service) {
                    Ok(program) => under_way = Some(begin(control, listeners, service, program)),
                    Err(why) => tell_refused(control, why),
                },
            }
        }
    }

    /// Finishes what is under way.
    fn drain(self, end: End, runtime: &Runtime) {
        let Self { control, mut listeners, admin_ends, workers, service, signals, .. } = self;
        let asked_to_end = matches!(end, End::Asked).then(Instant::now);
        let taken_over = match end {
            End::HandedOver(Heir { pid, taken_over }) => {
                tracing::info!(pid, "handed over");
                service.notifier.is_now(pid);
                // The heir answers there.
                admin_ends.cancel();
                listeners.close_admin();
                taken_over
            }
            End::Asked | End::WorkerEnded => {
                service.notifier.stopping();
                Vec::new()
            }
        };
        tracing::info!("draining");
        listeners.close(&taken_over);
        control.drain.begin_taken_over(&taken_over);
        runtime.spawn(cut_when_asked(signals, control.drain.clone(), asked_to_end));
        workers.join();
        if let Some(traces) = &control.shared.snapshot.load().traces {
            runtime.block_on(traces.finish());
        }
        tracing::info!("drained");
        control.shared.log.flush();
    }
}

/// Cuts the drain short when a signal asks a second time for the end.
async fn cut_when_asked(mut signals: Signals, drain: Drain, mut asked: Option<Instant>) {
    loop {
        match (signals.next().await, asked) {
            (Asked::Drain, None) => asked = Some(Instant::now()),
            (Asked::Drain, Some(first)) if first.elapsed() >= ONE_SIGNAL => {
                tracing::warn!("the drain is cut short");
                drain.cut();
            }
            (Asked::Drain, Some(_)) | (Asked::Reload | Asked::HandOver, _) => {}
        }
    }
}

/// What comes of a hand-over; never, if there is none.
async fn outcome(under_way: &mut Option<HandingOver<'_>>) -> Result<Heir, HandoverFault> {
    match under_way {
        Some(handing_over) => handing_over.await,
        None => std::future::pending().await,
    }
}

fn reload(control: &Arc<Control>, service: &Service) {
    let (control, notifier) = (Arc::clone(control), service.notifier.clone());
    notifier.reloading();
    // Told in the log by the reload itself, and aside, so that a drain need not wait for it.
    tokio::spawn(async move {
        let reloaded = control.reload().await;
        notifier.ready(if reloaded.is_ok() { "serving" } else { "serving; the last reload failed" });
    });
}

/// The program to start, or why none is started.
fn may_hand_over(is_under_way: bool, service: &Service) -> Result<&Program, &'static str> {
    if is_under_way {
        return Err("another hand-over is under way");
    }
    // With its first process a container ends, the new process in it.
    if std::process::id() == 1 {
        return Err("the process is the first of its container: start another container instead");
    }
    service.program.as_ref().ok_or("the process is more than this gateway")
}

fn begin<'a>(
    control: &Control,
    listeners: &'a Listeners,
    service: &'a Service,
    program: &'a Program,
) -> HandingOver<'a> {
    let metrics = &control.shared.metrics;
    let counts = Counts {
        // Once this is read, it has succeeded.
        done: metrics.handovers_so_far(HandoverResult::Done) + 1,
        failed: metrics.handovers_so_far(HandoverResult::Failed),
        refused: metrics.handovers_so_far(HandoverResult::Refused),
    };
    let snapshot = control.shared.snapshot.load();
    let times = Times { ready: snapshot.handover_timeout, drain: snapshot.drain_timeout };
    tracing::info!(program = %program.path().display(), "handing over to a new process");
    service.notifier.reloading();
    Box::pin(hand_over(program, listeners, counts, times))
}

fn tell_refused(control: &Control, why: &'static str) {
    control.shared.metrics.handovers(HandoverResult::Refused, 1);
    tracing::warn!(reason = why, "no hand-over");
}

fn tell_failed(control: &Control, service: &Service, fault: &HandoverFault) {
    control.shared.metrics.handovers(HandoverResult::Failed, 1);
    let cause = std::error::Error::source(fault).map(|cause| format!(": {cause}")).unwrap_or_default();
    tracing::error!(reason = format!("{fault}{cause}"), "the hand-over failed, and this process goes on serving");
    service.notifier.ready("serving; the last hand-over failed");
}
