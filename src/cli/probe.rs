//! `scopegate probe`: whether a running server is well, for containers that hold no other client.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::{config, doctor};

use super::fault::{Answer, Fault};
use super::output;

/// What `probe` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  scopegate probe
  scopegate probe --ready --config scopegate.yaml
  scopegate probe --address 127.0.0.1:9901

Asks for `/healthz` at `admin.address` of a gateway file, or at `address` of an authorization server's; nothing else of the file matters. Exit status 0 when the answer is 200, 1 when it is not or there is none, 2 when nobody knows where to ask.")]
pub(super) struct Arguments {
    /// The gateway's file, or the authorization server's
    #[arg(long, value_name = "FILE", env = "SCOPEGATE_CONFIG", default_value = "scopegate.yaml")]
    config: PathBuf,
    /// Where to ask, instead of what the file says
    #[arg(long, value_name = "ADDRESS")]
    address: Option<SocketAddr>,
    /// Ask a gateway for `/readyz`: whether it serves, rather than whether it lives
    #[arg(long)]
    ready: bool,
    /// How long the answer may take
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = config::parse_duration)]
    timeout: Duration,
}

/// Asks, and says in one line what came of it.
pub(super) fn run(arguments: &Arguments) -> Result<Answer, Fault> {
    let address = match arguments.address {
        Some(address) => address,
        None => config::probed_address(&arguments.config).map_err(Fault::Files)?,
    };
    if address.port() == 0 {
        let message = format!("`{address}` is any free port");
        return Err(Fault::call_with_hint(message, "write a port into the file, or say `--address`"));
    }
    let path = if arguments.ready { "/readyz" } else { "/healthz" };
    let verdict = doctor::probe(address, path, arguments.timeout)
        .map_err(|source| Fault::internal("the system refuses an event queue", source))?;
    output::print(&(verdict.reason + "\n"))?;
    Ok(Answer::of(verdict.well))
}
