//! How this process was started, so that another can be started in the same way.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tokio::process::Command;

/// The program's file and its arguments.
#[derive(Clone, Debug)]
pub(super) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// The program of this process, under the name by which it was started: after an upgrade the new one is found there, and a
    /// symbolic link may by then lead elsewhere.
    ///
    /// To be called early: the name is looked up in today's folder and `PATH`.
    ///
    /// # Errors
    ///
    /// What the operating system says when it cannot name the running program.
    pub(super) fn of_this_process() -> io::Result<Self> {
        let running = env::current_exe()?;
        let mut arguments = env::args_os();
        let name = arguments.next().unwrap_or_default();
        // Whoever starts a program may call it what they like.
        let named = look_up(&name).filter(|path| are_same(path, &running));
        Ok(Self { path: named.unwrap_or(running), arguments: arguments.collect() })
    }

    /// The program with the same arguments and environment, but for what was meant for this process alone.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).env_remove("LISTEN_FDS").env_remove("LISTEN_PID").env_remove("LISTEN_FDNAMES");
        // The watchdog of the service goes on, for the process that becomes it; one of another process stays what it is.
        if env::var("WATCHDOG_PID").is_ok_and(|pid| pid.parse() == Ok(std::process::id())) {
            command.env_remove("WATCHDOG_PID");
        }
        command
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// As a shell does.
fn look_up(name: &OsStr) -> Option<PathBuf> {
    if Path::new(name).components().count() > 1 {
        return std::path::absolute(name).ok();
    }
    let folders = env::var_os("PATH")?;
    let mut places = env::split_paths(&folders).map(|folder| folder.join(name));
    places.find(|place| place.is_file()).and_then(|place| std::path::absolute(place).ok())
}

fn are_same(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    identity(one).is_some_and(|found| Some(found) == identity(other))
}
