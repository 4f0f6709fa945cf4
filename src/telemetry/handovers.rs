//! Hand-overs from process to process, which are counted over all of them.

use prometheus::IntCounter;

use super::families::Families;
use super::labels::{Children, ClosedLabel};

/// What became of the wish for a new process: `scopegate_handover_total{result}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandoverResult {
    /// The new process serves.
    Done,
    /// The new process did not come to serve, and the one before it goes on.
    Failed,
    /// None was started.
    Refused,
}

impl ClosedLabel for HandoverResult {
    const ALL: &'static [Self] = &[Self::Done, Self::Failed, Self::Refused];
    fn text(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
    fn index(self) -> usize {
        self as usize
    }
}

/// What is counted of hand-overs.
#[derive(Debug)]
pub(super) struct Handovers {
    results: Children<HandoverResult, IntCounter>,
}

impl Handovers {
    pub(super) fn new(families: &Families<'_>) -> Self {
        let help = "Hand-overs to a new process, those before this one included.";
        Self { results: families.closed_counters("scopegate_handover_total", help, "result") }
    }

    pub(super) fn count(&self, result: HandoverResult, times: u64) {
        if let Some(counter) = self.results.get(result) {
            counter.inc_by(times);
        }
    }

    pub(super) fn so_far(&self, result: HandoverResult) -> u64 {
        self.results.get(result).map_or(0, IntCounter::get)
    }
}

#[cfg(test)]
mod tests {
    use crate::telemetry::Metrics;

    use super::*;

    #[test]
    fn counts_go_on_where_the_process_before_has_ended() {
        let metrics = Metrics::new();
        for (position, result) in HandoverResult::ALL.iter().enumerate() {
            assert_eq!(result.index(), position);
            metrics.handovers(*result, 41);
            metrics.handovers(*result, 1);
            assert_eq!(metrics.handovers_so_far(*result), 42);
        }
    }
}
