//! Why a server did not start.

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
            Self::Issuers(_) | Self::Listen { .. } | Self::Store { .. } | Self::System { .. } => &[],
        }
    }

    pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}
