//! The log as the rest of the process sees it.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tracing_subscriber::layer::SubscriberExt;

use crate::clock::Clock;

use super::events::{Event, Events};
use super::metrics::Metrics;
use super::overflow::Overflow;
use super::owned::OwnedRecord;
use super::pseudonym::Pseudonyms;
use super::record::AccessRecord;
use super::settings::{LogAccess, LogSettings};
use super::writer::Writer;

/// Lines that may wait for the writer.
const CAPACITY: usize = 8192;
/// How long [`Log::flush`] waits for a reader of stdout that has stopped reading.
const FLUSH_TIME: Duration = Duration::from_secs(5);

/// Writes access records and operational events as lines through one thread; clones share it.
///
/// Nobody waits for it. When it is behind, records of allowed requests and events are dropped and counted, and of refusals
/// only their number by reason is kept, for one line each. What cannot be written (stdout closed) is counted and given up.
#[derive(Clone, Debug)]
pub struct Log {
    shared: Arc<Shared>,
    sender: SyncSender<Entry>,
    /// `None` if the system gave no thread: then every line is counted as dropped.
    writer: Option<Thread>,
}

/// What senders and the writer both use.
#[derive(Debug)]
pub(super) struct Shared {
    settings: RwLock<LogSettings>,
    /// A copy of one setting, for the request path.
    wants_allowed: AtomicBool,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Clock,
    pub(super) pseudonyms: Pseudonyms,
    pub(super) overflow: Overflow,
}

/// What is handed to the writer.
#[derive(Debug)]
pub(super) enum Entry {
    Access(Box<OwnedRecord>),
    Event(Box<Event>),
    /// Write everything, then answer.
    Flush(SyncSender<()>),
}

impl Log {
    /// Starts the writer on stdout and installs the `tracing` subscriber of the process.
    ///
    /// Once: later calls return the same log under the new settings, and their `metrics` and `clock` are not used.
    pub fn start(settings: LogSettings, metrics: Arc<Metrics>, clock: Clock) -> Self {
        static STARTED: OnceLock<Log> = OnceLock::new();
        let log = STARTED.get_or_init(|| {
            let log = Self::to(std::io::stdout(), settings.clone(), metrics, clock);
            // A process that has its own subscriber keeps it; access records do not depend on it.
            let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(log.events()));
            log
        });
        log.reconfigure(settings);
        log.clone()
    }

    /// Starts a writer on `sink`, without a subscriber; it ends when the last clone is dropped.
    pub fn to(sink: impl Write + Send + 'static, settings: LogSettings, metrics: Arc<Metrics>, clock: Clock) -> Self {
        let (sender, receiver) = sync_channel(CAPACITY);
        let shared = Arc::new(Shared {
            wants_allowed: AtomicBool::new(settings.access == LogAccess::All),
            settings: RwLock::new(settings),
            metrics,
            clock,
            pseudonyms: Pseudonyms::random(),
            overflow: Overflow::default(),
        });
        let writer = Writer::new(receiver, sink, Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.run());
        Self { shared, sender, writer: thread.ok().map(|handle| handle.thread().clone()) }
    }

    /// Puts other settings in force for whatever is written from now on.
    pub fn reconfigure(&self, settings: LogSettings) {
        self.shared.wants_allowed.store(settings.access == LogAccess::All, Ordering::Relaxed);
        *self.shared.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
        tracing::callsite::rebuild_interest_cache();
    }

    /// Returns whether a record of an allowed request would be written. Cheap.
    pub fn wants_allowed(&self) -> bool {
        self.shared.wants_allowed.load(Ordering::Relaxed)
    }

    /// Waits until everything handed over before has been written, sums of equal refusals included; 5 seconds at most.
    pub fn flush(&self) {
        let deadline = Instant::now() + FLUSH_TIME;
        let (reply, done) = sync_channel(1);
        let mut entry = Entry::Flush(reply);
        while let Err(TrySendError::Full(back)) = self.sender.try_send(entry) {
            if Instant::now() >= deadline {
                return;
            }
            entry = back;
            self.wake();
            std::thread::park_timeout(Duration::from_millis(1));
        }
        self.wake();
        // An error is a writer that has ended or stands still; there is nothing more to wait for.
        let _ = done.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }

    /// A layer that writes `tracing` events to this log.
    pub(super) fn events(&self) -> Events {
        Events::new(self.clone())
    }

    /// Hands over the record of one request, if it is wanted; `route` is the id of the route that matched.
    pub(super) fn access(&self, record: &AccessRecord<'_>, route: Option<&str>) {
        if record.reason.is_none() && !self.wants_allowed() {
            return;
        }
        let owned = Box::new(OwnedRecord::new(record, route, self.shared.clock.now()));
        let handed_over = self.sender.try_send(Entry::Access(owned));
        match (handed_over, record.reason) {
            (Ok(()), _) => {}
            (Err(TrySendError::Full(_)), Some(reason)) => {
                self.shared.overflow.add(reason);
                self.wake();
            }
            (Err(_), _) => self.shared.metrics.log_dropped(),
        }
    }

    /// Hands an event to the writer; where there is no room it is dropped and counted.
    pub(super) fn event(&self, event: Event) {
        if self.sender.try_send(Entry::Event(Box::new(event))).is_err() {
            self.shared.metrics.log_dropped();
        }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    fn wake(&self) {
        if let Some(writer) = &self.writer {
            writer.unpark();
        }
    }
}

impl Shared {
    pub(super) fn settings(&self) -> LogSettings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
