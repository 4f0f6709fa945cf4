//! Texts that a test renders and people review.

use std::fs;
use std::path::Path;

use super::ROOT;

/// Holds `text` to the file `tests/it/golden/NAME`; `UPDATE_GOLDEN=1` writes the file anew, for its difference to be reviewed.
#[track_caller]
pub fn golden(name: &str, text: &str) {
    let path = Path::new(ROOT).join("tests/it/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).expect("written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let differing = kept.lines().zip(text.lines()).find(|(kept, new)| kept != new);
    assert!(kept == text, "{name} differs, first in {differing:#?}; UPDATE_GOLDEN=1 takes it over");
}
