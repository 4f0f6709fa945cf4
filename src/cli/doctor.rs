//! `scopegate doctor`: what a gateway file needs of the world around it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::config::{self, Diagnostic};
use crate::doctor::{self, Check, Finding, Level, Report};

use super::check::told;
use super::fault::{Answer, Fault};
use super::loaded::{is_authorization_server_file, is_gateway_file};
use super::output::{self, ERROR, FAINT, Format, HINT, STRONG, WARNING, WELL};

/// What `doctor` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  scopegate doctor scopegate.yaml
  scopegate doctor --format json scopegate.yaml

Run it as the user that runs the gateway, before the gateway or beside it. Nothing is changed, and no upstream is sent a request; issuers are asked for keys and about a made-up token, feeds and the role directory for what they hold. Exit status 1 when something failed, 2 when CONFIG cannot be read or is no gateway file. Warnings are no failure.")]
pub(super) struct Arguments {
    /// The gateway file
    #[arg(value_name = "CONFIG", env = "SCOPEGATE_CONFIG", default_value = "scopegate.yaml")]
    config: PathBuf,
    /// How long each question may take
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = config::parse_duration)]
    timeout: Duration,
    /// How the findings are printed; in JSON the diagnostics of the file are part of it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The findings as JSON.
#[derive(Debug, Serialize)]
struct Document<'a> {
    file: &'a Path,
    /// Whether nothing failed.
    ok: bool,
    summary: Summary,
    findings: &'a [Finding],
    /// What `scopegate check` says of the file.
    diagnostics: &'a [Diagnostic],
}

#[derive(Debug, Serialize)]
struct Summary {
    ok: usize,
    warning: usize,
    failed: usize,
    skipped: usize,
}

/// Looks at everything before it says anything.
pub(super) fn run(arguments: &Arguments) -> Result<Answer, Fault> {
    let file = &arguments.config;
    refuse_other_files(file)?;
    let report = doctor::examine(file, arguments.timeout)
        .map_err(|source| Fault::internal("the system refuses an event queue", source))?;
    let ok = report.count(Level::Failed) == 0;
    match arguments.format {
        Format::Text => {
            let shown = report.diagnostics.iter().filter(|diagnostic| is_shown(diagnostic, file));
            output::report(&shown.map(told).collect::<String>());
            output::print(&text(file, &report))?;
        }
        Format::Json => {
            let Report { findings, diagnostics } = &report;
            output::print_json(&Document { file, ok, summary: Summary::of(&report), findings, diagnostics })?;
        }
    }
    Ok(Answer::of(ok))
}

/// Warnings of policies, of which there may be many, are for `scopegate check` to show.
fn is_shown(diagnostic: &Diagnostic, file: &Path) -> bool {
    let file = file.display().to_string();
    diagnostic.is_error() || diagnostic.location.as_ref().is_none_or(|location| location.file == file)
}

fn refuse_other_files(file: &Path) -> Result<(), Fault> {
    if is_gateway_file(file)? {
        return Ok(());
    }
    let (shown, hint) = (file.display(), format!("`scopegate check {}` compiles it", file.display()));
    if is_authorization_server_file(file)? {
        let message = format!("`{shown}` is an authorization server's file, and this looks at a gateway's");
        return Err(Fault::call_with_hint(message, hint));
    }
    Err(Fault::call_with_hint(format!("`{shown}` is no gateway file: it has no `listeners`"), hint))
}

impl Summary {
    fn of(report: &Report) -> Self {
        Self {
            ok: report.count(Level::Ok),
            warning: report.count(Level::Warning),
            failed: report.count(Level::Failed),
            skipped: report.count(Level::Skipped),
        }
    }
}

/// A heading a check, a line a finding, its hint below; the sum last.
fn text(file: &Path, report: &Report) -> String {
    let mut text = String::new();
    for check in Check::ALL {
        let findings: Vec<_> = report.findings.iter().filter(|finding| finding.check == check).collect();
        if findings.is_empty() {
            continue;
        }
        text += &format!("{STRONG}{}{STRONG:#}\n", check.as_str());
        for Finding { level, subject, message, hint, .. } in findings {
            text += &format!("  {}  {subject}: {message}\n", mark(*level));
            if let Some(hint) = hint {
                text += &format!("           {HINT}hint:{HINT:#} {hint}\n");
            }
        }
    }
    let Summary { ok, warning, failed, skipped } = Summary::of(report);
    let mut parts = vec![format!("{WELL}{ok} ok{WELL:#}")];
    for (count, what, style) in [(warning, "warning", WARNING), (failed, "failed", ERROR), (skipped, "skipped", FAINT)]
    {
        if count > 0 {
            let plural = if what == "warning" && count > 1 { "s" } else { "" };
            parts.push(format!("{style}{count} {what}{plural}{style:#}"));
        }
    }
    text + &format!("{}: {}\n", file.display(), parts.join(", "))
}

/// A level in a column of its own.
fn mark(level: Level) -> String {
    let (style, word) = match level {
        Level::Ok => (WELL, "ok"),
        Level::Warning => (WARNING, "warning"),
        Level::Failed => (ERROR, "failed"),
        Level::Skipped => (FAINT, "skipped"),
    };
    format!("{style}{word:<7}{style:#}")
}
