//! The only reader of the wall clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the time since the Unix epoch: the system's, or one that a test sets.
///
/// Clones of a fixed clock share its time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    /// Whole milliseconds since the Unix epoch.
    Fixed(Arc<AtomicU64>),
}

impl Clock {
    /// Makes a clock that tells the system's time.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// Makes a clock that stands still until [`Clock::set`] moves it; parts of a millisecond are dropped.
    pub fn fixed(now: Duration) -> Self {
        Self(Source::Fixed(Arc::new(AtomicU64::new(milliseconds(now)))))
    }

    /// Tells the time since the Unix epoch; a system clock set before the epoch reads as the epoch.
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of the wall clock")]
    pub fn now(&self) -> Duration {
        match &self.0 {
            Source::System => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            Source::Fixed(now) => Duration::from_millis(now.load(Ordering::Acquire)),
        }
    }

    /// Moves a fixed clock, and all its clones; does nothing to the system's.
    pub fn set(&self, now: Duration) {
        match &self.0 {
            Source::System => {}
            Source::Fixed(shared) => shared.store(milliseconds(now), Ordering::Release),
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_when_it_is_set_and_with_its_clones() {
        let clock = Clock::fixed(Duration::from_millis(1_500));
        let clone = clock.clone();
        assert_eq!(clock.now(), Duration::from_millis(1_500));
        clone.set(Duration::from_secs(7));
        assert_eq!(clock.now(), Duration::from_secs(7));
    }

    #[test]
    fn the_systems_clock_is_past_2020_and_cannot_be_set() {
        let clock = Clock::system();
        clock.set(Duration::ZERO);
        assert!(clock.now() > Duration::from_secs(1_577_836_800));
    }
}
