//! One trusted issuer with its live keys, shared by all workers and the task that refreshes it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use futures_util::FutureExt as _;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use super::feed::Feed;
use super::introspection::Introspection;
use super::key_set::{KeySet, next_generation};
use super::settings::IntrospectionSettings;
use crate::telemetry::{FetchResult, Metrics};
use crate::token::{Outage, TrustedIssuer};

/// An issuer in force.
///
/// Reading its keys takes no lock. Keys are replaced by the refreshing task or by a reload, never by a worker.
#[derive(Debug)]
pub(super) struct Issuer {
    pub(super) trusted: TrustedIssuer,
    /// Differs from that of every other issuer in this process.
    pub(super) generation: u64,
    keys: ArcSwap<KeySet>,
    /// Milliseconds since the Unix epoch at which the keys were last seen to be the issuer's; 0 before.
    confirmed: AtomicU64,
    /// How keys are refreshed; `None` for a file, whose keys never grow stale.
    pub(super) refreshing: Option<Refreshing>,
    /// How it is asked about tokens that are no JWT, if it is.
    pub(super) introspection: Option<Introspection>,
    /// What it has revoked; `None` if it does not tell.
    pub(super) feed: Option<Feed>,
    /// Held while metrics are set, so that none are after the issuer's retirement; no worker takes it.
    retired: Mutex<bool>,
    metrics: Arc<Metrics>,
}

/// What becomes of the metrics of an issuer that retires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Legacy {
    /// Another issuer of the same name has them from now on.
    Inherited,
    /// They are removed.
    Forgotten,
}

/// How workers and the refreshing task speak to each other, across runtimes.
#[derive(Debug)]
pub(super) struct Refreshing {
    pub(super) max_stale: Duration,
    pub(super) cooldown: Duration,
    pub(super) timeout: Duration,
    rounds: watch::Sender<Round>,
    wanted: Notify,
}

/// How far the fetching is.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    /// Rounds that have ended.
    ended: u64,
    running: bool,
    /// When the latest round began that was wanted sooner than planned.
    hastened: Option<Instant>,
    /// Whether the latest round that ended brought keys.
    well: bool,
    /// Whether there will be no more rounds.
    retired: bool,
}

/// What came of asking for newer keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refetch {
    /// Keys were fetched after the question.
    Fetched,
    /// They were not to be had, or not in time.
    Failed,
    /// The latest fetch that was asked for was too short a time ago, there is nowhere to fetch from, or the issuer has retired.
    Declined,
}

impl Refreshing {
    pub(super) fn new(max_stale: Duration, cooldown: Duration, timeout: Duration) -> Self {
        let rounds = watch::Sender::new(Round::default());
        Self { max_stale, cooldown, timeout, rounds, wanted: Notify::new() }
    }

    /// Marks the beginning of a round; whoever wants keys from here on waits for its end. A round that was wanted sooner than
    /// planned begins the cooldown; a planned one does not, or a key published after it would stay unknown for as long.
    pub(super) fn begin_round(&self, hastened: bool) {
        self.rounds.send_modify(|round| {
            round.running = true;
            if hastened {
                round.hastened = Some(Instant::now());
            }
        });
    }

    /// Marks the end of a round and wakes whoever waits.
    pub(super) fn end_round(&self, well: bool) {
        // A question that crossed the beginning of this round is answered by it, and must not cause another.
        let _ = self.wanted.notified().now_or_never();
        self.rounds.send_modify(|round| {
            *round = Round { ended: round.ended + 1, running: false, well, ..*round };
        });
    }

    /// Waits until keys are wanted sooner than planned, and may be fetched.
    pub(super) async fn wanted(&self) {
        loop {
            self.wanted.notified().await;
            // A question may have crossed the round that answered it.
            if !self.cooling() {
                return;
            }
        }
    }

    fn cooling(&self) -> bool {
        self.rounds.borrow().hastened.is_some_and(|began| began.elapsed() < self.cooldown)
    }

    /// Ends the waiting for this round and for any other.
    fn retire(&self) {
        self.rounds.send_modify(|round| round.retired = true);
    }

    /// Joins the round that runs, or asks for one; waits for its end, but no longer than a fetch may take.
    async fn refetch(&self) -> Refetch {
        let mut rounds = self.rounds.subscribe();
        let seen = *rounds.borrow_and_update();
        if seen.retired {
            return Refetch::Declined;
        }
        if !seen.running {
            if self.cooling() {
                return Refetch::Declined;
            }
            self.wanted.notify_one();
        }
        let ended = rounds.wait_for(|round| round.ended > seen.ended || round.retired);
        match timeout(self.timeout, ended).await {
            Ok(Ok(round)) if round.ended > seen.ended && round.well => Refetch::Fetched,
            Ok(_) | Err(_) => Refetch::Failed,
        }
    }
}

impl Issuer {
    pub(super) fn new(
        trusted: TrustedIssuer,
        refreshing: Option<Refreshing>,
        feed: Option<Feed>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            trusted,
            generation: next_generation(),
            keys: ArcSwap::from_pointee(KeySet::new(Vec::new())),
            confirmed: AtomicU64::new(0),
            refreshing,
            introspection: None,
            feed,
            retired: Mutex::new(false),
            metrics,
        }
    }

    /// The same issuer, asked about tokens that are no JWT.
    pub(super) fn asked(mut self, settings: Option<IntrospectionSettings>) -> Self {
        let metrics = |name: &str| self.metrics.introspection(name);
        self.introspection = settings.map(|settings| Introspection::new(settings, metrics(self.trusted.name())));
        self
    }

    pub(super) fn name(&self) -> &str {
        self.trusted.name()
    }

    /// The keys in force at `now`.
    ///
    /// # Errors
    ///
    /// [`Outage::Keys`] before there were any, and when the latest confirmation is too old; then newer ones are asked for.
    pub(super) fn keys(&self, now: Duration) -> Result<Guard<Arc<KeySet>>, Outage> {
        let keys = self.keys.load();
        if !keys.is_empty() && !self.is_stale(now) {
            return Ok(keys);
        }
        if let Some(refreshing) = &self.refreshing
            && !refreshing.cooling()
        {
            refreshing.wanted.notify_one();
        }
        Err(Outage::Keys)
    }

    /// Asks for newer keys and waits, within bounds.
    pub(super) async fn refetch(&self) -> Refetch {
        match &self.refreshing {
            Some(refreshing) => refreshing.refetch().await,
            None => Refetch::Declined,
        }
    }

    /// How long a key that a refetch did not bring is not asked for again: long enough to spare the issuer every second
    /// fetch, short enough that nobody can keep a key unknown by naming it before it is published.
    pub(super) fn forget_unknown_after(&self) -> Duration {
        self.refreshing.as_ref().map(|refreshing| refreshing.cooldown * 2).unwrap_or_default()
    }

    /// Puts a key set in force, confirmed at `now`.
    pub(super) fn put(&self, keys: KeySet, now: Duration) {
        self.keys.store(Arc::new(keys));
        self.confirm(now);
    }

    /// Notes that the keys in force are still the issuer's at `now`.
    pub(super) fn confirm(&self, now: Duration) {
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.confirmed.store(millis.max(1), Ordering::Release);
        self.report(now);
    }

    /// How long ago the keys were confirmed; `None` if there never were any.
    pub(super) fn age(&self, now: Duration) -> Option<Duration> {
        match self.confirmed.load(Ordering::Acquire) {
            0 => None,
            confirmed => Some(now.saturating_sub(Duration::from_millis(confirmed))),
        }
    }

    pub(super) fn is_stale(&self, now: Duration) -> bool {
        let max_stale = self.refreshing.as_ref().map(|refreshing| refreshing.max_stale);
        max_stale.is_some_and(|max_stale| self.age(now).is_none_or(|age| age > max_stale))
    }

    pub(super) fn key_count(&self) -> usize {
        self.keys.load().len()
    }

    /// Takes the issuer out of force: from here on its metrics are not its own, and nobody waits for its keys.
    ///
    /// Requests that began with it are answered by the last keys that it had. Once retired, it stays so.
    pub(super) fn retire(&self, legacy: Legacy) {
        let mut retired = self.retired();
        if !std::mem::replace(&mut *retired, true) && legacy == Legacy::Forgotten {
            self.metrics.forget_issuer(self.name());
        }
        drop(retired);
        if let Some(refreshing) = &self.refreshing {
            refreshing.retire();
        }
    }

    pub(super) fn is_retired(&self) -> bool {
        *self.retired()
    }

    /// Takes the metrics of its name over from the issuer before.
    pub(super) fn inherit(&self, now: Duration) {
        if self.introspection.is_none() {
            self.metrics.forget_introspection(self.name());
        }
        self.report(now);
    }

    /// Sets the metrics of this issuer, unless it has retired; the keys of a file have no age.
    pub(super) fn report(&self, now: Duration) {
        let retired = self.retired();
        if !*retired {
            let age = self.refreshing.as_ref().and_then(|_| self.age(now));
            self.metrics.keys(self.name(), self.key_count(), age, now);
            match &self.feed {
                Some(feed) => self.metrics.revocations(self.name(), feed.len(), feed.age(now), now),
                // An issuer of the same name may have had one.
                None => self.metrics.forget_revocations(self.name()),
            }
        }
    }

    /// Counts a fetch of its keys, unless it has retired.
    pub(super) fn count_fetch(&self, result: FetchResult) {
        let retired = self.retired();
        if !*retired {
            self.metrics.keys_fetch(self.name(), result);
        }
    }

    /// Counts a reading of its revocation feed, unless it has retired.
    pub(super) fn count_feed_reading(&self, result: FetchResult) {
        let retired = self.retired();
        if !*retired {
            self.metrics.revocations_fetch(self.name(), result);
        }
    }

    fn retired(&self) -> MutexGuard<'_, bool> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        // The refreshing task holds the issuer too, so nothing is reported after this.
        self.retire(Legacy::Forgotten);
    }
}
