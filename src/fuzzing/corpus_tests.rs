//! Every body over what lies in its folder of `fuzz/corpus/`.

use std::fs;
use std::path::{Path, PathBuf};

use super::TARGETS;

/// So many files lie in a folder at most, and so many bytes in a file.
const MOST_FILES: usize = 300;
const MOST_BYTES: usize = 8 * 1024;

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

#[test]
fn every_rule_holds_of_the_corpus() {
    let mut broken = Vec::new();
    for (target, body) in TARGETS {
        let files: Vec<PathBuf> = fs::read_dir(folder(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!((1..=MOST_FILES).contains(&files.len()), "{target}: {} files", files.len());
        for file in files {
            let bytes = fs::read(&file).unwrap();
            assert!(bytes.len() <= MOST_BYTES, "{}: {} bytes", file.display(), bytes.len());
            if std::panic::catch_unwind(|| body(&bytes)).is_err() {
                broken.push(file);
            }
        }
    }
    assert!(broken.is_empty(), "rules are broken by {broken:#?}");
}

#[test]
fn every_body_is_a_target_and_every_folder_one_of_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let names = |folder: &str| {
        let entries = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let mut names: Vec<_> = entries.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    let targets: Vec<_> = TARGETS.iter().map(|(target, _)| (*target).to_owned()).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let built: Vec<_> = manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")).collect();
    let mut built: Vec<_> = built.iter().map(|file| file.trim_end_matches(".rs\"").to_owned()).collect();
    built.sort();
    assert_eq!(built, targets);
}
