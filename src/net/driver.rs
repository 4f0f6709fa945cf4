//! Polling what speaks HTTP under the deadlines of its watch.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use super::warm::WarmPlace;
use super::{Phase, Watch};

/// How long a drain waits for the next request of a connection that rests: the peer may be sending it just now.
const DRAIN_GRACE: Duration = Duration::from_secs(1);
/// How long a connection that has a place rests before it gives back what it holds.
const REST: Duration = Duration::from_millis(200);

/// Drives one connection, or one stream of it, under its watch.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) watch: Rc<Watch>,
    draining: Rc<Cell<bool>>,
    timer: Option<Pin<Box<Sleep>>>,
    /// For a connection that may rest.
    place: Option<WarmPlace>,
}

/// Why a driver no longer drives.
#[derive(Debug)]
pub(super) enum Driven<T> {
    /// It has come to its own end.
    Ended(T),
    /// The deadline of a phase has passed.
    TimedOut(Phase),
    /// It has rested for a while, or at once for want of a place, with nothing begun and nothing left to write.
    Rested,
}

/// Whether a driver tells of rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// It returns [`Driven::Rested`].
    Told,
    /// It goes on until the deadline.
    Ignored,
}

impl Driver {
    pub(super) fn new(watch: Rc<Watch>, draining: Rc<Cell<bool>>) -> Self {
        Self { watch, draining, timer: None, place: None }
    }

    /// A driver of a connection that may rest with all that it holds if it finds a place.
    pub(super) fn with_place(self, place: WarmPlace) -> Self {
        Self { place: Some(place), ..self }
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Polls `driven`, and the timer if it is pending.
    pub(super) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        rest: Rest,
        mut driven: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Driven<T>> {
        self.watch.driven_by(context.waker());
        loop {
            let was_expired = self.watch.has_expired();
            // This comes first: a request whose bytes lie ready has begun, and is answered.
            self.watch.driving(true);
            let polled = driven(context);
            self.watch.driving(false);
            if let Poll::Ready(ended) = polled {
                return Poll::Ready(Driven::Ended(ended));
            }
            if self.draining.get() {
                self.watch.shorten_rest(DRAIN_GRACE);
            }
            let phase = self.watch.phase();
            if was_expired && self.watch.has_expired() {
                // Whoever waits for the upstream or for content had its chance to answer for it.
                return Poll::Ready(Driven::TimedOut(phase));
            }
            if rest == Rest::Told && self.is_to_let_go() {
                return Poll::Ready(Driven::Rested);
            }
            match self.poll_timer(context, rest) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Fired::Rested) => {
                    self.leave_place();
                    return Poll::Ready(Driven::Rested);
                }
                Poll::Ready(Fired::Expired) => {}
            }
            match phase {
                Phase::Upstream | Phase::Content => {}
                Phase::Idle | Phase::Head | Phase::Peer => return Poll::Ready(Driven::TimedOut(phase)),
            }
        }
    }

    /// Whether it rests, and has no place to do so with all that it holds.
    fn is_to_let_go(&mut self) -> bool {
        if self.watch.is_between_exchanges() {
            return self.place.as_mut().is_some_and(|place| !place.take());
        }
        self.leave_place();
        false
    }

    fn leave_place(&mut self) {
        if let Some(place) = &mut self.place {
            place.leave();
        }
    }

    fn poll_timer(&mut self, context: &mut Context<'_>, rest: Rest) -> Poll<Fired> {
        // In the midst of an exchange there is no rest to look for.
        let look_after = (rest == Rest::Told && self.watch.phase() == Phase::Idle).then_some(REST);
        loop {
            if let Some(at) = self.watch.to_arm(look_after) {
                match &mut self.timer {
                    Some(timer) => timer.as_mut().reset(at.into()),
                    None => self.timer = Some(Box::pin(tokio::time::sleep_until(at.into()))),
                }
            }
            let Some(timer) = self.timer.as_mut().filter(|_| self.watch.is_armed()) else { return Poll::Pending };
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            if self.watch.fired(now) {
                return Poll::Ready(Fired::Expired);
            }
            if rest == Rest::Told && self.watch.has_rested(now, REST) {
                return Poll::Ready(Fired::Rested);
            }
        }
    }
}

/// Why the timer fired.
enum Fired {
    Expired,
    Rested,
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};
    use std::pin::pin;

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(60);

    /// How often a driver looks, within a while, after its watch has been through `phases`, each from the poll after the one before.
    async fn looks(watch: Watch, rest: Rest, phases: Vec<(Phase, Duration)>, within: Duration) -> usize {
        let mut driver = Driver::new(Rc::new(watch), Rc::default());
        let (mut looks, mut phases) = (0, phases.into_iter());
        let mut driven = pin!(pending::<()>());
        let driving = poll_fn(|context| {
            looks += 1;
            if let Some((phase, time)) = phases.next() {
                driver.watch.enter(phase, Instant::now(), time);
                context.waker().wake_by_ref();
            }
            driver.poll(context, rest, |context| driven.as_mut().poll(context))
        });
        assert!(tokio::time::timeout(within, driving).await.is_err(), "nothing ends it");
        looks
    }

    #[tokio::test]
    async fn a_timer_that_has_fired_says_nothing_more() {
        let phases = vec![(Phase::Upstream, SHORT), (Phase::Upstream, Duration::from_hours(48))];
        let looks = looks(Watch::of_stream(), Rest::Ignored, phases, 4 * SHORT).await;
        assert!((3..=6).contains(&looks), "{looks}");
    }

    #[tokio::test]
    async fn an_exchange_is_not_looked_at_for_rest() {
        let phases = vec![(Phase::Upstream, LONG)];
        let looks = looks(Watch::new(LONG, LONG), Rest::Told, phases, 4 * REST).await;
        assert!((2..=3).contains(&looks), "{looks}");
    }

    #[tokio::test]
    async fn what_comes_to_rest_after_an_exchange_is_seen() {
        let mut driver = Driver::new(Rc::new(Watch::new(LONG, LONG)), Rc::default());
        let mut phases = [Phase::Upstream, Phase::Idle].into_iter();
        let rested = poll_fn(|context| {
            if let Some(phase) = phases.next() {
                driver.watch.enter(phase, Instant::now(), LONG);
                context.waker().wake_by_ref();
            }
            driver.poll(context, Rest::Told, |_| Poll::<()>::Pending)
        });
        assert!(matches!(tokio::time::timeout(LONG / 10, rested).await, Ok(Driven::Rested)));
    }
}
