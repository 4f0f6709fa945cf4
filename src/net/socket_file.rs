//! The file by which a unix socket is found.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket as RawSocket, Type};

use super::BACKLOG;

/// Bytes of a path at most: with the zero at its end it fills `sun_path` of Linux.
pub const LONGEST_SOCKET_PATH: usize = 107;

/// Who may connect: owner and group. The folder may keep out more.
const MODE: u32 = 0o660;

/// A socket's file. Dropped, it is removed, if it is still that of this socket.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    /// The file as it is now.
    ///
    /// # Errors
    ///
    /// What the operating system says of the file.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }

    /// Lets the file be.
    pub(super) fn leave(mut self) {
        self.path.clear();
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another process may have replaced it.
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens at `path`. A socket on which nobody listens is replaced; what is no socket is left alone.
///
/// # Errors
///
/// `AddrInUse` where somebody listens or the path is no socket's, or what the operating system says.
pub(super) fn bind(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    remove_stale(path)?;
    let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::of(path)?;
    // Before it listens: until then nobody can connect, whatever the umask lets the file be.
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    socket.listen(BACKLOG)?;
    Ok((socket.into(), file))
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match ensure_free(path)? {
        Left::Nothing => Ok(()),
        Left::Stale => fs::remove_file(path),
    }
}

/// What a path at which nobody listens holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    /// The file of a socket on which nobody listens any more.
    Stale,
}

/// Makes sure that nobody listens at `path`; changes nothing.
///
/// # Errors
///
/// As [`bind()`].
pub(super) fn ensure_free(path: &Path) -> io::Result<Left> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Left::Nothing),
        Err(fault) => return Err(fault),
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "the file is there and is no socket"));
    }
    let asked = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    // A full queue is a live one, and not worth waiting for.
    asked.set_nonblocking(true)?;
    match asked.connect(&SockAddr::unix(path)?) {
        Err(fault) if fault.kind() == io::ErrorKind::ConnectionRefused => Ok(Left::Stale),
        Ok(()) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
        Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {
            Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there"))
        }
        Err(fault) => Err(fault),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_socket_that_nobody_listens_on_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        drop(UnixListener::bind(&path).unwrap());
        let (listener, file) = bind(&path).unwrap();
        UnixStream::connect(&path).unwrap();
        let second = bind(&path).unwrap_err();
        assert_eq!(
            (second.kind(), second.to_string()),
            (io::ErrorKind::AddrInUse, "another process listens there".into())
        );
        drop((listener, file));
        assert!(!path.exists());
    }

    #[test]
    fn a_live_socket_whose_queue_is_full_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let crowded = RawSocket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        crowded.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        crowded.listen(0).unwrap();
        let _waiting = UnixStream::connect(&path).unwrap();
        assert_eq!(bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn what_is_no_socket_is_never_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "kept").unwrap();
        std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
        for path in [&file, &link, &folder.path().to_owned()] {
            assert_eq!(bind(path).unwrap_err().kind(), io::ErrorKind::AddrInUse, "{}", path.display());
            assert!(fs::symlink_metadata(path).is_ok());
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    }

    #[test]
    fn owner_and_group_may_connect() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _bound = bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    }

    #[test]
    fn a_file_that_has_become_anothers_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (_listener, file) = bind(&path).unwrap();
        fs::rename(&path, folder.path().join("old")).unwrap();
        let (_other, others) = bind(&path).unwrap();
        drop(file);
        assert!(path.exists());
        others.leave();
        assert!(path.exists());
    }

    #[test]
    fn the_longest_path_fits_and_no_longer_one_does() {
        let folder = tempfile::tempdir().unwrap();
        let fill = |length: usize| {
            let name = length - folder.path().as_os_str().len() - 1;
            folder.path().join("x".repeat(name))
        };
        assert!(bind(&fill(LONGEST_SOCKET_PATH)).is_ok());
        assert!(bind(&fill(LONGEST_SOCKET_PATH + 1)).is_err());
    }
}
