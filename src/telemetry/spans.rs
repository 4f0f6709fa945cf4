//! Spans on their way to a collector.

use prometheus::IntCounter;

use super::families::Families;
use super::labels::{Children, ClosedLabel};

/// What became of spans: `scopegate_spans_total{result}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanResult {
    /// The collector has taken them.
    Exported,
    /// There was no room for them.
    Dropped,
    /// The collector has not taken them.
    Failed,
}

impl ClosedLabel for SpanResult {
    const ALL: &'static [Self] = &[Self::Exported, Self::Dropped, Self::Failed];
    fn text(self) -> &'static str {
        match self {
            Self::Exported => "exported",
            Self::Dropped => "dropped",
            Self::Failed => "failed",
        }
    }
    fn index(self) -> usize {
        self as usize
    }
}

/// What is counted of spans; nothing in a build without traces.
#[derive(Debug)]
pub(super) struct Spans {
    results: Option<Children<SpanResult, IntCounter>>,
}

impl Spans {
    pub(super) fn new(families: &Families<'_>) -> Self {
        let help = "Spans of recorded requests, by what became of them.";
        let counted = cfg!(feature = "otel");
        Self { results: counted.then(|| families.closed_counters("scopegate_spans_total", help, "result")) }
    }

    pub(super) fn count(&self, result: SpanResult, spans: usize) {
        if let Some(counter) = self.results.as_ref().and_then(|results| results.get(result)) {
            counter.inc_by(spans as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::telemetry::Metrics;

    use super::*;

    #[test]
    fn every_result_is_counted_at_its_own_place() {
        let metrics = Metrics::new();
        for (position, result) in SpanResult::ALL.iter().enumerate() {
            assert_eq!(result.index(), position);
            metrics.spans(*result, position + 1);
            let shown = format!("scopegate_spans_total{{result=\"{}\"}} {}\n", result.text(), position + 1);
            assert_eq!(metrics.render(std::time::Duration::ZERO).contains(&shown), cfg!(feature = "otel"), "{shown}");
        }
    }
}
