//! An explanation in aligned lines for people: plain text, no colours.

use std::fmt;

use super::explanation::{
    CeilingState, CeilingTrace, DecisionTrace, DirectoryState, Explanation, Formula, RoleSource, RoleTrace, RouteTrace,
    Term, TokenTrace,
};
use crate::scope::Side;

impl fmt::Display for Explanation {
    /// Writes the decision first, then what it was made on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.target.as_ref().map(|target| format!("{}{}", target.host, target.path));
        writeln!(
            f,
            "{} {}",
            visible(&self.method),
            visible(&target.unwrap_or_else(|| "(target not readable)".to_owned()))
        )?;
        section(f, None, &self.summary())?;
        section(f, Some("candidates"), &self.candidate_rows())?;
        section(f, Some("readings"), &self.reading_rows())?;
        section(f, Some("token"), &self.token_rows())?;
        section(f, None, &self.formula_rows())
    }
}

type Row = Vec<String>;

impl Explanation {
    fn summary(&self) -> Vec<Row> {
        let decision = match self.decision {
            DecisionTrace::Allow { allow } => format!("allow {allow}"),
            DecisionTrace::Deny { deny, status, detail } => format!("deny {deny} ({status}): {detail}"),
        };
        let mut rows = vec![row(["decision", &decision])];
        if let Some(route) = &self.route {
            rows.push(row(["route", &format!("{}, to upstream {}", route.id, route.upstream)]));
        }
        if let Some(requirement) = &self.requirement {
            rows.push(row(["requirement", requirement]));
        }
        if !self.sides.is_empty() {
            rows.push(row(["would open", self.would_open.as_deref().unwrap_or("no set that a challenge could name")]));
        }
        rows
    }

    fn candidate_rows(&self) -> Vec<Row> {
        let cells = |route: &RouteTrace, place: &str| {
            row([&route.template, route.host.as_deref().unwrap_or("any host"), &route.id, place])
        };
        let places = ["wins"].into_iter().chain(std::iter::repeat(""));
        self.candidates.iter().zip(places).map(|(route, place)| cells(route, place)).collect()
    }

    fn reading_rows(&self) -> Vec<Row> {
        let readings = self.readings.iter().map(|reading| {
            let route = reading.leads_to.as_deref().unwrap_or("no route");
            row([&reading.text, &reading.how, route, if reading.agrees { "agrees" } else { "disagrees" }])
        });
        readings.collect()
    }

    fn token_rows(&self) -> Vec<Row> {
        let mut rows = self.token.as_ref().map_or_else(|| vec![row(["none shown"])], TokenTrace::rows);
        rows.push(row(["client's ceiling", &self.ceilings.clients.text()]));
        rows.push(row(["roles' ceiling", &self.ceilings.roles.text()]));
        if let Some(directory) = self.directory {
            rows.push(row(["role directory", directory.text()]));
        }
        rows
    }

    fn formula_rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for side in &self.sides {
            let name = match side.side {
                Side::User => "user side",
                Side::Admin => "admin side",
            };
            rows.push(row([name, "held", "client may use", "permitted"]));
            side.formula.rows(1, &mut rows);
        }
        rows
    }
}

impl TokenTrace {
    fn rows(&self) -> Vec<Row> {
        let mut rows = vec![
            row(["held", &list(&self.held)]),
            row(["permitted", &list(&self.permitted)]),
            row(["ignored", &list(&self.ignored)]),
            row(["client", self.client.as_deref().unwrap_or("not named")]),
            row(["roles", &list(&self.roles.iter().map(RoleTrace::text).collect::<Vec<_>>())]),
        ];
        if self.alone {
            rows.push(row(["user", "none: the client acts alone"]));
        }
        rows
    }
}

impl RoleTrace {
    fn text(&self) -> String {
        let remark = match self.scopes_from {
            RoleSource::Unlimited | RoleSource::Policy => return self.name.clone(),
            RoleSource::Directory => "of the role directory",
            RoleSource::Unavailable => "left to the role directory",
            RoleSource::Unknown => "unknown",
        };
        format!("{} ({remark})", self.name)
    }
}

impl DirectoryState {
    fn text(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Unavailable => "not available here: what its roles permit is not known",
        }
    }
}

impl CeilingTrace {
    fn text(&self) -> String {
        match self.state {
            CeilingState::Off => "off".to_owned(),
            CeilingState::Lifted => "on, but not for this token".to_owned(),
            CeilingState::On => format!("on, cuts {}", list(&self.cuts)),
        }
    }
}

impl Term {
    fn rows(&self, depth: usize, rows: &mut Vec<Row>) {
        let (name, children): (&str, &[Self]) = match &self.formula {
            Formula::Scope(scope) => (scope, &[]),
            Formula::AnyOf(any) => ("any_of", any),
            Formula::AllOf(all) => ("all_of", all),
        };
        let yes = |is_true: bool| if is_true { "yes" } else { "no" };
        let name = format!("{:width$}{name}", "", width = 2 * depth);
        rows.push(row([&name, yes(self.held), yes(self.within_client_ceiling), yes(self.permitted)]));
        children.iter().for_each(|child| child.rows(depth + 1, rows));
    }
}

fn row<const N: usize>(cells: [&str; N]) -> Row {
    cells.into_iter().map(visible).collect()
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}

/// Writes rows with their columns aligned, after an empty line and a title; nothing if there is no row.
fn section(f: &mut fmt::Formatter<'_>, title: Option<&str>, rows: &[Row]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(f)?;
    if let Some(title) = title {
        writeln!(f, "{title}")?;
    }
    let indent = if title.is_some() { "  " } else { "" };
    let widths = widths(rows);
    for cells in rows {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(f, "{indent}{}", padded.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// The width of each column, in characters.
fn widths(rows: &[Row]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|cells| cells.get(column)).map(|cell| cell.chars().count()).max();
    (0..columns).map(|column| width(column).unwrap_or(0)).collect()
}

/// Escapes what a terminal could take as an instruction: names come from tokens and targets that strangers made.
fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\'' | '"' | '\\' => visible.push(character),
            _ => visible.extend(character.escape_debug()),
        }
    }
    visible
}
