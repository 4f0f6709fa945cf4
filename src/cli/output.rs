//! Standard output for answers, standard error for what is said about them; colours on a terminal only.

use std::io::{self, ErrorKind, Write};

use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;

use super::fault::Fault;

/// `error:`.
pub(super) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// `warning:` and what deserves a look.
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// `hint:`, and commands to copy.
pub(super) const HINT: Style = AnsiColor::Cyan.on_default().bold();
/// What is well.
pub(super) const WELL: Style = AnsiColor::Green.on_default().bold();
/// What stands out.
pub(super) const STRONG: Style = Style::new().bold();
/// What steps back.
pub(super) const FAINT: Style = Style::new().dimmed();

/// How a result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON document.
    Json,
}

/// Writes an answer to standard output; a reader that has had enough (`| head`) is no fault.
///
/// # Errors
///
/// [`Fault::Output`] when standard output is closed or full.
pub(super) fn print(text: &str) -> Result<(), Fault> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Fault::Output(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes an answer as indented JSON.
///
/// # Errors
///
/// As [`print()`].
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Fault> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Fault::internal("an answer is no JSON", error))?;
    print(&(text + "\n"))
}

/// Writes to standard error. That it cannot be written to is nothing that could be said anywhere.
pub(super) fn report(text: &str) {
    let _: io::Result<()> = anstream::stderr().lock().write_all(text.as_bytes());
}
