//! The command line: what there is to call.

use clap::{CommandFactory, Parser, Subcommand};

use super::{authorization_server, check, completions, demo, doctor, explain, mint, probe, routes, schema, serve};

/// What `--version` says: the version, and the revision that the binary was built from.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("SCOPEGATE_REVISION"), ")");

/// A reverse proxy that enforces OAuth scopes per route and method.
#[derive(Debug, Parser)]
#[command(name = "scopegate", version = VERSION, subcommand_required = true, arg_required_else_help = true, max_term_width = 100)]
#[command(
    after_help = "Start with `scopegate demo`. Exit status: 0 well, 1 the answer is \"no\", 2 usage or configuration, 70 a defect."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Start gateway, authorization server and an API on loopback, with a page that walks through them: a first look
    Demo(demo::Arguments),
    /// Run the gateway
    Serve(serve::Arguments),
    /// Run the authorization server, or administer its users, roles, clients, approvals and keys
    AuthorizationServer(Box<authorization_server::Arguments>),
    /// Compile policy or gateway files, run their tests, list what deserves a look
    Check(check::Arguments),
    /// Look at what a gateway file needs: ports, certificates, issuers, upstreams, limits
    Doctor(doctor::Arguments),
    /// Ask a running server whether it is well, for health checks of containers
    Probe(probe::Arguments),
    /// Show how the gateway would decide a request, and why
    Explain(explain::Arguments),
    /// Print the expanded table: method, template, user side, admin side
    Routes(routes::Arguments),
    /// Make tokens for tests
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Print the JSON Schema of a file, for editors
    Schema(schema::Arguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
}

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Sign a test token with a local ES256 key, or with a new one
    Mint(mint::Arguments),
}

/// The whole command line as clap sees it: for completions, and for tests that read commands in documents.
pub fn command() -> clap::Command {
    Arguments::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        let mut unread = vec![command()];
        while let Some(command) = unread.pop() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let is_leaf = command.get_subcommands().next().is_none();
            assert!(!is_leaf || help.contains("scopegate "), "{}", command.get_name());
            unread.extend(command.get_subcommands().cloned());
        }
    }
}
