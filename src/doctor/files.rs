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

/// A gateway file that compiles. Its own warnings are about safety; those of its policies say what deserves a look there.
pub(super) fn compiled(path: &Path, gateway: &Gateway) -> Finding {
    let subject = path.display().to_string();
    let counts = [
        counted(gateway.table.routes().len(), "route"),
        counted(gateway.table.catalog().len(), "scope"),
        format!("{} passed", counted(gateway.tests_passed, "test")),
    ];
    let own = gateway.warnings.iter().filter(|warning| warning.location.as_ref().is_none_or(|at| at.file == subject));
    let own = own.count();
    let of_policies = gateway.warnings.len() - own;
    let mut message = format!("compiles: {}", counts.join(", "));
    if of_policies > 0 {
        message += &format!("; its policies have {}", counted(of_policies, "warning"));
    }
    if own == 0 {
        return Finding::ok(Check::Configuration, subject, message);
    }
    let hint = format!("`scopegate check {subject}` shows each at its line");
    let message = format!("{message}; the file itself has {}", counted(own, "warning"));
    Finding::warning(Check::Configuration, subject, message).hint(hint)
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
