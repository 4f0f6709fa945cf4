//! `roles` and `clients` of all policy files → the ceilings, and the rules that no edit lifts one by leaving something out.

use std::collections::{BTreeMap, BTreeSet};

use crate::policy::Ceilings;
use crate::scope::ScopeSet;

use super::catalog::PlacedCatalog;
use super::faults::{Fault, Faults};
use super::raw_policy::{RawClient, RawPolicy};
use super::source::{Place, Placed};

/// Which ceilings are on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Switches {
    /// As the gateway file says; and where it names a role directory, if it does.
    Written { roles: Switch, clients: Switch, directory: Option<Place> },
    /// A policy checked alone: on where it has something to say.
    AsWritten,
}

/// Whether a ceiling is on, and where that is written, if it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Switch {
    /// `None` where what is written has a fault.
    pub(super) on: Option<bool>,
    pub(super) place: Option<Place>,
}

/// Compiles both ceilings.
pub(super) fn compile(
    policies: &[RawPolicy<'_>],
    switches: Switches,
    catalog: &PlacedCatalog,
    faults: &Faults,
) -> Ceilings {
    let roles_section = policies.iter().find_map(|policy| policy.roles_section);
    let clients_section = policies.iter().find_map(|policy| policy.clients_section);
    let all_read = catalog.all_read;
    let client_scopes = policies.iter().flat_map(|policy| &policy.clients).find_map(|client| client.scopes_key);
    let (roles_on, clients_on, has_directory) = match switches {
        Switches::AsWritten => (roles_section.is_some(), client_scopes.is_some(), false),
        Switches::Written { roles, clients, directory } => {
            let limiting = roles_section.or(directory);
            let what = if roles_section.is_some() { "`roles` limits" } else { "`roles.directory` limits" };
            Needs { section: "roles", written: limiting, limiting, what, all_read }.check(roles, faults);
            let what = "a client's `scopes` limit";
            Needs { section: "clients", written: clients_section, limiting: client_scopes, what, all_read }
                .check(clients, faults);
            (roles.on == Some(true), clients.on == Some(true), directory.is_some())
        }
    };
    let roles = roles(policies, catalog, faults);
    let (clients, acts_alone) = clients(policies, clients_on, catalog, faults);
    Ceilings {
        roles: roles_on.then_some(roles),
        directory: roles_on && has_directory,
        clients: clients_on.then_some(clients),
        acts_alone,
    }
}

/// What one ceiling needs of the policy files.
struct Needs {
    section: &'static str,
    written: Option<Place>,
    /// Where the files say something that limits only when the ceiling is on.
    limiting: Option<Place>,
    /// How that is called.
    what: &'static str,
    /// Whether every policy file was read: another may have the section.
    all_read: bool,
}

impl Needs {
    fn check(&self, switch: Switch, faults: &Faults) {
        let (section, what) = (self.section, self.what);
        match (switch.on, self.written, self.limiting) {
            (Some(true), None, _) if self.all_read => {
                let message = format!("`ceilings.{section}` is on, and no policy file has `{section}`");
                let other = if section == "roles" { ", or name a role directory" } else { "" };
                let hint = format!("write a `{section}` section; an empty one permits nothing{other}");
                faults.push(Fault { place: switch.place, ..Fault::nowhere(message) }.hint(hint));
            }
            (Some(false), _, Some(limiting)) => {
                let message = format!("{what} nothing while `ceilings.{section}` is off");
                let hint = format!("write `ceilings: {{{section}: on}}` in the gateway file");
                let fault = Fault::error(limiting, message).hint(hint);
                let off = switch.place.map(|place| (place, "off here".to_owned()));
                faults.push(Fault { related: off, ..fault });
            }
            (Some(_) | None, ..) => {}
        }
    }
}

fn roles(policies: &[RawPolicy<'_>], catalog: &PlacedCatalog, faults: &Faults) -> BTreeMap<String, ScopeSet> {
    let mut places: BTreeMap<&str, Place> = BTreeMap::new();
    let mut compiled = BTreeMap::new();
    for role in policies.iter().flat_map(|policy| &policy.roles) {
        if is_first("role", role.name, &mut places, faults) {
            let subject = format!("role `{}`", role.name.value);
            compiled.insert(role.name.value.to_owned(), permitted(&subject, true, &role.scopes, catalog, faults));
        }
    }
    compiled
}

fn clients(
    policies: &[RawPolicy<'_>],
    on: bool,
    catalog: &PlacedCatalog,
    faults: &Faults,
) -> (BTreeMap<String, ScopeSet>, BTreeSet<String>) {
    let mut places: BTreeMap<&str, Place> = BTreeMap::new();
    let (mut compiled, mut acts_alone) = (BTreeMap::new(), BTreeSet::new());
    for client in policies.iter().flat_map(|policy| &policy.clients) {
        if !is_first("client", client.name, &mut places, faults) {
            continue;
        }
        warn_of_nothing(client, on, faults);
        let subject = format!("client `{}`", client.name.value);
        let scopes = permitted(&subject, false, &client.scopes, catalog, faults);
        compiled.insert(client.name.value.to_owned(), scopes);
        if client.acts_alone {
            acts_alone.insert(client.name.value.to_owned());
        }
    }
    (compiled, acts_alone)
}

fn warn_of_nothing(client: &RawClient<'_>, on: bool, faults: &Faults) {
    if on && client.scopes_key.is_none() {
        let message = format!("client `{}`: may use nothing, for it has no `scopes`", client.name.value);
        let hint = "the entry `*` is only for clients that are not listed";
        faults.push(Fault::warning(client.name.place, message).hint(hint));
    }
}

fn is_first<'n>(kind: &str, name: Placed<&'n str>, places: &mut BTreeMap<&'n str, Place>, faults: &Faults) -> bool {
    if let Some(first) = places.get(name.value) {
        let fault = Fault::error(name.place, format!("{kind} `{}` is written twice", name.value));
        faults.push(fault.related(*first, "first written here"));
        return false;
    }
    places.insert(name.value, name.place);
    true
}

/// The union of what patterns name, closed under `implies`.
fn permitted(
    subject: &str,
    of_role: bool,
    patterns: &[Placed<String>],
    catalog: &PlacedCatalog,
    faults: &Faults,
) -> ScopeSet {
    let mut all = ScopeSet::default();
    for pattern in patterns {
        let name = pattern.value.as_str();
        let matching = catalog.catalog.matching(name);
        match &matching {
            Some(set) => all.union_with(set),
            None if catalog.is_lost(pattern.place, || format!("{subject}: "), name, faults) => {}
            None => refuse_pattern(subject, pattern, catalog, faults),
        }
        let listed = catalog.catalog.id(name).filter(|_| of_role);
        if listed.is_some_and(|id| !catalog.catalog.entry(id).uses.role) {
            let message = format!("{subject}: scope `{name}` is not for roles");
            let hint = "its `uses` does not name `role`";
            faults.push(Fault::error(pattern.place, message).hint(hint));
        }
    }
    all
}

fn refuse_pattern(subject: &str, pattern: &Placed<String>, catalog: &PlacedCatalog, faults: &Faults) {
    let name = pattern.value.as_str();
    let (what, hint) = match name.strip_suffix('*') {
        Some(beginning) => (format!("no scope begins with `{beginning}`"), None),
        None if name.contains('*') => {
            let hint = "a `*` stands for any ending, at the end only".to_owned();
            (format!("scope `{name}` is not in the catalogue"), Some(hint))
        }
        None => (format!("scope `{name}` is not in the catalogue"), catalog.nearest(name, faults)),
    };
    faults.push(Fault::error(pattern.place, format!("{subject}: {what}")).hint_if(hint));
}
