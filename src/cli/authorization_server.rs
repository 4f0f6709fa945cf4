//! `scopegate authorization-server`: runs it, or administers its database.

use std::path::PathBuf;

use crate::app;
use crate::authorization_server::FirstAdministrator;

use super::administer::Administered;
use super::fault::{Answer, Fault};
use super::output::{self, FAINT, STRONG};
use super::{administer_approvals, administer_clients, administer_keys, administer_roles, administer_users};

/// What `authorization-server` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  scopegate authorization-server --config authorization-server.yaml\n  scopegate authorization-server user add nora --role User\n\nThe commands work on the database, while the server runs or not. The first start makes the database, a signing key and an administrator, whose one-time password it prints once. SIGTERM lets answers end; changed policy files take effect without a restart."
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
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Users: add, list, change, role, password, remove
    User {
        #[command(subcommand)]
        command: administer_users::Command,
    },
    /// Roles: add, change, list, remove
    Role {
        #[command(subcommand)]
        command: administer_roles::Command,
    },
    /// Scopes: list
    Scope {
        #[command(subcommand)]
        command: administer_roles::ScopeCommand,
    },
    /// Clients: add, change, list, secret, remove
    Client {
        #[command(subcommand)]
        command: administer_clients::Command,
    },
    /// What users approved for clients: list, remove
    Approvals {
        #[command(subcommand)]
        command: administer_approvals::Command,
    },
    /// Signing keys: list, rotate
    Key {
        #[command(subcommand)]
        command: administer_keys::Command,
    },
}

/// Runs the authorization server until a signal has ended it, or administers its database.
pub(super) fn run(arguments: &Arguments) -> Result<Answer, Fault> {
    match &arguments.command {
        Some(command) => administer(command, &Administered::open(&arguments.config)?)?,
        None => serve(arguments)?,
    }
    Ok(Answer::Yes)
}

fn administer(command: &Command, administered: &Administered) -> Result<(), Fault> {
    match command {
        Command::User { command } => administer_users::run(command, administered),
        Command::Role { command } => administer_roles::run(command, administered),
        Command::Scope { command } => administer_roles::run_scopes(command, administered),
        Command::Client { command } => administer_clients::run(command, administered),
        Command::Approvals { command } => administer_approvals::run(command, administered),
        Command::Key { command } => administer_keys::run(command, administered),
    }
}

fn serve(arguments: &Arguments) -> Result<(), Fault> {
    let running = app::start_authorization_server(&arguments.config).map_err(Fault::of_start)?;
    if let Some(first) = running.first_administrator() {
        output::print(&introduction(running.issuer(), first))?;
    }
    running.wait();
    Ok(())
}

fn introduction(issuer: &str, first: &FirstAdministrator) -> String {
    let FirstAdministrator { login, password } = first;
    format!(
        "\n{STRONG}The database is new. Its administrator:{STRONG:#}\n\n  log in at          {issuer}/login\n  login              {login}\n  \
         one-time password  {STRONG}{password}{STRONG:#}\n\n{FAINT}The password is shown this once and must be replaced at the first \
         login.{FAINT:#}\n\n"
    )
}
