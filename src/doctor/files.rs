//! The files of a gateway, and who may do what with them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::finding::{Check, Finding};
use crate::config::{Diagnostic, Gateway, Inputs};

/// Others than the owner and the group may read a file.
const READ_BY_OTHERS: u32 = 0o004;
/// They may write it.
const WRITTEN_BY_OTHERS: u32 = 0o002;

/// A gateway file that compiles.
pub(super) fn compiled(path: &Path, gateway: &Gateway) -> Finding {
    let (routes, tests) = (gateway.table.routes().len(), gateway.tests_passed);
    let message =
        format!("compiles: {}, {}, {} passed", counted(routes, "route"), scopes(gateway), counted(tests, "test"));
    let subject = path.display().to_string();
    match gateway.warnings.len() {
        0 => Finding::ok(Check::Configuration, subject, message),
        warnings => {
            let finding =
                Finding::warning(Check::Configuration, subject, format!("{message}, {}", counted(warnings, "warning")));
            finding.hint(format!("`scopegate check {}` shows each at its line", path.display()))
        }
    }
}

fn scopes(gateway: &Gateway) -> String {
    counted(gateway.table.catalog().len(), "scope")
}

/// One that does not.
pub(super) fn refused(path: &Path, diagnostics: &[Diagnostic]) -> Finding {
    let errors: Vec<_> = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).collect();
    let first = errors.first().map(|first| format!(": {}", first.message)).unwrap_or_default();
    let and_more = if errors.len() > 1 { "; the first" } else { "" };
    let message = format!("does not compile, {}{and_more}{first}", counted(errors.len(), "error"));
    let hint = format!("`scopegate check {}` shows each at its line", path.display());
    Finding::failed(Check::Configuration, path.display().to_string(), message).hint(hint)
}

/// Each file that the wrong people may read or change; one finding that all is well where there is none.
pub(super) fn permissions(inputs: &Inputs) -> Vec<Finding> {
    let secrets: Vec<&Path> = inputs.secrets().collect();
    let faults: Vec<_> =
        inputs.files().filter_map(|path| fault_of(path, mode(path)?, secrets.contains(&path))).collect();
    if !faults.is_empty() {
        return faults;
    }
    let message = match secrets.len() {
        0 => "nobody else may change them".to_owned(),
        count => format!("nobody else may change them, or read {}", counted(count, "secret")),
    };
    vec![Finding::ok(Check::Permissions, counted(inputs.files().count(), "file"), message)]
}

fn fault_of(path: &Path, mode: u32, is_secret: bool) -> Option<Finding> {
    let shown = path.display();
    let (what, hint) = match (mode & READ_BY_OTHERS != 0, mode & WRITTEN_BY_OTHERS != 0) {
        (_, true) => ("everybody may change it", format!("`chmod o-w {shown}`")),
        (true, false) if is_secret => ("holds a secret, and everybody may read it", format!("`chmod o-r {shown}`")),
        (_, false) => return None,
    };
    let message = format!("{what} (mode {:o})", mode & 0o7777);
    Some(Finding::warning(Check::Permissions, shown.to_string(), message).hint(hint))
}

/// A file that is not there has none; that is another check's to tell.
fn mode(path: &Path) -> Option<u32> {
    Some(fs::metadata(path).ok()?.permissions().mode())
}

/// `1 route`, `2 routes`.
pub(super) fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
