//! One worker's verifier.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::budget::{Budget, FairShare, Reservation};
use super::flights::Flights;
use super::introspection::milliseconds;
use super::issuer::{Issuer, Refetch};
use super::issuers::Issuers;
use super::key_set::{Candidates, Selection};
use super::lately_shown::LatelyShown;
use super::memory::{Basis, Memory, Origin, Remembered};
use super::refusal::{Provenance, Refusal};
use super::refused::Refused;
use super::unknown_keys::UnknownKeys;
use crate::clock::Clock;
use crate::telemetry::{CacheResult, Metrics};
use crate::token::{
    DigestedToken, JwtParts, KeyId, TokenDigest, TokenFault, UnverifiedToken, VerificationKey, VerifiedToken,
};

/// So many requests of one worker may wait for a refetch at once.
const MOST_WAITING: usize = 1024;

/// One worker's verifier: its memory of verified tokens and its budget for unknown ones. Not shared between threads.
///
/// `N` is what the caller keeps beside a remembered token.
pub struct Verifier<N> {
    memory: RefCell<Memory<N>>,
    pub(super) lately_shown: RefCell<LatelyShown>,
    /// Tokens that their issuer refused when it was asked.
    pub(super) refused: RefCell<Refused>,
    /// Questions to issuers that are under way.
    pub(super) flights: Flights,
    unknown_keys: RefCell<UnknownKeys>,
    budget: Budget,
    /// The zero of the budget's time.
    start: Instant,
    /// Requests that wait for a refetch.
    waiting: Cell<usize>,
    pub(super) clock: Clock,
    pub(super) metrics: Arc<Metrics>,
}

impl<N> Verifier<N> {
    /// Makes a verifier that remembers at most `capacity` tokens and spends at most `share` of its worker's time, from 0 to
    /// 1, on the signatures of unknown ones.
    pub fn new(capacity: usize, share: f64, clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self {
            memory: RefCell::new(Memory::new(capacity)),
            lately_shown: RefCell::new(LatelyShown::new()),
            refused: RefCell::new(Refused::new()),
            flights: Flights::new(),
            unknown_keys: RefCell::default(),
            budget: Budget::new(share),
            start: Instant::now(),
            waiting: Cell::new(0),
            clock,
            metrics,
        }
    }

    /// Changes the share of time for unknown tokens, from 0 to 1.
    pub fn set_share(&self, share: f64) {
        self.budget.set_share(share);
    }
}

impl<N: Default> Verifier<N> {
    /// Verifies a token: from memory if everything that it stands on still holds, otherwise by every check in its order; and lets
    /// it pass if its issuer has not revoked it, however the facts about it were come by.
    ///
    /// A remembered token is answered without waiting. An unknown one may wait for newer keys of its issuer (as long as one
    /// fetch may take) and for its share of the worker's time (50 ms); one that is no JWT waits for its issuer's answer, as long
    /// as the issuer's settings say. `acts_alone` says of a client whether its tokens may
    /// lack `sub`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Fault`] with the first check that fails, [`Refusal::Unavailable`] if the issuer's keys, its answer or its
    /// revocations are not to be had, [`Refusal::Overloaded`] if too many unknown tokens are being checked.
    pub async fn verify<'t>(
        &self,
        issuers: &Issuers,
        token: impl Into<DigestedToken<'t>>,
        fair_share: &FairShare,
        acts_alone: impl Fn(&str) -> bool,
    ) -> Result<(Rc<Remembered<N>>, Provenance), Refusal> {
        let (remembered, provenance) = self.facts(issuers, token.into(), fair_share, acts_alone).await?;
        // INVARIANT: after everything else, so that no way to the facts leads around it. A token that is revoked stays
        // remembered: its next showing costs no signature.
        self.admit(issuers, &remembered)?;
        Ok((remembered, provenance))
    }

    /// Checks again, for a use that outlasts its request, that a verified token has not ended and was not revoked. Keys and answers
    /// that it was verified by are not asked for again.
    ///
    /// # Errors
    ///
    /// [`Refusal::Fault`] if the token would be refused, [`Refusal::Unavailable`] if its issuer's revocations are not to be had.
    pub fn recheck(&self, issuers: &Issuers, remembered: &Remembered<N>) -> Result<(), Refusal> {
        let token = &remembered.token;
        // By name: an issuer whose settings were changed is still the issuer of the token.
        let issuer = issuers.named(&token.issuer).ok_or(TokenFault::UnknownIssuer)?;
        let now = self.clock.now();
        token.check_times(now, issuer.trusted.leeway())?;
        let Some(feed) = &issuer.feed else { return Ok(()) };
        feed.admit(token, &Cell::new(0), now)
    }

    /// Refuses a token that its issuer has revoked, and one of which nobody can know.
    pub(super) fn admit(&self, issuers: &Issuers, remembered: &Remembered<N>) -> Result<(), Refusal> {
        let issuer = issuers.of_generation(remembered.issuer).ok_or(TokenFault::UnknownIssuer)?;
        let Some(feed) = &issuer.feed else { return Ok(()) };
        feed.admit(&remembered.token, &remembered.revocations, self.clock.now())
    }

    /// The facts about a token, whether or not it was revoked.
    async fn facts(
        &self,
        issuers: &Issuers,
        token: DigestedToken<'_>,
        fair_share: &FairShare,
        acts_alone: impl Fn(&str) -> bool,
    ) -> Result<(Rc<Remembered<N>>, Provenance), Refusal> {
        let (token, digest) = (token.token(), token.digest());
        let recalled = self.recall(issuers, &digest, &acts_alone);
        self.metrics.token_lookup(recalled.result());
        match recalled {
            Recalled::Good(remembered) => {
                // Only a token that is shown again: what is shown once, and whatever is refused, takes no slot.
                self.lately_shown.borrow_mut().keep(token.as_str(), digest);
                return Ok((remembered, Provenance::Cached));
            }
            Recalled::Due(remembered, origin) => {
                return self.confirm(issuers, token, digest, remembered, origin, &acts_alone).await;
            }
            Recalled::Stale | Recalled::Missing => {}
        }
        // A JWT is never introspected: its issuer's keys have the last word.
        if !token.is_compact_jws() {
            return self.introspect(issuers, token, digest).await;
        }
        let parts = JwtParts::split(token)?;
        let jwt = parts.read()?;
        let issuer = jwt.issuer().and_then(|name| issuers.named(name));
        let unverified = jwt.check(issuer.map(|issuer| &issuer.trusted), self.clock.now(), &acts_alone)?;
        let issuer = issuer.ok_or(TokenFault::UnknownIssuer)?;
        let (keys, generation) = self.candidates(issuer, &unverified).await?;
        let reservation = self.reserve(&unverified, fair_share, keys.len()).await?;
        // While this one waited, the same token may have been verified for another request.
        if !reservation.wait.is_zero()
            && let Recalled::Good(remembered) = self.recall(issuers, &digest, &acts_alone)
        {
            return Ok((remembered, Provenance::Cached));
        }
        let (token, key) = check_signature(unverified, &keys, reservation)?;
        // The token may have ended while it waited.
        token.check_times(self.clock.now(), issuer.trusted.leeway())?;
        let basis = Basis::Signature { key, key_set: Cell::new(generation) };
        let origin = Origin { issuer: issuer.generation, basis };
        Ok((self.remember(digest, token, origin), Provenance::Jwt))
    }

    /// Finds a remembered token and checks again what may have changed since; what does not hold is forgotten.
    pub(super) fn recall(
        &self,
        issuers: &Issuers,
        digest: &TokenDigest,
        acts_alone: impl Fn(&str) -> bool,
    ) -> Recalled<N> {
        let recalled = self.look(issuers, digest, acts_alone);
        if matches!(recalled, Recalled::Stale) {
            self.forget(digest);
        }
        recalled
    }

    /// Finds a remembered token and checks again what may have changed since.
    pub(super) fn look(
        &self,
        issuers: &Issuers,
        digest: &TokenDigest,
        acts_alone: impl Fn(&str) -> bool,
    ) -> Recalled<N> {
        let (memory, now) = (self.memory.borrow(), self.clock.now());
        let Some((remembered, origin)) = memory.find(digest) else { return Recalled::Missing };
        if !holds(&remembered.token, origin, issuers, now, acts_alone) {
            return Recalled::Stale;
        }
        let remembered = remembered.clone();
        if origin.is_due(now) { Recalled::Due(remembered, origin.clone()) } else { Recalled::Good(remembered) }
    }

    pub(super) fn forget(&self, digest: &TokenDigest) {
        self.lately_shown.borrow_mut().forget(digest);
        self.change_memory(|memory| memory.remove(digest));
    }

    /// Puts off the question whether an answer about a remembered token still holds.
    pub(super) fn postpone(&self, digest: &TokenDigest, to: Duration) {
        self.memory.borrow().postpone(digest, to);
    }

    pub(super) fn remember(&self, digest: TokenDigest, token: VerifiedToken, origin: Origin) -> Rc<Remembered<N>> {
        let (issuer, revocations) = (origin.issuer, Cell::new(0));
        let remembered = Rc::new(Remembered { token, note: N::default(), id: digest.id(), issuer, revocations });
        self.change_memory(|memory| memory.insert(digest, remembered.clone(), origin));
        remembered
    }

    fn change_memory(&self, change: impl FnOnce(&mut Memory<N>)) {
        let mut memory = self.memory.borrow_mut();
        let before = memory.len();
        change(&mut memory);
        self.metrics.token_entries(difference(before, memory.len()));
    }

    /// The keys that may have signed the token, after at most one refetch, and the generation of their set.
    async fn candidates(&self, issuer: &Issuer, token: &UnverifiedToken<'_>) -> Result<(Candidates, u64), Refusal> {
        let now = self.clock.now();
        match select(issuer, token, now)? {
            (Selection::Candidates(keys), generation) => return Ok((keys, generation)),
            (Selection::None, _) => return Err(TokenFault::UnknownKey.into()),
            (Selection::UnknownName, _) => {}
        }
        let KeyId::Named(name) = token.key_id() else { return Err(TokenFault::UnknownKey.into()) };
        if self.unknown_keys.borrow().contains(issuer.generation, name, now) {
            return Err(TokenFault::UnknownKey.into());
        }
        let outcome = self.refetch(issuer).await?;
        let now = self.clock.now();
        match select(issuer, token, now)? {
            (Selection::Candidates(keys), generation) => Ok((keys, generation)),
            (Selection::None | Selection::UnknownName, _) => {
                if outcome == Refetch::Fetched {
                    let until = now + issuer.forget_unknown_after();
                    self.unknown_keys.borrow_mut().insert(issuer.generation, name, now, until);
                }
                Err(TokenFault::UnknownKey.into())
            }
        }
    }

    /// Waits for newer keys, unless too many wait already.
    async fn refetch(&self, issuer: &Issuer) -> Result<Refetch, Refusal> {
        if self.waiting.get() >= MOST_WAITING {
            return Err(Refusal::Overloaded);
        }
        let _place = Place::take(&self.waiting);
        Ok(issuer.refetch().await)
    }

    /// Takes a share of the worker's time for one token, and waits until it begins.
    async fn reserve(
        &self,
        token: &UnverifiedToken<'_>,
        fair_share: &FairShare,
        keys: usize,
    ) -> Result<Reservation<'_>, Refusal> {
        let reservation = self.budget.reserve(self.start.elapsed(), fair_share, token.algorithm(), keys);
        let reservation = reservation.ok_or(Refusal::Overloaded)?;
        if !reservation.wait.is_zero() {
            sleep(reservation.wait).await;
        }
        Ok(reservation)
    }
}

/// What the memory has of a token.
#[derive(Debug)]
pub(super) enum Recalled<N> {
    /// Everything that it stands on holds.
    Good(Rc<Remembered<N>>),
    /// It may still be believed, and its issuer is to be asked again.
    Due(Rc<Remembered<N>>, Origin),
    /// Something has passed.
    Stale,
    Missing,
}

impl<N> Recalled<N> {
    fn result(&self) -> CacheResult {
        match self {
            Self::Good(_) => CacheResult::Hit,
            Self::Due(..) | Self::Stale => CacheResult::Stale,
            Self::Missing => CacheResult::Miss,
        }
    }
}

/// Whether a remembered token would be verified again: times, issuer, what its facts stand on, and the client's right to lack
/// `sub`.
pub(super) fn holds(
    token: &VerifiedToken,
    origin: &Origin,
    issuers: &Issuers,
    now: Duration,
    acts_alone: impl Fn(&str) -> bool,
) -> bool {
    // An issuer that a reload dropped or changed is another generation, or none.
    let Some(issuer) = issuers.of_generation(origin.issuer) else { return false };
    if token.check_times(now, issuer.trusted.leeway()).is_err() {
        return false;
    }
    let stands = match &origin.basis {
        Basis::Signature { key, key_set } => has_key(issuer, key, key_set, now),
        Basis::Introspection { from, until, .. } => (*from..*until).contains(&milliseconds(now)),
    };
    if !stands {
        return false;
    }
    token.subject.is_some() || token.client.as_deref().is_some_and(acts_alone)
}

/// Whether the issuer still has the key that signed, in a key set that may be used.
fn has_key(issuer: &Issuer, key: &VerificationKey, key_set: &Cell<u64>, now: Duration) -> bool {
    let Ok(keys) = issuer.keys(now) else { return false };
    if keys.generation() != key_set.get() {
        if !keys.holds(key.identity()) {
            return false;
        }
        key_set.set(keys.generation());
    }
    true
}

fn select(issuer: &Issuer, token: &UnverifiedToken<'_>, now: Duration) -> Result<(Selection, u64), Refusal> {
    let keys = issuer.keys(now)?;
    Ok((keys.select(token.algorithm(), token.key_id()), keys.generation()))
}

/// Checks the signature, without waiting for anything, and settles what it cost.
fn check_signature(
    token: UnverifiedToken<'_>,
    keys: &Candidates,
    reservation: Reservation<'_>,
) -> Result<(VerifiedToken, Arc<VerificationKey>), TokenFault> {
    let began = Instant::now();
    let outcome = token.verify(keys);
    let tried = match &outcome {
        Ok((_, key)) => keys.iter().take_while(|other| !Arc::ptr_eq(other, key)).count() + 1,
        Err(_) => keys.len(),
    };
    reservation.settle(began.elapsed(), tried);
    outcome.map(|(token, key)| (token, key.clone()))
}

fn difference(before: usize, after: usize) -> i64 {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    count(after) - count(before)
}

/// A place among those that wait, given up however the waiting ends.
struct Place<'w>(&'w Cell<usize>);

impl<'w> Place<'w> {
    fn take(waiting: &'w Cell<usize>) -> Self {
        waiting.set(waiting.get() + 1);
        Self(waiting)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl<N> Drop for Verifier<N> {
    fn drop(&mut self) {
        self.metrics.token_entries(difference(self.memory.get_mut().len(), 0));
    }
}

impl<N> fmt::Debug for Verifier<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}
