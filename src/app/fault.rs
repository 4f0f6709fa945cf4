//! Why a server did not start, or ended.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use crate::config::Diagnostic;
use crate::net::ListenAddress;
use crate::store::StoreFault;
use crate::verify::IssuerFault;

/// Why the gateway or the authorization server did not start. Nothing is left listening.
#[derive(Debug, thiserror::Error)]
pub enum StartFault {
    /// The file or what belongs to it does not compile, or a test of the policy failed.
    #[error("the file does not compile")]
    Files(Vec<Diagnostic>),
    /// An issuer's keys cannot be read.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Issuers(Vec<IssuerFault>),
    /// An address cannot be listened on.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address, as the gateway file says it.
        address: ListenAddress,
        /// What the system says.
        source: io::Error,
    },
    /// Sockets that another process has opened cannot be taken over.
    #[error("the sockets that were passed on cannot be taken over")]
    Inheritance {
        /// What the system says, or what is wrong with the sockets.
        source: io::Error,
    },
    /// A service manager passes a socket that the gateway file does not ask for.
    #[error("a socket was passed on for `{address}`, and nothing in the gateway file listens there")]
    Passed {
        /// Where the socket is bound.
        address: ListenAddress,
    },
    /// A signal has asked for the end before the process served.
    #[error("a signal has ended the process before it served")]
    Ended,
    /// A worker has ended before its time, after the start: a defect of ours.
    #[error("a worker has ended, and with it the process")]
    WorkerEnded,
    /// The authorization server's database cannot be used.
    #[error("cannot use the database `{}`", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What the database says.
        source: StoreFault,
    },
    /// The system refused a thread, an event queue, a signal or random numbers.
    #[error("cannot start {what}")]
    System {
        /// What was to be started.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

impl StartFault {
    /// The diagnostics, where files are at fault; otherwise none.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Self::Files(diagnostics) => diagnostics,
            Self::Issuers(_)
            | Self::Listen { .. }
            | Self::Inheritance { .. }
            | Self::Passed { .. }
            | Self::Ended
            | Self::WorkerEnded
            | Self::Store { .. }
            | Self::System { .. } => &[],
        }
    }

    /// All of it in one line: for another process' log.
    pub(super) fn in_one_line(&self) -> String {
        let mut line = self.to_string();
        for diagnostic in self.diagnostics() {
            // Writing into a text cannot fail.
            let _ = write!(line, "; {}", diagnostic.message);
        }
        if let Some(cause) = self.source() {
            let _ = write!(line, ": {cause}");
        }
        line
    }

    pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}
