//! `scopegate doctor` and `scopegate probe`: what a gateway file needs of the world around it, looked at from the outside.
//!
//! [`examine()`] compiles the file and then looks, all at once and each within a bounded time, at everything that a start and the first
//! requests depend on: files and their modes, addresses, certificates, issuers, upstreams, limits. What it sees are [`Finding`]s, out of
//! a closed list of [`Check`]s, each with what to do about it. Sockets are opened by the code that opens them for the gateway, so that
//! what is well here is well there. Nothing is changed, and no upstream is sent a request; issuers are asked what the gateway asks them.
//!
//! [`probe()`] asks a running server whether it is well: for containers that hold no other client.
//!
//! This room prints nothing. What it says holds no secret: of URLs neither query nor credentials, of tokens and keys nothing.
//!
//! | file | its one job |
//! |---|---|
//! | `examine` | all checks together |
//! | `finding` | what a check comes to |
//! | `files` | the files and their modes |
//! | `listeners`, `holders`, `running` | addresses, who has them, and whether that is a gateway |
//! | `certificates` | certificates that the gateway shows |
//! | `issuers`, `polled` | issuers, revocation feeds, the role directory |
//! | `upstreams` | upstreams |
//! | `limits` | descriptors |
//! | `probe` | a running server |

mod certificates;
mod examine;
mod files;
mod finding;
mod holders;
mod issuers;
mod limits;
mod listeners;
mod polled;
mod probe;
mod running;
mod upstreams;

pub use examine::examine;
pub use finding::{Check, Finding, Level, Report};
pub use probe::{Verdict, probe};
