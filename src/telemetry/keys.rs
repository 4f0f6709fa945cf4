//! What is counted of what is fetched: issuers' keys, their revocations, the role directory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec};
use smallvec::{SmallVec, smallvec};

use super::families::Families;
use super::labels::{ClosedLabel, FetchResult};

/// What the families of one kind of resource are called, and say.
#[derive(Clone, Copy, Debug)]
pub(super) struct FetchedNames {
    /// Name and help of the gauge of what is in force.
    pub(super) count: (&'static str, &'static str),
    /// Name and help of its age.
    pub(super) age: (&'static str, &'static str),
    /// Name and help of the counter of fetches.
    pub(super) fetches: (&'static str, &'static str),
    /// Whether there is one resource an issuer, whom a label names; otherwise there is one at most.
    pub(super) of_issuers: bool,
}

pub(super) const KEYS: FetchedNames = FetchedNames {
    count: ("scopegate_keys", "Usable keys of an issuer."),
    age: ("scopegate_keys_age_seconds", "Time since the keys of an issuer were last fetched."),
    fetches: ("scopegate_keys_fetch_total", "Fetches of an issuer's key set."),
    of_issuers: true,
};

pub(super) const REVOCATIONS: FetchedNames = FetchedNames {
    count: ("scopegate_revocations_entries", "Revocations of an issuer that are in force."),
    age: (
        "scopegate_revocations_age_seconds",
        "Time since the latest whole reading of an issuer's revocation feed began.",
    ),
    fetches: ("scopegate_revocations_fetch_total", "Readings of an issuer's revocation feed."),
    of_issuers: true,
};

pub(super) const ROLE_DIRECTORY: FetchedNames = FetchedNames {
    count: ("scopegate_role_directory_roles", "Roles of the role directory."),
    age: ("scopegate_role_directory_age_seconds", "Time since the fetch that last confirmed the role directory began."),
    fetches: ("scopegate_role_directory_fetch_total", "Fetches of the role directory."),
    of_issuers: false,
};

/// The families of one kind of resource.
#[derive(Debug)]
pub(super) struct FetchedFamilies {
    of_issuers: bool,
    count: IntGaugeVec,
    age: GaugeVec,
    fetches: IntCounterVec,
    /// When each issuer's was fetched, since the Unix epoch.
    fetched: Mutex<BTreeMap<String, Duration>>,
}

impl FetchedFamilies {
    pub(super) fn new(families: &Families<'_>, names: FetchedNames) -> Self {
        let FetchedNames { count, age, fetches, of_issuers } = names;
        let (labels, fetch_labels): (&[&str], &[&str]) =
            if of_issuers { (&["issuer"], &["issuer", "result"]) } else { (&[], &["result"]) };
        Self {
            of_issuers,
            count: families.gauges(count.0, count.1, labels),
            age: families.fractions(age.0, age.1, labels),
            fetches: families.counters(fetches.0, fetches.1, fetch_labels),
            fetched: Mutex::default(),
        }
    }

    /// The labels of an issuer, whose name means nothing where there is one resource at most.
    fn labels<'l>(&self, issuer: &'l str) -> SmallVec<[&'l str; 2]> {
        if self.of_issuers { smallvec![issuer] } else { SmallVec::new() }
    }

    pub(super) fn set(&self, issuer: &str, count: usize, age: Option<Duration>, now: Duration) {
        let labels = self.labels(issuer);
        self.count.with_label_values(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        let mut fetched = self.fetched();
        if let Some(age) = age {
            fetched.insert(issuer.to_owned(), now.saturating_sub(age));
        } else {
            fetched.remove(issuer);
            let _ = self.age.remove_label_values(&labels);
        }
    }

    pub(super) fn fetch(&self, issuer: &str, result: FetchResult) {
        let mut labels = self.labels(issuer);
        labels.push(result.text());
        self.fetches.with_label_values(&labels).inc();
    }

    /// Makes the ages those of `now`.
    pub(super) fn set_ages(&self, now: Duration) {
        for (issuer, &fetched) in &*self.fetched() {
            self.age.with_label_values(&self.labels(issuer)).set(now.saturating_sub(fetched).as_secs_f64());
        }
    }

    /// Removes an issuer's children. What is not there needs no removal: the errors say no more than that.
    pub(super) fn forget(&self, issuer: &str) {
        let mut fetched = self.fetched();
        fetched.remove(issuer);
        let labels = self.labels(issuer);
        let _ = self.count.remove_label_values(&labels);
        let _ = self.age.remove_label_values(&labels);
        for result in FetchResult::ALL {
            let mut labels = labels.clone();
            labels.push(result.text());
            let _ = self.fetches.remove_label_values(&labels);
        }
    }

    fn fetched(&self) -> MutexGuard<'_, BTreeMap<String, Duration>> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
