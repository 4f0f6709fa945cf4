//! Equal refusals beyond a hundred a second, summed in one line.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use crate::policy::Reason;

use super::labels::Source;
use super::line::Line;
use super::owned::{Likeness, level};
use super::record::Peer;
use super::settings::LogFormat;

/// Lines that equal refusals may have in one second.
pub(super) const LINES_A_SECOND: u64 = 100;
/// Different refusals told apart in one second; those beyond are equal if their reason is.
pub(super) const DIFFERENT: usize = 4096;

const SECOND: Duration = Duration::from_secs(1);

/// The refusals of one second.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// Random by process, so that no peer can make its refusals look like another's.
    hasher: RandomState,
    since: Duration,
    equal: HashMap<u64, Equal>,
}

/// Refusals that are equal by route, reason and peer.
#[derive(Debug)]
struct Equal {
    written: u64,
    held: u64,
    shown: Sum,
}

/// Many refusals in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) count: u64,
    pub(super) route: Option<Box<str>>,
    pub(super) reason: Reason,
    /// Absent where refusals of several peers and routes were summed, because there were too many to tell apart.
    pub(super) peer: Option<Peer>,
    pub(super) status: u16,
    pub(super) source: Source,
    pub(super) table: Box<str>,
}

impl Sums {
    /// Whether the second that is being summed is over at `now`; a clock that was set back ends it too.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        !self.equal.is_empty() && now.abs_diff(self.since) >= SECOND
    }

    /// How long the second that is being summed still lasts, if one is.
    pub(super) fn remaining(&self, now: Duration) -> Option<Duration> {
        (!self.equal.is_empty()).then(|| SECOND.saturating_sub(now.abs_diff(self.since)))
    }

    /// Takes one refusal; `true` if it is to be written by itself, else it is part of a sum.
    pub(super) fn admit(&mut self, refusal: Likeness<'_>, now: Duration) -> bool {
        if self.equal.is_empty() {
            self.since = now;
        }
        let mut key = self.hasher.hash_one((refusal.route, refusal.reason, refusal.peer));
        let mut told_apart = true;
        if self.equal.len() >= DIFFERENT && !self.equal.contains_key(&key) {
            key = self.hasher.hash_one(refusal.reason);
            told_apart = false;
        }
        let equal = self.equal.entry(key).or_insert_with(|| Equal::new(refusal, told_apart));
        if equal.written < LINES_A_SECOND {
            equal.written += 1;
            return true;
        }
        equal.held += 1;
        false
    }

    /// Hands out what has been held back; the second goes on.
    pub(super) fn take(&mut self) -> Vec<Sum> {
        self.equal.values_mut().filter(|equal| equal.held > 0).map(Equal::take).collect()
    }

    /// Ends the second and hands out what has been held back in it.
    pub(super) fn end(&mut self) -> Vec<Sum> {
        let sums = self.take();
        self.equal.clear();
        sums
    }
}

impl Equal {
    fn new(refusal: Likeness<'_>, told_apart: bool) -> Self {
        let shown = Sum {
            count: 0,
            route: refusal.route.filter(|_| told_apart).map(Into::into),
            reason: refusal.reason,
            peer: Some(refusal.peer).filter(|_| told_apart),
            status: refusal.status,
            source: refusal.source,
            table: refusal.table.into(),
        };
        Self { written: 0, held: 0, shown }
    }

    fn take(&mut self) -> Sum {
        Sum { count: std::mem::take(&mut self.held), ..self.shown.clone() }
    }
}

impl Sum {
    /// Writes the line.
    pub(super) fn write(&self, out: &mut String, format: LogFormat, now: Duration) {
        let mut line = Line::begin(out, format, now, level(Some(self.reason), self.status), "equal requests refused");
        if let Some(peer) = self.peer {
            line.peer("peer", peer);
        }
        line.text("route", self.route.as_deref());
        line.number("status", self.status);
        line.text("source", Some(self.source.as_str()));
        line.text("reason", Some(self.reason.as_str()));
        line.text("table", Some(&self.table));
        line.number("count", self.count);
        line.end();
    }
}
