//! What the integration tests stand on: the gateway's own binary, a real upstream, real signatures, raw sockets.
//!
//! Nothing sleeps for a while and hopes: [`eventually`] waits for a condition with a deadline, and ports are always given by the
//! system.

mod authorization_server;
mod browser;
mod busy;
mod busy_http2;
mod capture;
mod certificates;
mod client;
#[cfg(feature = "otel")]
mod collector;
mod demo;
mod fault;
mod feed_server;
mod fences;
mod foreign_server;
mod gateway;
mod golden;
pub mod http2;
mod http2_client;
mod http2_streams;
mod http2_upstream;
mod key_server;
mod load;
mod log_schema;
mod message;
mod outcome;
mod server;
mod service;
mod sickbed;
mod signer;
mod stage;
mod stage_tls;
mod table;
mod tls;
mod upstream;
mod wire;
mod wire_http2;
mod workplace;

use std::time::{Duration, Instant};

pub use authorization_server::{API, AuthorizationServer, AuthorizationServerSetup, GATEWAY_TOKEN, SCOPES};
pub use browser::{Browser, Page};
pub use busy::{Busy, Place};
pub use capture::Capture;
pub use certificates::{Authority, Issued};
pub use client::{Client, Response};
#[cfg(feature = "otel")]
pub use collector::{Collector, Recorded};
pub use demo::{Demo, Visitor};
pub use fault::{Fault, Outcome, Scene, Spoken, outcomes};
pub use feed_server::{FeedServer, Mood};
pub use fences::{Fence, documents, fences};
pub use foreign_server::{ForeignServer, INTROSPECTION, Reply, form, form_decoded};
pub use gateway::{Gateway, POLICY, Setup};
pub use golden::golden;
pub use http2_client::{Answered, Http2Client};
pub use http2_streams::{Http2Answer, Http2Streams};
pub use http2_upstream::{Http2Upstream, Order};
pub use key_server::{Behaviour, KeyServer};
pub use load::Load;
pub use log_schema::{LOG_SCHEMA, fault_of};
pub use message::{Chunk, Message, read_chunk};
pub use server::Server;
pub use service::{Service, is_alive, signal};
pub use sickbed::{Examined, Sickbed};
pub use signer::{ISSUER, Signer, now};
pub use stage::{Stage, good, pseudo_fields};
pub use table::{has_row, hold_table};
pub use tls::{TlsClient, TlsFront, s_client};
pub use upstream::{Answer, Upstream};
pub use wire::Wire;
pub use wire_http2::literals;
pub use workplace::{ROOT, Workplace, shipped};

/// The fields of a WebSocket's handshake (RFC 6455 §4.1).
pub const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \
                         x3JJHMbDL1EzLkh9GBhXDw==\r\n";

/// The longest that anything may take which is to happen at all.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// The value of `condition` as soon as it has one.
///
/// # Panics
///
/// When it has none within [`DEADLINE`]; `what` names it.
#[track_caller]
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < end, "not in time: {what}");
        // The condition is on another process: there is nothing to be woken by.
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
