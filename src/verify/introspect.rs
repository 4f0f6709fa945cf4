//! Tokens that are no JWT: their issuer is asked (RFC 7662), once for all who show the same token at the same time.

use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt as _;

use super::introspection::Question;
use super::issuers::Issuers;
use super::memory::{Basis, Origin, Remembered};
use super::refusal::{Provenance, Refusal};
use super::verifier::Verifier;
use crate::token::{BearerToken, Outage, TokenDigest, TokenFault};

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
                if let (Some(remembered), _) = self.recall(issuers, &digest, |_| false) {
                    return Ok((remembered, Provenance::Introspection));
                }
                let (from, until) = answered.believed;
                let origin = Origin { issuer: issuer.generation, basis: Basis::Introspection { from, until } };
                Ok((self.remember(digest, token, origin), Provenance::Introspection))
            }
        }
    }
}
