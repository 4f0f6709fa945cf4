//! Every fault of a configuration file and what is said of it: `golden/config/<case>.yaml` beside `<case>.stderr`.
//!
//! `UPDATE_GOLDEN=1` writes the `.stderr` files anew; their differences are then reviewed.

use std::fs;
use std::path::{Path, PathBuf};

use scopegate::config::{self, Diagnostic};

#[test]
fn every_fault_is_shown_with_its_place_and_a_hint() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/config");
    let cases = cases(&folder);
    assert!(cases.len() >= 40, "{} cases in {}", cases.len(), folder.display());
    let mut differing = Vec::new();
    for case in cases {
        let found = stderr(&case).replace(&format!("{}/", folder.display()), "");
        let golden = case.with_extension("stderr");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &found).unwrap();
        }
        if found != fs::read_to_string(&golden).unwrap_or_default() {
            differing.push(format!("{}:\n{found}", case.display()));
        }
    }
    assert!(differing.is_empty(), "UPDATE_GOLDEN=1 takes these over:\n{}", differing.join("\n"));
}

#[test]
fn every_diagnostic_serialises_with_its_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/config");
    let diagnostics = config::load_policy(&[folder.join("yaml-duplicate-key.yaml")]).unwrap_err();
    let first = serde_json::to_value(&diagnostics[0]).unwrap();
    assert_eq!(first["severity"], "error");
    assert_eq!(first["message"], "key `apps` is written twice");
    assert_eq!((&first["line"], &first["column"]), (&4.into(), &3.into()));
    assert_eq!(first["source"], "  apps: {describe: Manage all your apps}");
    assert_eq!((&first["related"]["line"], &first["related"]["label"]), (&2.into(), &"first written here".into()));
}

/// The files that are read by themselves; those below `parts` are read through them.
fn cases(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "yaml")).collect();
    cases.sort();
    cases
}

/// What a load has to say: faults, warnings, failed tests.
fn stderr(case: &Path) -> String {
    let said: Vec<Diagnostic> = if config::is_authorization_server_file(case).unwrap() {
        config::load_authorization_server(case).0.map_or_else(|faults| faults, |loaded| loaded.warnings)
    } else if config::is_gateway_file(case).unwrap() {
        config::load_gateway(case).map_or_else(|faults| faults, |gateway| gateway.warnings)
    } else {
        let taken = |policy: config::Policy| policy.warnings.into_iter().chain(policy.tests.failed).collect();
        config::load_policy(&[case.to_owned()]).map_or_else(|faults| faults, taken)
    };
    said.iter().map(|diagnostic| diagnostic.render(false) + "\n").collect()
}
