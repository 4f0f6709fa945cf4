//! `scopegate authorization-server`: runs it, or administers its database.

use std::path::PathBuf;

use crate::app;
use crate::authorization_server::FirstAdministrator;

use super::fault::{Answer, Fault};
use super::output::{self, FAINT, STRONG};

/// What `authorization-server` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  scopegate authorization-server --config authorization-server.yaml\n\nThe first start makes the database, a signing key and an administrator, whose one-time password it prints once. SIGTERM lets answers end; changed policy files take effect without a restart."
)]
pub(super) struct Arguments {
    /// The authorization server's file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "SCOPEGATE_AUTHORIZATION_SERVER_CONFIG",
        default_value = "authorization-server.yaml"
    )]
    config: PathBuf,
}

/// Runs the authorization server until a signal has ended it.
pub(super) fn run(arguments: &Arguments) -> Result<Answer, Fault> {
    let running = app::start_authorization_server(&arguments.config).map_err(Fault::of_start)?;
    if let Some(first) = running.first_administrator() {
        output::print(&introduction(running.issuer(), first))?;
    }
    running.wait();
    Ok(Answer::Yes)
}

fn introduction(issuer: &str, first: &FirstAdministrator) -> String {
    let FirstAdministrator { login, password } = first;
    format!(
        "\n{STRONG}The database is new. Its administrator:{STRONG:#}\n\n  log in at          {issuer}/login\n  login              {login}\n  \
         one-time password  {STRONG}{password}{STRONG:#}\n\n{FAINT}The password is shown this once and must be replaced at the first \
         login.{FAINT:#}\n\n"
    )
}
