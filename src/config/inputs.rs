//! Reads files, and keeps account of what was read or looked for: that is what has to be watched.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

use super::yaml::MAX_BYTES;

/// Bytes of a secret's file at most.
const SECRET_BYTES: u64 = 64 << 10;

/// What one load read or looked for: files with what they held then, and the globs of `policy`.
///
/// A [`Watcher`](super::Watcher) compares the disk with it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    files: BTreeMap<PathBuf, Option<Digest>>,
    /// Those of `files` that only a glob names.
    matched: BTreeSet<PathBuf>,
    /// Those of `files` that hold a secret or a private key.
    secrets: BTreeSet<PathBuf>,
    globs: Vec<String>,
}

/// SHA-256 of a file's bytes.
pub(super) type Digest = [u8; 32];

impl fmt::Debug for Inputs {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        text.debug_struct("Inputs")
            .field("files", &self.files.keys().collect::<Vec<_>>())
            .field("globs", &self.globs)
            .finish()
    }
}

impl From<Vec<PathBuf>> for Inputs {
    /// Takes files as they are now.
    fn from(files: Vec<PathBuf>) -> Self {
        let now = files.into_iter().map(|path| {
            let content = read_bytes(&path, MAX_BYTES).ok();
            (path, content.map(|bytes| hash(&bytes)))
        });
        Self { files: now.collect(), ..Self::default() }
    }
}

impl Inputs {
    /// The files, sorted; those that were looked for and not found are among them.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.keys().map(PathBuf::as_path)
    }

    /// Those of the files that hold a secret or a private key, sorted.
    pub fn secrets(&self) -> impl Iterator<Item = &Path> {
        self.secrets.iter().map(PathBuf::as_path)
    }

    /// The globs of `policy`, resolved against the gateway file's folder.
    pub fn globs(&self) -> impl Iterator<Item = &str> {
        self.globs.iter().map(String::as_str)
    }

    /// What the same files and globs hold now.
    #[must_use]
    pub fn again(&self) -> Self {
        let matched: BTreeSet<PathBuf> = self.globs.iter().flat_map(|pattern| matching(pattern)).collect();
        let named = self.files.keys().filter(|path| !self.matched.contains(*path));
        let files = named.chain(&matched).map(|path| {
            let content = read_bytes(path, MAX_BYTES).ok();
            (path.clone(), content.map(|bytes| hash(&bytes)))
        });
        let (secrets, globs) = (self.secrets.clone(), self.globs.clone());
        Self { files: files.collect(), matched: matched.clone(), secrets, globs }
    }

    /// Reads a YAML file as text.
    ///
    /// # Errors
    /// What is wrong with it, to be said after its name.
    pub(super) fn read_text(&mut self, path: &Path) -> Result<String, String> {
        let bytes = self.read(path, MAX_BYTES).map_err(|error| describe(&error))?;
        String::from_utf8(bytes).map_err(|error| {
            let line =
                error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|byte| **byte == b'\n').count();
            format!("is not UTF-8, from line {} on", line + 1)
        })
    }

    /// Reads a secret: one line, whose line feed is no part of it.
    ///
    /// # Errors
    /// As [`Inputs::read_text`]. The text is in no message.
    pub(super) fn read_secret(&mut self, path: &Path) -> Result<String, String> {
        self.hold_secret(path);
        let bytes = self.read(path, SECRET_BYTES).map_err(|error| describe(&error))?;
        let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Takes account of the fact that a file holds a secret.
    pub(super) fn hold_secret(&mut self, path: &Path) {
        self.secrets.insert(path.to_owned());
    }

    /// Reads a file as bytes.
    ///
    /// # Errors
    /// As [`Inputs::read_text`].
    pub(super) fn read_file(&mut self, path: &Path) -> Result<Vec<u8>, String> {
        self.read(path, MAX_BYTES).map_err(|error| describe(&error))
    }

    /// Takes account of a file that another room reads.
    ///
    /// # Errors
    /// As [`Inputs::read_text`].
    pub(super) fn locate(&mut self, path: &Path) -> Result<(), String> {
        self.read(path, MAX_BYTES).map(|_| ()).map_err(|error| describe(&error))
    }

    /// Takes account of a glob, and lists the files that it matches, sorted.
    pub(super) fn expand(&mut self, pattern: &str) -> Vec<PathBuf> {
        self.globs.push(pattern.to_owned());
        let paths = matching(pattern);
        self.matched.extend(paths.iter().cloned());
        paths
    }

    fn read(&mut self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let content = read_bytes(path, limit);
        self.files.insert(path.to_owned(), content.as_ref().ok().map(|bytes| hash(bytes)));
        content
    }
}

/// The files that a glob matches, sorted; a folder is none.
fn matching(pattern: &str) -> Vec<PathBuf> {
    #[cfg(any(test, fuzzing))]
    if let Some(held) = super::yaml_fuzzing::matching(pattern) {
        return held;
    }
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    let Ok(paths) = glob::glob_with(pattern, options) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = paths.filter_map(Result::ok).filter(|path| !path.is_dir()).collect();
    paths.sort();
    paths
}

/// Reads a file of `limit` bytes at most.
pub(super) fn read_bytes(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    #[cfg(any(test, fuzzing))]
    if let Some(held) = super::yaml_fuzzing::read(path, limit) {
        return held;
    }
    let file = std::fs::File::open(path)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

fn hash(bytes: &[u8]) -> Digest {
    let mut hash = Digest::default();
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

fn describe(error: &io::Error) -> String {
    let known = [
        (io::ErrorKind::NotFound, "is not there"),
        (io::ErrorKind::PermissionDenied, "may not be read"),
        (io::ErrorKind::IsADirectory, "is a folder"),
        (io::ErrorKind::FileTooLarge, "is larger than a file of this kind may be"),
    ];
    let found = known.iter().find(|(kind, _)| *kind == error.kind());
    found.map_or_else(|| format!("cannot be read: {error}"), |(_, what)| (*what).to_owned())
}
