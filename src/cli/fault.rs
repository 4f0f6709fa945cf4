//! How a command ends.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::app::StartFault;
use crate::config::Diagnostic;
use crate::demo::DemoFault;

use super::output::{ERROR, HINT};

/// What a command that could do its work found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// All is well: exit status 0.
    Yes,
    /// The answer is "no", and has been printed: exit status 1.
    No,
}

impl Answer {
    /// `Yes` if it is so.
    pub(super) fn of(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// A value on the command line is at fault.
    #[error("{message}")]
    Call { message: String, hint: Option<String> },
    /// The files are at fault; everything at once.
    #[error("{} faults in the configuration", .0.len())]
    Files(Vec<Diagnostic>),
    /// A file could not be read or written.
    #[error("cannot {verb} `{}`", path.display())]
    File { verb: &'static str, path: PathBuf, source: io::Error },
    /// The gateway or the authorization server could not start.
    #[error(transparent)]
    Server(StartFault),
    /// The demo could not start, for a reason of the machine's.
    #[error(transparent)]
    Demo(DemoFault),
    /// Standard output is gone, and not because its reader had enough.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// A defect of ours.
    #[error("{what}")]
    Internal { what: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
}

impl Fault {
    /// A fault of the call.
    pub(super) fn call(message: impl Into<String>) -> Self {
        Self::Call { message: message.into(), hint: None }
    }

    /// A fault of the call, and what to do about it.
    pub(super) fn call_with_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Call { message: message.into(), hint: Some(hint.into()) }
    }

    /// A file that could not be read.
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::File { verb: "read", path: path.to_owned(), source }
    }

    /// A file or folder that could not be written.
    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        Self::File { verb: "write", path: path.to_owned(), source }
    }

    /// A server did not start.
    pub(super) fn of_start(fault: StartFault) -> Self {
        match fault {
            StartFault::Files(diagnostics) => Self::Files(diagnostics),
            fault @ (StartFault::Issuers(_)
            | StartFault::Listen { .. }
            | StartFault::Inheritance { .. }
            | StartFault::Passed { .. }
            | StartFault::Ended
            | StartFault::WorkerEnded
            | StartFault::Store { .. }
            | StartFault::System { .. }) => Self::Server(fault),
        }
    }

    /// The demo did not start.
    pub(super) fn of_demo(fault: DemoFault) -> Self {
        if let DemoFault::Server(fault) = fault { Self::of_start(fault) } else { Self::Demo(fault) }
    }

    /// A defect of ours: what should not be able to fail did.
    pub(super) fn internal(what: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal { what, source: source.into() }
    }

    /// 70 for a defect of ours, else 2.
    pub(super) fn exit_status(&self) -> ExitCode {
        match self {
            Self::Internal { .. } | Self::Server(StartFault::WorkerEnded) => ExitCode::from(70),
            Self::Call { .. }
            | Self::Files(_)
            | Self::File { .. }
            | Self::Server(_)
            | Self::Demo(_)
            | Self::Output(_) => ExitCode::from(2),
        }
    }

    /// `error:` with its causes, then an empty line and `hint:`; or all diagnostics.
    pub(super) fn render(&self) -> String {
        if let Self::Files(diagnostics) = self {
            return diagnostics.iter().map(|diagnostic| diagnostic.render(true) + "\n").collect();
        }
        let mut text = format!("{ERROR}error:{ERROR:#} {self}");
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            // Writing into a String cannot fail.
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        text.push('\n');
        if let Self::Call { hint: Some(hint), .. } = self {
            let _ = write!(text, "\n{HINT}hint:{HINT:#} {hint}\n");
        }
        text
    }
}
