//! The task that reads one issuer's revocation feed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::time::sleep;

use super::feed::Feed;
use super::issuer::Issuer;
use crate::clock::Clock;
use crate::net::{Answer, FetchFault, Fetcher, Polled};
use crate::telemetry::FetchResult;
use crate::token::{MOST_REVOCATIONS, RevocationEntry, RevocationPage};

/// So many answers make up one reading at most.
const MOST_ANSWERS: usize = 4096;
/// So long answers are gathered before what they revoke is put in force: a long or slow reading keeps nobody's token alive.
const PART: Duration = Duration::from_secs(1);
/// What has been revoked is looked through for what has ended this often, where nothing is added to it.
const PRUNE: Duration = Duration::from_secs(60);
/// The least pause after a feed that was too large.
const LARGE_PAUSE: Duration = Duration::from_secs(30);

/// An issuer's revocation feed, and how far it has been read.
pub(super) struct FeedReader {
    pub(super) issuer: Arc<Issuer>,
    pub(super) polled: Polled,
    pub(super) clock: Clock,
    fetcher: Fetcher,
    /// Where to read on; `None` is the beginning.
    cursor: Option<String>,
    /// When what has ended was last left out, since the Unix epoch.
    pruned: Duration,
    /// Readings that failed since the latest that did not.
    failures: u32,
    /// Whether it was told that the latest reading is too old.
    stale_told: bool,
    /// Whether it was told that the feed has entries of another issuer.
    strangers_told: bool,
}

/// Why a reading ended before its end.
struct Broken {
    result: FetchResult,
    why: String,
}

impl FeedReader {
    pub(super) fn new(issuer: Arc<Issuer>, polled: Polled, clock: Clock) -> Self {
        let fetcher = Fetcher::default();
        Self {
            issuer,
            polled,
            clock,
            fetcher,
            cursor: None,
            pruned: Duration::ZERO,
            failures: 0,
            stale_told: false,
            strangers_told: false,
        }
    }

    /// Reads at once and then for ever; ends when it is dropped.
    pub(super) async fn keep_reading(mut self, issuer: Arc<Issuer>) {
        let Some(feed) = &issuer.feed else { return };
        loop {
            let result = self.reading(feed).await;
            issuer.count_feed_reading(result);
            let pause = self.polled.pause(self.failures);
            // A feed that is too large is a long read, and stays so for a while.
            sleep(if result == FetchResult::TooLarge { pause.max(LARGE_PAUSE) } else { pause }).await;
        }
    }

    /// Reads once, to the feed's end. Every answer counts whole or not at all; only a whole reading makes the feed fresh.
    pub(super) async fn reading(&mut self, feed: &Feed) -> FetchResult {
        let result = match self.read_to_the_end(feed).await {
            Ok(()) => {
                self.tell_recovery(feed);
                FetchResult::Ok
            }
            Err(broken) => {
                self.failures = self.failures.saturating_add(1);
                self.tell_failure(feed, &broken);
                broken.result
            }
        };
        self.issuer.report(self.clock.now());
        result
    }

    /// Reads part after part, each in force before the next is asked for.
    async fn read_to_the_end(&mut self, feed: &Feed) -> Result<(), Broken> {
        if self.clock.now().saturating_add(self.issuer.trusted.leeway()) < self.pruned {
            // The clock was set back: tokens that had ended are good again, and what named them is gone.
            self.cursor = None;
        }
        let (began, mut answers) = (Instant::now(), 0);
        loop {
            let (part_began, mut entries) = (self.clock.now(), Vec::new());
            let read = self.read_part(&mut entries, &mut answers).await;
            // What the answers before a failure revoked is revoked.
            self.add(feed, &entries)?;
            if read? {
                // What was revoked before this part began, an earlier part had, or this one.
                feed.confirm(part_began);
                return Ok(());
            }
            if began.elapsed() > self.polled.max_stale {
                let why = "it did not come to its end before it was too old".to_owned();
                return Err(Broken { result: FetchResult::TimedOut, why });
            }
        }
    }

    /// Reads on for a while; whether it came to the feed's end.
    async fn read_part(&mut self, entries: &mut Vec<RevocationEntry>, answers: &mut usize) -> Result<bool, Broken> {
        let began = Instant::now();
        while began.elapsed() < PART {
            if *answers == MOST_ANSWERS {
                let why = format!("it has more than {MOST_ANSWERS} answers to one reading");
                return Err(Broken { result: FetchResult::TooLarge, why });
            }
            *answers += 1;
            let answer = self.ask().await.map_err(|fault| self.failed(&fault))?;
            let page = RevocationPage::read(&answer.body, self.issuer.name())
                .map_err(|fault| Broken { result: FetchResult::Malformed, why: fault.to_string() })?;
            self.tell_strangers(page.strangers);
            // An answer without entries may still lead on; one that leads to where it was asked for never does.
            if page.more && self.cursor.as_ref() == Some(&page.cursor) {
                let why = "there is said to be more, and it does not go on".to_owned();
                return Err(Broken { result: FetchResult::Malformed, why });
            }
            entries.extend(page.entries);
            if entries.len() > 2 * MOST_REVOCATIONS {
                return Err(too_many());
            }
            self.cursor = Some(page.cursor);
            if !page.more {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn ask(&self) -> Result<Answer, FetchFault> {
        match &self.cursor {
            None => self.polled.ask(&self.fetcher, None).await,
            Some(cursor) => self.polled.ask_with(&self.fetcher, "cursor", cursor).await,
        }
    }

    fn failed(&mut self, fault: &FetchFault) -> Broken {
        if let FetchFault::Status(StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::GONE) = fault {
            // Should it be for the cursor, the beginning is always there.
            self.cursor = None;
        }
        let cause = std::error::Error::source(fault).map(|cause| format!(": {cause}")).unwrap_or_default();
        let result = fault.counted_as(FetchResult::TimedOut, FetchResult::TooLarge, FetchResult::Failed);
        Broken { result, why: format!("{fault}{cause}") }
    }

    fn add(&mut self, feed: &Feed, entries: &[RevocationEntry]) -> Result<(), Broken> {
        let now = self.clock.now();
        if entries.is_empty() && now.abs_diff(self.pruned) < PRUNE {
            return Ok(());
        }
        self.pruned = now;
        if feed.add(entries, now, self.issuer.trusted.leeway()) {
            return Ok(());
        }
        // What was read is lost, so it has to be read again.
        self.cursor = None;
        Err(too_many())
    }

    /// Tells once of entries that are left out: a feed that several issuers share has them in every answer.
    fn tell_strangers(&mut self, entries: usize) {
        if entries > 0 && !self.strangers_told {
            self.strangers_told = true;
            let issuer = self.issuer.name();
            tracing::warn!(issuer, entries, "entries of the revocation feed name another issuer, and are left out");
        }
    }

    fn tell_recovery(&mut self, feed: &Feed) {
        let issuer = self.issuer.name();
        if self.failures > 0 {
            tracing::info!(issuer, entries = feed.len(), "revocation feed read again");
        }
        (self.failures, self.stale_told) = (0, false);
    }

    /// Tells of the first failure in a row, and when the latest reading becomes too old: a feed that is read every other second
    /// would fill the log.
    fn tell_failure(&mut self, feed: &Feed, broken: &Broken) {
        let (issuer, why) = (self.issuer.name(), &broken.why);
        if self.failures == 1 {
            tracing::warn!(issuer, why, "revocation feed not read");
        }
        if !self.stale_told && !feed.is_fresh(self.clock.now()) {
            self.stale_told = true;
            if feed.serves_stale() {
                tracing::warn!(
                    issuer,
                    why,
                    "tokens are served that may have been revoked: the feed was not read in time"
                );
            } else {
                tracing::error!(issuer, why, "every token is refused: the revocation feed was not read in time");
            }
        }
    }
}

fn too_many() -> Broken {
    Broken { result: FetchResult::TooLarge, why: format!("it has more than {MOST_REVOCATIONS} entries") }
}
