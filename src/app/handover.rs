//! The old process' side of a hand-over: it starts its program anew, offers its sockets, and waits until the new process serves.

use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Interest};
use tokio::net::UnixStream;
use tokio::process::Child;

use super::handover_messages::{Counts, GO, LONGEST, Progress, VARIABLE};
use super::listeners::Listeners;
use super::program::Program;
use crate::net::send_descriptor;

/// How long a new process that has failed may take to end by itself.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long a new process that was told to serve may take to do so: all that it needs it has.
const TAKING_OVER: Duration = Duration::from_secs(10);

/// The process that has taken over.
#[derive(Debug)]
pub(super) struct Heir {
    pub(super) pid: u32,
    /// By position of a listener: whether the heir accepts from its sockets.
    pub(super) taken_over: Vec<bool>,
}

/// Why there is none; the new process has been ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandoverFault {
    #[error("`{path}` cannot be started")]
    Start { path: String, source: io::Error },
    #[error("the new process cannot be spoken with")]
    Speech(#[source] io::Error),
    #[error("the new process cannot serve: {0}")]
    CannotServe(String),
    #[error("the new process ended before it served")]
    Ended,
    #[error("the new process was not ready within {} seconds", .0.as_secs_f64())]
    TimedOut(Duration),
    #[error("the new process did not serve within {} seconds of being told to", TAKING_OVER.as_secs())]
    Silent,
}

/// What a hand-over may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// For the new process, to be ready.
    pub(super) ready: Duration,
    /// For a process that may have accepted connections, to finish with them.
    pub(super) drain: Duration,
}

impl HandoverFault {
    fn of_stream(fault: io::Error) -> Self {
        let has_ended = matches!(fault.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset);
        if has_ended { Self::Ended } else { Self::Speech(fault) }
    }

    fn out_of_turn() -> Self {
        Self::Speech(io::Error::new(io::ErrorKind::InvalidData, "it speaks out of turn"))
    }

    /// What the new process may still take to end by itself: one that knows what is wrong says so on its standard error.
    fn grace(&self) -> Duration {
        match self {
            Self::CannotServe(_) | Self::Ended => LAST_WORDS,
            Self::Start { .. } | Self::Speech(_) | Self::TimedOut(_) | Self::Silent => Duration::ZERO,
        }
    }
}

/// Hands the listeners over to a new process. This one goes on accepting meanwhile: what it does with its own handles afterwards
/// is up to the caller. Dropped, the new process is ended: killed as long as it has accepted nothing, and asked to drain once it
/// may have.
///
/// # Errors
///
/// [`HandoverFault`].
pub(super) async fn hand_over(
    program: &Program,
    listeners: &Listeners,
    counts: Counts,
    times: Times,
) -> Result<Heir, HandoverFault> {
    let (ours, theirs) = StdStream::pair().map_err(HandoverFault::Speech)?;
    ours.set_nonblocking(true).map_err(HandoverFault::Speech)?;
    let ours = UnixStream::from_std(ours).map_err(HandoverFault::Speech)?;
    let mut newcomer = Newcomer::start(program, theirs)?;
    match newcomer.take_over(ours, listeners, counts, times.ready).await {
        Ok(taken_over) => {
            newcomer.is_heir = true;
            Ok(Heir { pid: newcomer.child.id().unwrap_or_default(), taken_over })
        }
        Err(fault) => {
            newcomer.end(&fault, times.drain).await;
            Err(fault)
        }
    }
}

/// The new process. Dropped, it is ended, unless it has become the heir.
struct Newcomer {
    child: Child,
    /// It was told to serve: connections may be its own by now, and it is not to be killed with them.
    may_serve: bool,
    is_asked_to_end: bool,
    is_heir: bool,
}

impl Newcomer {
    fn start(program: &Program, stream: StdStream) -> Result<Self, HandoverFault> {
        let mut command = program.command();
        command.env(VARIABLE, "1").stdin(Stdio::from(std::os::fd::OwnedFd::from(stream)));
        let failed = |source| HandoverFault::Start { path: program.path().display().to_string(), source };
        let child = command.spawn().map_err(failed)?;
        Ok(Self { child, may_serve: false, is_asked_to_end: false, is_heir: false })
    }

    /// Offers it the sockets, and tells it to serve once it could: whether it accepts from each listener's.
    async fn take_over(
        &mut self,
        stream: UnixStream,
        listeners: &Listeners,
        counts: Counts,
        time: Duration,
    ) -> Result<Vec<bool>, HandoverFault> {
        let mut stream = BufReader::new(stream);
        let becoming_ready = async {
            offer(&mut stream, listeners, counts).await.map_err(HandoverFault::of_stream)?;
            match hear(&mut stream).await? {
                Progress::Ready => Ok(()),
                Progress::Serving { .. } => Err(HandoverFault::out_of_turn()),
                Progress::Failed { reason } => Err(HandoverFault::CannotServe(reason)),
            }
        };
        tokio::time::timeout(time, becoming_ready).await.unwrap_or(Err(HandoverFault::TimedOut(time)))?;
        self.may_serve = true;
        let taking_over = async {
            stream.get_mut().write_all(GO).await.map_err(HandoverFault::of_stream)?;
            match hear(&mut stream).await? {
                Progress::Serving { taken_over } => Ok(taken_over),
                Progress::Ready => Err(HandoverFault::out_of_turn()),
                Progress::Failed { reason } => Err(HandoverFault::CannotServe(reason)),
            }
        };
        tokio::time::timeout(TAKING_OVER, taking_over).await.unwrap_or(Err(HandoverFault::Silent))
    }

    /// Sees to it that it ends: within `drain` and a little more, if it may have accepted connections.
    async fn end(&mut self, fault: &HandoverFault, drain: Duration) {
        let grace = if self.may_serve { drain + LAST_WORDS } else { fault.grace() };
        if self.may_serve {
            self.ask_to_end();
        }
        if tokio::time::timeout(grace, self.child.wait()).await.is_err() {
            // What cannot be killed has ended.
            let _ = self.child.kill().await;
        }
    }

    /// Asks once: asked twice, it would not finish what it has.
    fn ask_to_end(&mut self) {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        if let (Some(pid), false) = (pid, std::mem::replace(&mut self.is_asked_to_end, true)) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        if self.is_heir {
            return;
        }
        if self.may_serve {
            self.ask_to_end();
        } else {
            // It may have ended by itself. The runtime sees to it that no dead child is left.
            let _ = self.child.start_kill();
        }
    }
}

async fn offer(stream: &mut BufReader<UnixStream>, listeners: &Listeners, counts: Counts) -> io::Result<()> {
    let mut line = serde_json::to_vec(&listeners.offer(counts))?;
    line.push(b'\n');
    let stream = stream.get_mut();
    stream.write_all(&line).await?;
    for socket in listeners.sockets() {
        stream.async_io(Interest::WRITABLE, || send_descriptor(&*stream, socket)).await?;
    }
    Ok(())
}

async fn hear(stream: &mut BufReader<UnixStream>) -> Result<Progress, HandoverFault> {
    let mut line = String::new();
    let read = stream.take(LONGEST as u64).read_line(&mut line).await;
    match read {
        Ok(0) => Err(HandoverFault::Ended),
        Err(fault) => Err(HandoverFault::of_stream(fault)),
        Ok(_) => serde_json::from_str(&line).map_err(|fault| HandoverFault::Speech(fault.into())),
    }
}
