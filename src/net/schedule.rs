//! When something is fetched again. Chance is an argument: a number from 0 to below 1, such as [`chance`] gives.

use std::time::Duration;

use aws_lc_rs::rand;

/// The first pause after a failure; each further failure doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// No pause after a failure is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The times between fetches of one resource.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// The longest time between two.
    pub refresh: Duration,
    /// The least that an answer's `max-age` is taken for.
    pub cooldown: Duration,
}

impl Schedule {
    /// The pause after a good answer: what its `max-age` says, but at least `cooldown` and at most `refresh`.
    ///
    /// A longer `max-age` lengthens nothing: `refresh` is the operator's word on how old an answer may be, such as a
    /// key that was withdrawn. Up to a tenth is taken off by chance, so that gateways started together do not stay together.
    pub fn after_success(self, max_age: Option<Duration>, chance: f64) -> Duration {
        let pause = max_age.unwrap_or(self.refresh).max(self.cooldown).min(self.refresh);
        pause.mul_f64(1.0 - 0.1 * chance.clamp(0.0, 1.0))
    }

    /// The pause after the last of so many failures in a row: half of a doubling time, and as much again by chance.
    pub fn after_failure(self, failures: u32, chance: f64) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
        let pause = doubled.min(LONGEST_PAUSE).min(self.refresh);
        pause.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
    }
}

/// A number from 0 to below 1.
pub fn chance() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness gateways only fetch in step.
    let _ = rand::fill(&mut bytes);
    f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCHEDULE: Schedule = Schedule { refresh: Duration::from_secs(300), cooldown: Duration::from_secs(30) };

    #[test]
    fn rfc_9111_section_4_2_max_age_shortens_within_bounds() {
        for (max_age, expected) in [(None, 300), (Some(60), 60), (Some(0), 30), (Some(29), 30), (Some(86_400), 300)] {
            let pause = SCHEDULE.after_success(max_age.map(Duration::from_secs), 0.0);
            assert_eq!(pause.as_secs(), expected, "{max_age:?}");
        }
    }

    #[test]
    fn failures_double_the_pause_up_to_a_minute() {
        for (failures, expected) in [(1, 1_000), (2, 2_000), (3, 4_000), (6, 32_000), (7, 60_000), (u32::MAX, 60_000)] {
            assert_eq!(SCHEDULE.after_failure(failures, 1.0).as_millis(), expected, "{failures}");
        }
        let quick = Schedule { refresh: Duration::from_millis(500), ..SCHEDULE };
        assert_eq!(quick.after_failure(9, 1.0).as_millis(), 500);
    }

    proptest! {
        #[test]
        fn no_pause_is_longer_than_refresh_nor_empty(failures in 1_u32.., max_age in any::<u32>(), chance in 0.0..1.0_f64) {
            for pause in [SCHEDULE.after_failure(failures, chance), SCHEDULE.after_success(Some(Duration::from_secs(max_age.into())), chance)] {
                prop_assert!(pause <= SCHEDULE.refresh && pause >= Duration::from_millis(500));
            }
        }
    }
}
