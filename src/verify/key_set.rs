//! The usable keys of one issuer, and which of them may have signed a token.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use crate::token::{Algorithm, KeyId, KeyIdentity, VerificationKey};

/// So many keys are tried for one token at most.
const MOST_TRIED: usize = 4;

/// Keys that may have signed one token.
pub(super) type Candidates = SmallVec<[Arc<VerificationKey>; MOST_TRIED]>;

/// A key set in force; another one has another generation.
#[derive(Debug)]
pub(super) struct KeySet {
    /// In the order of the issuer's set.
    keys: Vec<Arc<VerificationKey>>,
    named: HashMap<Box<str>, Vec<Arc<VerificationKey>>>,
    generation: u64,
}

/// What a key set has for a token.
#[derive(Debug)]
pub(super) enum Selection {
    /// One to four keys, any of which may have signed.
    Candidates(Candidates),
    /// The token names a key that the set lacks; a newer set may have it.
    UnknownName,
    /// No key fits, and a newer set is not asked for.
    None,
}

impl KeySet {
    pub(super) fn new(keys: Vec<VerificationKey>) -> Self {
        let keys: Vec<_> = keys.into_iter().map(Arc::new).collect();
        let mut named: HashMap<Box<str>, Vec<_>> = HashMap::new();
        for key in &keys {
            if let Some(id) = key.id() {
                named.entry(id.into()).or_default().push(key.clone());
            }
        }
        Self { keys, named, generation: next_generation() }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Differs from that of every other set in this process.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Tells whether the set has this very key.
    pub(super) fn holds(&self, key: KeyIdentity) -> bool {
        self.keys.iter().any(|other| other.identity() == key)
    }

    /// Picks the keys that may have signed a token, by `kid` and algorithm.
    pub(super) fn select(&self, algorithm: Algorithm, key_id: &KeyId) -> Selection {
        let (keys, missing) = match key_id {
            KeyId::Named(id) => match self.named.get(id) {
                Some(keys) => (keys.as_slice(), Selection::None),
                None => return Selection::UnknownName,
            },
            KeyId::Absent => (self.keys.as_slice(), Selection::None),
            KeyId::Malformed => return Selection::None,
        };
        let fitting = keys.iter().filter(|key| key.fits(algorithm, key_id));
        let candidates: Candidates = fitting.take(MOST_TRIED).cloned().collect();
        if candidates.is_empty() { missing } else { Selection::Candidates(candidates) }
    }
}

/// Counts issuers and key sets of the process, so that what is remembered under one is never taken for another's.
pub(super) fn next_generation() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::token::testing::{Signer, absent, read_key};

    fn picked(set: &KeySet, algorithm: Algorithm, key_id: &KeyId) -> Result<usize, &'static str> {
        match set.select(algorithm, key_id) {
            Selection::Candidates(keys) => Ok(keys.len()),
            Selection::UnknownName => Err("unknown name"),
            Selection::None => Err("none"),
        }
    }

    #[test]
    fn keys_are_picked_by_name_and_algorithm() {
        let twins = [Signer::new(Algorithm::Es256, "twin"), Signer::new(Algorithm::Es384, "twin")];
        let set = KeySet::new(vec![twins[0].key(), Signer::new(Algorithm::EdDsa, "ed").key(), twins[1].key()]);
        let named = |id: &str| KeyId::Named(id.into());
        for (algorithm, key_id, expected) in [
            (Algorithm::Es256, named("twin"), Ok(1)),
            (Algorithm::Es384, named("twin"), Ok(1)),
            (Algorithm::EdDsa, named("ed"), Ok(1)),
            (Algorithm::EdDsa, KeyId::Absent, Ok(1)),
            (Algorithm::Rs256, named("twin"), Err("none")),
            (Algorithm::Rs256, KeyId::Absent, Err("none")),
            (Algorithm::Es256, KeyId::Malformed, Err("none")),
            (Algorithm::Es256, named("other"), Err("unknown name")),
            (Algorithm::Es256, named(""), Err("unknown name")),
        ] {
            assert_eq!(picked(&set, algorithm, &key_id), expected, "{algorithm} {key_id:?}");
        }
    }

    #[test]
    fn at_most_four_keys_are_tried_however_many_fit() {
        let nameless = |_| read_key(&Signer::es256().jwk_with(&[("kid", absent())])).unwrap();
        let same_name = |_| read_key(&Signer::es256().jwk_with(&[("kid", json!("k"))])).unwrap();
        assert_eq!(picked(&KeySet::new((0..3).map(nameless).collect()), Algorithm::Es256, &KeyId::Absent), Ok(3));
        assert_eq!(picked(&KeySet::new((0..9).map(nameless).collect()), Algorithm::Es256, &KeyId::Absent), Ok(4));
        let set = KeySet::new((0..9).map(same_name).collect());
        assert_eq!(picked(&set, Algorithm::Es256, &KeyId::Named("k".into())), Ok(4));
    }

    #[test]
    fn a_set_holds_its_own_keys_only() {
        let (ours, other) = (Signer::es256(), Signer::es256());
        let set = KeySet::new(vec![ours.key()]);
        assert!(set.holds(ours.key().identity()) && !set.holds(other.key().identity()));
        assert_ne!(set.generation(), KeySet::new(vec![ours.key()]).generation());
    }
}
