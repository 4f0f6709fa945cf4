//! The house keeps its plan: which room may import which, how deep folders go, how long files get.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms that it may import: the table of `docs/architecture.md`.
pub const ROOMS: &[(&str, &[&str])] = &[
    ("scope", &[]),
    ("net", &[]),
    ("clock", &[]),
    ("token", &["scope"]),
    ("policy", &["scope", "token"]),
    ("telemetry", &["policy", "token", "clock"]),
    ("verify", &["scope", "token", "net", "clock", "telemetry"]),
    ("directory", &["policy", "net", "clock", "telemetry"]),
    ("traces", &["net", "telemetry"]),
    ("gateway", &["scope", "token", "policy", "net", "clock", "telemetry", "verify", "directory", "traces"]),
    ("admin", &["net", "policy", "scope", "token", "telemetry"]),
    ("store", &[]),
    ("pages", &[]),
    ("authorization_server", &["scope", "token", "net", "clock", "telemetry", "store", "pages"]),
    ("fuzzing", &["scope", "token", "policy", "traces", "net", "gateway", "config"]),
    ("sample_api", &[]),
    (
        "config",
        &[
            "scope",
            "token",
            "policy",
            "net",
            "clock",
            "telemetry",
            "verify",
            "traces",
            "gateway",
            "admin",
            "authorization_server",
        ],
    ),
    (
        "app",
        &[
            "scope",
            "token",
            "policy",
            "net",
            "clock",
            "telemetry",
            "verify",
            "directory",
            "traces",
            "gateway",
            "admin",
            "store",
            "authorization_server",
            "config",
        ],
    ),
    ("demo", &["clock", "store", "pages", "authorization_server", "sample_api", "config", "app"]),
    ("doctor", &["token", "policy", "net", "clock", "verify", "gateway", "config", "app"]),
    (
        "cli",
        &[
            "scope",
            "token",
            "policy",
            "clock",
            "verify",
            "store",
            "authorization_server",
            "config",
            "app",
            "demo",
            "doctor",
        ],
    ),
];
/// Past this a file has a second job; tests and tables of keys may be longer.
const LONGEST: usize = 400;

struct Source {
    /// Below `src`.
    path: PathBuf,
    /// Without the tests at its bottom.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
                found.push(Source { path: path.strip_prefix(&root).unwrap().to_owned(), code });
            }
        }
    }
    found
}

impl Source {
    fn is_test(&self) -> bool {
        let stem = self.path.file_stem().unwrap().to_string_lossy();
        stem.ends_with("_tests") || stem == "samples"
    }

    fn room(&self) -> String {
        let first = self.path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        first.trim_end_matches(".rs").to_owned()
    }

    /// The rooms after every `crate::`, also within braces.
    fn imports(&self) -> BTreeSet<String> {
        let code: String =
            self.code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        let name = |text: &str| {
            text.trim_start().split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap().to_owned()
        };
        let mut imports = BTreeSet::new();
        for after in code.split("crate::").skip(1) {
            match after.strip_prefix('{') {
                None => drop(imports.insert(name(after))),
                Some(group) => {
                    let mut depth = 0;
                    let mut member = String::new();
                    for c in group.chars() {
                        match c {
                            '{' => depth += 1,
                            '}' if depth == 0 => break,
                            '}' => depth -= 1,
                            ',' if depth == 0 => drop(imports.insert(name(&std::mem::take(&mut member)))),
                            _ if depth == 0 => member.push(c),
                            _ => {}
                        }
                    }
                    imports.insert(name(&member));
                }
            }
        }
        imports.remove("");
        imports
    }
}

#[test]
fn rooms_import_only_downwards() {
    let allowed: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let room = source.room();
        if room == "lib" || room == "main" {
            continue;
        }
        let may = allowed.get(&*room).unwrap_or_else(|| panic!("`{room}` is no room of the plan"));
        for import in source.imports() {
            if import != room && !may.contains(&&*import) {
                wrong.push(format!("{}: {room} → {import}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_file_lies_deeper_than_its_room() {
    for source in sources() {
        assert!(source.path.components().count() <= 2, "{}", source.path.display());
        assert!(!source.code.contains("super::super::"), "{} climbs", source.path.display());
    }
}

#[test]
fn no_file_is_longer_than_a_sitting() {
    let long: Vec<String> = sources()
        .iter()
        .filter(|source| !source.is_test() && source.code.lines().count() > LONGEST)
        .map(|source| format!("{}: {} lines", source.path.display(), source.code.lines().count()))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn the_pure_rooms_stay_pure() {
    for source in sources().iter().filter(|source| ["scope", "token", "policy"].contains(&&*source.room())) {
        for effect in [
            "std::time::Instant",
            "SystemTime",
            "tokio",
            "std::fs",
            "std::net::Tcp",
            "async ",
            "tracing",
            "prometheus",
            "std::env",
        ] {
            assert!(!source.code.contains(effect), "{}: `{effect}`", source.path.display());
        }
    }
}

#[test]
fn a_mod_file_is_a_page_of_documentation() {
    for source in sources().iter().filter(|source| source.path.ends_with("mod.rs")) {
        assert!(source.code.starts_with("//!"), "{}", source.path.display());
        let code = source
            .code
            .lines()
            .filter(|line| line.starts_with("fn ") || line.starts_with("impl ") || line.starts_with("pub fn "));
        assert_eq!(code.count(), 0, "{} holds code", source.path.display());
    }
}
