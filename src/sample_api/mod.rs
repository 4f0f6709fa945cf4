//! The API of the demo: automations with owners, and spaces with members, in a database of its own.
//!
//! It is the upstream that the model asks for. It knows no token and no OAuth scope: the gateway in front says which side was granted
//! (`Scopegate-Access`) and for whom (`Scopegate-Subject`), and the rows are filtered by that.
//!
//! * `user`: what the subject owns, and what lies in a space where the subject has a role;
//! * `admin`: every row of the tenant;
//! * anything else, or a field that is missing: 403, for nobody comes past the gateway.
//!
//! Its own rules stay its own: a row that the subject may not see is not there (404), and who merely views a space changes nothing in
//! it (403). Whoever reaches its socket is believed, so only the gateway may reach it: the demo listens on loopback.

mod automation_endpoints;
mod automations;
mod caller;
mod content;
mod fault;
mod router;
mod rows;
mod run_endpoints;
mod runs;
mod space_endpoints;
mod spaces;
mod writing;

#[cfg(test)]
mod api_tests;

pub use fault::RowsFault;
pub use router::serve;
pub use rows::{Rows, SpaceRole};
