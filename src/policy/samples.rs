//! What the tests of this room share: a small catalogue, and formulas read from their canonical text.

use super::{Ceilings, Entry, Requirement, Sides};
use crate::scope::{Catalog, Scope, ScopeEntry, ScopeSet, Side, Uses};

/// One entry: name, `implies`, twin.
pub(super) fn entry(name: &str, implies: &[&str], twin: Option<&str>) -> ScopeEntry {
    let scope = |text: &str| Scope::parse(text).unwrap();
    ScopeEntry {
        name: scope(name),
        describe: String::new(),
        implies: implies.iter().map(|name| scope(name)).collect(),
        twin: twin.map(scope),
        side: None,
        uses: Uses { token: true, role: true },
    }
}

pub(super) fn catalog() -> Catalog {
    Catalog::build(vec![
        entry("automations", &["automations:read"], Some("admin.automations")),
        entry("automations:read", &[], Some("admin.automations:read")),
        entry("admin.automations", &["admin.automations:read"], None),
        entry("admin.automations:read", &[], None),
        entry("apps", &["apps:read", "apps:export"], None),
        entry("apps:read", &[], None),
        entry("apps:export", &[], None),
        entry("spaces", &[], Some("tenant.all")),
        ScopeEntry { side: Some(Side::Admin), ..entry("tenant.all", &[], None) },
        ScopeEntry { uses: Uses { token: false, role: true }, ..entry("api-keys", &[], None) },
        entry("keys-of-mine", &["api-keys"], None),
    ])
    .unwrap()
}

/// Reads a formula from its canonical text.
pub(super) fn formula(catalog: &Catalog, text: &str) -> Requirement {
    let list = |inner: &str| pieces(inner).into_iter().map(|piece| formula(catalog, piece)).collect();
    let inner = |name: &str| text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
    match (inner("any_of"), inner("all_of")) {
        (Some(any), _) => Requirement::AnyOf(list(any)),
        (_, Some(all)) => Requirement::AllOf(list(all)),
        (None, None) => Requirement::Scope(catalog.id(text).unwrap_or_else(|| panic!("no scope {text}"))),
    }
}

/// Splits a list at the commas that no parenthesis holds.
fn pieces(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let outer_comma = move |character| {
        depth += match character {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        character == ',' && depth == 0
    };
    text.split(outer_comma).map(str::trim).filter(|piece| !piece.is_empty()).collect()
}

/// Reads an entry from its canonical text; a formula without sides is expanded.
pub(super) fn written(catalog: &Catalog, text: &str) -> Entry {
    let side =
        |name: &str| text.split("; ").find_map(|side| side.strip_prefix(name)).map(|side| formula(catalog, side));
    match (text, side("user: "), side("admin: ")) {
        ("public", ..) => Entry::Public,
        ("authenticated", ..) => Entry::Authenticated,
        (bare, None, None) => Entry::Scoped(Sides::expand(formula(catalog, bare), catalog).unwrap()),
        (_, user, admin) => Entry::Scoped(Sides { user, admin }),
    }
}

/// What roles and clients may do, as a policy file writes it: `(name, patterns)`, with ceilings on where there are
/// lists.
pub(super) fn ceilings(catalog: &Catalog, roles: Option<Listed>, clients: Option<Listed>, alone: &[&str]) -> Ceilings {
    let closed = |patterns: &str| {
        let mut set = ScopeSet::default();
        patterns.split_whitespace().for_each(|pattern| set.union_with(&catalog.matching(pattern).unwrap()));
        set
    };
    let compiled =
        |listed: Listed| listed.iter().map(|(name, patterns)| (name.to_string(), closed(patterns))).collect();
    Ceilings {
        roles: roles.map(compiled),
        directory: false,
        clients: clients.map(compiled),
        acts_alone: alone.iter().map(ToString::to_string).collect(),
    }
}

pub(super) type Listed = &'static [(&'static str, &'static str)];
