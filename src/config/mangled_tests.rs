//! Files that are almost right, by the thousand: each is loaded or refused with a place, and none is a panic.

use std::fs;

use proptest::prelude::*;

use super::load_tests::{EVERY_KEY, GATEWAY, POLICY};
use super::{Diagnostic, load_gateway, load_policy};

/// What is put in: the characters that YAML, templates and scopes give a meaning to.
const PIECES: [&str; 24] = [
    "", " ", "\n", "\n  ", "\t", ":", ": ", "- ", "{", "}", "[", "]", ",", "*", "&a ", "!", "\"", "'", "/", "**", "~",
    "\u{e9}", "\u{0}", "none",
];

/// A text in which some places are replaced.
fn mangled(text: &'static str) -> impl Strategy<Value = String> {
    let edit = (0..text.len(), 0..12_usize, 0..PIECES.len());
    prop::collection::vec(edit, 1..4).prop_map(move |edits| {
        let mut text = text.to_owned();
        for (start, width, piece) in edits {
            let start = (0..=start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            let end = (start + width..).find(|at| *at >= text.len() || text.is_char_boundary(*at)).unwrap();
            text.replace_range(start..end.min(text.len()), PIECES[piece]);
        }
        text
    })
}

fn check(faults: &[Diagnostic]) -> Result<(), TestCaseError> {
    prop_assert!(faults.iter().any(Diagnostic::is_error), "refused without a reason");
    for fault in faults {
        let text = fault.render(false);
        prop_assert!(text.contains(&fault.message.lines().next().unwrap_or_default().to_owned()), "{text}");
        prop_assert!(!fault.message.ends_with('.'), "{}", fault.message);
        prop_assert!(fault.location.is_some(), "{}", fault.message);
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_mangled_policy_is_loaded_or_refused_with_places(text in mangled(POLICY)) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        if let Err(faults) = load_policy(&[file.path().to_owned()]) {
            check(&faults)?;
        }
    }

    #[test]
    fn a_mangled_gateway_file_is_loaded_or_refused_with_places(text in prop_oneof![mangled(GATEWAY), mangled(EVERY_KEY)]) {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("jwks.json", "{\"keys\": []}");
        write("routes.yaml", POLICY);
        write("scopegate.yaml", &text);
        if let Err(faults) = load_gateway(&folder.path().join("scopegate.yaml")) {
            check(&faults)?;
        }
    }
}
