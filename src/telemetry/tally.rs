//! Counters by a small number that is not known beforehand, without a lock.

use std::num::NonZeroU16;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

/// How many different keys a link of the chain holds: most methods of most routes are answered with fewer statuses.
const WIDTH: usize = 4;

/// Counts by key; a key costs memory from its first use on.
///
/// The keys of one tally come from a closed list (statuses and sources, reasons), so the chain has an end.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// 0 is a place nobody has taken yet. INVARIANT: a place once taken keeps its key.
    keys: [AtomicU16; WIDTH],
    counts: [AtomicU64; WIDTH],
    next: OnceLock<Box<Tally>>,
}

impl Tally {
    /// Adds one to the count of `key`.
    pub(super) fn add(&self, key: NonZeroU16) {
        let mut link = self;
        while !link.add_here(key.get()) {
            link = link.next.get_or_init(Box::default);
        }
    }

    /// Every key used so far with its count.
    pub(super) fn counts(&self) -> Vec<(u16, u64)> {
        let mut found = Vec::new();
        let mut link = Some(self);
        while let Some(tally) = link {
            let pairs = tally.keys.iter().zip(&tally.counts);
            found.extend(pairs.map(|(key, count)| (key.load(Ordering::Relaxed), count.load(Ordering::Relaxed))));
            link = tally.next.get().map(|next| &**next);
        }
        // A place is taken a moment before its first count: such a one says nothing yet.
        found.retain(|&(key, count)| key != 0 && count != 0);
        found
    }

    /// Counts in this link if the key has a place here or can take one.
    fn add_here(&self, key: u16) -> bool {
        for (place, count) in self.keys.iter().zip(&self.counts) {
            let mut taken = place.load(Ordering::Relaxed);
            if taken == 0 {
                taken = match place.compare_exchange(0, key, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => key,
                    Err(other) => other,
                };
            }
            if taken == key {
                count.fetch_add(1, Ordering::Relaxed);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn counts_more_keys_than_one_link_holds() {
        let tally = Tally::default();
        for round in 1..=20_u16 {
            for key in 1..=round {
                tally.add(NonZeroU16::new(key).unwrap());
            }
        }
        let mut counts = tally.counts();
        counts.sort_unstable();
        assert_eq!(counts, (1..=20).map(|key| (key, u64::from(21 - key))).collect::<Vec<_>>());
    }

    #[test]
    fn threads_that_race_for_places_lose_no_count_and_make_no_key_twice() {
        let tally = Arc::new(Tally::default());
        let threads: Vec<_> = (0..4_u16)
            .map(|thread| {
                let tally = Arc::clone(&tally);
                std::thread::spawn(move || {
                    for turn in 0..10_000_u16 {
                        tally.add(NonZeroU16::new(1 + (turn + thread) % 13).unwrap());
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let counts = tally.counts();
        let mut keys: Vec<u16> = counts.iter().map(|&(key, _)| key).collect();
        keys.sort_unstable();
        assert_eq!(keys, (1..=13).collect::<Vec<_>>());
        assert_eq!(counts.iter().map(|&(_, count)| count).sum::<u64>(), 40_000);
    }
}
