//! Sets of scopes as bits.

use std::iter;

use smallvec::SmallVec;

/// Position of a scope in its catalogue, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId(pub(crate) u32);

impl ScopeId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }

    fn word(self) -> usize {
        self.index() / BITS
    }

    fn bit(self) -> u64 {
        1 << (self.index() % BITS)
    }
}

/// A set of scopes of one catalogue, as bits over their positions.
///
/// Up to 256 scopes it needs no heap. Equality and hash are those of the set: they do not depend on how it came about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ScopeSet {
    // INVARIANT: the last word is not zero, so that equal sets have equal words.
    words: SmallVec<[u64; 4]>,
}

const BITS: usize = u64::BITS as usize;

impl ScopeSet {
    /// Says whether the scope is in the set.
    pub fn contains(&self, id: ScopeId) -> bool {
        self.words.get(id.word()).is_some_and(|word| word & id.bit() != 0)
    }

    /// Adds a scope; true if it was not there.
    pub fn insert(&mut self, id: ScopeId) -> bool {
        if self.words.len() <= id.word() {
            self.words.resize(id.word() + 1, 0);
        }
        let Some(word) = self.words.get_mut(id.word()) else { return false };
        let is_new = *word & id.bit() == 0;
        *word |= id.bit();
        is_new
    }

    /// Adds every scope of `other`.
    pub fn union_with(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }

    /// Keeps the scopes that are in `other` too.
    pub fn intersect_with(&mut self, other: &Self) {
        self.words.truncate(other.words.len());
        for (word, kept) in self.words.iter_mut().zip(&other.words) {
            *word &= kept;
        }
        self.trim();
    }

    /// Returns the scopes that are in this set and not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let taken = other.words.iter().copied().chain(iter::repeat(0));
        let mut rest = Self { words: self.words.iter().zip(taken).map(|(word, gone)| word & !gone).collect() };
        rest.trim();
        rest
    }

    /// Says whether every scope of this set is in `other`.
    pub fn is_subset_of(&self, other: &Self) -> bool {
        let others = other.words.iter().copied().chain(iter::repeat(0));
        self.words.iter().zip(others).all(|(word, other)| word & !other == 0)
    }

    /// Says whether there is no scope in the set.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Counts the scopes of the set.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Names the scopes of the set in the order of the catalogue.
    pub fn iter(&self) -> impl Iterator<Item = ScopeId> + '_ {
        (0u32..)
            .step_by(BITS)
            .zip(&self.words)
            .flat_map(|(first, &word)| bits(word).map(move |bit| ScopeId(first + bit)))
    }

    fn trim(&mut self) {
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }
}

impl FromIterator<ScopeId> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = ScopeId>>(ids: I) -> Self {
        let mut set = Self::default();
        set.extend(ids);
        set
    }
}

impl Extend<ScopeId> for ScopeSet {
    fn extend<I: IntoIterator<Item = ScopeId>>(&mut self, ids: I) {
        for id in ids {
            self.insert(id);
        }
    }
}

/// The positions of the bits of `word`, lowest first.
fn bits(word: u64) -> impl Iterator<Item = u32> {
    let lowest_cleared = |word: &u64| Some(word & (word - 1)).filter(|rest| *rest != 0);
    iter::successors(Some(word).filter(|word| *word != 0), lowest_cleared).map(u64::trailing_zeros)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::hash::{BuildHasher, RandomState};

    use proptest::prelude::*;

    use super::*;

    fn set_of(ids: &BTreeSet<u32>) -> ScopeSet {
        ids.iter().map(|id| ScopeId(*id)).collect()
    }

    fn ids_of(set: &ScopeSet) -> BTreeSet<u32> {
        set.iter().map(|id| id.0).collect()
    }

    /// Positions on both sides of a word and of the inline limit.
    fn ids() -> impl Strategy<Value = BTreeSet<u32>> {
        prop::collection::btree_set(prop_oneof![0u32..8, 60u32..68, 250u32..260, 0u32..700], 0..12)
    }

    #[test]
    fn two_hundred_and_fifty_six_scopes_need_no_heap() {
        let mut set: ScopeSet = (0..256).map(ScopeId).collect();
        assert!(!set.words.spilled());
        assert_eq!(set.len(), 256);
        set.insert(ScopeId(256));
        assert!(set.words.spilled());
        assert_eq!(set.iter().last(), Some(ScopeId(256)));
    }

    #[test]
    fn insert_says_whether_the_scope_is_new() {
        let mut set = ScopeSet::default();
        assert!(set.is_empty());
        assert!(set.insert(ScopeId(70)));
        assert!(!set.insert(ScopeId(70)));
        assert!(!set.is_empty() && set.len() == 1);
    }

    proptest! {
        #[test]
        fn behaves_as_a_set(a in ids(), b in ids()) {
            let (left, right) = (set_of(&a), set_of(&b));
            let (mut union, mut both) = (left.clone(), left.clone());
            union.union_with(&right);
            both.intersect_with(&right);

            prop_assert_eq!(ids_of(&union), &a | &b);
            prop_assert_eq!(ids_of(&both), &a & &b);
            prop_assert_eq!(ids_of(&left.without(&right)), &a - &b);
            prop_assert_eq!(left.is_subset_of(&right), a.is_subset(&b));
            prop_assert_eq!((left.len(), left.is_empty()), (a.len(), a.is_empty()));
            for id in 0..720 {
                prop_assert_eq!(left.contains(ScopeId(id)), a.contains(&id));
            }
        }

        #[test]
        fn equality_and_hash_forget_how_a_set_came_about(a in ids(), b in ids()) {
            let (direct, mut detour) = (set_of(&(&a & &b)), set_of(&a));
            detour.intersect_with(&set_of(&b));
            let by_difference = set_of(&a).without(&set_of(&(&a - &b)));
            let hasher = RandomState::new();
            for other in [&detour, &by_difference] {
                prop_assert_eq!(&direct, other);
                prop_assert_eq!(hasher.hash_one(&direct), hasher.hash_one(other));
            }
            prop_assert_eq!(set_of(&a) == set_of(&b), a == b);
        }

        #[test]
        fn iterates_in_ascending_order(a in ids()) {
            let listed: Vec<u32> = set_of(&a).iter().map(|id| id.0).collect();
            prop_assert_eq!(listed, a.into_iter().collect::<Vec<_>>());
        }
    }
}
