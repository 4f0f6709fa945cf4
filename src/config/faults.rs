//! Collects every fault of one load.

use std::cell::RefCell;

use super::diagnostic::{Diagnostic, Severity};
use super::source::{Place, Sources};

/// Faults for which the nearest known name is looked for at most: beyond, a file is broken in another way.
const SUGGESTIONS: usize = 500;

/// A fault with places as byte ranges; [`Diagnostic`] is the same with lines and columns.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) severity: Severity,
    pub(super) message: String,
    pub(super) place: Option<Place>,
    pub(super) hint: Option<String>,
    pub(super) related: Option<(Place, String)>,
}

impl Fault {
    pub(super) fn error(place: Place, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { severity: Severity::Error, message, place: Some(place), hint: None, related: None }
    }

    pub(super) fn warning(place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(place, message) }
    }

    /// A fault of the call rather than of a place in a file.
    pub(super) fn nowhere(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), place: None, hint: None, related: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    pub(super) fn hint_if(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }

    pub(super) fn related(self, place: Place, label: impl Into<String>) -> Self {
        Self { related: Some((place, label.into())), ..self }
    }
}

/// Every fault so far. Shared by reference, so that readers of parts need not hand it back and forth.
#[derive(Debug, Default)]
pub(super) struct Faults {
    list: RefCell<Vec<Fault>>,
    secrets: RefCell<Vec<Place>>,
}

impl Faults {
    pub(super) fn push(&self, fault: Fault) {
        self.list.borrow_mut().push(fault);
    }

    pub(super) fn has_errors(&self) -> bool {
        self.list.borrow().iter().any(|fault| fault.severity == Severity::Error)
    }

    /// Takes note of a place that holds a secret, so that no source line shows it.
    pub(super) fn hide(&self, place: Place) {
        self.secrets.borrow_mut().push(place);
    }

    /// Whether it is still worth the time to look for what was meant.
    pub(super) fn wants_suggestions(&self) -> bool {
        self.list.borrow().len() < SUGGESTIONS
    }

    /// All of them with lines and columns, by file and place, those without a place first.
    pub(super) fn into_diagnostics(self, sources: &Sources) -> Vec<Diagnostic> {
        let mut list = self.list.into_inner();
        list.sort_by_key(|fault| fault.place);
        let mut secrets = self.secrets.into_inner();
        secrets.sort_unstable();
        list.into_iter().map(|fault| Diagnostic::resolve(fault, sources, &secrets)).collect()
    }
}
