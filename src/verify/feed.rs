//! What one issuer has revoked, as all workers see it.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::refusal::Refusal;
use crate::token::{Outage, RevocationEntry, Revocations, TokenFault, VerifiedToken};

/// An issuer's revocations in force.
///
/// Reading them takes no lock, and a token that was found not to be named is looked up again only after more has been revoked.
/// Only the task that reads the feed changes them.
#[derive(Debug)]
pub(super) struct Feed {
    max_stale: Duration,
    serves_stale: bool,
    revocations: ArcSwap<Revocations>,
    /// Counts the times that more was revoked, from 1.
    generation: AtomicU64,
    /// Milliseconds since the Unix epoch at which the latest whole reading began; 0 before any.
    confirmed: AtomicU64,
}

impl Feed {
    /// `serves_stale` says whether tokens are served on where the latest reading began more than `max_stale` ago. What is
    /// `known` is in force before the first reading: a token that was revoked stays so, whatever a reload changes.
    pub(super) fn new(max_stale: Duration, serves_stale: bool, known: Option<Arc<Revocations>>) -> Self {
        Self {
            max_stale,
            serves_stale,
            revocations: ArcSwap::new(known.unwrap_or_default()),
            generation: AtomicU64::new(1),
            confirmed: AtomicU64::new(0),
        }
    }

    /// Lets a verified token pass, or not. `seen` belongs to the token: the generation in which it was last found not to be named.
    ///
    /// # Errors
    ///
    /// [`TokenFault::Revoked`] for a token that an entry names, [`Outage::Revocations`] where nobody can know.
    pub(super) fn admit(&self, token: &VerifiedToken, seen: &Cell<u64>, now: Duration) -> Result<(), Refusal> {
        // INVARIANT: in the opposite order of the stores, so that a fresh reading is never taken with entries that are older.
        let is_usable = self.serves_stale || self.is_fresh(now);
        let generation = self.generation.load(Ordering::Acquire);
        if seen.get() != generation {
            if self.revocations.load().name(token) {
                return Err(TokenFault::Revoked.into());
            }
            seen.set(generation);
        }
        if is_usable { Ok(()) } else { Err(Outage::Revocations.into()) }
    }

    /// Puts more entries in force, at once for every worker; false, and nothing has changed, if there are too many.
    pub(super) fn add(&self, entries: &[RevocationEntry], now: Duration, leeway: Duration) -> bool {
        let Some(all) = self.revocations.load().with(entries, now, leeway) else { return false };
        self.revocations.store(all.into());
        if !entries.is_empty() {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        true
    }

    /// Notes that a whole reading, which began at `began`, is in force.
    pub(super) fn confirm(&self, began: Duration) {
        let millis = u64::try_from(began.as_millis()).unwrap_or(u64::MAX);
        self.confirmed.store(millis.max(1), Ordering::Release);
    }

    /// How long ago the latest whole reading began; `None` if there never was one.
    pub(super) fn age(&self, now: Duration) -> Option<Duration> {
        match self.confirmed.load(Ordering::Acquire) {
            0 => None,
            // A clock that was set back makes nothing fresh for longer than twice the time allowed.
            confirmed => Some(now.abs_diff(Duration::from_millis(confirmed))),
        }
    }

    pub(super) fn is_fresh(&self, now: Duration) -> bool {
        self.age(now).is_some_and(|age| age <= self.max_stale)
    }

    /// Whether tokens are served on without a fresh reading.
    pub(super) fn serves_stale(&self) -> bool {
        self.serves_stale
    }

    /// What is revoked.
    pub(super) fn revocations(&self) -> Arc<Revocations> {
        self.revocations.load_full()
    }

    pub(super) fn len(&self) -> usize {
        self.revocations.load().len()
    }
}
