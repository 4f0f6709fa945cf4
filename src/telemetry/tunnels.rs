//! What is counted of tunnels, besides the connections that they are.

use prometheus::IntCounter;

use super::families::{Families, increase};
use super::labels::{Children, ClosedLabel};

/// Why a tunnel ended: `scopegate_tunnels_ended_total{end}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TunnelEnd {
    /// Both sides had ended it.
    Closed,
    /// Nothing flowed for longer than the upstream's `tunnels.idle`.
    Idle,
    /// The token that opened it ended, and `tunnels.end_with_token` is on.
    Token,
    /// The drain's time was over.
    Drained,
    /// The peer's side failed.
    PeerFailed,
    /// The upstream's side failed.
    UpstreamFailed,
}

impl ClosedLabel for TunnelEnd {
    const ALL: &'static [Self] =
        &[Self::Closed, Self::Idle, Self::Token, Self::Drained, Self::PeerFailed, Self::UpstreamFailed];
    fn text(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Idle => "idle",
            Self::Token => "token",
            Self::Drained => "drained",
            Self::PeerFailed => "peer_failed",
            Self::UpstreamFailed => "upstream_failed",
        }
    }
    fn index(self) -> usize {
        self as usize
    }
}

/// The counters of tunnels.
#[derive(Debug)]
pub(super) struct TunnelMetrics {
    ended: Children<TunnelEnd, IntCounter>,
}

impl TunnelMetrics {
    pub(super) fn new(families: &Families<'_>) -> Self {
        Self { ended: families.closed_counters("scopegate_tunnels_ended_total", "Tunnels that ended, by why.", "end") }
    }

    pub(super) fn ended(&self, end: TunnelEnd) {
        increase(self.ended.get(end));
    }
}
