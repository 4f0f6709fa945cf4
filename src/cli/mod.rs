//! The `scopegate` command: one file a subcommand.
//!
//! A command's answer goes to standard output, as text for people or as JSON; everything that is said about it goes to
//! standard error, in colour on a terminal only. A command ends with 0 when all is well, 1 when the answer is "no" (a
//! check or a test failed), 2 when the call or a file is at fault, 70 when we are.
//!
//! What a file means is `config`'s to say, what a request may do is `policy`'s, and what runs is `app`'s; this room reads
//! arguments, calls them, and prints. The test keys and tokens of `token mint` are the only things that it makes itself.

mod administer;
mod administer_approvals;
mod administer_clients;
mod administer_keys;
mod administer_roles;
mod administer_users;
mod arguments;
mod authorization_server;
mod check;
mod completions;
mod demo;
mod doctor;
mod explain;
mod explain_token;
mod fault;
mod loaded;
mod mint;
mod output;
mod probe;
mod routes;
mod routes_text;
mod run;
mod schema;
mod serve;
mod test_key;

pub use arguments::command;
pub use run::run;
