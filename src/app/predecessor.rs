//! The new process' side of a hand-over.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use super::control::Control;
use super::fault::StartFault;
use super::handover_messages::{LONGEST, Offer, Offered, Progress};
use super::signals::{Asked, Signals};
use crate::net::{Listener, Listening, receive_descriptor};

/// How long the old process may take to say and send what it has.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often to look whether this process could serve.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The process that serves until this one does.
#[derive(Debug)]
pub(super) struct Predecessor {
    stream: UnixStream,
}

impl Predecessor {
    /// The process at the other end of standard input, which becomes empty.
    ///
    /// # Errors
    ///
    /// What the operating system says when standard input is no socket.
    pub(super) fn at_standard_input() -> io::Result<Self> {
        let stream: UnixStream = io::stdin().as_fd().try_clone_to_owned()?.into();
        // Fails for anything but a unix socket.
        stream.local_addr()?;
        stream.set_read_timeout(Some(PATIENCE))?;
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Ok(Self { stream })
    }

    /// Receives the offer and the sockets of its listeners, the admin listener's last.
    ///
    /// # Errors
    ///
    /// What the operating system says, or `InvalidData`.
    pub(super) fn receive(&self) -> io::Result<(Offer, Vec<Listener>, Option<Listener>)> {
        let offer: Offer = serde_json::from_slice(&self.line()?)?;
        let listeners = offer.listeners.iter().map(|offered| self.listener(offered)).collect::<io::Result<_>>()?;
        let admin = offer.admin.as_ref().map(|offered| self.listener(offered)).transpose()?;
        Ok((offer, listeners, admin))
    }

    /// Byte by byte: a descriptor is lost when the byte that it travels with is read without it.
    fn line(&self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        let mut byte = [0];
        while line.len() < LONGEST {
            (&self.stream).read_exact(&mut byte)?;
            match byte {
                [b'\n'] => return Ok(line),
                [byte] => line.push(byte),
            }
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "no offer of listeners"))
    }

    fn listener(&self, offered: &Offered) -> io::Result<Listener> {
        let receive = |_| Listening::from_descriptor(receive_descriptor(&self.stream)?);
        let sockets = (0..offered.sockets).map(receive).collect::<io::Result<_>>()?;
        Listener::inherited(sockets, offered.held_outside)
    }

    /// Waits until this process could serve, says so, and waits to be told to. If the old process has gone this one is needed at
    /// once.
    ///
    /// # Errors
    ///
    /// [`StartFault::Ended`] when a signal asks for that, or [`StartFault::Inheritance`].
    pub(super) async fn wait_for_turn(&self, control: &Control, signals: &mut Signals) -> Result<(), StartFault> {
        let failed = |source| StartFault::Inheritance { source };
        let stream = self.stream.try_clone().map_err(failed)?;
        stream.set_nonblocking(true).map_err(failed)?;
        let mut stream = tokio::net::UnixStream::from_std(stream).map_err(failed)?;
        tokio::select! {
            () = until_ready(control) => self.tell(&Progress::Ready),
            _ = stream.readable() => return Ok(()),
            () = until_drain(signals) => return Err(StartFault::Ended),
        }
        tokio::select! {
            // Told, or alone: its turn has come either way.
            _ = stream.read_u8() => Ok(()),
            () = until_drain(signals) => Err(StartFault::Ended),
        }
    }

    /// Tells the old process how far this one has come; if nobody hears it, that one has gone.
    pub(super) fn tell(&self, progress: &Progress) {
        let Ok(mut line) = serde_json::to_vec(progress) else { return };
        line.push(b'\n');
        let _ = (&self.stream).write_all(&line);
    }
}

async fn until_ready(control: &Control) {
    while !control.readiness().ready {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Nothing else can be asked of a process that does not serve yet.
async fn until_drain(signals: &mut Signals) {
    while signals.next().await != Asked::Drain {}
}
