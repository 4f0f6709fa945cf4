//! Formulas over scopes.

use crate::scope::{Catalog, ScopeId, ScopeSet};

/// A monotone formula over scopes: more scopes never make it false.
///
/// An empty list, `any_of` or `all_of`, is never satisfied: what names no scope opens nothing. Nesting costs stack,
/// as deep as whoever reads the policy lets it be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Requirement {
    /// This scope.
    Scope(ScopeId),
    /// At least one of these.
    AnyOf(Vec<Self>),
    /// Each of these.
    AllOf(Vec<Self>),
}

impl Requirement {
    /// Says whether the formula is true of the scopes for which `has` is.
    pub fn is_satisfied(&self, has: &impl Fn(ScopeId) -> bool) -> bool {
        match self {
            Self::Scope(id) => has(*id),
            Self::AnyOf(any) => any.iter().any(|child| child.is_satisfied(has)),
            Self::AllOf(all) => !all.is_empty() && all.iter().all(|child| child.is_satisfied(has)),
        }
    }

    /// Returns every scope that the formula names.
    pub fn scopes(&self) -> ScopeSet {
        match self {
            Self::Scope(id) => ScopeSet::from_iter([*id]),
            Self::AnyOf(children) | Self::AllOf(children) => {
                let mut scopes = ScopeSet::default();
                children.iter().for_each(|child| scopes.union_with(&child.scopes()));
                scopes
            }
        }
    }

    /// Returns the formula with each scope replaced; `None` if `replacement` has none for one of them.
    pub fn replaced(&self, replacement: &impl Fn(ScopeId) -> Option<ScopeId>) -> Option<Self> {
        let each = |children: &[Self]| -> Option<Vec<Self>> {
            children.iter().map(|child| child.replaced(replacement)).collect()
        };
        match self {
            Self::Scope(id) => replacement(*id).map(Self::Scope),
            Self::AnyOf(children) => each(children).map(Self::AnyOf),
            Self::AllOf(children) => each(children).map(Self::AllOf),
        }
    }

    /// Writes the formula in its canonical text: `automations:read`, `all_of(a, any_of(b, c))`.
    ///
    /// The order is the written one, which decides between equals in a challenge.
    pub fn text(&self, catalog: &Catalog) -> String {
        let list = |name: &str, children: &[Self]| {
            let children: Vec<String> = children.iter().map(|child| child.text(catalog)).collect();
            format!("{name}({})", children.join(", "))
        };
        match self {
            Self::Scope(id) => catalog.name(*id).to_owned(),
            Self::AnyOf(any) => list("any_of", any),
            Self::AllOf(all) => list("all_of", all),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{catalog, formula};
    use super::*;

    #[test]
    fn the_canonical_text_is_one_line() {
        let catalog = catalog();
        for text in [
            "automations:read",
            "any_of(apps, apps:export)",
            "all_of(automations:read, any_of(apps, apps:export))",
            "any_of()",
            "all_of(any_of(all_of(apps)))",
        ] {
            assert_eq!(formula(&catalog, text).text(&catalog), text);
        }
    }

    #[test]
    fn a_formula_is_true_of_the_scopes_that_it_asks_for() {
        let catalog = catalog();
        let cases = [
            ("apps", "apps", true),
            ("apps", "apps:read", false),
            ("any_of(apps, spaces)", "spaces", true),
            ("any_of(apps, spaces)", "apps:read", false),
            ("all_of(apps, spaces)", "apps spaces", true),
            ("all_of(apps, spaces)", "apps", false),
            ("all_of(automations:read, any_of(apps, apps:export))", "automations:read apps:export", true),
            ("all_of(automations:read, any_of(apps, apps:export))", "apps apps:export", false),
            ("any_of()", "apps", false),
            ("all_of()", "apps", false),
            ("any_of(all_of(), spaces)", "apps", false),
        ];
        for (text, has, expected) in cases {
            let has: ScopeSet = has.split(' ').filter_map(|name| catalog.id(name)).collect();
            assert_eq!(formula(&catalog, text).is_satisfied(&|id| has.contains(id)), expected, "{text}");
        }
    }

    #[test]
    fn names_every_scope_once() {
        let catalog = catalog();
        let scopes = formula(&catalog, "any_of(apps, all_of(spaces, apps))").scopes();
        assert_eq!(catalog.text(&scopes), "apps spaces");
    }
}
