//! `policy` of a gateway file → the files that it names.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::faults::{Fault, Faults};
use super::inputs::Inputs;
use super::source::Placed;

/// Lists the files of every entry, each file once, and says whether these are all: an entry that matches none is a fault.
pub(super) fn expand(
    entries: &[Placed<String>],
    folder: &Path,
    inputs: &mut Inputs,
    faults: &Faults,
) -> (Vec<PathBuf>, bool) {
    let mut seen = HashSet::new();
    let mut files = Vec::new();
    let mut are_all = !entries.is_empty();
    for entry in entries {
        let found = files_of(entry, folder, inputs, faults);
        are_all &= !found.is_empty();
        for path in found {
            if seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
                files.push(path);
            }
        }
    }
    (files, are_all)
}

fn files_of(entry: &Placed<String>, folder: &Path, inputs: &mut Inputs, faults: &Faults) -> Vec<PathBuf> {
    let text = entry.value.as_str();
    let refuse = |what: String| faults.push(Fault::error(entry.place, format!("`policy` entry `{text}` {what}")));
    if !text.contains(['*', '?', '[']) {
        let path = folder.join(text);
        if let Err(what) = inputs.locate(&path) {
            refuse(what);
            return Vec::new();
        }
        return vec![path];
    }
    if let Err(error) = glob::Pattern::new(text) {
        refuse(format!("is no glob: {}", error.msg));
        return Vec::new();
    }
    // The folder's own name is no pattern, whatever it contains.
    let folder = glob::Pattern::escape(&folder.to_string_lossy());
    let pattern = Path::new(&folder).join(text);
    let paths = inputs.expand(&pattern.to_string_lossy());
    if paths.is_empty() {
        refuse("matches no file".to_owned());
    }
    paths
}
