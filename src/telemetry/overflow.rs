//! Refusals that the writer had no room for: their number by reason.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::policy::Reason;

/// How many refusals of each reason are still to be told.
#[derive(Debug)]
pub(super) struct Overflow {
    counts: [AtomicU64; Reason::ALL.len()],
}

impl Default for Overflow {
    fn default() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; Reason::ALL.len()] }
    }
}

impl Overflow {
    /// Counts one refusal.
    pub(super) fn add(&self, reason: Reason) {
        for (known, count) in Reason::ALL.iter().zip(&self.counts) {
            if *known == reason {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Hands out what has been counted since the last call.
    pub(super) fn take(&self) -> impl Iterator<Item = (Reason, u64)> {
        let counts = Reason::ALL.iter().zip(&self.counts);
        counts.map(|(reason, count)| (*reason, count.swap(0, Ordering::Relaxed))).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_by_itself_and_told_once() {
        let overflow = Overflow::default();
        for reason in [Reason::NoRoute, Reason::Internal, Reason::NoRoute] {
            overflow.add(reason);
        }
        let mut told: Vec<_> = overflow.take().collect();
        told.sort_unstable();
        assert_eq!(told, [(Reason::NoRoute, 2), (Reason::Internal, 1)]);
        assert_eq!(overflow.take().count(), 0);
    }
}
