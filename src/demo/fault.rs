//! Why the demo does not start.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::app::StartFault;
use crate::authorization_server::NoRandomness;
use crate::sample_api::RowsFault;
use crate::store::StoreFault;

use super::client::ClientFault;

/// Why the demo does not start. What it made is removed.
#[derive(Debug, thiserror::Error)]
pub enum DemoFault {
    /// One of the servers.
    #[error("a server of the demo did not start")]
    Server(#[from] StartFault),
    /// An address that was asked for cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// An address is none of this machine's own: what opens the demo lies open on its page.
    #[error("{0} is not a loopback address")]
    NotLoopback(SocketAddr),
    /// The demo's folder.
    #[error("cannot write `{}`", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// Threads and the like.
    #[error("cannot start {what}")]
    System {
        /// What was to be started.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The authorization server's database could not be filled.
    #[error("the authorization server's database could not be filled")]
    Store(#[from] StoreFault),
    /// The sample API's database could not be filled.
    #[error("the sample API's database could not be filled")]
    Rows(#[from] RowsFault),
    /// The machine gives no randomness.
    #[error("the machine gives no randomness")]
    NoRandomness,
    /// A signal came before everything had started.
    #[error("the demo was interrupted before it had started")]
    Interrupted,
    /// The gateway did not read keys, revocations and roles in time.
    #[error("the gateway is not ready: it could not read what it needs of the authorization server")]
    NotReady,
    /// The authorization server gives no token for the first requests.
    #[error("the authorization server gave no token: {0}")]
    NoToken(String),
}

impl DemoFault {
    pub(super) fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}

impl From<NoRandomness> for DemoFault {
    fn from(_: NoRandomness) -> Self {
        Self::NoRandomness
    }
}

impl From<ClientFault> for DemoFault {
    fn from(fault: ClientFault) -> Self {
        Self::NoToken(fault.to_string())
    }
}
