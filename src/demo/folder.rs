//! The demo's folder: for the owner's eyes only, and gone when the demo ends.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::fault::DemoFault;
use super::random;

/// A folder that is removed when it is dropped.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes a new one in the system's temporary folder.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub(super) fn new() -> Result<Self, DemoFault> {
        let name = random::secret()?;
        let path = std::env::temp_dir().join(format!("scopegate-demo-{name}"));
        DirBuilder::new().mode(0o700).create(&path).map_err(|source| DemoFault::file(&path, source))?;
        Ok(Self(path))
    }

    /// Writes a new file that only its owner may read.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), DemoFault> {
        let path = self.file(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|source| DemoFault::file(&path, source))
    }

    /// The path of one of its files.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The folder itself.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind lies in the system's temporary folder and opens nothing but a demo that has ended.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn nobody_else_may_read_it_and_it_does_not_outlive_its_owner() {
        let folder = Folder::new().expect("a folder");
        folder.write("secret", "s").expect("written");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(folder.path()), mode(&folder.file("secret"))), (0o700, 0o600));
        assert!(folder.write("secret", "t").is_err(), "what is there stays");
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }
}
