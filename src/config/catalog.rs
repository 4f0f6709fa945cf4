//! The scopes of all policy files → one catalogue.

use std::cell::Cell;
use std::collections::HashMap;

use crate::scope::{Catalog, CatalogFault, Scope, ScopeEntry, ScopeId, Side, Uses};

use super::faults::{Fault, Faults};
use super::raw_policy::{RawPolicy, RawScope};
use super::scalars::shown;
use super::source::{Place, Placed};
use super::suggest::did_you_mean;

/// The catalogue, and where each scope is written.
#[derive(Debug, Default)]
pub(super) struct PlacedCatalog {
    pub(super) catalog: Catalog,
    /// Whether every policy file was read, and every `scopes` in it: what is unknown otherwise may well be there.
    pub(super) all_read: bool,
    places: HashMap<String, Place>,
    /// Whether it has been told that there are no scopes.
    told: Cell<bool>,
}

impl PlacedCatalog {
    /// Looks a scope up; an unknown one is a fault that begins with `subject`.
    pub(super) fn find(
        &self,
        name: Placed<&str>,
        subject: impl Fn(String) -> String,
        faults: &Faults,
    ) -> Option<ScopeId> {
        let found = self.catalog.id(name.value);
        if found.is_none() && !self.is_lost(name.place, || subject(String::new()), name.value, faults) {
            let message = subject(format!("scope `{}` is not in the catalogue", name.value));
            let hint = match is_keyword(name.value) {
                true => Some(format!("write `{}` by itself, instead of a pair or a list", name.value)),
                false => self.nearest(name.value, faults),
            };
            faults.push(Fault::error(name.place, message).hint_if(hint));
        }
        found
    }

    /// Whether an unknown name is the fault of the whole catalogue. That is told by what could not be read, or else once, by the first name.
    pub(super) fn is_lost(&self, place: Place, subject: impl Fn() -> String, name: &str, faults: &Faults) -> bool {
        let is_empty = self.catalog.ids().next().is_none();
        if self.all_read && is_empty && !self.told.replace(true) {
            let message = format!("{}scope `{name}` is in no catalogue, for no policy file lists scopes", subject());
            let hint = "write a `scopes` section, or name the file that has it";
            faults.push(Fault::error(place, message).hint(hint));
        }
        !self.all_read || is_empty
    }

    /// What an unknown name was probably meant to be.
    pub(super) fn nearest(&self, name: &str, faults: &Faults) -> Option<String> {
        let names = self.catalog.ids().map(|id| self.catalog.name(id));
        if faults.wants_suggestions() { did_you_mean(name, names) } else { None }
    }

    /// Where a scope's entry is.
    pub(super) fn place(&self, id: ScopeId) -> Option<Place> {
        self.places.get(self.catalog.name(id)).copied()
    }
}

/// Compiles the catalogue. Where an entry has a fault, the rest of the catalogue is still there to check routes against.
///
/// `all_read` says whether there are no other policy files that could not be read.
pub(super) fn compile(policies: &[RawPolicy<'_>], all_read: bool, faults: &Faults) -> PlacedCatalog {
    let all_read = all_read && policies.iter().all(|policy| policy.has_all_scopes);
    let mut places: HashMap<String, Place> = HashMap::new();
    let mut written = Vec::new();
    for scope in policies.iter().flat_map(|policy| &policy.scopes) {
        let name = scope.name;
        if let Some(first) = places.get(name.value) {
            let fault = Fault::error(name.place, format!("scope `{}` is written twice", name.value));
            faults.push(fault.related(*first, "first written here"));
        } else if let Some(entry) = entry(scope, faults) {
            places.insert(name.value.to_owned(), name.place);
            written.push((scope, entry));
        }
    }
    let entries = || written.iter().map(|(_, entry)| entry.clone());
    let catalog = Catalog::build(entries().collect()).unwrap_or_else(|found| {
        let names: Vec<&str> = written.iter().map(|(scope, _)| scope.name.value).collect();
        let unknown = |fault: &CatalogFault| {
            matches!(fault, CatalogFault::UnknownImplied { .. } | CatalogFault::UnknownTwin { .. })
        };
        for fault in found.into_iter().filter(|fault| all_read || !unknown(fault)) {
            refuse(&fault, &written, &names, faults);
        }
        let bare = entries().map(|entry| ScopeEntry { implies: Vec::new(), twin: None, ..entry });
        Catalog::build(bare.collect()).unwrap_or_default()
    });
    PlacedCatalog { catalog, all_read, places, told: Cell::new(false) }
}

/// Whether a method's entry means something else by this word; real APIs have scopes of these names all the same.
fn is_keyword(name: &str) -> bool {
    matches!(name, "public" | "authenticated")
}

fn entry(raw: &RawScope<'_>, faults: &Faults) -> Option<ScopeEntry> {
    if is_keyword(raw.name.value) {
        let name = raw.name.value;
        let message = format!("scope `{name}`: by itself in a route the word is no scope");
        faults.push(Fault::warning(raw.name.place, message).hint(format!("ask for it in a pair: `{{user: {name}}}`")));
    }
    if !raw.uses.contains(&"token") && !raw.uses.contains(&"role") {
        let message = format!("scope `{}`: `uses` names neither `token` nor `role`", raw.name.value);
        faults.push(Fault::error(raw.name.place, message));
    }
    let subject = |what: String| format!("scope `{}`: {what}", raw.name.value);
    let implies = raw.implies.iter();
    Some(ScopeEntry {
        name: parse(raw.name, |what| what, faults)?,
        describe: raw.describe.to_owned(),
        implies: implies
            .filter_map(|name| parse(Placed { value: &name.value, place: name.place }, subject, faults))
            .collect(),
        twin: raw.admin.and_then(|name| parse(name, subject, faults)),
        side: match raw.side {
            "user" => Some(Side::User),
            "admin" => Some(Side::Admin),
            _ => None,
        },
        uses: Uses { token: raw.uses.contains(&"token"), role: raw.uses.contains(&"role") },
    })
}

/// RFC 6749 §3.3: a scope-token is printable ASCII without space, `"` and `\`.
fn parse(name: Placed<&str>, subject: impl FnOnce(String) -> String, faults: &Faults) -> Option<Scope> {
    let scope = Scope::parse(name.value).ok();
    if scope.is_none() {
        let message = subject(format!("`{}` is no scope", shown(name.value)));
        let hint = r#"a scope is printable ASCII without space, `"` and `\` (RFC 6749 section 3.3)"#;
        faults.push(Fault::error(name.place, message).hint(hint));
    }
    scope
}

/// Says of a fault of the catalogue where it is.
fn refuse(fault: &CatalogFault, written: &[(&RawScope<'_>, ScopeEntry)], names: &[&str], faults: &Faults) {
    let (position, wanted) = match fault {
        CatalogFault::UnknownImplied { entry, implied, .. } => (*entry, Some(implied.as_str())),
        CatalogFault::UnknownTwin { entry, twin, .. } => (*entry, Some(twin.as_str())),
        CatalogFault::TwinNotAdmin { entry, .. } | CatalogFault::Cycle { entry, .. } => (*entry, None),
    };
    let Some((raw, _)) = written.get(position) else { return };
    let (place, hint) = match fault {
        CatalogFault::UnknownImplied { implied, .. } => {
            let written = raw.implies.iter().find(|name| name.value == implied.as_str());
            (written.map(|name| name.place), None)
        }
        CatalogFault::UnknownTwin { .. } => (raw.admin.map(|name| name.place), None),
        CatalogFault::TwinNotAdmin { twin, .. } => {
            let hint = format!("write `side: admin` at `{twin}`, or name another scope");
            (raw.admin.map(|name| name.place), Some(hint))
        }
        CatalogFault::Cycle { .. } => (raw.implies.first().map(|name| name.place), None),
    };
    let meant =
        wanted.filter(|_| faults.wants_suggestions()).and_then(|name| did_you_mean(name, names.iter().copied()));
    faults.push(Fault::error(place.unwrap_or(raw.name.place), fault.to_string()).hint_if(hint.or(meant)));
}
