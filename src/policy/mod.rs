//! The policy: which request may pass, and why. Pure: no socket, no clock, no log, no metric.
//!
//! A request is read into a [`RequestTarget`] or refused; [`RouteTable::find`] chooses the route by host and path and makes sure
//! that no other reading of the path would lead an upstream elsewhere; [`Standing`] says what a token may do, closed under what
//! the catalogue implies and cut by the ceilings; and [`decide()`] makes of these a [`Grant`] or a [`Denial`]. On the same types
//! stand [`explain()`], which says how a decision comes about, and [`RouteTable::warnings`], which says what in a table is odd.
//!
//! # Invariants
//!
//! * Only [`decide()`] makes a [`Grant`], and a grant cannot be copied: what was not decided cannot be forwarded.
//! * A decision is a function of table, lookup and standing, and is defined for all of them; a standing is one of table, role
//!   directory and token. Without the directory a decision is what it is with any directory, or that it cannot be made.
//! * Adding scopes to a token, a role or a client never turns an allow into a deny.
//! * The template that wins is chosen by host and path alone; a broader route is never consulted for a method.
//!
//! It implements RFC 6750 §3 (what a challenge names), RFC 9110 §4 and §7.1 and RFC 9112 §3.2 (the request target), and leaves
//! alone how tokens are verified and how messages are carried.

mod authority;
mod ceiling;
mod challenge_set;
mod conflict;
mod decide;
mod denial;
mod directory;
mod entry;
mod escapes;
mod explain;
mod explanation;
mod explanation_text;
mod find;
mod fingerprint;
mod host;
mod lint;
mod marks;
mod matcher;
mod message;
mod overlap;
mod query;
mod readings;
mod reason;
mod requirement;
mod rewrite;
mod segment;
mod site;
mod standing;
mod table;
mod target;
mod template;
mod template_parse;
mod trie;

#[cfg(test)]
mod decide_tests;
#[cfg(test)]
mod explain_tests;
#[cfg(test)]
mod find_tests;
#[cfg(test)]
mod laws_tests;
#[cfg(test)]
mod lint_tests;
#[cfg(test)]
mod lookup_tests;
#[cfg(test)]
mod oracle;
#[cfg(any(test, fuzzing))]
mod plain_template;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod target_tests;
#[cfg(test)]
mod template_tests;

pub use ceiling::Ceilings;
pub use decide::{Access, Decision, Grant, decide, decide_request};
pub use denial::Denial;
pub use directory::{DirectoryFault, DirectoryRoles, RoleDirectory};
pub use entry::{Entry, EntryFault, Sides};
pub use explain::{Terms, explain};
pub use explanation::Explanation;
pub use find::ReadingTrace;
pub use host::{HostFault, HostPattern};
pub use lint::Warning;
pub use message::{Screening, screen_fields};
#[cfg(any(test, fuzzing))]
pub use plain_template::{Pattern, fold_case};
pub use readings::Readings;
pub use reason::Reason;
pub use requirement::Requirement;
pub use standing::{Presented, PresentedClient, Standing};
pub use table::{Found, Route, RouteIndex, RouteTable, TableFault, TableParts, UpstreamRules};
pub use target::RequestTarget;
pub use template::{Template, TemplateFault};
