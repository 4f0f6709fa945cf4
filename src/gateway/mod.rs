//! One request from peer to upstream and back.
//!
//! A worker accepts a connection ([`stand`]); each of its requests takes the [`Snapshot`] in force and keeps it, is screened,
//! read, looked up, verified and decided, and is then either answered with its refusal (a challenge of RFC 6750 §3 and a problem
//! document of RFC 9457) or forwarded with the grant that the decision made. Nothing else can be forwarded: the grant is taken by
//! value, and only the decision makes one. A request of HTTP/2 is brought into the shape of one of HTTP/1.1 first
//! (RFC 9113 §8.3.1, §8.2.3), so that one decision serves both; a handshake of WebSocket (RFC 6455 §4, RFC 8441) is decided
//! like any request and, where the upstream agrees, becomes a tunnel; a gRPC call is refused in gRPC's own terms.
//!
//! What this room leaves alone: how a decision comes about (`policy`), what makes a token good (`verify`, `token`), and the
//! sockets themselves (`net`). It implements the intermediary's part of RFC 9110 §7.6 and RFC 9112 §9: fields that concern one
//! hop end there, the message is framed anew, and content is passed on part by part.

mod authorize;
mod bearer;
mod body;
mod challenge;
mod data_plane;
mod exchange;
#[cfg(any(test, fuzzing))]
mod fields_fuzzing;
mod forward;
mod forwarded;
mod http2_request;
mod message;
mod peers;
mod refusal_form;
mod request_content;
mod request_fields;
mod request_id;
mod response_fields;
mod seldom;
mod service;
mod settings;
mod snapshot;
mod spans;
mod trace;
mod tunnel;
mod turned_away;
mod upgrade;
mod worker;

#[cfg(any(test, fuzzing))]
pub use fields_fuzzing::request_fields as fuzz_request_fields;
pub use settings::{
    ForwardedStyle, HostRule, Limits, ListenerSettings, RevealRoutes, TrustedPeers, TunnelSettings, UpstreamSettings,
};
pub use snapshot::{Shared, Snapshot, Upstream};
pub use turned_away::TURNED_AWAY_AT_ONCE;
pub use worker::{Standing, WorkerStart, stand};
