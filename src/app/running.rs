//! A gateway from the moment it serves to the end of its drain.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::control::Control;
use super::handover::{HandoverFault, Heir, hand_over};
use super::handover_messages::Counts;
use super::launch::Service;
use super::listeners::Listeners;
use super::program::Program;
use super::signals::{Asked, Signals};
use crate::net::{ListenAddress, Worker};
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
    pub(super) workers: Vec<Worker>,
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
    /// drained it.
    pub fn wait(self) {
        let Self { runtime, mut started } = self;
        let heir = runtime.block_on(started.until_drain());
        started.drain(heir);
        // What still fetches keys or answers the admin listener has nobody left to serve.
        runtime.shutdown_background();
    }
}

type HandingOver<'a> = Pin<Box<dyn Future<Output = Result<Heir, HandoverFault>> + 'a>>;

impl Started {
    /// Ends with the process that has taken over, or without one when a signal asks for the end: a hand-over under way then fails.
    async fn until_drain(&mut self) -> Option<Heir> {
        let Self { control, listeners, files_changed, signals, service, .. } = self;
        let mut under_way: Option<HandingOver<'_>> = None;
        loop {
            let asked = tokio::select! {
                asked = signals.next() => asked,
                Some(()) = files_changed.recv() => Asked::Reload,
                ended = outcome(&mut under_way) => {
                    under_way = None;
                    match ended {
                        Ok(heir) => return Some(heir),
                        Err(fault) => tell_failed(control, service, &fault),
                    }
                    continue;
                }
            };
            match asked {
                Asked::Drain => return None,
                Asked::Reload => reload(control, service),
                Asked::HandOver => match may_hand_over(under_way.is_some(), service) {
                    Ok(program) => under_way = Some(begin(control, listeners, service, program)),
                    Err(why) => tell_refused(control, why),
                },
            }
        }
    }

    /// Finishes what is under way.
    fn drain(self, heir: Option<Heir>) {
        let Self { control, mut listeners, admin_ends, workers, service, .. } = self;
        let taken_over = match heir {
            Some(Heir { pid, taken_over }) => {
                tracing::info!(pid, "handed over");
                service.manager.is_now(pid);
                // The heir answers there.
                admin_ends.cancel();
                listeners.close_admin();
                taken_over
            }
            None => {
                service.manager.stopping();
                Vec::new()
            }
        };
        tracing::info!("draining");
        listeners.close(&taken_over);
        control.drain.begin_taken_over(&taken_over);
        for worker in workers {
            worker.join();
        }
        tracing::info!("drained");
        control.shared.log.flush();
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
    let (control, manager) = (Arc::clone(control), service.manager.clone());
    manager.reloading();
    // Told in the log by the reload itself, and aside, so that a drain need not wait for it.
    tokio::spawn(async move {
        let reloaded = control.reload().await;
        manager.ready(if reloaded.is_ok() { "serving" } else { "serving; the last reload failed" });
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
    let time = control.shared.snapshot.load().handover_timeout;
    tracing::info!(program = %program.path().display(), "handing over to a new process");
    service.manager.reloading();
    Box::pin(hand_over(program, listeners, counts, time))
}

fn tell_refused(control: &Control, why: &'static str) {
    control.shared.metrics.handovers(HandoverResult::Refused, 1);
    tracing::warn!(reason = why, "no hand-over");
}

fn tell_failed(control: &Control, service: &Service, fault: &HandoverFault) {
    control.shared.metrics.handovers(HandoverResult::Failed, 1);
    let cause = std::error::Error::source(fault).map(|cause| format!(": {cause}")).unwrap_or_default();
    tracing::error!(reason = format!("{fault}{cause}"), "the hand-over failed, and this process goes on serving");
    service.manager.ready("serving; the last hand-over failed");
}
