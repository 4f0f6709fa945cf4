//! The set of scopes that a challenge names.

use super::{Requirement, Sides, Standing};
use crate::scope::{Catalog, ScopeId, ScopeSet};

/// One set of scopes that would open an entry, whole, and the part of it that is not held.
///
/// It names the scopes that the requirement names, those too that are held through a parent: a client that asked only
/// for what is missing would lose the rest (RFC 6750 §3: what is required).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChallengeSet {
    /// The whole set.
    pub(super) scope: String,
    /// Its part that is not held.
    pub(super) missing: String,
}

/// Bytes of the longest set that a challenge names.
const LONGEST: usize = 1024;

impl ChallengeSet {
    /// Chooses the set for a token with this standing; without one, for a token that nothing limits.
    ///
    /// Of the user side if there is one, else of the admin side. Of `any_of`, the child that adds fewest scopes to
    /// those held, and of equal ones the first; of `all_of`, all of them. Only scopes count that a token can carry
    /// and that the ceilings permit. `None` if no such set opens that side, or if it is longer than 1 KiB.
    pub(super) fn choose(sides: &Sides, catalog: &Catalog, standing: Option<&Standing>) -> Option<Self> {
        let (_, side) = sides.each().next()?;
        let nothing = ScopeSet::default();
        let held = standing.map_or(&nothing, Standing::held);
        let is_open = |id| catalog.entry(id).uses.token && standing.is_none_or(|standing| standing.ceilings_permit(id));
        let set = fewest(side, held, &is_open)?;
        let scope = catalog.text(&set);
        (scope.len() <= LONGEST).then(|| Self { scope, missing: catalog.text(&set.without(held)) })
    }
}

fn fewest(requirement: &Requirement, held: &ScopeSet, is_open: &impl Fn(ScopeId) -> bool) -> Option<ScopeSet> {
    match requirement {
        Requirement::Scope(id) => is_open(*id).then(|| ScopeSet::from_iter([*id])),
        Requirement::AnyOf(any) => {
            let choices = any.iter().filter_map(|child| fewest(child, held, is_open));
            // The first of equal minima.
            choices.min_by_key(|set| set.without(held).len())
        }
        Requirement::AllOf(all) => {
            let mut union = ScopeSet::default();
            for child in all {
                union.union_with(&fewest(child, held, is_open)?);
            }
            Some(union).filter(|set| !set.is_empty())
        }
    }
}
