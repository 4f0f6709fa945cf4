//! The body of the fuzz target `yaml`: a file of any kind is loaded or refused with places, whatever it says.
#![allow(clippy::panic, clippy::indexing_slicing, reason = "a body fails by panicking")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::diagnostic::SECRET_KEYS;
use super::faults::Faults;
use super::node::{Entry, Node, Value};
use super::source::Sources;
use super::{Diagnostic, Location, load, yaml};

/// Longer inputs say no more.
const MOST_BYTES: usize = 4096;
/// What inputs write for a secret.
const SECRET: &str = "s3cret";
const FILE: &str = "held/input.yaml";
/// A policy that gateway files may name.
const POLICY: &str = "\
scopes:
  items:read: {describe: See items}
routes:
  - {path: '/items/{id}', upstream: items, methods: {GET: items:read}}
";

thread_local! {
    /// What stands in memory in place of the disk's files, so that an input can name what it likes.
    static HELD: RefCell<Option<BTreeMap<PathBuf, Vec<u8>>>> = const { RefCell::new(None) };
}

/// What is held under a path; `None` where nothing is held and the disk is meant.
pub(super) fn read(path: &Path, limit: u64) -> Option<io::Result<Vec<u8>>> {
    HELD.with_borrow(|held| {
        let content = held.as_ref()?.get(path).cloned();
        let fits = |content: &Vec<u8>| content.len() as u64 <= limit;
        Some(content.filter(fits).ok_or_else(|| io::ErrorKind::NotFound.into()))
    })
}

/// The held paths that a glob matches; `None` where the disk is meant.
pub(super) fn matching(pattern: &str) -> Option<Vec<PathBuf>> {
    HELD.with_borrow(|held| {
        let pattern = glob::Pattern::new(pattern).ok();
        let fits = |path: &&PathBuf| pattern.as_ref().is_some_and(|pattern| pattern.matches_path(path));
        Some(held.as_ref()?.keys().filter(fits).cloned().collect())
    })
}

/// Lines: `policy`, `gateway` or `authorization server`; everything behind it is the file. Besides it there are `routes.yaml`,
/// `jwks.json` and `a.token`.
///
/// * A file that is refused is refused for a reason, and every reason has its place: a line and a column that the file has.
/// * What is said of it is rendered, with and without colours, and moves no cursor.
/// * A secret that stands nowhere but as one is nowhere in what is said.
/// * A policy that is loaded is the same policy when it is loaded again.
/// * A file that loads as one kind is taken for no other.
pub fn yaml(bytes: &[u8]) {
    if bytes.len() > MOST_BYTES {
        return;
    }
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (kind, text) = (&bytes[..at], bytes.get(at + 1..).unwrap_or_default());
    let others = [("routes.yaml", POLICY), ("jwks.json", "{\"keys\": []}"), ("a.token", "s3cret\n")];
    let others = others.into_iter().map(|(name, text)| (Path::new("held").join(name), text.as_bytes().to_vec()));
    let held = others.chain([(PathBuf::from(FILE), text.to_vec())]).collect();
    HELD.set(Some(held));
    match kind {
        b"policy" => policy(text),
        b"gateway" => gateway(text),
        b"authorization server" => authorization_server(text),
        _ => {}
    }
    HELD.set(None);
}

fn policy(text: &[u8]) {
    let paths = [PathBuf::from(FILE)];
    match load::load_policy(&paths) {
        Ok(policy) => {
            are_shown(&policy.warnings, text, false);
            are_shown(&policy.tests.failed, text, true);
            let again = load::load_policy(&paths).map(|again| again.table.fingerprint().to_owned());
            assert_eq!(again.as_deref(), Ok(policy.table.fingerprint()));
            is_only(text, None);
        }
        Err(faults) => are_refused(&faults, text),
    }
}

fn gateway(text: &[u8]) {
    match load::load_gateway_with_inputs(Path::new(FILE)).0 {
        Ok(gateway) => {
            are_shown(&gateway.warnings, text, false);
            assert!(!gateway.listeners.is_empty());
            assert_eq!(gateway.upstreams.len(), gateway.table.upstreams().len());
            is_only(text, Some("listeners"));
        }
        Err(faults) => are_refused(&faults, text),
    }
}

fn authorization_server(text: &[u8]) {
    match load::load_authorization_server(Path::new(FILE)).0 {
        Ok(loaded) => {
            are_shown(&loaded.warnings, text, false);
            is_only(text, Some("database"));
        }
        Err(faults) => are_refused(&faults, text),
    }
}

/// Whether a loaded file has the key that tells its kind, and not that of another.
fn is_only(text: &[u8], own: Option<&str>) {
    let text = String::from_utf8_lossy(text);
    let written = yaml::root_keys(&text);
    for key in ["listeners", "database"] {
        assert_eq!(written.iter().any(|written| written == key), own == Some(key), "`{key}`");
    }
}

fn are_refused(faults: &[Diagnostic], text: &[u8]) {
    assert!(faults.iter().any(Diagnostic::is_error), "refused without a reason");
    are_shown(faults, text, true);
}

fn are_shown(said: &[Diagnostic], text: &[u8], errors: bool) {
    let is_text = std::str::from_utf8(text).is_ok();
    let has_secret = std::str::from_utf8(text).is_ok_and(has_secret);
    for diagnostic in said {
        assert!(errors || !diagnostic.is_error(), "{}", diagnostic.message);
        assert!(!diagnostic.message.is_empty() && !diagnostic.message.ends_with('.'), "{}", diagnostic.message);
        assert!(diagnostic.location.is_some() || !is_text, "{} is nowhere", diagnostic.message);
        let related = diagnostic.related.as_ref().map(|related| &related.location);
        diagnostic.location.iter().chain(related).for_each(|location| is_in(location, text));
        let plain = diagnostic.render(false);
        assert!(plain.chars().all(|letter| letter == '\n' || !letter.is_control()), "{plain:?}");
        assert!(plain.contains(&diagnostic.message), "{plain}");
        assert!(diagnostic.render(true).contains(&diagnostic.message));
        let json = serde_json::to_string(diagnostic).unwrap_or_else(|fault| panic!("{fault}"));
        assert!(!has_secret || !(plain.contains(SECRET) || json.contains(SECRET)), "{plain}");
    }
}

/// Whether the file has the place.
fn is_in(location: &Location, text: &[u8]) {
    if location.file != FILE {
        return;
    }
    let text = String::from_utf8_lossy(text);
    let line = text.split('\n').nth(location.line - 1).unwrap_or_else(|| panic!("no line {}", location.line));
    assert!((1..=line.chars().count() + 1).contains(&location.column), "no column {} in {line:?}", location.column);
}

/// Whether the text has a secret, and all that looks like it is the value of a key for secrets.
fn has_secret(text: &str) -> bool {
    let mut sources = Sources::default();
    let file = sources.add(PathBuf::from(FILE), text.to_owned());
    let root = file.and_then(|file| yaml::parse(text, file, &Faults::default()));
    let written = text.matches(SECRET).count();
    written > 0 && root.is_some_and(|root| secrets_in(&root) == written)
}

fn secrets_in(node: &Node<'_>) -> usize {
    match &node.value {
        Value::Null | Value::Unreadable | Value::Text { .. } => 0,
        Value::List(items) => items.iter().map(secrets_in).sum(),
        Value::Map(entries) => {
            let own = |entry: &Entry<'_>| match entry.value.text() {
                Some(text) if SECRET_KEYS.contains(&&*entry.key) => text.matches(SECRET).count(),
                Some(_) | None => secrets_in(&entry.value),
            };
            entries.iter().map(own).sum()
        }
    }
}
