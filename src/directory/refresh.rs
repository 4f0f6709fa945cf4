//! The task that keeps the directory fresh.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::time::sleep;

use super::live::Source;
use crate::clock::Clock;
use crate::net::{Answer, Fetcher};
use crate::policy::RoleDirectory;
use crate::telemetry::FetchResult;

/// What the task remembers from one fetch to the next.
pub(super) struct Refresh {
    source: Arc<Source>,
    clock: Clock,
    fetcher: Fetcher,
    /// Of the answer in force.
    etag: Option<HeaderValue>,
    /// Fetches that failed since the latest that did not.
    failures: u32,
    /// Whether it was told that the answer in force is too old.
    stale_told: bool,
}

impl Refresh {
    pub(super) fn new(source: Arc<Source>, clock: Clock) -> Self {
        Self { source, clock, fetcher: Fetcher::default(), etag: None, failures: 0, stale_told: false }
    }

    /// Fetches at once and then for ever; ends when it is dropped.
    pub(super) async fn keep_fresh(mut self) {
        loop {
            let result = self.round().await;
            self.source.report(self.clock.now());
            self.source.count(result);
            sleep(self.source.polled.pause(self.failures)).await;
        }
    }

    /// Fetches once. Whatever is no directory leaves the last good one in force.
    pub(super) async fn round(&mut self) -> FetchResult {
        let began = self.clock.now();
        match self.source.polled.ask(&self.fetcher, self.etag.clone()).await {
            Ok(answer) => self.take(answer, began),
            Err(fault) => {
                let cause = std::error::Error::source(&fault).map(|cause| format!(": {cause}")).unwrap_or_default();
                self.tell_failure(&format!("{fault}{cause}"));
                fault.counted_as(FetchResult::TimedOut, FetchResult::TooLarge, FetchResult::Failed)
            }
        }
    }

    fn take(&mut self, answer: Answer, began: Duration) -> FetchResult {
        if answer.unchanged {
            self.source.confirm(began);
        } else {
            match RoleDirectory::read(&answer.body) {
                Ok(directory) => {
                    let roles = directory.len();
                    if self.source.put(directory, began) {
                        tracing::info!(roles, "role directory read");
                    }
                    self.etag = answer.etag;
                }
                Err(fault) => {
                    self.tell_failure(&fault.to_string());
                    return FetchResult::Malformed;
                }
            }
        }
        if self.failures > 0 {
            tracing::info!("role directory confirmed again");
        }
        (self.failures, self.stale_told) = (0, false);
        FetchResult::Ok
    }

    /// Tells of the first failure in a row, and when the answer in force becomes too old: a line for every one would fill the log.
    fn tell_failure(&mut self, why: &str) {
        self.failures = self.failures.saturating_add(1);
        if self.failures == 1 {
            tracing::warn!(why, "role directory not fetched, the last good one stays");
        }
        if !self.stale_told && !self.source.is_fresh(self.clock.now()) {
            self.stale_told = true;
            tracing::error!(why, "requests that need the role directory are refused: there is none that is fresh");
        }
    }
}
