//! Tokens that are no JWT: their issuer is asked (RFC 7662), once for all who show the same token at the same time.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::introspection::{Question, milliseconds};
use super::issuers::Issuers;
use super::memory::{Basis, Origin, Remembered};
use super::refusal::{Provenance, Refusal};
use super::verifier::{Recalled, Verifier, holds};
use crate::token::{BearerToken, Outage, TokenDigest, TokenFault};

/// For so long an answer is not questioned; then its issuer is asked again, and it serves on only if there is no other.
const UNQUESTIONED: Duration = Duration::from_secs(2);

impl<N: Default> Verifier<N> {
    /// Asks the issuer that introspects tokens which begin as this one.
    ///
    /// # Errors
    ///
    /// [`Refusal::Fault`] with [`TokenFault::UnknownIssuer`] if there is none, or with what its answer refuses;
    /// [`Refusal::Unavailable`] if it has no answer, [`Refusal::Overloaded`] if too many wait for one.
    pub(super) async fn introspect(
        &self,
        issuers: &Issuers,
        token: BearerToken<'_>,
        digest: TokenDigest,
    ) -> Result<(Rc<Remembered<N>>, Provenance), Refusal> {
        let issuer = issuers.introspecting(token.as_str()).ok_or(TokenFault::UnknownIssuer)?;
        let subject = (issuer.generation, digest);
        if let Some(fault) = self.refused.borrow().find(&subject, self.clock.now()) {
            return Err(fault.into());
        }
        let introspection = issuer.introspection.as_ref().ok_or(TokenFault::UnknownIssuer)?;
        let _place = introspection.enter().ok_or(Refusal::Overloaded)?;
        let flight = self.flights.join(subject, || {
            let (issuer, clock, question) = (Arc::clone(issuer), self.clock.clone(), Question::new(token));
            async move {
                let introspection = issuer.introspection.as_ref().ok_or(Outage::Introspection)?;
                introspection.ask(&issuer.trusted, question, &clock).await
            }
            .boxed_local()
        });
        let answered = flight.await?;
        match answered.facts {
            Err(fault) => {
                self.refused.borrow_mut().insert(subject, fault, answered.believed);
                Err(fault.into())
            }
            Ok(token) => {
                // Of those who waited for this answer, the first remembers it for the others.
                if let Recalled::Good(remembered) = self.recall(issuers, &digest, |_| false) {
                    return Ok((remembered, Provenance::Introspection));
                }
                let (from, until) = answered.believed;
                let due = Cell::new(milliseconds(from.saturating_add(UNQUESTIONED)));
                let (from, until) = (milliseconds(from), milliseconds(until));
                let origin = Origin { issuer: issuer.generation, basis: Basis::Introspection { from, until, due } };
                Ok((self.remember(digest, token, origin), Provenance::Introspection))
            }
        }
    }

    /// Asks again about a remembered token whose issuer's answer may still be believed: a token that was revoked is refused
    /// soon, and while the issuer cannot be asked its answer serves on as long as it lasts, remembered or not.
    ///
    /// # Errors
    ///
    /// What a new answer refuses; [`TokenFault::Expired`] for a token that has ended, and [`Refusal::Unavailable`] where the
    /// answer has, while another was waited for.
    pub(super) async fn confirm(
        &self,
        issuers: &Issuers,
        token: BearerToken<'_>,
        digest: TokenDigest,
        remembered: Rc<Remembered<N>>,
        origin: Origin,
        acts_alone: impl Fn(&str) -> bool,
    ) -> Result<(Rc<Remembered<N>>, Provenance), Refusal> {
        let introspection = issuers.introspecting(token.as_str()).and_then(|issuer| issuer.introspection.as_ref());
        if introspection.is_some_and(|introspection| introspection.is_worth_asking(self.clock.now())) {
            match self.introspect(issuers, token, digest).await {
                Err(Refusal::Unavailable(_) | Refusal::Overloaded) => {}
                Err(Refusal::Fault(fault)) => {
                    self.forget(&digest);
                    return Err(fault.into());
                }
                confirmed => return confirmed,
            }
        }
        let now = self.clock.now();
        // Another request may have had an answer meanwhile, and been refused.
        if let Some(fault) = self.refused.borrow().find(&(origin.issuer, digest), now) {
            return Err(fault.into());
        }
        let issuer = issuers.of_generation(origin.issuer).ok_or(TokenFault::UnknownIssuer)?;
        remembered.token.check_times(now, issuer.trusted.leeway())?;
        if !holds(&remembered.token, &origin, issuers, now, acts_alone) {
            return Err(Outage::Introspection.into());
        }
        self.postpone(&digest, now.saturating_add(UNQUESTIONED));
        Ok((remembered, Provenance::Cached))
    }
}
