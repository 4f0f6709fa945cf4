//! The process' signals.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::fault::StartFault;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Reload,
    HandOver,
    Drain,
}

/// The signals that are heard from now on: HUP reloads; USR2 hands over to a new process; TERM and INT drain.
#[derive(Debug)]
pub(super) struct Signals {
    hang_up: Signal,
    second_user: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, StartFault> {
        let listen = |kind| signal(kind).map_err(StartFault::system("listening for signals"));
        Ok(Self {
            hang_up: listen(SignalKind::hangup())?,
            second_user: listen(SignalKind::user_defined2())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.hang_up.recv() => Asked::Reload,
            _ = self.second_user.recv() => Asked::HandOver,
            _ = self.terminate.recv() => Asked::Drain,
            _ = self.interrupt.recv() => Asked::Drain,
        }
    }
}
