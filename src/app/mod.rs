//! The composition root: builds what is in force, starts the servers, reloads, hands over, drains.
//!
//! Two kinds of threads: the workers of the data plane, which `gateway` runs, and one control runtime, on which the admin
//! listener answers, keys are fetched, files are watched and signals heard. The control runtime compiles a new table aside and
//! hands it to the workers in one atomic swap; a file that does not compile changes nothing but what is told about it. The
//! authorization server is another process, with a runtime of its own.

mod adjustable;
mod authorization_server;
mod control;
mod descriptors;
mod fault;
mod handover;
mod handover_messages;
mod inheritance;
mod launch;
mod listeners;
mod notifier;
mod predecessor;
mod program;
mod restart;
mod running;
mod signals;
mod start;
mod watchdog;
mod workers;

pub use authorization_server::{RunningAuthorizationServer, start_authorization_server};
pub use descriptors::DescriptorBudget;
pub use fault::StartFault;
pub use running::Running;
pub use start::{serve, start};
