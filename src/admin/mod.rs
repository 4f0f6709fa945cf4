//! The admin listener: what operators and their tools ask a running gateway.
//!
//! | request | answer |
//! |---|---|
//! | `GET /healthz` | 200 while the process lives |
//! | `GET /readyz` | 200 when requests can be served, else 503; the reasons and the detail as JSON in both |
//! | `GET /metrics` | Prometheus' text format |
//! | `GET /routes` | the expanded table and its fingerprint |
//! | `POST /explain` | how the gateway would decide, from claims: see below |
//! | `POST /reload` | reads the files anew: 200, or 409 with what is wrong with them |
//! | `GET /version` | version and revision of the build |
//!
//! Everything else is 404 or 405. Errors are problem documents (RFC 9457).
//!
//! **Who may ask.** On a loopback address, whoever is on the machine, but no web page: a request with `Origin` is refused
//! always, and `Host` must be the address itself or `localhost`, so that no name which someone else resolves to it will
//! do. Elsewhere a token is demanded ([`AdminFault::TokenDemanded`]) as `Authorization: Bearer` (RFC 6750 §2.1); where one
//! is set it is asked for on loopback too. `/healthz` and `/readyz` never ask for it, nor does `/metrics` where the
//! settings open it.
//!
//! **How long.** The head of a request must come within 10 seconds, its body (64 KiB at most) within 5; a connection
//! lives 5 minutes at most and at most 128 are open.
//!
//! `POST /explain` takes `{"method", "url", "scope", "roles", "client", "subject"}`: the first two are needed, the others
//! are claims as a token would carry them. Without any of the four the request has no credentials; without `client` the
//! client has no ceiling, without `subject` there is a user; a `subject` equal to `client` is a client without one. A
//! `token` is refused: nobody here can verify it, and what is not verified says nothing.
//!
//! What this room cannot see (readiness, the table in force, reload, metrics) `app` hands it as closures.

mod endpoints;
mod explain;
mod guard;
mod handles;
mod problem;
mod routes;
mod serve;

#[cfg(test)]
mod serve_tests;

pub use handles::{AdminHandles, InForce, Readiness, ReloadOutcome};
pub use serve::{AdminFault, AdminSettings, serve};
