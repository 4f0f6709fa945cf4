//! `scopegate routes`: the expanded table, and what a scope can reach.

use std::path::PathBuf;

use serde::Serialize;

use crate::policy::{Entry, Requirement, Route, RouteTable};
use crate::scope::ScopeSet;

use super::fault::{Answer, Fault};
use super::loaded::Loaded;
use super::output::{self, Format};
use super::routes_text;

/// What `routes` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  scopegate routes routes.yaml
  scopegate routes routes.yaml --scope automations:read --scope apps:read
  scopegate routes routes.yaml --markdown > ROUTES.md")]
pub(super) struct Arguments {
    /// A gateway file, or policy files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Only what a token with these scopes can reach, roles and clients aside; may be given several times
    #[arg(long, value_name = "SCOPES")]
    scope: Vec<String>,
    /// As a Markdown table
    #[arg(long, conflicts_with = "format")]
    markdown: bool,
    /// How the table is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// One method of one route, expanded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    /// The route's id, as metrics and logs name it.
    pub(super) route: String,
    pub(super) method: String,
    pub(super) host: Option<String>,
    pub(super) path: String,
    pub(super) upstream: String,
    /// `public`, `authenticated` or `scopes`.
    pub(super) asks: &'static str,
    /// The requirement of the user side, in its canonical text.
    pub(super) user: Option<String>,
    /// The requirement of the admin side.
    pub(super) admin: Option<String>,
}

/// Prints the table.
pub(super) fn run(arguments: &Arguments) -> Result<Answer, Fault> {
    let loaded = Loaded::read(&arguments.files)?;
    let rows = rows(loaded.table(), &arguments.scope)?;
    match arguments.format {
        Format::Json => output::print_json(&rows)?,
        Format::Text if arguments.markdown => output::print(&routes_text::markdown(&rows))?,
        Format::Text => output::print(&routes_text::columns(&rows))?,
    }
    Ok(Answer::Yes)
}

/// Every method of every route, or those that `scopes` open, with the sides that they do not open left out.
fn rows(table: &RouteTable, scopes: &[String]) -> Result<Vec<Row>, Fault> {
    let held = if scopes.is_empty() { None } else { Some(held(table, scopes)?) };
    let mut rows = Vec::new();
    for route in table.routes() {
        for (method, entry) in &route.methods {
            rows.extend(row(table, route, method.as_str(), entry, held.as_ref()));
        }
    }
    Ok(rows)
}

fn row(table: &RouteTable, route: &Route, method: &str, entry: &Entry, held: Option<&ScopeSet>) -> Option<Row> {
    let opens = |requirement: &&Requirement| held.is_none_or(|held| requirement.is_satisfied(&|id| held.contains(id)));
    let text = |side: &Option<Requirement>| side.as_ref().filter(opens).map(|side| side.text(table.catalog()));
    let (asks, user, admin) = match entry {
        Entry::Public => ("public", None, None),
        Entry::Authenticated => ("authenticated", None, None),
        Entry::Scoped(sides) => match (text(&sides.user), text(&sides.admin)) {
            (None, None) => return None,
            (user, admin) => ("scopes", user, admin),
        },
    };
    Some(Row {
        route: route.id.to_string(),
        method: method.to_owned(),
        host: route.host.as_ref().map(|host| host.as_str().to_owned()),
        path: route.template.as_str().to_owned(),
        upstream: table.upstreams().get(route.upstream).map(|upstream| upstream.name.to_string()).unwrap_or_default(),
        asks,
        user,
        admin,
    })
}

/// What a token with these scopes holds.
fn held(table: &RouteTable, scopes: &[String]) -> Result<ScopeSet, Fault> {
    let names = || scopes.iter().flat_map(|scopes| scopes.split(' ')).filter(|name| !name.is_empty());
    for name in names() {
        let Some(id) = table.catalog().id(name) else {
            return Err(Fault::call(format!("scope `{name}` is not in the catalogue")));
        };
        if !table.catalog().entry(id).uses.token {
            return Err(Fault::call(format!("scope `{name}` is for roles only: no token ever carries it")));
        }
    }
    Ok(table.catalog().held(names()))
}
