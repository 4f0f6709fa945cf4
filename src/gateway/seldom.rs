//! What the log is told now and then only, however often it happens.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines of the log that say the same.
const PAUSE: Duration = Duration::from_secs(10);

/// When something was told last.
#[derive(Debug, Default)]
pub(super) struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    /// Whether it is to be told now: it has not been for [`PAUSE`]. Then it counts as told.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now.saturating_duration_since(last) >= PAUSE);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_due_again_after_the_pause() {
        let (seldom, now) = (Seldom::default(), Instant::now());
        let due = [now, now, now + PAUSE / 2, now + PAUSE, now + PAUSE].map(|now| seldom.is_due(now));
        assert_eq!(due, [true, false, false, true, false]);
    }
}
