//! Names of keys that an issuer was asked for and did not have.

use std::collections::VecDeque;
use std::time::Duration;

/// So many names are kept at most; the oldest gives way.
const MOST: usize = 128;

/// What a worker knows not to exist: for a while it is not asked for again.
///
/// Without it, one client with an old token would cause a fetch at the end of each cooldown. It forgets soon, so that nobody
/// can keep an issuer's next key unknown by naming it before it is published.
#[derive(Debug, Default)]
pub(super) struct UnknownKeys {
    /// In the order in which they are forgotten, or nearly so.
    names: VecDeque<UnknownKey>,
}

#[derive(Debug)]
struct UnknownKey {
    issuer: u64,
    name: Box<str>,
    until: Duration,
}

impl UnknownKeys {
    /// Tells whether the issuer of this generation was found not to have the key, not long before `now`.
    pub(super) fn contains(&self, issuer: u64, name: &str, now: Duration) -> bool {
        self.names.iter().any(|key| key.issuer == issuer && *key.name == *name && key.until > now)
    }

    /// Notes that the issuer does not have the key, until a time; names of more than 256 bytes are not worth the room.
    pub(super) fn insert(&mut self, issuer: u64, name: &str, now: Duration, until: Duration) {
        while self.names.front().is_some_and(|oldest| oldest.until <= now || self.names.len() >= MOST) {
            self.names.pop_front();
        }
        if name.len() <= 256 {
            self.names.push_back(UnknownKey { issuer, name: name.into(), until });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);
    const LATER: Duration = Duration::from_secs(160);

    #[test]
    fn a_name_is_known_to_be_unknown_for_its_issuer_and_its_time() {
        let mut names = UnknownKeys::default();
        names.insert(1, "a", NOW, LATER);
        assert!(names.contains(1, "a", NOW));
        assert!(!names.contains(2, "a", NOW));
        assert!(!names.contains(1, "b", NOW));
        assert!(!names.contains(1, "a", LATER));
    }

    #[test]
    fn a_flood_of_names_takes_bounded_room() {
        let mut names = UnknownKeys::default();
        for number in 0..10_000 {
            names.insert(1, &number.to_string(), NOW, LATER);
        }
        names.insert(1, &"x".repeat(10_000), NOW, LATER);
        assert!(names.names.len() <= MOST && names.names.iter().all(|key| key.name.len() <= 256));
        assert!(names.contains(1, "9999", NOW) && !names.contains(1, "0", NOW));
    }

    #[test]
    fn what_is_over_is_forgotten_first() {
        let mut names = UnknownKeys::default();
        names.insert(1, "a", NOW, LATER);
        names.insert(1, "b", LATER, LATER * 2);
        assert_eq!(names.names.len(), 1);
    }
}
