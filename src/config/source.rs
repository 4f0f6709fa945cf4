//! The files of one load: their texts, and places in them.

use std::path::{Path, PathBuf};

/// Position of a file in [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(pub(super) u16);

/// A range of bytes in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) file: FileId,
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Place {
    /// The very beginning of a file.
    pub(super) fn beginning(file: FileId) -> Self {
        Self { file, start: 0, end: 0 }
    }

    /// The part from byte `at` on, for faults inside a value's text; the whole where `at` is beyond it.
    pub(super) fn after(self, at: usize) -> Self {
        let start = u32::try_from(at).ok().and_then(|at| self.start.checked_add(at)).filter(|start| *start < self.end);
        Self { start: start.unwrap_or(self.start), ..self }
    }
}

/// A value with the place where it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// One file that was read.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    text: String,
    /// Where each line begins.
    lines: Vec<u32>,
}

/// Every file of one load, in the order of reading.
#[derive(Debug, Default)]
pub(super) struct Sources {
    files: Vec<Source>,
}

impl Sources {
    /// Takes in a file that has been read; `None` beyond 65,536 of them.
    pub(super) fn add(&mut self, path: PathBuf, text: String) -> Option<FileId> {
        let file = u16::try_from(self.files.len()).ok()?;
        let breaks = text.bytes().zip(1_u32..).filter(|(byte, _)| *byte == b'\n').map(|(_, next)| next);
        let lines = std::iter::once(0).chain(breaks).collect();
        self.files.push(Source { path, text, lines });
        Some(FileId(file))
    }

    /// Number of the line, from 1, that holds byte `at`, and where that line begins.
    pub(super) fn line(&self, file: FileId, at: usize) -> (usize, usize) {
        let Some(source) = self.files.get(usize::from(file.0)) else { return (1, 0) };
        let number = source.lines.partition_point(|start| *start as usize <= at);
        (number, number.checked_sub(1).and_then(|line| source.lines.get(line)).map_or(0, |start| *start as usize))
    }

    pub(super) fn text(&self, file: FileId) -> &str {
        self.files.get(usize::from(file.0)).map_or("", |source| &source.text)
    }

    pub(super) fn path(&self, file: FileId) -> &Path {
        self.files.get(usize::from(file.0)).map_or(Path::new(""), |source| &source.path)
    }
}
