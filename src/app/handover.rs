//! The old process' side of a hand-over: it starts its program anew, offers its sockets, and waits until the new process serves.

use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Interest};
use tokio::net::UnixStream;
use tokio::process::Child;

use super::handover_messages::{Counts, GO, LONGEST, Progress, VARIABLE};
use super::listeners::Listeners;
use super::program::Program;
use crate::net::send_descriptor;

/// How long a new process that has failed may take to end by itself.
const LAST_WORDS: Duration = Duration::from_secs(5);

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
}

impl HandoverFault {
    fn of_stream(fault: io::Error) -> Self {
        let has_ended = matches!(fault.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset);
        if has_ended { Self::Ended } else { Self::Speech(fault) }
    }

    /// What the new process may still take to end by itself: one that knows what is wrong says so on its standard error.
    fn grace(&self) -> Duration {
        match self {
            Self::CannotServe(_) | Self::Ended => LAST_WORDS,
            Self::Start { .. } | Self::Speech(_) | Self::TimedOut(_) => Duration::ZERO,
        }
    }
}

/// Hands the listeners over to a new process. This one goes on accepting meanwhile: what it does with its own handles afterwards
/// is up to the caller. Dropped, the new process is ended.
///
/// # Errors
///
/// [`HandoverFault`].
pub(super) async fn hand_over(
    program: &Program,
    listeners: &Listeners,
    counts: Counts,
    time: Duration,
) -> Result<Heir, HandoverFault> {
    let (ours, theirs) = StdStream::pair().map_err(HandoverFault::Speech)?;
    ours.set_nonblocking(true).map_err(HandoverFault::Speech)?;
    let ours = UnixStream::from_std(ours).map_err(HandoverFault::Speech)?;
    let mut newcomer = Newcomer::start(program, theirs)?;
    let talked = tokio::time::timeout(time, talk(ours, listeners, counts)).await;
    match talked.unwrap_or(Err(HandoverFault::TimedOut(time))) {
        Ok(taken_over) => {
            newcomer.is_heir = true;
            Ok(Heir { pid: newcomer.child.id().unwrap_or_default(), taken_over })
        }
        Err(fault) => {
            newcomer.end(fault.grace()).await;
            Err(fault)
        }
    }
}

/// The new process. Dropped, it is killed, unless it has become the heir.
struct Newcomer {
    child: Child,
    is_heir: bool,
}

impl Newcomer {
    fn start(program: &Program, stream: StdStream) -> Result<Self, HandoverFault> {
        let mut command = program.command();
        command.env(VARIABLE, "1").stdin(Stdio::from(std::os::fd::OwnedFd::from(stream)));
        let failed = |source| HandoverFault::Start { path: program.path().display().to_string(), source };
        Ok(Self { child: command.spawn().map_err(failed)?, is_heir: false })
    }

    async fn end(&mut self, grace: Duration) {
        if tokio::time::timeout(grace, self.child.wait()).await.is_err() {
            // What cannot be killed has ended.
            let _ = self.child.kill().await;
        }
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        if !self.is_heir {
            // It may have ended by itself. The runtime sees to it that no dead child is left.
            let _ = self.child.start_kill();
        }
    }
}

async fn talk(stream: UnixStream, listeners: &Listeners, counts: Counts) -> Result<Vec<bool>, HandoverFault> {
    let mut stream = BufReader::new(stream);
    offer(&mut stream, listeners, counts).await.map_err(HandoverFault::of_stream)?;
    loop {
        match hear(&mut stream).await? {
            Progress::Ready => stream.get_mut().write_all(GO).await.map_err(HandoverFault::Speech)?,
            Progress::Serving { taken_over } => return Ok(taken_over),
            Progress::Failed { reason } => return Err(HandoverFault::CannotServe(reason)),
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
