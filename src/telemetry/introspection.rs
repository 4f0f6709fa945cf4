//! What is counted and timed of questions to issuers about tokens.

use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use super::families::{Families, increase, observe};
use super::labels::{Children, ClosedLabel};

/// Seconds: from 1 ms, a server on this machine, to 10 s, beyond any sensible timeout.
const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// What an issuer answered about a token: `scopegate_introspection_total{result}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntrospectionResult {
    /// The token is active, and everything else is as it must be.
    Active,
    /// The token is not active.
    Inactive,
    /// The token is active and refused all the same: for another audience, say.
    Refused,
    /// No connection, or a status other than 200.
    Failed,
    /// Not within the time allowed.
    TimedOut,
    /// Beyond the bytes allowed.
    TooLarge,
    /// Not an answer that can be read.
    Malformed,
    /// It is not known where to ask, for the issuer's metadata has not been had or does not say.
    Unknown,
}

impl ClosedLabel for IntrospectionResult {
    const ALL: &'static [Self] = &[
        Self::Active,
        Self::Inactive,
        Self::Refused,
        Self::Failed,
        Self::TimedOut,
        Self::TooLarge,
        Self::Malformed,
        Self::Unknown,
    ];
    fn text(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
        }
    }
    fn index(self) -> usize {
        self as usize
    }
}

/// The families that count questions about tokens.
#[derive(Debug)]
pub(super) struct IntrospectionFamilies {
    answers: IntCounterVec,
    durations: HistogramVec,
}

/// What is counted of the questions to one issuer. Counting takes no lock; what is counted after the issuer's children were
/// removed is seen by nobody.
#[derive(Clone, Debug)]
pub struct IntrospectionMetrics {
    answers: Children<IntrospectionResult, IntCounter>,
    durations: Children<IntrospectionResult, Histogram>,
}

impl IntrospectionFamilies {
    pub(super) fn new(families: &Families<'_>) -> Self {
        let labels = &["issuer", "result"];
        Self {
            answers: families.counters(
                "scopegate_introspection_total",
                "Questions to an issuer about a token, by what came of them.",
                labels,
            ),
            durations: families.histograms(
                "scopegate_introspection_duration_seconds",
                "From the question about a token to the issuer's answer.",
                SECONDS,
                labels,
            ),
        }
    }

    pub(super) fn of(&self, issuer: &str) -> IntrospectionMetrics {
        IntrospectionMetrics {
            answers: Children::of(|result| self.answers.with_label_values(&[issuer, result])),
            durations: Children::of(|result| self.durations.with_label_values(&[issuer, result])),
        }
    }

    /// Removes an issuer's children. What is not there needs no removal: the errors say no more than that.
    pub(super) fn forget(&self, issuer: &str) {
        for result in IntrospectionResult::ALL {
            let _ = self.answers.remove_label_values(&[issuer, result.text()]);
            let _ = self.durations.remove_label_values(&[issuer, result.text()]);
        }
    }
}

impl IntrospectionMetrics {
    /// Counts one question, and how long the answer took.
    pub fn count(&self, result: IntrospectionResult, took: Duration) {
        increase(self.answers.get(result));
        observe(self.durations.get(result), took);
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;

    #[test]
    fn every_value_is_found_at_its_own_place() {
        for (index, result) in IntrospectionResult::ALL.iter().enumerate() {
            assert_eq!(result.index(), index, "`{}`", result.text());
        }
    }

    #[test]
    fn what_is_counted_after_an_issuer_was_forgotten_is_seen_by_nobody() {
        let registry = Registry::new();
        let families = IntrospectionFamilies::new(&Families(&registry));
        let metrics = families.of("https://as.test");
        let shown = || registry.gather().iter().map(|family| family.get_metric().len()).sum::<usize>();
        metrics.count(IntrospectionResult::Active, Duration::from_millis(3));
        assert_eq!(shown(), 2 * IntrospectionResult::ALL.len());
        families.forget("https://as.test");
        metrics.count(IntrospectionResult::Active, Duration::from_millis(3));
        assert_eq!(shown(), 0);
    }
}
