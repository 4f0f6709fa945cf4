//! What is counted of issuers' keys.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec};

use super::families::Families;
use super::labels::{ClosedLabel, FetchResult};

/// The families that have an issuer for a label.
#[derive(Debug)]
pub(super) struct KeyFamilies {
    keys: IntGaugeVec,
    age: GaugeVec,
    fetches: IntCounterVec,
    /// When each issuer's keys were fetched, since the Unix epoch.
    fetched: Mutex<BTreeMap<String, Duration>>,
}

impl KeyFamilies {
    pub(super) fn new(families: &Families<'_>) -> Self {
        Self {
            keys: families.gauges("scopegate_keys", "Usable keys of an issuer.", &["issuer"]),
            age: families.fractions(
                "scopegate_keys_age_seconds",
                "Time since the keys of an issuer were last fetched.",
                &["issuer"],
            ),
            fetches: families.counters(
                "scopegate_keys_fetch_total",
                "Fetches of an issuer's key set.",
                &["issuer", "result"],
            ),
            fetched: Mutex::default(),
        }
    }

    pub(super) fn set(&self, issuer: &str, keys: usize, age: Option<Duration>, now: Duration) {
        self.keys.with_label_values(&[issuer]).set(i64::try_from(keys).unwrap_or(i64::MAX));
        let mut fetched = self.fetched();
        if let Some(age) = age {
            fetched.insert(issuer.to_owned(), now.saturating_sub(age));
        } else {
            fetched.remove(issuer);
            let _ = self.age.remove_label_values(&[issuer]);
        }
    }

    pub(super) fn fetch(&self, issuer: &str, result: FetchResult) {
        self.fetches.with_label_values(&[issuer, result.text()]).inc();
    }

    /// Makes the ages those of `now`.
    pub(super) fn set_ages(&self, now: Duration) {
        for (issuer, &fetched) in &*self.fetched() {
            self.age.with_label_values(&[issuer]).set(now.saturating_sub(fetched).as_secs_f64());
        }
    }

    /// Removes an issuer's children. What is not there needs no removal: the errors say no more than that.
    pub(super) fn forget(&self, issuer: &str) {
        let mut fetched = self.fetched();
        fetched.remove(issuer);
        let _ = self.keys.remove_label_values(&[issuer]);
        let _ = self.age.remove_label_values(&[issuer]);
        for result in FetchResult::ALL {
            let _ = self.fetches.remove_label_values(&[issuer, result.text()]);
        }
    }

    fn fetched(&self) -> MutexGuard<'_, BTreeMap<String, Duration>> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
