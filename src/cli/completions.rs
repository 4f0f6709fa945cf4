//! `scopegate completions`: completion scripts.

use clap_complete::Shell;

use super::fault::{Answer, Fault};
use super::{arguments, output};

/// What `completions` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  scopegate completions bash > ~/.local/share/bash-completion/completions/scopegate")]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub(super) fn run(arguments: &Arguments) -> Result<Answer, Fault> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut arguments::command(), "scopegate", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(Answer::Yes)
}
