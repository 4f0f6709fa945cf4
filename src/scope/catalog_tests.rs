//! The catalogue: names, sides, twins, what is held.

use proptest::prelude::*;

use super::*;

fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

fn entry(name: &str, implies: &[&str]) -> ScopeEntry {
    ScopeEntry {
        name: scope(name),
        describe: String::new(),
        implies: implies.iter().map(|name| scope(name)).collect(),
        twin: None,
        side: None,
        uses: Uses { token: true, role: true },
    }
}

fn with_twin(entry: ScopeEntry, twin: &str) -> ScopeEntry {
    ScopeEntry { twin: Some(scope(twin)), ..entry }
}

/// The catalogue of a small product: sides by name, one scope that only roles hold.
fn product() -> Catalog {
    let role_only = ScopeEntry { uses: Uses { token: false, role: true }, ..entry("api-keys", &[]) };
    Catalog::build(vec![
        with_twin(entry("automations", &["automations:read"]), "admin.automations"),
        with_twin(entry("automations:read", &[]), "admin.automations:read"),
        entry("admin.automations", &["admin.automations:read"]),
        entry("admin.automations:read", &[]),
        entry("apps", &["apps:read", "apps:export"]),
        entry("apps:read", &[]),
        entry("apps:export", &[]),
        entry("apps:manage", &[]),
        role_only,
    ])
    .unwrap()
}

fn held(catalog: &Catalog, scope: &str) -> String {
    catalog.text(&catalog.held(scope.split(' ')))
}

#[test]
fn a_token_holds_what_is_known_and_for_tokens_and_what_that_implies() {
    let catalog = product();
    let cases = [
        ("nothing", "", ""),
        ("a name", "apps:read", "apps:read"),
        ("a parent contains its children", "automations", "automations automations:read"),
        ("a child never its parent", "automations:read", "automations:read"),
        ("a name that looks like a child is none", "apps", "apps apps:read apps:export"),
        (
            "an admin scope does not imply its user twin",
            "admin.automations",
            "admin.automations admin.automations:read",
        ),
        ("unknown names are ignored", "openid apps:read offline_access", "apps:read"),
        (
            "empty pieces, duplicates and order mean nothing",
            "  apps:read automations:read  apps:read",
            "automations:read apps:read",
        ),
        ("case matters", "Apps APPS:READ", ""),
        ("a comma is a character", "apps:read,apps:export", ""),
        ("no token carries what is for roles", "api-keys apps:read", "apps:read"),
        ("a pattern in a token is a name", "* apps*", ""),
    ];
    for (name, scope, expected) in cases {
        assert_eq!(held(&catalog, scope), expected, "{name}");
    }
}

#[test]
fn a_pattern_is_a_name_or_a_beginning() {
    let catalog = product();
    let everything = catalog.text(&catalog.ids().collect());
    let cases = [
        ("apps", Some("apps apps:read apps:export")),
        ("apps:*", Some("apps:read apps:export apps:manage")),
        ("apps:read*", Some("apps:read")),
        ("admin.*", Some("admin.automations admin.automations:read")),
        ("auto*", Some("automations automations:read")),
        ("*", Some(everything.as_str())),
        ("api-keys", Some("api-keys")),
        ("nothing", None),
        ("nothing*", None),
        ("a*s", None),
        ("**", None),
        ("", None),
    ];
    for (pattern, expected) in cases {
        assert_eq!(catalog.matching(pattern).map(|set| catalog.text(&set)).as_deref(), expected, "{pattern}");
    }
    assert_eq!(Catalog::default().matching("*"), None);
}

#[test]
fn the_side_is_the_written_one_or_that_of_the_name() {
    let vendor = ScopeEntry { side: Some(Side::Admin), ..entry("users.all", &[]) };
    let odd = ScopeEntry { side: Some(Side::User), ..entry("admin.profile", &[]) };
    let catalog = Catalog::build(vec![vendor, odd, entry("admin.users", &[]), entry("administer", &[])]).unwrap();
    let sides: Vec<Side> = catalog.ids().map(|id| catalog.side(id)).collect();
    assert_eq!(sides, [Side::Admin, Side::User, Side::Admin, Side::User]);
}

#[test]
fn twins_are_found_by_name() {
    let catalog = product();
    let twin = |name| catalog.twin(catalog.id(name).unwrap()).map(|id| catalog.name(id));
    assert_eq!(twin("automations"), Some("admin.automations"));
    assert_eq!(twin("admin.automations"), None);
    assert_eq!(twin("apps"), None);
}

#[test]
fn every_fault_is_reported_at_once() {
    let faults = Catalog::build(vec![
        entry("a", &["b", "nowhere"]),
        entry("b", &["c"]),
        with_twin(entry("c", &["a"]), "admin.c"),
        with_twin(entry("d", &["d"]), "a"),
    ])
    .unwrap_err();
    let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "scope `a` implies `nowhere`, which is not in the catalogue",
            "scope `c` names the twin `admin.c`, which is not in the catalogue",
            "scope `d` names the twin `a`, which is not of side admin",
            "scopes imply each other in a circle: a → b → c → a",
            "scopes imply each other in a circle: d → d",
        ]
    );
    assert!(matches!(&faults[3], CatalogFault::Cycle { entry: 0, .. }));
    assert!(matches!(&faults[4], CatalogFault::Cycle { entry: 3, .. }));
}

#[test]
fn a_position_of_a_larger_catalogue_is_no_scope() {
    let (catalog, beyond) = (product(), ScopeId(400));
    assert_eq!(catalog.name(beyond), "");
    assert!(catalog.closure(beyond).is_empty());
    assert_eq!((catalog.twin(beyond), catalog.side(beyond)), (None, Side::User));
    assert!(!catalog.entry(beyond).uses.token && !catalog.entry(beyond).uses.role);
}

/// A catalogue of `size` scopes in which only a later scope may be implied, and a set over it.
fn catalog_and_sets() -> impl Strategy<Value = (Catalog, ScopeSet, ScopeSet)> {
    (2u32..12).prop_flat_map(|size| {
        let implied = prop::collection::vec(prop::collection::vec(0..size, 0..3), size as usize);
        let set = || prop::collection::vec(0..size, 0..6).prop_map(|ids| ids.into_iter().map(ScopeId).collect());
        (implied, set(), set()).prop_map(|(implied, one, two)| {
            let named = |id: &u32| format!("s{id}");
            let entries = (0u32..).zip(&implied).map(|(id, later)| {
                let later: Vec<String> = later.iter().filter(|other| **other > id).map(named).collect();
                entry(&named(&id), &later.iter().map(String::as_str).collect::<Vec<_>>())
            });
            (Catalog::build(entries.collect()).unwrap(), one, two)
        })
    })
}

proptest! {
    #[test]
    fn closing_is_a_closure((catalog, one, two) in catalog_and_sets()) {
        let (closed_one, closed_two) = (catalog.close(&one), catalog.close(&two));
        prop_assert!(one.is_subset_of(&closed_one));
        prop_assert_eq!(&catalog.close(&closed_one), &closed_one);

        let mut union = one;
        union.union_with(&two);
        let closed_union = catalog.close(&union);
        prop_assert!(closed_one.is_subset_of(&closed_union));
        // What two sets imply together is what each implies: there is no rule that needs both.
        let mut union_of_closed = closed_one;
        union_of_closed.union_with(&closed_two);
        prop_assert_eq!(closed_union, union_of_closed);
    }

    #[test]
    fn text_reads_back((catalog, one, _) in catalog_and_sets()) {
        let closed = catalog.close(&one);
        prop_assert_eq!(catalog.held(catalog.text(&closed).split(' ')), closed);
    }

    #[test]
    fn held_takes_any_text(text in ".{0,40}") {
        let catalog = product();
        prop_assert!(catalog.held(text.split(' ')).len() <= catalog.len());
    }
}
