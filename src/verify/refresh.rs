//! The task that keeps one issuer's keys fresh.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use tokio::time::{sleep, timeout};

use super::discovery::{Discovery, DiscoveryFault};
use super::introspection::Introspection;
use super::issuer::{Issuer, Refreshing};
use super::key_set::KeySet;
use super::settings::KeyAddress;
use crate::clock::Clock;
use crate::net::{Answer, FetchFault, FetchSettings, Schedule, Sent, chance, fetch};
use crate::telemetry::FetchResult;
use crate::token::{JwkSet, MetadataFault, SkippedKey};

/// RFC 7517 §8.5.2, and what most issuers send.
pub(super) const ACCEPT: &str = "application/jwk-set+json, application/json;q=0.9";
/// Of one key set, so many odd keys are logged one by one.
const MOST_LOGGED: usize = 16;

/// An issuer whose keys are elsewhere.
pub(super) struct RemoteKeys {
    pub(super) issuer: Arc<Issuer>,
    pub(super) address: KeyAddress,
    pub(super) ca: Option<PathBuf>,
    pub(super) schedule: Schedule,
    pub(super) clock: Clock,
    /// The digest of the text that the keys in force were read from.
    pub(super) latest: Option<[u8; 32]>,
}

impl RemoteKeys {
    /// Fetches at once and then for ever; ends when it is dropped.
    pub(super) async fn keep_fresh(mut self, issuer: Arc<Issuer>) {
        let Some(refreshing) = &issuer.refreshing else { return };
        let (mut failures, mut hastened) = (0, false);
        loop {
            let (result, max_age) = self.round(refreshing, hastened).await;
            self.issuer.count_fetch(result);
            let pause = if result == FetchResult::Ok {
                failures = 0;
                self.schedule.after_success(max_age, chance())
            } else {
                failures += 1;
                self.schedule.after_failure(failures, chance())
            };
            hastened = tokio::select! {
                () = sleep(pause) => false,
                () = refreshing.wanted() => true,
            };
        }
    }

    /// Fetches once. Whatever is not a key set with usable keys leaves the old keys in force.
    pub(super) async fn round(&mut self, refreshing: &Refreshing, hastened: bool) -> (FetchResult, Option<Duration>) {
        refreshing.begin_round(hastened);
        // A look-up of the metadata and the fetch together take no longer than a fetch may.
        let answer = timeout(refreshing.timeout, self.fetch(refreshing.timeout)).await;
        let (result, max_age) = match answer.unwrap_or(Err(FetchFault::TimedOut.into())) {
            Ok(answer) => (self.take(&answer.body), answer.max_age),
            Err(fault) => (self.complain(&fault), None),
        };
        refreshing.end_round(result == FetchResult::Ok);
        (result, max_age)
    }

    async fn fetch(&self, timeout: Duration) -> Result<Answer, DiscoveryFault> {
        let ca = self.ca.as_deref();
        let url = match &self.address {
            KeyAddress::Url(url) => Cow::Borrowed(url),
            KeyAddress::Discovery { insecure_http } => {
                let introspection = self.issuer.introspection.as_ref();
                let sought = introspection.and_then(Introspection::to_be_discovered);
                let (issuer, insecure_http) = (self.issuer.name(), *insecure_http);
                let discovery = Discovery { issuer, insecure_http, introspection: sought, timeout, ca };
                let discovered = discovery.run().await?;
                if let (Some(introspection), Some(_)) = (introspection, sought) {
                    introspection.discovered(discovered.introspection);
                }
                Cow::Owned(discovered.keys)
            }
        };
        Ok(fetch(FetchSettings { url: &url, accept: ACCEPT, timeout, ca, sent: Sent::default() }).await?)
    }

    fn take(&mut self, body: &Bytes) -> FetchResult {
        let text_digest = digest(&SHA256, body).as_ref().try_into().ok();
        if self.latest.is_some() && self.latest == text_digest {
            self.issuer.confirm(self.clock.now());
            return FetchResult::Ok;
        }
        match read_keys(self.issuer.name(), body) {
            Ok(keys) => {
                self.latest = text_digest;
                tracing::info!(issuer = self.issuer.name(), keys = keys.len(), "key set read");
                self.issuer.put(keys, self.clock.now());
                FetchResult::Ok
            }
            Err(message) => {
                tracing::warn!(issuer = self.issuer.name(), message, "key set refused, the old keys stay");
                FetchResult::Malformed
            }
        }
    }

    fn complain(&self, fault: &DiscoveryFault) -> FetchResult {
        let cause = std::error::Error::source(fault).map(ToString::to_string);
        tracing::warn!(issuer = self.issuer.name(), %fault, cause, "key set not fetched");
        match fault {
            DiscoveryFault::Fetch(fault) => {
                fault.counted_as(FetchResult::TimedOut, FetchResult::TooLarge, FetchResult::Failed)
            }
            DiscoveryFault::Issuer => FetchResult::Failed,
            DiscoveryFault::Metadata(MetadataFault::Unreadable) => FetchResult::Malformed,
            DiscoveryFault::Metadata(MetadataFault::OtherIssuer) | DiscoveryFault::Address(_) => FetchResult::Untrusted,
        }
    }
}

/// Reads a key set and warns of the keys that are left out.
///
/// A set without a usable key is refused like garbage: issuers publish it by mistake, and one that wants its keys gone has
/// `max_stale` to wait, or the operator removes it.
pub(super) fn read_keys(issuer: &str, text: &[u8]) -> Result<KeySet, String> {
    let set = JwkSet::read(text).map_err(|fault| fault.to_string())?;
    for SkippedKey { position, id, fault } in set.skipped.iter().take(MOST_LOGGED) {
        tracing::warn!(issuer, position, kid = id.as_deref(), "key left out: {fault}");
    }
    if set.skipped.len() > MOST_LOGGED {
        tracing::warn!(issuer, count = set.skipped.len(), "many keys left out");
    }
    if set.keys.is_empty() {
        let reason = set.skipped.first().map(|key| format!(": the first was left out because {}", key.fault));
        return Err(format!("the set has no usable key{}", reason.unwrap_or_default()));
    }
    Ok(KeySet::new(set.keys))
}
