//! One issuer that is asked about tokens (RFC 7662), within bounds that hold for the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use http::Uri;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::client_authentication::Form;
use super::settings::IntrospectionSettings;
use crate::clock::Clock;
use crate::net::{FetchFault, FetchSettings, Fetcher};
use crate::telemetry::{IntrospectionMetrics, IntrospectionResult};
use crate::token::{BearerToken, IntrospectionFault, Outage, TokenFault, TrustedIssuer, VerifiedToken};

/// So many questions to one issuer are under way at once; more wait for their turn.
const MOST_ASKED: usize = 64;
/// So many requests wait for answers of one issuer at once.
const MOST_WAITING: usize = 1024;
/// An answer that refuses is remembered so long at most: a token may be active a moment after it was issued.
const REFUSAL_KEPT: Duration = Duration::from_secs(5);

/// While an issuer is silent, one question of those that can wait is asked each so long.
const ASKED_AGAIN: Duration = Duration::from_secs(2);

/// An outage is logged if the latest that was logged began so long ago.
const TOLD_AGAIN: Duration = Duration::from_secs(10);

/// How an issuer in force is asked.
#[derive(Debug)]
pub(super) struct Introspection {
    settings: IntrospectionSettings,
    /// What the issuer's metadata says, where the settings do not.
    discovered: ArcSwapOption<Uri>,
    fetcher: Fetcher,
    asking: Semaphore,
    waiting: AtomicUsize,
    /// Milliseconds since the Unix epoch at which the latest question got no answer at all; 0 if it got one, good or bad.
    silent: AtomicU64,
    outages: Outages,
    metrics: IntrospectionMetrics,
}

/// Which outages are told: not more than one each ten seconds, for there may be tokens over which a server fails every time,
/// and who shows them must not fill the log.
#[derive(Debug, Default)]
struct Outages {
    /// Milliseconds since the Unix epoch at which the latest was told.
    told: AtomicU64,
    /// Whether its end is still to be told.
    open: AtomicBool,
}

impl Outages {
    /// Whether a failure at `now`, in milliseconds, is told: the first of an outage, or a later one if the first came too soon
    /// after another outage.
    fn fails(&self, now: u64) -> bool {
        let is_late = now.abs_diff(self.told.load(Ordering::Relaxed)) >= TOLD_AGAIN.as_millis() as u64;
        let is_told = is_late && !self.open.swap(true, Ordering::Relaxed);
        if is_told {
            self.told.store(now, Ordering::Relaxed);
        }
        is_told
    }

    /// Whether the end of an outage is told: if its beginning was.
    fn ends(&self) -> bool {
        self.open.load(Ordering::Relaxed) && self.open.swap(false, Ordering::Relaxed)
    }
}

/// A question about one token; shown to nobody but the issuer.
pub(super) struct Question(Form);

/// What an issuer said of a token.
#[derive(Clone)]
pub(super) struct Answered {
    /// What is known of the token, or why it is refused.
    pub(super) facts: Result<VerifiedToken, TokenFault>,
    /// The time from which and up to which this is believed, since the Unix epoch.
    pub(super) believed: (Duration, Duration),
}

/// Why an issuer said nothing of a token.
enum Failure {
    /// Nobody knows where to ask.
    Unknown,
    /// The machine gives no randomness.
    Unsigned,
    Fetch(FetchFault),
    Unreadable,
}

impl Question {
    pub(super) fn new(token: BearerToken<'_>) -> Self {
        // RFC 7662 §2.1.
        Self(Form::default().with("token", token.as_str()).with("token_type_hint", "access_token"))
    }
}

impl Introspection {
    pub(super) fn new(settings: IntrospectionSettings, metrics: IntrospectionMetrics) -> Self {
        Self {
            settings,
            discovered: ArcSwapOption::empty(),
            fetcher: Fetcher::default(),
            asking: Semaphore::new(MOST_ASKED),
            waiting: AtomicUsize::new(0),
            silent: AtomicU64::new(0),
            outages: Outages::default(),
            metrics,
        }
    }

    /// Whether a token that is no JWT is this issuer's.
    pub(super) fn takes(&self, token: &str) -> bool {
        self.settings.prefix.as_deref().is_none_or(|prefix| token.starts_with(prefix))
    }

    /// Whether the issuer's metadata has to say where it is asked, and may then name `http` beyond loopback.
    pub(super) fn to_be_discovered(&self) -> Option<bool> {
        self.settings.url.is_none().then_some(self.settings.insecure_http)
    }

    /// Takes over what the issuer's metadata says.
    pub(super) fn discovered(&self, endpoint: Option<Uri>) {
        self.discovered.store(endpoint.map(Arc::new));
    }

    /// A place among those that wait for an answer; `None` if there are too many.
    pub(super) fn enter(&self) -> Option<Place<'_>> {
        let place = Place(&self.waiting);
        (self.waiting.fetch_add(1, Ordering::Relaxed) < MOST_WAITING).then_some(place)
    }

    /// Asks, within the time allowed, waiting for a turn included.
    ///
    /// # Errors
    ///
    /// [`Outage::Introspection`] if there is no answer that can be read.
    pub(super) async fn ask(
        &self,
        issuer: &TrustedIssuer,
        question: Question,
        clock: &Clock,
    ) -> Result<Answered, Outage> {
        let (began, asked) = (Instant::now(), clock.now());
        let answer = timeout(self.settings.timeout, self.exchange(issuer, question, clock)).await;
        let answer = answer.unwrap_or(Err(Failure::Fetch(FetchFault::TimedOut)));
        self.metrics.count(result_of(&answer), began.elapsed());
        self.note(issuer, answer.as_ref().err(), clock.now());
        let facts = answer.map_err(|_| Outage::Introspection)?;
        let kept = if facts.is_ok() { self.settings.cache } else { self.settings.cache.min(REFUSAL_KEPT) };
        Ok(Answered { facts, believed: (asked, asked.saturating_add(kept)) })
    }

    async fn exchange(
        &self,
        issuer: &TrustedIssuer,
        Question(form): Question,
        clock: &Clock,
    ) -> Result<Result<VerifiedToken, TokenFault>, Failure> {
        let discovered = self.discovered.load_full();
        let url = self.settings.url.as_ref().or(discovered.as_deref()).ok_or(Failure::Unknown)?;
        let _turn = self.asking.acquire().await.map_err(|_| Failure::Unknown)?;
        let proven = |form| self.settings.client.authenticate(form, issuer.name(), clock.now());
        let settings = FetchSettings {
            url,
            accept: "application/json",
            timeout: self.settings.timeout,
            ca: self.settings.ca.as_deref(),
            sent: proven(form.clone()).ok_or(Failure::Unsigned)?,
        };
        // RFC 7523 §3: a server may take an assertion once only, so each sending has its own.
        let answer = self.fetcher.fetch_renewing(settings, || proven(form)).await.map_err(Failure::Fetch)?;
        match issuer.read_introspection(&answer.body, clock.now(), self.settings.cache) {
            Ok(token) => Ok(Ok(token)),
            Err(IntrospectionFault::Token(fault)) => Ok(Err(fault)),
            Err(IntrospectionFault::Unreadable) => Err(Failure::Unreadable),
        }
    }

    /// Whether an answer that may still be believed is worth a question: not while the issuer is silent, but for one each two
    /// seconds that finds out whether it still is.
    pub(super) fn is_worth_asking(&self, now: Duration) -> bool {
        let (silent, now) = (self.silent.load(Ordering::Relaxed), milliseconds(now));
        let asked_lately = now.abs_diff(silent) < ASKED_AGAIN.as_millis() as u64;
        let one_of_all = || self.silent.compare_exchange(silent, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        silent == 0 || (!asked_lately && one_of_all())
    }

    /// Notes whether the issuer is silent at `now`, and logs the beginning and the end of an outage.
    fn note(&self, issuer: &TrustedIssuer, failure: Option<&Failure>, now: Duration) {
        let (issuer, now) = (&**issuer.name(), milliseconds(now));
        self.silent.store(if failure.is_some_and(Failure::is_silence) { now } else { 0 }, Ordering::Relaxed);
        match failure {
            Some(failure) if self.outages.fails(now) => {
                let (fault, cause) = failure.text();
                tracing::warn!(issuer, fault, cause, "tokens cannot be introspected");
            }
            None if self.outages.ends() => tracing::info!(issuer, "tokens can be introspected again"),
            Some(_) | None => {}
        }
    }
}

impl Failure {
    /// Whether nobody answered, so that another question would wait in vain. A bad answer is one about a single token: whoever
    /// shows a token that a server chokes on must not keep it from being asked about others.
    fn is_silence(&self) -> bool {
        match self {
            Self::Unreadable | Self::Fetch(FetchFault::Status(_) | FetchFault::TooLarge) => false,
            Self::Unknown | Self::Unsigned | Self::Fetch(_) => true,
        }
    }

    /// What is said of it, and its cause.
    fn text(&self) -> (String, Option<String>) {
        match self {
            Self::Unknown => ("the issuer's metadata names no introspection endpoint, or was never had".into(), None),
            Self::Unsigned => ("the machine gives no randomness".into(), None),
            Self::Fetch(fault) => (fault.to_string(), std::error::Error::source(fault).map(ToString::to_string)),
            Self::Unreadable => ("the answer is no JSON object, or has a member twice".into(), None),
        }
    }
}

/// At least 1.
pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn result_of(answer: &Result<Result<VerifiedToken, TokenFault>, Failure>) -> IntrospectionResult {
    match answer {
        Ok(Ok(_)) => IntrospectionResult::Active,
        Ok(Err(TokenFault::Inactive)) => IntrospectionResult::Inactive,
        Ok(Err(_)) => IntrospectionResult::Refused,
        Err(Failure::Unknown) => IntrospectionResult::Unknown,
        Err(Failure::Unreadable) => IntrospectionResult::Malformed,
        Err(Failure::Unsigned) => IntrospectionResult::Failed,
        Err(Failure::Fetch(fault)) => {
            fault.counted_as(IntrospectionResult::TimedOut, IntrospectionResult::TooLarge, IntrospectionResult::Failed)
        }
    }
}

/// A place among those that wait, given up however the waiting ends.
#[derive(Debug)]
pub(super) struct Place<'i>(&'i AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outages_are_told_with_their_end_and_not_more_than_one_each_ten_seconds() {
        let outages = Outages::default();
        let fails = |seconds: u64| outages.fails(seconds * 1_000);
        assert!(fails(100) && outages.ends() && !outages.ends());
        assert!(!fails(101) && !outages.ends());
        assert!(!fails(109) && fails(110) && outages.ends());
        // One that begins too soon after another and lasts is told later, once.
        assert!(!fails(115) && !fails(119) && fails(120) && !fails(135) && outages.ends());
        // A clock that is set back silences nothing.
        assert!(fails(50));
    }
}
