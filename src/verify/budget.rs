//! How much of a worker's time the signatures of unknown tokens may take.

use std::cell::Cell;
use std::time::Duration;

use crate::token::Algorithm;

/// Unused time that is kept for a burst.
const BURST: Duration = Duration::from_millis(5);
/// A token that would have to wait longer is refused.
const PATIENCE: Duration = Duration::from_millis(50);
/// The same for connections that have taken much of late: what lies between the two is kept for those that have not.
const HEAVY_PATIENCE: Duration = Duration::from_millis(20);
/// A connection that takes more than one part in so many of the share is heavy.
const FAIR_PART: f64 = 16.0;
/// After so long at rest nothing that a connection took is held against it.
const MEMORY: Duration = Duration::from_secs(1);
/// A measured cost beyond so many times the estimate is the machine's doing, not the signature's.
const OUTLIER: f64 = 4.0;

/// A share of time, given out ahead by estimate and settled by what a signature really cost.
///
/// Every reservation moves the moment up to which the share is spent; a token begins when that moment is near enough. What
/// has been reserved is bounded by patience, and so is the number of tokens that wait.
pub(super) struct Budget {
    share: Cell<f64>,
    /// The moment at which what has been given out is paid for.
    spent_until: Cell<Duration>,
    /// Seconds that one signature takes, by family.
    estimates: [Cell<f64>; 4],
}

/// What one connection has taken of the share of late.
///
/// It decides only how long the connection's tokens may wait when the share is spent: who has taken little finds room behind those
/// who have taken much, however many tokens they send.
#[derive(Debug, Default)]
pub struct FairShare {
    /// The moment at which the connection would have paid for what it took, were it to pay with its fair part.
    paid_until: Cell<Duration>,
}

impl FairShare {
    fn patience(&self, now: Duration) -> Duration {
        if self.paid_until.get() > now + PATIENCE { HEAVY_PATIENCE } else { PATIENCE }
    }

    fn take(&self, now: Duration, time: Duration) {
        let paid_until = self.paid_until.get().max(now).saturating_add(time.mul_f64(FAIR_PART));
        self.paid_until.set(paid_until.min(now + MEMORY));
    }
}

/// Time set aside for one token; what is not settled is given back when it is dropped.
pub(super) struct Reservation<'b> {
    budget: &'b Budget,
    family: Family,
    /// Estimated seconds.
    cost: f64,
    /// How long to wait before the signature is checked.
    pub(super) wait: Duration,
    settled: bool,
}

/// Algorithms whose signatures cost about the same.
#[derive(Clone, Copy, Debug)]
enum Family {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Family {
    fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => Self::Rsa,
            Algorithm::Es256 => Self::P256,
            Algorithm::Es384 => Self::P384,
            Algorithm::EdDsa => Self::Ed25519,
        }
    }
}

impl Budget {
    /// Starts with nothing spent; `share` is from 0 (no unknown token at all) to 1 (no bound).
    pub(super) fn new(share: f64) -> Self {
        Self {
            share: Cell::new(share),
            spent_until: Cell::new(Duration::ZERO),
            estimates: [20e-6, 60e-6, 250e-6, 45e-6].map(Cell::new),
        }
    }

    pub(super) fn set_share(&self, share: f64) {
        self.share.set(share);
    }

    /// Sets time aside for a token that up to `keys` keys may have signed; `now` is any time that never goes back.
    ///
    /// `None` if the share is spent for longer than a token of this connection may wait.
    pub(super) fn reserve(
        &self,
        now: Duration,
        fair_share: &FairShare,
        algorithm: Algorithm,
        keys: usize,
    ) -> Option<Reservation<'_>> {
        let family = Family::of(algorithm);
        let cost = self.estimate(family).get() * keys as f64;
        let mut reservation = Reservation { budget: self, family, cost, wait: Duration::ZERO, settled: false };
        if self.share.get() >= 1.0 {
            return Some(reservation);
        }
        let begins = self.spent_until.get().max(now);
        let wait = begins.saturating_sub(now + BURST);
        if self.share.get() <= 0.0 || wait > fair_share.patience(now) {
            // Nothing was set aside, so nothing is given back.
            reservation.settled = true;
            return None;
        }
        self.spent_until.set(begins);
        self.move_by(cost);
        fair_share.take(now, self.time_for(cost));
        reservation.wait = wait;
        Some(reservation)
    }

    fn estimate(&self, family: Family) -> &Cell<f64> {
        let [rsa, p256, p384, ed25519] = &self.estimates;
        match family {
            Family::Rsa => rsa,
            Family::P256 => p256,
            Family::P384 => p384,
            Family::Ed25519 => ed25519,
        }
    }

    /// Spends seconds, or gives them back; with a share of `s`, each takes `1/s` to be paid for.
    fn move_by(&self, seconds: f64) {
        let share = self.share.get();
        if share > 0.0 && share < 1.0 {
            let time = self.time_for(seconds.abs());
            let until = self.spent_until.get();
            self.spent_until.set(if seconds < 0.0 { until.saturating_sub(time) } else { until.saturating_add(time) });
        }
    }

    /// How long the share takes to yield so many seconds.
    fn time_for(&self, seconds: f64) -> Duration {
        Duration::try_from_secs_f64(seconds / self.share.get()).unwrap_or_default()
    }
}

impl Reservation<'_> {
    /// Pays what checking really cost, with `tried` keys, and learns from it.
    pub(super) fn settle(mut self, actual: Duration, tried: usize) {
        self.settled = true;
        let estimate = self.budget.estimate(self.family);
        let actual = actual.as_secs_f64().min(self.cost * OUTLIER);
        self.budget.move_by(actual - self.cost);
        let one = actual / tried.max(1) as f64;
        estimate.set(estimate.get() + (one - estimate.get()) / 8.0);
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.budget.move_by(-self.cost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: Duration = Duration::from_micros(60);

    fn at(micros: u64) -> Duration {
        Duration::from_secs(1) + Duration::from_micros(micros)
    }

    /// Runs a flood of tokens, one every `every` microseconds for a second; gives how many were checked and refused.
    fn flood(share: f64, every: u64, cost: Duration) -> (u64, u64) {
        let budget = Budget::new(share);
        let (mut checked, mut refused) = (0, 0);
        for micros in (0..1_000_000).step_by(every as usize) {
            match budget.reserve(at(micros), &FairShare::default(), Algorithm::Es256, 1) {
                Some(reservation) => {
                    assert!(reservation.wait <= PATIENCE);
                    reservation.settle(cost, 1);
                    checked += 1;
                }
                None => refused += 1,
            }
        }
        (checked, refused)
    }

    #[test]
    fn a_flood_takes_its_share_and_no_more() {
        for (share, cost) in
            [(0.5, COST), (0.1, COST), (0.5, Duration::from_micros(200)), (0.9, Duration::from_micros(10))]
        {
            let (checked, refused) = flood(share, 5, cost);
            let taken = checked as f64 * cost.as_secs_f64();
            let allowed = share * (1.0 + (BURST + PATIENCE).as_secs_f64());
            assert!(taken <= allowed * 1.01 + 0.001 && taken >= allowed * 0.9, "{share} {cost:?}: {taken}");
            assert!(refused > 0);
        }
    }

    #[test]
    fn what_stays_below_the_share_never_waits() {
        let budget = Budget::new(0.5);
        for micros in (0..100_000).step_by(130) {
            let reservation = budget.reserve(at(micros), &FairShare::default(), Algorithm::Es256, 1).unwrap();
            assert_eq!(reservation.wait, Duration::ZERO);
            reservation.settle(COST, 1);
        }
    }

    #[test]
    fn a_burst_passes_then_waits_then_is_refused() {
        let budget = Budget::new(0.5);
        let kept: Vec<_> = std::iter::from_fn(|| budget.reserve(at(0), &FairShare::default(), Algorithm::Es256, 1))
            .take(10_000)
            .collect();
        let waits: Vec<_> = kept.iter().map(|reservation| reservation.wait).collect();
        assert!(waits.is_sorted() && waits[0].is_zero() && waits[waits.len() - 1] > Duration::from_millis(49));
        assert!(budget.reserve(at(0), &FairShare::default(), Algorithm::Es256, 1).is_none());
        // Tokens whose peers hang up while they wait cost nothing.
        drop(kept);
        assert_eq!(
            budget.reserve(at(0), &FairShare::default(), Algorithm::Es256, 1).map(|reservation| reservation.wait),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn a_share_of_one_is_no_bound_and_of_none_lets_nothing_through() {
        assert_eq!(flood(1.0, 5, COST), (200_000, 0));
        assert_eq!(flood(0.0, 5, COST), (0, 200_000));
    }

    #[test]
    fn one_late_measure_does_not_spend_the_share() {
        let budget = Budget::new(0.5);
        budget.reserve(at(0), &FairShare::default(), Algorithm::Es256, 1).unwrap().settle(Duration::from_secs(5), 1);
        assert_eq!(
            budget.reserve(at(10), &FairShare::default(), Algorithm::Es256, 1).map(|reservation| reservation.wait),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn a_token_of_several_keys_costs_as_many_signatures() {
        let count = |keys| {
            let budget = Budget::new(0.5);
            std::iter::from_fn(|| budget.reserve(at(0), &FairShare::default(), Algorithm::Rs256, keys))
                .take(100_000)
                .collect::<Vec<_>>()
                .len()
        };
        assert!(count(1) > 3 * count(4) && count(1) < 5 * count(4));
    }

    #[test]
    fn who_takes_little_is_served_beside_one_who_takes_all_there_is() {
        let budget = Budget::new(0.5);
        let greedy = FairShare::default();
        let (mut flooded, mut refused) = (0, 0);
        for micros in (0..1_000_000).step_by(5) {
            match budget.reserve(at(micros), &greedy, Algorithm::Es256, 1) {
                Some(reservation) => {
                    reservation.settle(COST, 1);
                    flooded += 1;
                }
                None => refused += 1,
            }
            if micros % 2_000 == 0 {
                // Each of these is a connection of its own, and so are those that come back now and then.
                let reservation = budget.reserve(at(micros), &FairShare::default(), Algorithm::Es256, 1);
                reservation.expect("there is room for those who take little").settle(COST, 1);
            }
        }
        assert!(flooded > 5_000 && refused > 100_000, "{flooded} {refused}: what others leave is the flood's");
    }

    #[test]
    fn who_rests_takes_little_again() {
        let (budget, connection) = (Budget::new(0.5), FairShare::default());
        let minute = 60_000_000;
        for micros in (0..minute).step_by(50) {
            if let Some(reservation) = budget.reserve(at(micros), &connection, Algorithm::Es256, 1) {
                reservation.settle(COST, 1);
            }
        }
        assert_eq!(connection.patience(at(minute)), HEAVY_PATIENCE);
        assert_eq!(connection.patience(at(minute + 1_000_000)), PATIENCE);
    }
}
