//! How a gateway comes to run: by itself, or as a service.

use super::fault::StartFault;
use super::inheritance::Inheritance;
use super::notifier::Notifier;
use super::program::Program;

/// What the environment gives a process, and what it needs to start another.
#[derive(Debug, Default)]
pub(super) struct Launch {
    pub(super) inheritance: Inheritance,
    pub(super) service: Service,
}

/// What a gateway is to the system that it runs on.
#[derive(Debug, Default)]
pub(super) struct Service {
    /// Absent where the process is more than this gateway: it cannot be started anew.
    pub(super) program: Option<Program>,
    pub(super) notifier: Notifier,
}

impl Launch {
    /// The process is this gateway: it may have sockets already, has a service manager or none, and can be started anew. To be
    /// called once, before the process has threads.
    ///
    /// # Errors
    ///
    /// [`StartFault::Inheritance`], [`StartFault::System`].
    pub(super) fn as_service() -> Result<Self, StartFault> {
        let program =
            Program::of_this_process().map_err(StartFault::system("without knowing the program's own name"))?;
        let notifier =
            Notifier::from_environment().map_err(StartFault::system("with the `NOTIFY_SOCKET` of the environment"))?;
        let inheritance = Inheritance::from_environment()?;
        Ok(Self { inheritance, service: Service { program: Some(program), notifier } })
    }
}
