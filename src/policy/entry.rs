//! What one method of a route asks for.

use super::Requirement;
use crate::scope::{Catalog, ScopeSet, Side};

/// What one method of a route asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// Nothing: no token is asked for.
    Public,
    /// A valid token of any scope.
    Authenticated,
    /// A valid token that satisfies one of the sides.
    Scoped(Sides),
}

/// The two ways into a route: a *user* scope opens what the user owns, an *admin* scope the whole tenant.
///
/// At least one side is there; an entry with neither is opened by nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sides {
    /// What opens the user's own.
    pub user: Option<Requirement>,
    /// What opens the whole tenant.
    pub admin: Option<Requirement>,
}

/// Says why a requirement written without sides has none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    /// It names scopes of both sides.
    #[error("the requirement mixes user and admin scopes; write the pair `{{user: …, admin: …}}`")]
    MixedSides,
}

impl Entry {
    /// Writes the entry in its canonical text: `public`, `authenticated`, or that of [`Sides::text`].
    pub fn text(&self, catalog: &Catalog) -> String {
        match self {
            Self::Public => "public".to_owned(),
            Self::Authenticated => "authenticated".to_owned(),
            Self::Scoped(sides) => sides.text(catalog),
        }
    }

    /// Returns every scope that the entry names.
    pub fn scopes(&self) -> ScopeSet {
        match self {
            Self::Public | Self::Authenticated => ScopeSet::default(),
            Self::Scoped(sides) => {
                let mut scopes = ScopeSet::default();
                sides.each().for_each(|(_, side)| scopes.union_with(&side.scopes()));
                scopes
            }
        }
    }
}

impl Sides {
    /// Expands a requirement that is written without sides.
    ///
    /// If all its scopes are of side user, it is the user side, and where every one of them names its twin, the same
    /// formula over the twins is the admin side. If all are of side admin, it is the admin side alone.
    ///
    /// # Errors
    ///
    /// [`EntryFault::MixedSides`] if it names scopes of both sides.
    pub fn expand(bare: Requirement, catalog: &Catalog) -> Result<Self, EntryFault> {
        let scopes = bare.scopes();
        let any_of_side = |side| scopes.iter().any(|id| catalog.side(id) == side);
        match (any_of_side(Side::User), any_of_side(Side::Admin)) {
            (true, true) => Err(EntryFault::MixedSides),
            (false, true) => Ok(Self { user: None, admin: Some(bare) }),
            (true, false) => {
                let admin = bare.replaced(&|id| catalog.twin(id));
                Ok(Self { user: Some(bare), admin })
            }
            // A formula that names no scope is satisfied by none, on either side.
            (false, false) => Ok(Self { user: Some(bare), admin: None }),
        }
    }

    /// Names the sides that are there, user first.
    pub fn each(&self) -> impl Iterator<Item = (Side, &Requirement)> {
        let user = self.user.iter().map(|requirement| (Side::User, requirement));
        user.chain(self.admin.iter().map(|requirement| (Side::Admin, requirement)))
    }

    /// Writes the sides in their canonical text: `user: X; admin: Y`, or the one that is there, such as `admin: Y`.
    pub fn text(&self, catalog: &Catalog) -> String {
        let sides = self.each().map(|(side, requirement)| match side {
            Side::User => format!("user: {}", requirement.text(catalog)),
            Side::Admin => format!("admin: {}", requirement.text(catalog)),
        });
        sides.collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{catalog, formula};
    use super::*;

    #[test]
    fn a_bare_requirement_is_expanded_by_its_sides_and_twins() {
        let catalog = catalog();
        let cases = [
            ("user scope with a twin", "automations", Ok("user: automations; admin: admin.automations")),
            ("user scope without a twin", "apps", Ok("user: apps")),
            ("admin scope", "admin.automations", Ok("admin: admin.automations")),
            ("admin scope by `side`", "tenant.all", Ok("admin: tenant.all")),
            (
                "the formula keeps its shape",
                "any_of(automations, all_of(automations:read, spaces))",
                Ok("user: any_of(automations, all_of(automations:read, spaces)); \
                    admin: any_of(admin.automations, all_of(admin.automations:read, tenant.all))"),
            ),
            ("one scope without a twin", "all_of(automations, apps)", Ok("user: all_of(automations, apps)")),
            ("mixed", "any_of(automations, admin.automations)", Err(EntryFault::MixedSides)),
            ("mixed, deep inside", "all_of(automations, any_of(apps, tenant.all))", Err(EntryFault::MixedSides)),
            ("no scope at all", "any_of(all_of())", Ok("user: any_of(all_of())")),
        ];
        for (name, bare, expected) in cases {
            let sides = Sides::expand(formula(&catalog, bare), &catalog).map(|sides| sides.text(&catalog));
            assert_eq!(sides.as_deref().map_err(Clone::clone), expected, "{name}");
        }
    }

    #[test]
    fn entries_without_scopes_have_a_word() {
        assert_eq!(Entry::Public.text(&catalog()), "public");
        assert_eq!(Entry::Authenticated.text(&catalog()), "authenticated");
        assert!(Entry::Public.scopes().is_empty());
    }

    #[test]
    fn an_entry_names_the_scopes_of_both_sides() {
        let catalog = catalog();
        let entry = Entry::Scoped(Sides::expand(formula(&catalog, "automations"), &catalog).unwrap());
        assert_eq!(catalog.text(&entry.scopes()), "automations admin.automations");
    }
}
