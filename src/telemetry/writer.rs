//! The thread that writes the log.

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::time::Duration;

use tracing::Level;

use super::line::Line;
use super::log::{Entry, Shared};
use super::owned::OwnedRecord;
use super::sums::{Sum, Sums};

/// How long lines gather, after a first one, before they are written: a worker need not wake this thread for each.
const GATHER: Duration = Duration::from_millis(5);
/// Bytes that are written at once, at most about.
const BATCH: usize = 64 * 1024;
/// With nothing to do, how long until the next look.
const IDLE: Duration = Duration::from_secs(60);

/// Takes entries in order, sums equal refusals, and writes lines in batches.
#[derive(Debug)]
pub(super) struct Writer<W> {
    receiver: Receiver<Entry>,
    sink: W,
    shared: Arc<Shared>,
    sums: Sums,
    batch: String,
    lines: u64,
}

/// Whether there may be more to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drained {
    Nothing,
    Something,
    Closed,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(receiver: Receiver<Entry>, sink: W, shared: Arc<Shared>) -> Self {
        Self { receiver, sink, shared, sums: Sums::default(), batch: String::new(), lines: 0 }
    }

    /// Writes until the last sender is gone.
    pub(super) fn run(mut self) {
        while self.wait() {
            loop {
                // Nobody waits on the channel meanwhile, so senders pay for no wake-up; one that finds it full, or
                // flushes, unparks this thread.
                std::thread::park_timeout(GATHER);
                match self.drain() {
                    Drained::Something => {}
                    Drained::Nothing => break,
                    Drained::Closed => return self.finish(),
                }
            }
        }
        self.finish();
    }

    /// Waits for one entry or the end of the second that is being summed; `false` when there are no senders any more.
    fn wait(&mut self) -> bool {
        let remaining = self.sums.remaining(self.shared.clock.now()).unwrap_or(IDLE);
        match self.receiver.recv_timeout(remaining) {
            Ok(entry) => self.take(entry),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        self.drain() != Drained::Closed
    }

    /// Takes all that waits, and writes it.
    fn drain(&mut self) -> Drained {
        let mut drained = Drained::Nothing;
        let closed = loop {
            match self.receiver.try_recv() {
                Ok(entry) => self.take(entry),
                Err(TryRecvError::Empty) => break false,
                Err(TryRecvError::Disconnected) => break true,
            }
            drained = Drained::Something;
        };
        let now = self.shared.clock.now();
        self.end_second_if_over(now);
        self.write_overflow(now);
        self.write();
        if closed { Drained::Closed } else { drained }
    }

    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Access(record) => self.take_record(&record),
            Entry::Event(event) => {
                event.write(&mut self.batch, self.shared.settings().format);
                self.lines += 1;
            }
            Entry::Flush(reply) => self.flush(&reply),
        }
        if self.batch.len() >= BATCH {
            self.write();
        }
    }

    fn take_record(&mut self, record: &OwnedRecord) {
        if let Some(refusal) = record.likeness() {
            self.end_second_if_over(record.time());
            if !self.sums.admit(refusal, record.time()) {
                return;
            }
        }
        record.write(&mut self.batch, &self.shared.settings(), &self.shared.pseudonyms);
        self.lines += 1;
    }

    fn end_second_if_over(&mut self, now: Duration) {
        if self.sums.is_over(now) {
            let sums = self.sums.end();
            self.write_sums(&sums, now);
        }
    }

    fn write_sums(&mut self, sums: &[Sum], now: Duration) {
        let format = self.shared.settings().format;
        for sum in sums {
            sum.write(&mut self.batch, format, now);
            self.lines += 1;
        }
    }

    /// Tells of the refusals that there was no room for.
    fn write_overflow(&mut self, now: Duration) {
        let format = self.shared.settings().format;
        for (reason, count) in self.shared.overflow.take() {
            let mut line =
                Line::begin(&mut self.batch, format, now, Level::WARN, "requests refused while the log was full");
            line.text("reason", Some(reason.as_str()));
            line.number("count", count);
            line.end();
            self.lines += 1;
        }
    }

    fn flush(&mut self, reply: &SyncSender<()>) {
        let sums = self.sums.take();
        let now = self.shared.clock.now();
        self.write_sums(&sums, now);
        self.write_overflow(now);
        self.write();
        // Whoever asked may have stopped waiting.
        let _ = reply.try_send(());
    }

    fn finish(mut self) {
        let sums = self.sums.end();
        let now = self.shared.clock.now();
        self.write_sums(&sums, now);
        self.write_overflow(now);
        self.write();
    }

    /// Writes the batch. A sink that fails costs its lines, never the process: a closed stdout stops no request.
    fn write(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let written = self.sink.write_all(self.batch.as_bytes()).and_then(|()| self.sink.flush());
        if written.is_err() {
            (0..self.lines).for_each(|_| self.shared.metrics.log_dropped());
        }
        self.batch.clear();
        self.lines = 0;
    }
}
