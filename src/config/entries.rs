//! A method's entry as typed → sides over scopes of the catalogue.

use crate::policy::{Entry, EntryFault, Requirement, Sides};
use crate::scope::ScopeId;

use super::catalog::PlacedCatalog;
use super::faults::{Fault, Faults};
use super::raw_entry::{RawEntry, RawRequirement};
use super::raw_policy::RawMethod;
use super::read::Subject;
use super::source::Placed;

/// Looks every name of an entry up and expands the short form; `None` after a fault.
pub(super) fn compile(
    raw: &RawMethod<'_>,
    subject: &Subject,
    catalog: &PlacedCatalog,
    faults: &Faults,
) -> Option<Entry> {
    let names = Names { subject, catalog, faults };
    match &raw.entry {
        RawEntry::Public => Some(Entry::Public),
        RawEntry::Authenticated => Some(Entry::Authenticated),
        RawEntry::Bare(requirement) => {
            let bare = names.resolve(requirement)?;
            Sides::expand(bare, &catalog.catalog).map(Entry::Scoped).map_err(|fault| names.refuse(raw, &fault)).ok()
        }
        RawEntry::Pair { user, admin } => {
            // Both sides are looked up before either is missed.
            let user = user.as_ref().map(|side| names.resolve(side));
            let admin = admin.as_ref().map(|side| names.resolve(side));
            Some(Entry::Scoped(Sides {
                user: user.map_or(Some(None), |side| side.map(Some))?,
                admin: admin.map_or(Some(None), |side| side.map(Some))?,
            }))
        }
    }
}

struct Names<'r> {
    subject: &'r Subject,
    catalog: &'r PlacedCatalog,
    faults: &'r Faults,
}

impl Names<'_> {
    fn resolve(&self, raw: &RawRequirement<'_>) -> Option<Requirement> {
        match raw {
            RawRequirement::Scope(name) => self.scope(*name).map(Requirement::Scope),
            RawRequirement::AnyOf(children) => self.all(children).map(Requirement::AnyOf),
            RawRequirement::AllOf(children) => self.all(children).map(Requirement::AllOf),
        }
    }

    fn all(&self, children: &[RawRequirement<'_>]) -> Option<Vec<Requirement>> {
        let resolved: Vec<Option<Requirement>> = children.iter().map(|child| self.resolve(child)).collect();
        resolved.into_iter().collect()
    }

    fn scope(&self, name: Placed<&str>) -> Option<ScopeId> {
        let id = self.catalog.find(name, |what| self.subject.tell(what), self.faults)?;
        if !self.can_be_held(id) {
            let message = self.subject.tell(format_args!("scope `{}` is held by no token", name.value));
            let hint = "its `uses` does not name `token`, and no scope that tokens carry implies it";
            self.faults.push(Fault::warning(name.place, message).hint(hint));
        }
        Some(id)
    }

    /// Whether a token can carry the scope, or one that contains it.
    fn can_be_held(&self, id: ScopeId) -> bool {
        let catalog = &self.catalog.catalog;
        let carries = |id: ScopeId| catalog.entry(id).uses.token;
        carries(id) || catalog.ids().any(|parent| carries(parent) && catalog.closure(parent).contains(id))
    }

    fn refuse(&self, raw: &RawMethod<'_>, fault: &EntryFault) {
        let message = self.subject.tell(format_args!("`{}`: {fault}", raw.method.value));
        self.faults.push(Fault::error(raw.method.place, message));
    }
}
