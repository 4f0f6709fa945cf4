//! The task that sends what was recorded.

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::batch::{Resource, rejected};
use super::settings::TracesSettings;
use super::span::Recording;
use crate::net::{Content, FetchFault, FetchSettings, Fetcher, Schedule, Sent, chance};
use crate::telemetry::{Metrics, SpanResult, VERSION};

/// Recorded requests that are sent together, at most.
pub(super) const BATCH: usize = 512;
/// How often one batch is sent, at most.
const ATTEMPTS: u32 = 3;
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Between two lines of the log that say the same.
const TOLD_EVERY: Duration = Duration::from_secs(10);
const PROTOBUF: &str = "application/x-protobuf";

/// Joins recordings to batches, and sends one after the other.
#[derive(Debug)]
pub(super) struct Exporter {
    settings: TracesSettings,
    receiver: mpsc::Receiver<Recording>,
    /// Told when there is a batch to send before the interval is over.
    full: Arc<Notify>,
    /// Nothing more is handed over, and nothing is waited for.
    ends: CancellationToken,
    resource: Resource,
    fetcher: Fetcher,
    metrics: Arc<Metrics>,
    /// Whether it was told that the collector takes nothing.
    told: bool,
    told_last: Option<Instant>,
}

/// Recordings on their way.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    requests: usize,
    spans: usize,
}

impl Exporter {
    pub(super) fn new(
        settings: TracesSettings,
        receiver: mpsc::Receiver<Recording>,
        full: Arc<Notify>,
        ends: CancellationToken,
        metrics: Arc<Metrics>,
    ) -> Self {
        let resource = Resource::new(&settings.resource, VERSION, &instance());
        let fetcher = Fetcher::default();
        Self { settings, receiver, full, ends, resource, fetcher, metrics, told: false, told_last: None }
    }

    /// Sends until nothing more is handed over, and then the rest.
    pub(super) async fn run(mut self) {
        loop {
            self.wait().await;
            loop {
                // INVARIANT: looked at before the queue, so that nothing is handed over behind the last look at that.
                let ends = self.ends.is_cancelled();
                let batch = self.gather();
                let is_full = batch.requests == BATCH;
                if batch.spans > 0 {
                    self.send(batch).await;
                }
                match (is_full, ends) {
                    (true, _) => {}
                    (false, true) => return,
                    (false, false) => break,
                }
            }
        }
    }

    /// Waits until it is time to send. Whoever hands something over meets nobody who waits for it, and so has nobody to wake.
    async fn wait(&self) {
        tokio::select! {
            () = sleep(self.settings.interval) => {}
            () = self.full.notified() => {}
            () = self.ends.cancelled() => {}
        }
    }

    fn gather(&mut self) -> Batch {
        let mut batch = Batch::default();
        while batch.requests < BATCH
            && let Ok(recording) = self.receiver.try_recv()
        {
            batch.add(&recording);
        }
        batch
    }

    /// Sends a batch, again if that may help, and counts what has come of it.
    async fn send(&mut self, batch: Batch) {
        let content = Bytes::from(self.resource.request(&batch.bytes));
        let mut attempt = 1;
        let sent = loop {
            match self.post(content.clone()).await {
                Err(fault) if attempt < ATTEMPTS && may_pass(&fault) && !self.ends.is_cancelled() => {
                    self.tell_failure(&fault);
                    self.pause(attempt).await;
                    attempt += 1;
                }
                sent => break sent,
            }
        };
        match sent {
            Ok(rejected) => {
                let rejected = rejected.min(batch.spans);
                self.metrics.spans(SpanResult::Exported, batch.spans - rejected);
                self.metrics.spans(SpanResult::Failed, rejected);
                self.tell_success();
            }
            Err(fault) => {
                self.metrics.spans(SpanResult::Failed, batch.spans);
                self.tell_failure(&fault);
            }
        }
    }

    /// One attempt: how many spans the collector has rejected.
    async fn post(&self, bytes: Bytes) -> Result<usize, FetchFault> {
        let TracesSettings { url, timeout, ca, fields, .. } = &self.settings;
        let content = Some(Content { media_type: PROTOBUF, bytes });
        let sent = Sent { content, fields: fields.clone(), ..Sent::default() };
        let settings = FetchSettings { url, accept: PROTOBUF, timeout: *timeout, ca: ca.as_deref(), sent };
        Ok(rejected(&self.fetcher.fetch(settings).await?.body))
    }

    async fn pause(&self, failures: u32) {
        let schedule = Schedule { refresh: LONGEST_PAUSE, cooldown: LONGEST_PAUSE };
        tokio::select! {
            () = sleep(schedule.after_failure(failures, chance())) => {}
            () = self.ends.cancelled() => {}
        }
    }

    /// Tells once of failures in a row, and seldom of one row after the other.
    fn tell_failure(&mut self, fault: &FetchFault) {
        let is_due = self.told_last.is_none_or(|told| told.elapsed() >= TOLD_EVERY);
        if self.told || !is_due {
            return;
        }
        let cause = fault.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        let collector = self.settings.url.authority().map_or("", |authority| authority.as_str());
        tracing::warn!(collector, why = format!("{fault}{cause}"), "the collector does not take spans");
        (self.told, self.told_last) = (true, Some(Instant::now()));
    }

    fn tell_success(&mut self) {
        if std::mem::take(&mut self.told) {
            tracing::info!("the collector takes spans again");
        }
    }
}

impl Batch {
    fn add(&mut self, recording: &Recording) {
        self.bytes.extend(&recording.bytes);
        self.requests += 1;
        self.spans += recording.spans;
    }
}

/// Whether the same batch may be taken later: where nobody answered, and by the statuses that OTLP lists.
fn may_pass(fault: &FetchFault) -> bool {
    match fault {
        FetchFault::TimedOut
        | FetchFault::Unresolved(_)
        | FetchFault::Refused(_)
        | FetchFault::Tls(_)
        | FetchFault::Protocol(_) => true,
        FetchFault::Status(status) => matches!(
            *status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        ),
        FetchFault::TooLarge | FetchFault::Url | FetchFault::Roots(_) => false,
    }
}

/// Tells this process from others of the same service.
fn instance() -> String {
    let mut number = [0; 16];
    // Without randomness two processes look like one.
    let _ = aws_lc_rs::rand::fill(&mut number);
    format!("{:032x}", u128::from_be_bytes(number))
}
