//! `scopegate check`: compiles files, runs their tests, lists what deserves a look.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::{self, Diagnostic, Location, Severity, TestReport};
use crate::policy::RouteTable;

use super::fault::{Answer, Fault};
use super::loaded::{is_authorization_server_file, is_gateway_file};
use super::output::{self, ERROR, Format, WARNING, WELL};

/// What `check` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  scopegate check routes.yaml
  scopegate check scopegate.yaml
  scopegate check authorization-server.yaml

Policy files add up; each gateway or authorization server file is checked with the policies that it names. Exit status 1 when a file does not compile or a test fails, 2 when a FILE cannot be read. Warnings are no failure.")]
pub(super) struct Arguments {
    /// Policy, gateway or authorization server files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// How the result is printed; in JSON the diagnostics are part of it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What was found in files that belong together.
#[derive(Debug, Serialize)]
struct Report {
    files: Vec<PathBuf>,
    ok: bool,
    /// `None` when the files do not compile.
    #[serde(flatten)]
    size: Option<Size>,
    /// Whether roles may come from a role directory, which is not asked here: the tests ran as if it had no roles.
    role_directory: bool,
    /// Errors, failed tests and warnings.
    diagnostics: Vec<Diagnostic>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Size {
    Table {
        routes: usize,
        scopes: usize,
        tests_passed: usize,
        tests_failed: usize,
    },
    /// Of an authorization server, which takes the scopes alone, and adds its own.
    Scopes {
        scopes: usize,
    },
}

/// Checks everything before it says anything.
pub(super) fn run(arguments: &Arguments) -> Result<Answer, Fault> {
    let reports = check(&arguments.files)?;
    match arguments.format {
        Format::Text => {
            for report in &reports {
                output::report(&report.diagnostics.iter().map(told).collect::<String>());
                output::print(&report.summary())?;
            }
        }
        Format::Json => output::print_json(&reports)?,
    }
    Ok(Answer::of(reports.iter().all(|report| report.ok)))
}

fn check(files: &[PathBuf]) -> Result<Vec<Report>, Fault> {
    let (mut reports, mut policies) = (Vec::new(), Vec::new());
    for file in files {
        if is_authorization_server_file(file)? {
            reports.push(check_authorization_server(file));
        } else if is_gateway_file(file)? {
            reports.push(check_gateway(file));
        } else {
            policies.push(file.clone());
        }
    }
    if !policies.is_empty() {
        reports.push(check_policies(policies));
    }
    Ok(reports)
}

fn check_gateway(file: &Path) -> Report {
    let files = vec![file.to_owned()];
    match config::load_gateway(file) {
        Ok(gateway) => Report::of(files, &gateway.table, passed(gateway.tests_passed), gateway.warnings),
        Err(diagnostics) => Report::refused(files, diagnostics),
    }
}

fn check_authorization_server(file: &Path) -> Report {
    let files = vec![file.to_owned()];
    match config::load_authorization_server(file).0 {
        Ok(loaded) => {
            let size = Some(Size::Scopes { scopes: loaded.catalogue.iter().count() });
            Report { files, ok: true, size, role_directory: false, diagnostics: loaded.warnings }
        }
        Err(diagnostics) => Report::refused(files, diagnostics),
    }
}

/// The tests of a gateway file that loads: one that fails would have refused it.
fn passed(passed: usize) -> TestReport {
    TestReport { passed, failed: Vec::new() }
}

fn check_policies(files: Vec<PathBuf>) -> Report {
    match config::load_policy(&files) {
        Ok(policy) => Report::of(files, &policy.table, policy.tests, policy.warnings),
        Err(diagnostics) => Report::refused(files, diagnostics),
    }
}

impl Report {
    fn of(files: Vec<PathBuf>, table: &RouteTable, tests: TestReport, warnings: Vec<Diagnostic>) -> Self {
        let (tests_passed, tests_failed) = (tests.passed, tests.failed.len());
        let (routes, scopes) = (table.routes().len(), table.catalog().len());
        let size = Size::Table { routes, scopes, tests_passed, tests_failed };
        let diagnostics = warnings.into_iter().chain(tests.failed).collect();
        let role_directory = table.ceilings().directory;
        Self { files, ok: tests_failed == 0, size: Some(size), role_directory, diagnostics }
    }

    fn refused(files: Vec<PathBuf>, diagnostics: Vec<Diagnostic>) -> Self {
        Self { files, ok: false, size: None, role_directory: false, diagnostics }
    }

    /// One line: `routes.yaml: 77 routes, 36 scopes, 41 tests passed`; and another where a role directory was not asked.
    fn summary(&self) -> String {
        let files: Vec<_> = self.files.iter().map(|file| file.display().to_string()).collect();
        let errors = self.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
        let warnings = self.diagnostics.len() - errors;
        let mut parts = Vec::new();
        match self.size {
            Some(Size::Table { routes, scopes, tests_passed, tests_failed }) => {
                parts.extend([counted(routes, "route"), counted(scopes, "scope")]);
                parts.push(format!("{WELL}{} passed{WELL:#}", counted(tests_passed, "test")));
                if tests_failed > 0 {
                    parts.push(format!("{ERROR}{tests_failed} failed{ERROR:#}"));
                }
            }
            Some(Size::Scopes { scopes }) => parts.push(counted(scopes, "scope")),
            None => parts.push(format!("{ERROR}{}{ERROR:#}", counted(errors, "error"))),
        }
        if warnings > 0 {
            parts.push(format!("{WARNING}{}{WARNING:#}", counted(warnings, "warning")));
        }
        let mut text = format!("{}: {}\n", files.join(", "), parts.join(", "));
        if self.role_directory {
            text += "the role directory is not asked here: the tests ran as if it had no roles\n";
        }
        text
    }
}

/// An error with its source line; a warning, of which a large table may have many, in one line.
pub(super) fn told(diagnostic: &Diagnostic) -> String {
    match (diagnostic.severity, &diagnostic.location) {
        (Severity::Warning, Some(Location { file, line, column, .. })) => {
            format!("{WARNING}warning:{WARNING:#} {file}:{line}:{column}: {}\n", diagnostic.message)
        }
        (Severity::Warning, None) | (Severity::Error, _) => diagnostic.render(true) + "\n",
    }
}

/// `1 route`, `2 routes`.
fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
