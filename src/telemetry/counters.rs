//! The counters of one route: plain atomics, made at their first use, shared by every table that has the route.

use std::num::NonZeroU16;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::policy::{Access, Reason};

use super::labels::{Children, ClosedLabel, MethodLabel, Source};
use super::tally::Tally;

/// The counters of one route. Costs a few words until a request has met the route.
#[derive(Debug)]
pub(super) struct RouteCounters {
    id: Box<str>,
    methods: OnceLock<Children<MethodLabel, OnceLock<Box<MethodCounters>>>>,
}

/// What is counted of one finished request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome<'a> {
    pub(super) status: u16,
    pub(super) source: Source,
    pub(super) access: Option<Access>,
    /// Set where the refusal counts as a denial.
    pub(super) denial: Option<Reason>,
    /// Canonical text of the requirement.
    pub(super) required: &'a str,
}

/// One sample of a route, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sample<'a> {
    Request { method: &'static str, code: u16, source: &'static str },
    Allowed { method: &'static str, access: &'static str },
    Denied { method: &'static str, reason: &'static str, required: &'a str },
}

impl RouteCounters {
    pub(super) fn new(id: &str) -> Self {
        Self { id: id.into(), methods: OnceLock::new() }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Counts one request; takes no lock but at the first use of the route and method.
    pub(super) fn count(&self, method: MethodLabel, outcome: Outcome<'_>) {
        let methods = self.methods.get_or_init(|| Children::of(|_| OnceLock::new()));
        if let Some(counters) = methods.get(method) {
            counters.get_or_init(Box::default).count(outcome);
        }
    }

    /// Stops showing denials under a requirement that no method of the route has any more.
    pub(super) fn retain_required(&self, mut is_required: impl FnMut(&str) -> bool) {
        self.each_method(|_, counters| {
            for scoped in chain(&counters.scoped) {
                scoped.gone.store(!is_required(&scoped.required), Ordering::Relaxed);
            }
        });
    }

    /// Shows every count that is not zero.
    pub(super) fn samples(&self, mut show: impl FnMut(Sample<'_>, u64)) {
        self.each_method(|method, counters| counters.samples(method.text(), &mut show));
    }

    fn each_method(&self, mut visit: impl FnMut(MethodLabel, &MethodCounters)) {
        let Some(methods) = self.methods.get() else { return };
        for &method in MethodLabel::ALL {
            if let Some(counters) = methods.get(method).and_then(OnceLock::get) {
                visit(method, counters);
            }
        }
    }
}

/// The counters of one method of one route.
#[derive(Debug, Default)]
struct MethodCounters {
    requests: Tally,
    allowed: [AtomicU64; 4],
    denials: Tally,
    scoped: OnceLock<Box<ScopedDenials>>,
}

impl MethodCounters {
    fn count(&self, outcome: Outcome<'_>) {
        self.requests.add(request_key(outcome.status, outcome.source));
        if let Some(allowed) = outcome.access.and_then(|access| self.allowed.get(access.index())) {
            allowed.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(reason) = outcome.denial {
            match scoped_index(reason) {
                Some(index) => self.count_scoped(index, outcome.required),
                None => self.denials.add(reason_key(reason)),
            }
        }
    }

    fn count_scoped(&self, index: usize, required: &str) {
        let mut place = &self.scoped;
        loop {
            let scoped = place.get_or_init(|| Box::new(ScopedDenials::new(required)));
            if *scoped.required == *required {
                if let Some(count) = scoped.counts.get(index) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                return;
            }
            place = &scoped.next;
        }
    }

    fn samples(&self, method: &'static str, show: &mut impl FnMut(Sample<'_>, u64)) {
        for (key, count) in self.requests.counts() {
            let (code, source) = request_of(key);
            show(Sample::Request { method, code, source }, count);
        }
        for (&access, count) in Access::ALL.iter().zip(&self.allowed) {
            show_used(Sample::Allowed { method, access: access.text() }, count, show);
        }
        for (key, count) in self.denials.counts() {
            if let Some(reason) = Reason::ALL.iter().find(|&&reason| reason_key(reason).get() == key) {
                show(Sample::Denied { method, reason: reason.as_str(), required: "" }, count);
            }
        }
        for scoped in chain(&self.scoped).filter(|scoped| !scoped.gone.load(Ordering::Relaxed)) {
            for (reason, count) in SCOPED.iter().zip(&scoped.counts) {
                show_used(Sample::Denied { method, reason: reason.as_str(), required: &scoped.required }, count, show);
            }
        }
    }
}

/// The reasons that are counted together with what the method required.
const SCOPED: [Reason; 3] = [Reason::InsufficientScope, Reason::RoleCeiling, Reason::ClientCeiling];

/// Denials under one requirement. A reload that changes the requirement of a method leaves the old link behind, unseen,
/// so the chain grows with the edits of an operator, never with requests.
#[derive(Debug)]
struct ScopedDenials {
    required: Box<str>,
    gone: AtomicBool,
    counts: [AtomicU64; SCOPED.len()],
    next: OnceLock<Box<ScopedDenials>>,
}

impl ScopedDenials {
    fn new(required: &str) -> Self {
        Self {
            required: required.into(),
            gone: AtomicBool::new(false),
            counts: Default::default(),
            next: OnceLock::new(),
        }
    }
}

fn chain(first: &OnceLock<Box<ScopedDenials>>) -> impl Iterator<Item = &ScopedDenials> {
    std::iter::successors(first.get(), |scoped| scoped.next.get()).map(|scoped| &**scoped)
}

fn scoped_index(reason: Reason) -> Option<usize> {
    SCOPED.iter().position(|&scoped| scoped == reason)
}

fn show_used(sample: Sample<'_>, count: &AtomicU64, show: &mut impl FnMut(Sample<'_>, u64)) {
    let count = count.load(Ordering::Relaxed);
    if count != 0 {
        show(sample, count);
    }
}

/// The greatest status that a message can carry (RFC 9110 §15: three digits).
const MAX_STATUS: u16 = 999;

fn request_key(status: u16, source: Source) -> NonZeroU16 {
    let from_upstream = u16::from(source == Source::Upstream);
    NonZeroU16::MIN.saturating_add(status.min(MAX_STATUS) * 2 + from_upstream)
}

fn request_of(key: u16) -> (u16, &'static str) {
    let pair = key.saturating_sub(1);
    let source = if pair % 2 == 1 { Source::Upstream } else { Source::Gateway };
    (pair / 2, source.as_str())
}

fn reason_key(reason: Reason) -> NonZeroU16 {
    NonZeroU16::MIN.saturating_add(reason as u16)
}
