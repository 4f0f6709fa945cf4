//! The short way to a remembered token.

use std::rc::Rc;

use super::issuers::Issuers;
use super::memory::Remembered;
use super::verifier::{Recalled, Verifier};
use crate::telemetry::CacheResult;
use crate::token::Credentials;

impl<N: Default> Verifier<N> {
    /// Finds a token that was shown a moment ago and is remembered, by its bytes, and checks whatever [`Verifier::verify`] checks of
    /// such a token. `None` says nothing of the token: it is to be verified.
    pub fn recognize(
        &self,
        issuers: &Issuers,
        shown: Credentials<'_>,
        acts_alone: impl Fn(&str) -> bool,
    ) -> Option<Rc<Remembered<N>>> {
        let digest = self.lately_shown.borrow().digest(shown)?;
        let Recalled::Good(remembered) = self.look(issuers, &digest, acts_alone) else { return None };
        self.admit(issuers, &remembered).ok()?;
        self.metrics.token_lookup(CacheResult::Hit);
        Some(remembered)
    }

    /// Lets go of the text of tokens that were not shown since it was called before.
    pub fn sweep(&self) {
        self.lately_shown.borrow_mut().sweep();
    }
}
