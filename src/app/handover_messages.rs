//! What two processes say to each other while one takes over from the other.
//!
//! Each message is a line of JSON. The two may be of different versions: members are added, never renamed, and unknown ones
//! are passed over.

use serde::{Deserialize, Serialize};

/// Set in the environment of a process whose standard input is the stream of these messages.
pub(super) const VARIABLE: &str = "SCOPEGATE_HANDOVER";

/// A line at most, so that a stream of something else ends.
pub(super) const LONGEST: usize = 1 << 20;

/// The first line, of the old process: what it listens on. The sockets follow, one descriptor each, in this order.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Offer {
    pub(super) listeners: Vec<Offered>,
    pub(super) admin: Option<Offered>,
    pub(super) counts: Counts,
}

/// The sockets of one listener.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Offered {
    /// As the gateway file says it.
    pub(super) address: String,
    pub(super) sockets: usize,
    pub(super) held_outside: bool,
}

/// What `scopegate_handover_total` is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) refused: u64,
}

/// What the new process says, in this order unless it fails.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(super) enum Progress {
    /// It could serve, and waits for [`GO`].
    Ready,
    /// It accepts connections.
    Serving {
        /// For each of the offer's listeners, whether it accepts from its sockets.
        taken_over: Vec<bool>,
    },
    /// It will never serve.
    Failed { reason: String },
}

/// What the old process answers to [`Progress::Ready`].
pub(super) const GO: &[u8] = b"go\n";
