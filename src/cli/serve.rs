//! `scopegate serve`: the gateway.

use std::path::PathBuf;

use crate::app;

use super::fault::{Answer, Fault};

/// What `serve` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  scopegate serve --config scopegate.yaml\n\nSIGHUP reloads the files, which are watched as well; SIGTERM drains and ends."
)]
pub(super) struct Arguments {
    /// The gateway file
    #[arg(long, value_name = "FILE", env = "SCOPEGATE_CONFIG", default_value = "scopegate.yaml")]
    config: PathBuf,
}

/// Runs the gateway until it has drained.
pub(super) fn run(arguments: &Arguments) -> Result<Answer, Fault> {
    app::serve(&arguments.config).map_err(Fault::of_start)?;
    Ok(Answer::Yes)
}
