//! The laws of the ceilings and of the decision, over random catalogues, formulas, ceilings and tokens.
//!
//! They are about scopes. A token that gains a *role* may lose something: a client that acts alone is excepted from the
//! roles' ceiling only as long as its token has no roles.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::decide::verdict;
use super::samples::entry;
use super::*;
use crate::scope::{Catalog, ScopeEntry, ScopeId, ScopeSet, Side, Uses};

/// Scopes by position.
type Ids = BTreeSet<u32>;

/// A policy and a token in the plainest form, so that a test can add scopes to any part of it.
#[derive(Clone, Debug)]
struct World {
    catalog: Catalog,
    entry: Entry,
    limits: Limits,
    token: Ids,
    token_roles: Vec<&'static str>,
    client: PresentedClient<'static>,
    alone: bool,
}

#[derive(Clone, Debug)]
struct Limits {
    roles_on: bool,
    clients_on: bool,
    acts_alone: bool,
    /// Of `r0` and `r1`; nobody knows an `r3`.
    roles: [Ids; 2],
    directory: Directory,
    /// Of `job` and of every client that is not listed.
    clients: [Ids; 2],
}

/// The role directory of a world.
#[derive(Clone, Debug, PartialEq)]
enum Directory {
    /// The policy has none.
    None,
    /// It was never read, or is too old.
    Unavailable,
    /// Of `r1`, which the policy file has too, and of `r2`, which it has not.
    Read([Ids; 2]),
}

impl World {
    fn ceilings(&self) -> Ceilings {
        let closed = |name: &str, ids: &Ids| (name.to_owned(), self.catalog.close(&set(ids)));
        let [r0, r1] = &self.limits.roles;
        let [job, others] = &self.limits.clients;
        Ceilings {
            directory: self.limits.directory != Directory::None,
            roles: self.limits.roles_on.then(|| [closed("r0", r0), closed("r1", r1)].into()),
            clients: self.limits.clients_on.then(|| [closed("job", job), closed("*", others)].into()),
            acts_alone: self.limits.acts_alone.then(|| "job".to_owned()).into_iter().collect(),
        }
    }

    fn standing(&self) -> Standing {
        self.standing_of(&self.catalog.text(&set(&self.token)))
    }

    /// The standing of the same bearer with another scope.
    fn standing_of(&self, scope: &str) -> Standing {
        let presented = Presented { scope, roles: self.token_roles.clone(), client: self.client, alone: self.alone };
        Standing::under(&self.catalog, &self.ceilings(), 0, self.directory().as_ref(), &presented)
    }

    fn directory(&self) -> Option<DirectoryRoles> {
        let Directory::Read([r1, r2]) = &self.limits.directory else { return None };
        let scopes = |ids: &Ids| ids.iter().map(|id| self.catalog.name(ScopeId(*id))).collect::<Vec<_>>();
        let text = serde_json::json!({"roles": {"r1": {"scopes": scopes(r1)}, "r2": {"scopes": scopes(r2)}}});
        let read = RoleDirectory::read(text.to_string().as_bytes()).unwrap();
        Some(DirectoryRoles::under(&read, &self.catalog, 0))
    }

    fn with_directory(&self, directory: Directory) -> Self {
        let mut other = self.clone();
        other.limits.directory = directory;
        other
    }

    fn verdict(&self) -> Result<Access, Denial> {
        verdict(&self.entry, &self.catalog, Some(&self.standing()))
    }

    fn with_ceilings(&self, roles: bool, clients: bool) -> Self {
        let mut other = self.clone();
        other.limits.roles_on &= roles;
        other.limits.clients_on &= clients;
        other
    }
}

fn set(ids: &Ids) -> ScopeSet {
    ids.iter().map(|id| ScopeId(*id)).collect()
}

const SIZE: u32 = 8;

fn ids() -> impl Strategy<Value = Ids> {
    prop::collection::btree_set(0..SIZE, 0..5)
}

/// Eight scopes: the first four of side user, each perhaps with its twin among the other four; a scope implies later
/// ones.
fn catalogs() -> impl Strategy<Value = Catalog> {
    let scopes = prop::collection::vec((prop::collection::vec(0..SIZE, 0..3), any::<bool>(), 0..8u8), SIZE as usize);
    scopes.prop_map(|scopes| {
        let name = |id: u32| if id < SIZE / 2 { format!("s{id}") } else { format!("admin.s{}", id - SIZE / 2) };
        let entries = (0u32..).zip(scopes).map(|(id, (implied, has_twin, uses))| {
            let implied: Vec<String> = implied.into_iter().filter(|other| *other > id).map(name).collect();
            let twin = (has_twin && id < SIZE / 2).then(|| name(id + SIZE / 2));
            let implied: Vec<&str> = implied.iter().map(String::as_str).collect();
            let uses = Uses { token: uses != 0, role: true };
            ScopeEntry { uses, ..entry(&name(id), &implied, twin.as_deref()) }
        });
        Catalog::build(entries.collect()).unwrap()
    })
}

/// Formulas over the scopes of `ids`; lists may be empty.
fn formulas(ids: std::ops::Range<u32>) -> impl Strategy<Value = Requirement> {
    ids.prop_map(|id| Requirement::Scope(ScopeId(id))).prop_recursive(3, 12, 3, |inner| {
        let children = prop::collection::vec(inner, 0..4);
        prop_oneof![children.clone().prop_map(Requirement::AnyOf), children.prop_map(Requirement::AllOf)]
    })
}

fn sides() -> impl Strategy<Value = Sides> {
    // Two positions beyond the catalogue's end: a decision is total.
    let side = || prop::option::of(formulas(0..SIZE + 2));
    (side(), side()).prop_map(|(user, admin)| Sides { user, admin })
}

fn worlds() -> impl Strategy<Value = World> {
    let entry =
        prop_oneof![1 => Just(Entry::Public), 2 => Just(Entry::Authenticated), 20 => sides().prop_map(Entry::Scoped)];
    let client = prop::sample::select(vec![
        PresentedClient::Named("job"),
        PresentedClient::Named("other"),
        PresentedClient::Named("*"),
        PresentedClient::Unnamed,
        PresentedClient::Unlimited,
    ]);
    let directory =
        prop_oneof![Just(Directory::None), Just(Directory::Unavailable), [ids(), ids()].prop_map(Directory::Read)];
    let limits = (any::<bool>(), any::<bool>(), any::<bool>(), [ids(), ids()], directory, [ids(), ids()]).prop_map(
        |(roles_on, clients_on, acts_alone, roles, directory, clients)| Limits {
            roles_on,
            clients_on,
            acts_alone,
            roles,
            directory,
            clients,
        },
    );
    let roles = prop::sample::subsequence(vec!["r0", "r1", "r2", "r3"], 0..=4);
    (catalogs(), entry, limits, ids(), roles, client, any::<bool>()).prop_map(
        |(catalog, entry, limits, token, token_roles, client, alone)| World {
            catalog,
            entry,
            limits,
            token,
            token_roles,
            client,
            alone,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn permitted_is_held_cut_by_the_ceilings(world in worlds()) {
        let (standing, catalog) = (world.standing(), &world.catalog);
        let no_roles = world.with_ceilings(false, true).standing();
        let no_ceiling = world.with_ceilings(false, false).standing();
        prop_assert!(standing.permitted().is_subset_of(standing.held()));
        prop_assert!(standing.permitted().is_subset_of(&standing.within_client()));
        prop_assert_eq!(&catalog.close(standing.permitted()), standing.permitted());
        prop_assert_eq!(no_ceiling.permitted(), standing.held());
        prop_assert_eq!(no_roles.permitted(), &standing.within_client());

        let excepted = world.limits.acts_alone && world.alone && world.token_roles.is_empty()
            && world.client == PresentedClient::Named("job");
        if world.limits.roles_on && !excepted {
            let of_roles = world.ceilings().of_roles(&world.token_roles, world.directory().as_ref()).unwrap();
            prop_assert!(standing.permitted().is_subset_of(&of_roles));
            prop_assert!(!world.token_roles.iter().all(|role| *role == "r3") || standing.permitted().is_empty());
        }
    }

    /// Read backwards it says that removing scopes never turns a deny into an allow. Where the directory is not there, a scope
    /// more may leave in doubt which side is meant: then nothing is decided.
    #[test]
    fn adding_scopes_never_turns_an_allow_into_a_deny(
        world in worlds(), token in ids(), roles in [ids(), ids()], listed in [ids(), ids()], clients in [ids(), ids()]
    ) {
        let mut richer = world.clone();
        richer.token.extend(token);
        richer.limits.roles.iter_mut().zip(roles).for_each(|(scopes, more)| scopes.extend(more));
        if let Directory::Read(roles) = &mut richer.limits.directory {
            roles.iter_mut().zip(listed).for_each(|(scopes, more)| scopes.extend(more));
        }
        richer.limits.clients.iter_mut().zip(clients).for_each(|(scopes, more)| scopes.extend(more));
        prop_assert!(world.standing().permitted().is_subset_of(richer.standing().permitted()));
        if world.verdict().is_ok() {
            let in_doubt = world.limits.directory == Directory::Unavailable
                && richer.verdict() == Err(Denial::RolesUnavailable);
            prop_assert!(richer.verdict().is_ok() || in_doubt, "{:?}", richer.verdict());
        }
    }

    #[test]
    fn a_ceiling_never_adds(world in worlds(), roles: bool, clients: bool) {
        if world.verdict().is_ok() {
            prop_assert!(world.with_ceilings(roles, clients).verdict().is_ok());
        }
    }

    /// Whatever the directory says of a role that the policy file has, that role permits what it does there.
    #[test]
    fn the_directory_changes_no_role_of_the_policy_file(world in worlds(), one in [ids(), ids()], other in ids()) {
        let [_, r2] = one.clone();
        let one = world.with_directory(Directory::Read(one));
        let other = world.with_directory(Directory::Read([other, r2]));
        let (one, other) = (one.standing(), other.standing());
        prop_assert_eq!(one.permitted(), other.permitted());
        if !world.token_roles.contains(&"r2") {
            let none = world.with_directory(Directory::None).standing();
            prop_assert_eq!(one.permitted(), none.permitted());
        }
    }

    /// What is decided without the directory is what would be decided with any; all else is refused until it is there.
    #[test]
    fn without_the_directory_nothing_is_decided_that_it_could_change(world in worlds(), listed in [ids(), ids()]) {
        let told = |world: &World| world.verdict().map_err(|denial| denial.reason());
        let without = world.with_directory(Directory::Unavailable);
        let with = world.with_directory(Directory::Read(listed));
        if told(&without) == Err(Reason::RolesUnavailable) {
            let all = (0..SIZE).collect::<Ids>();
            let nothing = world.with_directory(Directory::Read([Ids::new(), Ids::new()]));
            let everything = world.with_directory(Directory::Read([all.clone(), all]));
            let may_be_listed = world.token_roles.iter().any(|role| matches!(*role, "r2" | "r3"));
            prop_assert!(may_be_listed && world.limits.roles_on);
            prop_assert!(!world.token_roles.contains(&"r2") || told(&nothing) != told(&everything));
        } else {
            prop_assert_eq!(told(&without), told(&with));
        }
        prop_assert_ne!(told(&with), Err(Reason::RolesUnavailable));
    }

    #[test]
    fn a_refusal_names_the_first_limit_that_refuses(world in worlds()) {
        let allowed = |roles, clients| world.with_ceilings(roles, clients).verdict().is_ok();
        let expected = match (&world.entry, world.verdict()) {
            (_, Ok(_)) => return Ok(()),
            (Entry::Public, Err(_)) => None,
            (_, Err(_)) if !allowed(false, false) => Some(Reason::InsufficientScope),
            (_, Err(_)) if !allowed(false, true) => Some(Reason::ClientCeiling),
            (Entry::Authenticated, Err(_)) => None,
            (Entry::Scoped(_), Err(Denial::RolesUnavailable)) => {
                prop_assert!(world.standing().lacks_roles());
                Some(Reason::RolesUnavailable)
            }
            (Entry::Scoped(_), Err(_)) => Some(Reason::RoleCeiling),
        };
        prop_assert_eq!(world.verdict().err().map(|denial| denial.reason()), expected);
    }

    #[test]
    fn admin_is_granted_exactly_where_its_side_holds(world in worlds()) {
        if let Entry::Scoped(sides) = &world.entry {
            let standing = world.standing();
            let holds = |side: &Option<Requirement>| {
                side.as_ref().is_some_and(|side| side.is_satisfied(&|id| standing.permitted().contains(id)))
            };
            let verdict = world.verdict();
            if verdict == Err(Denial::RolesUnavailable) {
                return Ok(());
            }
            prop_assert_eq!(matches!(verdict, Ok(Access::Admin)), holds(&sides.admin));
            prop_assert_eq!(verdict.is_ok(), holds(&sides.user) || holds(&sides.admin));
        }
    }

    #[test]
    fn a_token_without_scopes_opens_no_side(mut world in worlds()) {
        world.token.clear();
        prop_assert!(!matches!(world.verdict(), Ok(Access::User | Access::Admin)));
    }

    /// Whoever asks for exactly what the challenge names, or for it besides what is held, comes in.
    #[test]
    fn a_challenge_names_a_set_that_opens_the_route(world in worlds()) {
        let Err(Denial::InsufficientScope { scope, missing }) = world.verdict() else { return Ok(()) };
        prop_assert_eq!(scope.is_some(), missing.is_some());
        let (Some(scope), Some(missing)) = (scope, missing) else { return Ok(()) };

        let both = format!("{scope} {}", world.catalog.text(&set(&world.token)));
        for asked in [&scope, &both] {
            prop_assert!(verdict(&world.entry, &world.catalog, Some(&world.standing_of(asked))).is_ok(), "{}", asked);
        }
        let held = world.standing().held().clone();
        let not_held = scope.split(' ').filter(|name| !world.catalog.id(name).is_some_and(|id| held.contains(id)));
        prop_assert_eq!(missing, not_held.collect::<Vec<_>>().join(" "));
    }

    #[test]
    fn a_request_without_a_token_is_told_a_set_that_opens_the_route(world in worlds()) {
        let open = world.with_ceilings(false, false);
        match verdict(&open.entry, &open.catalog, None) {
            Ok(access) => prop_assert_eq!((access, &open.entry), (Access::Public, &Entry::Public)),
            Err(Denial::NoToken { scope: None }) => {}
            Err(Denial::NoToken { scope: Some(scope) }) => {
                prop_assert!(verdict(&open.entry, &open.catalog, Some(&open.standing_of(&scope))).is_ok());
            }
            Err(denial) => prop_assert!(false, "{denial:?}"),
        }
    }

    #[test]
    fn order_repetition_and_strangers_in_a_scope_mean_nothing(world in worlds()) {
        let scope = world.catalog.text(&set(&world.token));
        let backwards: Vec<&str> = scope.rsplit(' ').collect();
        let other = world.standing_of(&format!(" openid {}  {scope} S0", backwards.join("  ")));
        let standing = world.standing();
        prop_assert_eq!((other.held(), other.permitted()), (standing.held(), standing.permitted()));
    }

    #[test]
    fn expanding_keeps_the_formula_and_moves_it_to_the_twins(
        catalog in catalogs(), bare in formulas(0..SIZE), held in ids()
    ) {
        let of_side = |side| bare.scopes().iter().any(|id| catalog.side(id) == side);
        let (user, admin) = (of_side(Side::User), of_side(Side::Admin));
        let Ok(sides) = Sides::expand(bare.clone(), &catalog) else { prop_assert!(user && admin); return Ok(()) };
        prop_assert!(!(user && admin));
        if admin {
            prop_assert_eq!(&sides, &Sides { user: None, admin: Some(bare) });
            return Ok(());
        }
        prop_assert_eq!(sides.user.as_ref(), Some(&bare));
        prop_assert_eq!(sides.admin.is_some(), user && bare.scopes().iter().all(|id| catalog.twin(id).is_some()));
        if let Some(twins) = sides.admin {
            let held = set(&held);
            let held_twins: ScopeSet = held.iter().filter_map(|id| catalog.twin(id)).collect();
            let by_twins = twins.is_satisfied(&|id| held_twins.contains(id));
            prop_assert_eq!(by_twins, bare.is_satisfied(&|id| held.contains(id)));
            prop_assert!(twins.scopes().iter().all(|id| catalog.side(id) == Side::Admin));
        }
    }
}
