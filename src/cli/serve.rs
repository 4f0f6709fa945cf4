//! `scopegate serve`: the gateway.

use std::path::PathBuf;

use crate::app;

use super::fault::{Answer, Fault};

/// What `serve` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  scopegate serve --config scopegate.yaml\n\nSignals:\n  HUP        reload the files, which are watched as well\n  USR2       hand the sockets over to a new process, and drain once it serves\n  TERM, INT  drain and end; once more, a second later: end at once"
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
