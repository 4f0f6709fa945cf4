//! The database's file: made for its owner alone, and refused when others may read it.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::StoreFault;

/// Makes the file if it is not there, and returns its absolute path. SQLite gives the files beside it the same permissions.
pub(super) fn prepare(path: &Path) -> Result<PathBuf, StoreFault> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => keep_name(path)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(StoreFault::File(format!("cannot make `{}`", path.display()), Some(error))),
    }
    // Absolute, so that SQLite takes no name for anything but a file's (`:memory:`).
    let path = path.canonicalize().map_err(|error| unreadable(path, error))?;
    refuse_unless_private(&path)?;
    for suffix in ["-wal", "-shm"] {
        let mut beside = path.clone().into_os_string();
        beside.push(suffix);
        match refuse_unless_private(Path::new(&beside)) {
            Err(StoreFault::File(_, Some(error))) if error.kind() == ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(path)
}

/// Writes the new name to disk: what is committed to a file without a name is lost.
fn keep_name(path: &Path) -> Result<(), StoreFault> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| StoreFault::File(format!("cannot write the folder of `{}`", path.display()), Some(error)))
}

fn refuse_unless_private(path: &Path) -> Result<(), StoreFault> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, error))?;
    if !metadata.is_file() {
        return Err(StoreFault::File(format!("`{}` is no file", path.display()), None));
    }
    if metadata.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    let path = path.display();
    Err(StoreFault::File(format!("others than its owner may use `{path}`: try `chmod 600 {path}`"), None))
}

fn unreadable(path: &Path, error: std::io::Error) -> StoreFault {
    StoreFault::File(format!("cannot read `{}`", path.display()), Some(error))
}
