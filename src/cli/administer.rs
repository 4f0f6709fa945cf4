//! The authorization server's database, opened for one command; the server may run meanwhile.

use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::runtime::Runtime;

use crate::app::StartFault;
use crate::authorization_server::{
    Administration, AdministrationFault, AuthorizationServerSettings, Caller, Catalogue,
};
use crate::clock::Clock;
use crate::config;
use crate::store::{Seconds, Store, StoreFault};

use super::fault::Fault;
use super::output::{self, Format, STRONG};

/// Entries that are read at one time.
pub(super) const PAGE: u32 = 200;

/// The database, with what the file says.
#[derive(Debug)]
pub(super) struct Administered {
    runtime: Runtime,
    pub(super) store: Store,
    pub(super) catalogue: Catalogue,
    pub(super) settings: AuthorizationServerSettings,
}

impl Administered {
    /// Loads the file and opens its database.
    ///
    /// # Errors
    ///
    /// All that is wrong with the file; a database that is not there, or cannot be opened.
    pub(super) fn open(config: &Path) -> Result<Self, Fault> {
        let configuration = config::load_authorization_server(config).0.map_err(Fault::Files)?;
        let (settings, catalogue) = (configuration.settings, configuration.catalogue);
        if !settings.database.exists() {
            return Err(Fault::call_with_hint(
                format!("the database `{}` is not there", settings.database.display()),
                format!("`scopegate authorization-server --config {}` makes it at its first start", config.display()),
            ));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Fault::internal("no runtime", error))?;
        let longest = Seconds::try_from(settings.lifetimes.access_token.as_secs()).unwrap_or(Seconds::MAX);
        let opened = runtime.block_on(Store::open(&settings.database, longest));
        let (store, _) = opened.map_err(|source| of_store(&settings.database, source))?;
        Ok(Self { runtime, store, catalogue, settings })
    }

    /// Does one thing with the database, as the operator.
    ///
    /// # Errors
    ///
    /// What the thing comes to, said for a command line.
    pub(super) fn run<T>(
        &self,
        work: impl AsyncFnOnce(&Administration<'_>) -> Result<T, AdministrationFault>,
    ) -> Result<T, Fault> {
        let administration =
            Administration { store: &self.store, catalogue: &self.catalogue, now: now(), caller: Caller::Operator };
        self.runtime.block_on(work(&administration)).map_err(|fault| self.fault(fault))
    }

    /// Reads a list to its end, page by page; `key` is what the next page begins after.
    ///
    /// # Errors
    ///
    /// As [`Administered::run`].
    pub(super) fn all<T>(
        &self,
        page: &impl AsyncFn(&Store, &str) -> Result<Vec<T>, StoreFault>,
        key: impl Fn(&T) -> String,
    ) -> Result<Vec<T>, Fault> {
        self.run(async |administration| {
            let (mut all, mut after) = (Vec::new(), String::new());
            loop {
                let entries = page(administration.store, &after).await?;
                let Some(last) = entries.last() else { return Ok(all) };
                after = key(last);
                all.extend(entries);
            }
        })
    }

    fn fault(&self, fault: AdministrationFault) -> Fault {
        let hint = match &fault {
            AdministrationFault::Store(_) | AdministrationFault::NoRandomness(_) => None,
            AdministrationFault::UnknownRole(_) => Some("`scopegate authorization-server role list` shows the roles"),
            AdministrationFault::UnknownScope(_) => {
                Some("`scopegate authorization-server scope list` shows the scopes; policy files hold them")
            }
            AdministrationFault::LastAdministrator => Some("give another user the role `TenantAdmin` first"),
            AdministrationFault::DefaultRole => Some("make a role of your own with `role add`"),
            AdministrationFault::Missing(_) => Some("the command `list` shows what there is"),
            AdministrationFault::Invalid { .. }
            | AdministrationFault::Withdrawn
            | AdministrationFault::Exists(_)
            | AdministrationFault::Contradiction(_)
            | AdministrationFault::ExceedsCaller(_) => None,
        };
        match (fault, hint) {
            (AdministrationFault::Store(source), _) => of_store(&self.settings.database, source),
            (AdministrationFault::NoRandomness(fault), _) => Fault::internal("no secret", fault),
            (fault, Some(hint)) => Fault::call_with_hint(fault.to_string(), hint),
            (fault, None) => Fault::call(fault.to_string()),
        }
    }
}

/// Whole seconds since the Unix epoch.
pub(super) fn now() -> Seconds {
    Seconds::try_from(Clock::system().now().as_secs()).unwrap_or(Seconds::MAX)
}

fn of_store(path: &Path, source: StoreFault) -> Fault {
    Fault::Server(StartFault::Store { path: PathBuf::from(path), source })
}

/// How the result of a command that administers is printed.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Printed {
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Printed {
    /// Prints a result: a text for people, or JSON.
    ///
    /// # Errors
    ///
    /// As [`output::print`].
    pub(super) fn print(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Fault> {
        match self.format {
            Format::Text => output::print(&text()),
            Format::Json => output::print_json(value),
        }
    }
}

/// A table with a heading, in columns as wide as they must be.
pub(super) fn table<const COLUMNS: usize>(heading: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    let mut widths = heading.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String; COLUMNS]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let heading = line(&heading.map(str::to_owned));
    let rows: Vec<String> = rows.iter().map(line).collect();
    format!("{STRONG}{heading}{STRONG:#}\n{}", rows.iter().map(|row| format!("{row}\n")).collect::<String>())
}

/// Names with spaces between; `-` where there is none.
pub(super) fn words<T: AsRef<str>>(list: &[T]) -> String {
    let words: Vec<&str> = list.iter().map(AsRef::as_ref).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "x y"], ["longer", ""]].map(|row| row.map(str::to_owned));
        let shown = anstream::adapter::strip_str(&table(["name", "is"], &rows)).to_string();
        assert_eq!(shown, "name    is\na       x y\nlonger\n");
    }
}
