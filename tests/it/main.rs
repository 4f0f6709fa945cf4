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
mod descriptors;
mod discovery;
mod docs;
mod drain;
mod faults_peer;
mod faults_upstream;
mod fidelity;
mod forwarding;
mod grpc;
mod hostile_bytes;
mod http2;
mod introspection;
mod keys;
mod kills;
mod matrix;
mod panics;
mod parked;
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
mod unix_sockets;
mod unix_upstream;
mod upstream_connections;
mod upstream_http2;
mod upstream_http2_faults;
mod websocket;
mod websocket_ends;
mod websocket_http2;
mod worked_example;
