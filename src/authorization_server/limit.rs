//! One rate limit over many keys, in bounded memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{Quota, RateLimiter};

/// Keys that are remembered each by itself; those that come beyond it share quotas.
const MOST_KEYS: usize = 100_000;
/// Quotas that the keys beyond share.
const SHARED: u64 = 1_024;
/// How many attempts pass between two times that a full memory is rid of keys that have their whole quota again.
const SWEEP_EVERY: usize = 1_000;

/// How often each key may come. A flood of made-up keys takes a few megabytes and no more: beyond them keys share quotas, so that
/// the limit then holds sooner, never later than twice.
pub(super) struct Limit<C: Clock = DefaultClock> {
    limiter: RateLimiter<Try, Counts, C, NoOpMiddleware<C::Instant>>,
    since_sweep: AtomicUsize,
}

impl Limit {
    /// Makes a limit that tells its time by a clock which only goes forward.
    pub(super) fn new(quota: Quota) -> Self {
        Self::with_clock(quota, DefaultClock::default())
    }
}

impl<C: Clock> Limit<C> {
    fn with_clock(quota: Quota, clock: C) -> Self {
        let limiter = RateLimiter::new(quota, Counts::default(), clock);
        Self { limiter, since_sweep: AtomicUsize::new(0) }
    }

    /// Counts one more of `key`.
    ///
    /// # Errors
    ///
    /// How long to wait when it has come too often; this time does not count then.
    pub(super) fn count(&self, key: u64) -> Result<(), Duration> {
        self.sweep();
        self.check(&Try { key, counts: true })
    }

    /// Asks whether one more of `key` would be let through; counts nothing.
    ///
    /// # Errors
    ///
    /// How long to wait.
    pub(super) fn look(&self, key: u64) -> Result<(), Duration> {
        self.check(&Try { key, counts: false })
    }

    fn check(&self, attempt: &Try) -> Result<(), Duration> {
        self.limiter.check_key(attempt).map_err(|until| until.wait_time_from(self.limiter.clock().now()))
    }

    fn sweep(&self) {
        if self.limiter.len() < MOST_KEYS {
            return;
        }
        if self.since_sweep.fetch_add(1, Ordering::Relaxed).is_multiple_of(SWEEP_EVERY) {
            self.limiter.retain_recent();
        }
    }
}

impl<C: Clock> fmt::Debug for Limit<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit").field("keys", &self.limiter.len()).finish_non_exhaustive()
    }
}

/// One attempt, or a look at whether it would be let through.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Try {
    key: u64,
    counts: bool,
}

/// For each key, when it has its whole quota again.
#[derive(Debug, Default)]
struct Counts(Mutex<HashMap<u64, Nanos>>);

impl Counts {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Nanos>> {
        // A number that somebody left while panicking is still a number.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for Counts {
    type Key = Try;

    fn measure_and_replace<T, F, E>(&self, attempt: &Try, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut counts = self.lock();
        let is_full = counts.len() >= MOST_KEYS && !counts.contains_key(&attempt.key);
        let key = if is_full { attempt.key % SHARED } else { attempt.key };
        let (outcome, next) = measure(counts.get(&key).copied())?;
        if attempt.counts {
            counts.insert(key, next);
        }
        Ok(outcome)
    }
}

impl ShrinkableKeyedStateStore<Try> for Counts {
    fn retain_recent(&self, drop_below: Nanos) {
        self.lock().retain(|_, until| *until > drop_below);
    }

    fn len(&self) -> usize {
        self.lock().len()
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn limit() -> (Limit<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Limit::with_clock(Quota::per_minute(NonZeroU32::new(10).unwrap()), clock.clone()), clock)
    }

    fn tries(limit: &Limit<FakeRelativeClock>, key: u64) -> usize {
        (0..100).take_while(|_| limit.count(key).is_ok()).count()
    }

    #[test]
    fn a_quota_comes_back_with_time() {
        let (limit, clock) = limit();
        assert_eq!(tries(&limit, 7_000), 10);
        assert_eq!(limit.count(7_000), Err(Duration::from_secs(6)));
        clock.advance(Duration::from_secs(6));
        assert_eq!(tries(&limit, 7_000), 1);
        clock.advance(Duration::from_secs(600));
        assert_eq!(tries(&limit, 7_000), 10);
    }

    #[test]
    fn looking_counts_nothing() {
        let (limit, _) = limit();
        assert!((0..100).all(|_| limit.look(7_000).is_ok()));
        assert_eq!(tries(&limit, 7_000), 10);
        assert_eq!(limit.look(7_000), Err(Duration::from_secs(6)));
    }

    #[test]
    fn a_flood_of_keys_takes_bounded_memory_and_is_still_limited() {
        let (limit, clock) = limit();
        assert_eq!(tries(&limit, 7_000), 10);
        assert!((10_000..400_000).filter(|key| limit.count(*key).is_ok()).count() >= MOST_KEYS - 1);
        assert!(limit.limiter.len() <= MOST_KEYS + usize::try_from(SHARED).unwrap(), "{limit:?}");
        assert!(limit.count(7_000).is_err(), "who was limited stays so");
        assert!(tries(&limit, 900_000) < 10, "newcomers share what is left");
        clock.advance(Duration::from_secs(120));
        assert!((1_000_000..1_000_000 + SWEEP_EVERY as u64).all(|key| limit.count(key).is_ok()));
        assert!(limit.limiter.len() < 10_000, "{limit:?}");
        assert_eq!(tries(&limit, 900_000), 10);
    }
}
