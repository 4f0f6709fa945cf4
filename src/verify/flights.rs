//! One question at a time about one token: whoever shows it meanwhile waits for the same answer.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;

use futures_util::future::{FutureExt as _, LocalBoxFuture, Shared, WeakShared};

use super::introspection::Answered;
use crate::token::{Outage, TokenDigest};

/// A question under way. It goes on as long as one of those who wait for it does.
pub(super) type Flight = Shared<LocalBoxFuture<'static, Result<Answered, Outage>>>;

/// The same, without keeping it under way.
type WeakFlight = WeakShared<LocalBoxFuture<'static, Result<Answered, Outage>>>;

/// The generation of the issuer that is asked, and the token.
pub(super) type Subject = (u64, TokenDigest);

/// Below so many entries nothing is swept.
const FEW: usize = 64;

/// The questions of one worker that are under way.
pub(super) struct Flights {
    under_way: RefCell<HashMap<Subject, WeakFlight>>,
    /// The number of entries at which those that nobody waits for any more are swept.
    sweep_at: Cell<usize>,
}

impl Flights {
    pub(super) fn new() -> Self {
        Self { under_way: RefCell::default(), sweep_at: Cell::new(FEW) }
    }

    /// Joins the question about a token that is under way, or begins one.
    pub(super) fn join(
        &self,
        subject: Subject,
        begin: impl FnOnce() -> LocalBoxFuture<'static, Result<Answered, Outage>>,
    ) -> Flight {
        let mut under_way = self.under_way.borrow_mut();
        // One that has its answer is over: its answer may be an outage, which is not remembered.
        let joined = under_way.get(&subject).and_then(WeakFlight::upgrade).filter(|flight| flight.peek().is_none());
        if let Some(flight) = joined {
            return flight;
        }
        let flight = begin().shared();
        if let Some(weak) = flight.downgrade() {
            under_way.insert(subject, weak);
        }
        if under_way.len() >= self.sweep_at.get() {
            under_way.retain(|_, flight| flight.upgrade().is_some_and(|flight| flight.peek().is_none()));
            self.sweep_at.set(FEW.max(under_way.len() * 2));
        }
        flight
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("len", &self.under_way.borrow().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use tokio::sync::oneshot;

    use super::*;
    use crate::token::testing::fields;
    use crate::token::{BearerToken, TokenFault};

    fn digest(number: usize) -> TokenDigest {
        let fields = fields(&format!("token-{number}"));
        BearerToken::from_fields(&fields, 100).unwrap().digest()
    }

    fn answered() -> Answered {
        Answered { facts: Err(TokenFault::Inactive), believed: Default::default() }
    }

    #[tokio::test]
    async fn those_who_join_get_the_one_answer_though_the_first_has_gone() {
        let (flights, begun) = (Flights::new(), Rc::new(Cell::new(0)));
        let (answer, waiting) = oneshot::channel::<Answered>();
        let begin = || {
            begun.set(begun.get() + 1);
            async { waiting.await.map_err(|_| Outage::Introspection) }.boxed_local()
        };
        let mut first = flights.join((1, digest(1)), begin);
        assert!(futures_util::poll!(&mut first).is_pending());
        let second = flights.join((1, digest(1)), || unreachable!("it is under way"));
        drop(first);
        let _ = answer.send(answered());
        assert_eq!(second.await.unwrap().facts, Err(TokenFault::Inactive));
        assert_eq!(begun.get(), 1);
        let other = flights.join((2, digest(1)), || async { Ok(answered()) }.boxed_local());
        assert!(other.await.is_ok(), "another issuer is asked itself");
    }

    #[tokio::test]
    async fn after_its_answer_a_question_is_asked_anew() {
        let flights = Flights::new();
        let first = flights.join((1, digest(1)), || async { Err(Outage::Introspection) }.boxed_local());
        assert!(first.clone().await.is_err());
        let second = flights.join((1, digest(1)), || async { Ok(answered()) }.boxed_local());
        assert!(second.await.is_ok());
        drop(first);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_takes_bounded_room() {
        let flights = Flights::new();
        for number in 0..10_000 {
            drop(flights.join((1, digest(number)), || std::future::pending().boxed_local()));
            assert!(flights.under_way.borrow().len() <= FEW);
        }
    }
}
