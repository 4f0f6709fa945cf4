//! The trusted issuers of one snapshot.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tokio_util::task::AbortOnDropHandle;

use super::feed::Feed;
use super::feed_reader::FeedReader;
use super::issuer::{Issuer, Legacy, Refreshing};
use super::key_set::KeySet;
use super::refresh::{RemoteKeys, read_keys};
use super::settings::{IssuerSettings, KeySource};
use crate::clock::Clock;
use crate::net::Schedule;
use crate::telemetry::Metrics;
use crate::token::{Revocations, TrustedIssuer};

/// All issuers of one snapshot with their live keys, shared by all workers.
///
/// An issuer that a later snapshot does not carry over retires when that snapshot is started: its refreshing and its metrics
/// end at once, however long requests hold it. Dropping the last snapshot ends those of the issuers in force.
///
/// A request keeps the issuers that it began with, and sees their newest keys; of a retired one, those that it had last.
#[derive(Debug)]
pub struct Issuers {
    /// By rising generation.
    issuers: Vec<Arc<LiveIssuer>>,
    /// Positions in `issuers`.
    named: HashMap<Arc<str>, usize>,
    clock: Clock,
}

/// An issuer and what keeps it alive; an unchanged one is shared with the snapshot before.
#[derive(Debug)]
pub(super) struct LiveIssuer {
    issuer: Arc<Issuer>,
    settings: IssuerSettings,
    refreshing: Option<AbortOnDropHandle<()>>,
    /// The task that reads its revocation feed.
    reading: Option<AbortOnDropHandle<()>>,
}

/// Why an issuer cannot be put in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("issuer `{issuer}`: {message}")]
pub struct IssuerFault {
    /// The issuer's name.
    pub issuer: String,
    /// What is wrong with its key file.
    pub message: String,
}

/// How an issuer's keys are, for `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct IssuerState {
    /// The issuer's name.
    pub issuer: String,
    /// Whether readiness waits for its keys.
    pub required: bool,
    /// Whether it has had keys once.
    pub had_keys: bool,
    /// Usable keys.
    pub keys: usize,
    /// Seconds since its keys were last confirmed; `None` if it never had any.
    pub age_seconds: Option<u64>,
    /// Whether there are keys, and none too old to be used.
    pub fresh: bool,
    /// How its revocation feed is; `None` if it has none.
    pub revocations: Option<FeedState>,
}

/// How an issuer's revocation feed is, for `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FeedState {
    /// Whether tokens are refused where it is not fresh.
    pub needed: bool,
    /// Revocations in force.
    pub entries: usize,
    /// Seconds since the beginning of the latest whole reading; `None` if there never was one.
    pub age_seconds: Option<u64>,
    /// Whether that is not too long ago.
    pub fresh: bool,
}

impl IssuerState {
    /// Says what readiness waits for: keys once, and its revocations once if no token is served without.
    pub fn lacks(&self) -> Vec<String> {
        let issuer = &self.issuer;
        let mut lacks = Vec::new();
        if !self.had_keys {
            lacks.push(format!("issuer `{issuer}` has had no keys yet"));
        }
        if self.revocations.as_ref().is_some_and(|feed| feed.needed && feed.age_seconds.is_none()) {
            lacks.push(format!("the revocation feed of issuer `{issuer}` has not been read yet"));
        }
        lacks
    }
}

impl Issuers {
    /// Reads key files, and starts refreshing key sets elsewhere and reading revocation feeds, one task each on the current
    /// tokio runtime.
    ///
    /// Issuers whose settings are equal to those in `previous` keep their keys, revocations, state and tasks; a key file is read again all
    /// the same, and its keys are in force at once, in `previous` too. The other issuers of `previous` retire.
    ///
    /// # Errors
    ///
    /// One fault for each key file that cannot be read or has no usable key; then nothing has changed.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, if an issuer's keys are not in a file or it has a revocation feed.
    pub fn start(
        settings: Vec<IssuerSettings>,
        previous: Option<&Issuers>,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Vec<IssuerFault>> {
        let files = read_files(&settings)?;
        let house = House { clock, metrics };
        let mut issuers: Vec<_> = settings
            .into_iter()
            .zip(files)
            .map(|(settings, keys)| house.put_in_force(settings, keys, previous))
            .collect();
        issuers.sort_by_key(|live| live.issuer.generation);
        let named = issuers.iter().enumerate();
        let named = named.map(|(position, live)| (live.issuer.trusted.name().clone(), position)).collect();
        let started = Self { issuers, named, clock: house.clock };
        if let Some(previous) = previous {
            started.supersede(previous);
        }
        Ok(started)
    }

    /// Retires the issuers of `previous` that were not carried over; the metrics of a name are then those of its new issuer.
    fn supersede(&self, previous: &Issuers) {
        let now = self.clock.now();
        for live in previous.issuers.iter().filter(|live| self.of_generation(live.issuer.generation).is_none()) {
            let heir = self.named(live.issuer.name());
            live.retire(if heir.is_some() { Legacy::Inherited } else { Legacy::Forgotten });
            // The one that retired may have reported after its heir did.
            heir.into_iter().for_each(|heir| heir.inherit(now));
        }
    }

    /// Tells how each issuer's keys are, in the order in which the issuers came into force.
    pub fn readiness(&self) -> Vec<IssuerState> {
        let now = self.clock.now();
        self.issuers.iter().map(|live| live.state(now)).collect()
    }

    /// The issuer that `iss` names, byte for byte.
    pub(super) fn named(&self, name: &str) -> Option<&Issuer> {
        self.live(name).map(|live| &*live.issuer)
    }

    /// The issuer that is asked about a token which is no JWT; no two take the same.
    pub(super) fn introspecting(&self, token: &str) -> Option<&Arc<Issuer>> {
        let mut issuers = self.issuers.iter().map(|live| &live.issuer);
        issuers.find(|issuer| issuer.introspection.as_ref().is_some_and(|introspection| introspection.takes(token)))
    }

    /// The issuer of a generation, unless a reload dropped or changed it.
    pub(super) fn of_generation(&self, generation: u64) -> Option<&Issuer> {
        let position = self.issuers.binary_search_by_key(&generation, |live| live.issuer.generation).ok()?;
        self.issuers.get(position).map(|live| &*live.issuer)
    }

    pub(super) fn live(&self, name: &str) -> Option<&Arc<LiveIssuer>> {
        self.named.get(name).and_then(|position| self.issuers.get(*position))
    }
}

/// What every issuer of the process shares.
struct House {
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl House {
    /// Takes an unchanged issuer over, or starts a new one; keys read from a file are in force at once.
    fn put_in_force(
        &self,
        settings: IssuerSettings,
        keys: Option<KeySet>,
        previous: Option<&Issuers>,
    ) -> Arc<LiveIssuer> {
        let before = previous.and_then(|previous| previous.live(&settings.rules.issuer));
        let unchanged = before.filter(|live| live.settings == settings && !live.issuer.is_retired());
        let live = unchanged.cloned().unwrap_or_else(|| self.start(settings, before));
        if let Some(keys) = keys {
            live.issuer.put(keys, self.clock.now());
        }
        live
    }

    /// Starts an issuer anew; `before` is the one of its name until now.
    fn start(&self, settings: IssuerSettings, before: Option<&Arc<LiveIssuer>>) -> Arc<LiveIssuer> {
        let trusted = TrustedIssuer::new(&settings.rules);
        let (clock, metrics) = (self.clock.clone(), self.metrics.clone());
        let asked = settings.introspection.clone();
        let feed = settings.revocations.as_ref();
        let feed = feed.map(|settings| {
            let known = before.and_then(|live| live.revoked_at(&settings.feed.url));
            Feed::new(settings.feed.max_stale, settings.serve_stale, known)
        });
        let (issuer, refreshing) = match settings.keys.clone() {
            KeySource::File(_) => (Arc::new(Issuer::new(trusted, None, feed, metrics).asked(asked)), None),
            KeySource::Remote { address, refresh, max_stale, cooldown, timeout, ca } => {
                let refreshing = Refreshing::new(max_stale, cooldown, timeout);
                let issuer = Arc::new(Issuer::new(trusted, Some(refreshing), feed, metrics).asked(asked));
                let schedule = Schedule { refresh, cooldown };
                let keys = RemoteKeys { issuer: issuer.clone(), address, ca, schedule, clock, latest: None };
                let task = tokio::spawn(keys.keep_fresh(issuer.clone()));
                (issuer, Some(AbortOnDropHandle::new(task)))
            }
        };
        issuer.report(self.clock.now());
        let reading = settings.revocations.as_ref().map(|settings| {
            let reader = FeedReader::new(issuer.clone(), settings.feed.clone(), self.clock.clone());
            AbortOnDropHandle::new(tokio::spawn(reader.keep_reading(issuer.clone())))
        });
        Arc::new(LiveIssuer { issuer, settings, refreshing, reading })
    }
}

impl LiveIssuer {
    /// Whether no task fetches its keys or reads its feed.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        [&self.refreshing, &self.reading].into_iter().flatten().all(AbortOnDropHandle::is_finished)
    }

    fn retire(&self, legacy: Legacy) {
        self.issuer.retire(legacy);
        [&self.refreshing, &self.reading].into_iter().flatten().for_each(AbortOnDropHandle::abort);
    }

    /// What the feed at `url` has revoked, if it is this issuer's.
    fn revoked_at(&self, url: &Uri) -> Option<Arc<Revocations>> {
        let settings = self.settings.revocations.as_ref().filter(|settings| settings.feed.url == *url);
        settings.and(self.issuer.feed.as_ref()).map(Feed::revocations)
    }

    fn state(&self, now: Duration) -> IssuerState {
        let issuer = &self.issuer;
        let age = issuer.age(now);
        IssuerState {
            issuer: issuer.name().to_owned(),
            required: self.settings.required,
            had_keys: age.is_some(),
            keys: issuer.key_count(),
            age_seconds: age.map(|age| age.as_secs()),
            fresh: age.is_some() && !issuer.is_stale(now),
            revocations: issuer.feed.as_ref().map(|feed| FeedState {
                needed: !feed.serves_stale(),
                entries: feed.len(),
                age_seconds: feed.age(now).map(|age| age.as_secs()),
                fresh: feed.is_fresh(now),
            }),
        }
    }
}

/// Reads every key file before anything changes; the answers are in the order of the issuers.
fn read_files(settings: &[IssuerSettings]) -> Result<Vec<Option<KeySet>>, Vec<IssuerFault>> {
    let mut faults = Vec::new();
    let mut read = Vec::with_capacity(settings.len());
    for issuer in settings {
        let name = &issuer.rules.issuer;
        read.push(match &issuer.keys {
            KeySource::Remote { .. } => None,
            KeySource::File(path) => match read_file(name, path) {
                Ok(keys) => Some(keys),
                Err(message) => {
                    faults.push(IssuerFault { issuer: name.clone(), message });
                    None
                }
            },
        });
    }
    if faults.is_empty() { Ok(read) } else { Err(faults) }
}

fn read_file(issuer: &str, path: &Path) -> Result<KeySet, String> {
    let shown = |why: String| format!("key file `{}`: {why}", path.display());
    let text = std::fs::read(path).map_err(|cause| shown(cause.to_string()))?;
    read_keys(issuer, &text).map_err(shown)
}
