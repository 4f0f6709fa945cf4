//! `scopegate schema`: the JSON Schema of every file, for editors.

use clap::ValueEnum;

use crate::config;

use super::fault::{Answer, Fault};
use super::output;

/// What `schema` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  scopegate schema policy > routes.schema.json\n\nAn editor with a YAML language server then takes this first line of a policy file:\n  # yaml-language-server: $schema=routes.schema.json"
)]
pub(super) struct Arguments {
    /// Which file
    file: File,
}

/// A kind of file.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum File {
    /// Scopes, roles, clients, routes and tests
    Policy,
    /// Listeners, issuers, upstreams and limits
    Gateway,
    /// Issuer, database, audience and lifetimes
    AuthorizationServer,
}

/// Prints the schema.
pub(super) fn run(arguments: &Arguments) -> Result<Answer, Fault> {
    output::print_json(&match arguments.file {
        File::Policy => config::schema_policy(),
        File::Gateway => config::schema_gateway(),
        File::AuthorizationServer => config::schema_authorization_server(),
    })?;
    Ok(Answer::Yes)
}
