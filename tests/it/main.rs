//! Integration tests: the gateway's binary between real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking, and documents itself by its name"
)]

mod architecture;
mod authorization_server_cli;
mod authorization_server_start;
mod cli;
mod config_errors;
mod content;
mod demo;
mod deploy;
mod descriptors;
mod discovery;
mod docs;
mod doctor;
mod doctor_addresses;
mod drain;
mod early_answers;
mod faults;
mod faults_peer_content;
mod faults_peer_head;
mod faults_peer_http2;
mod faults_peer_http2_fields;
mod faults_peer_tls;
mod faults_upstream_answer;
mod faults_upstream_http2;
mod faults_upstream_http2_answer;
mod faults_upstream_silent;
mod faults_upstream_tls;
mod fidelity;
mod forwarding;
mod grpc;
mod hostile_bytes;
mod http2;
mod http2_bounds;
mod http2_downgrade;
mod http2_downgrade_rows;
mod http2_ends;
mod http2_stalled;
mod http2_targets;
mod introspection;
mod introspection_clients;
mod keys;
mod kills;
mod log;
mod matrix;
mod panics;
mod parked;
mod probe;
mod reasons;
mod refusals;
mod reload;
mod restarts;
mod revocations;
mod role_directory;
mod server_sent_events;
mod support;
mod systemd;
mod takeovers;
mod timeouts;
mod tls;
mod tls_clients;
mod tls_reload;
mod tls_upstreams;
#[cfg(feature = "otel")]
mod traces;
#[cfg(feature = "otel")]
mod traces_export;
mod unix_sockets;
mod unix_upstream;
mod upstream_connections;
mod upstream_http2;
mod upstream_http2_faults;
mod watching;
mod websocket;
mod websocket_ends;
mod websocket_http2;
mod worked_example;
