//! What a load gives: a gateway, or a policy by itself.

use std::sync::Arc;
use std::time::Duration;

use super::diagnostic::Diagnostic;
use crate::authorization_server::{AuthorizationServerSettings, Catalogue};
use crate::{admin, gateway, net, policy, telemetry, traces, verify};

/// A valid gateway file with its policy, compiled. The policy's `tests:` have passed.
#[derive(Debug)]
pub struct Gateway {
    /// Where to listen; at least one.
    pub listeners: Vec<gateway::ListenerSettings>,
    /// The admin listener.
    pub admin: admin::AdminSettings,
    /// Threads that serve requests, at most 1,024; 0 is one a core.
    pub workers: usize,
    /// Whose tokens are believed; no two have one name, and there is one unless every method is public.
    pub issuers: Vec<verify::IssuerSettings>,
    /// Where the scopes of roles come from besides the policy; only with a ceiling that they can limit.
    pub role_directory: Option<net::Polled>,
    /// Whether 404 and 405 are told before a valid token is shown.
    pub reveal_routes: gateway::RevealRoutes,
    /// In the order of `table.upstreams()`.
    pub upstreams: Vec<gateway::UpstreamSettings>,
    /// What one peer, and all of them, may take.
    pub limits: gateway::Limits,
    /// The `realm` of challenges: 1 to 128 letters of printable ASCII, without `"` and `\`.
    pub realm: String,
    /// How long requests in flight may take to end; may be zero.
    pub drain_timeout: Duration,
    /// How long a new process may take to be ready before it is ended.
    pub handover_timeout: Duration,
    /// What is logged, and how.
    pub log: telemetry::LogSettings,
    /// Where spans go; never in a build without the feature `otel`.
    pub traces: Option<traces::TracesSettings>,
    /// The policy.
    pub table: Arc<policy::RouteTable>,
    /// By file and place.
    pub warnings: Vec<Diagnostic>,
    /// How many of the policy's `tests:` there are: all have passed.
    pub tests_passed: usize,
}

/// A valid authorization server's file, with the scopes of its policies.
#[derive(Debug)]
pub struct AuthorizationServerConfiguration {
    /// What the server is started with.
    pub settings: AuthorizationServerSettings,
    /// What may be granted.
    pub catalogue: Catalogue,
    /// What is logged, and how.
    pub log: telemetry::LogSettings,
    /// By file and place.
    pub warnings: Vec<Diagnostic>,
}

/// A policy checked alone, against upstreams with every default that its routes name.
#[derive(Debug)]
pub struct Policy {
    /// The policy.
    pub table: Arc<policy::RouteTable>,
    /// By file and place.
    pub warnings: Vec<Diagnostic>,
    /// What its `tests:` came to.
    pub tests: TestReport,
}

/// What the `tests:` of a policy came to.
#[derive(Clone, Debug, Default)]
pub struct TestReport {
    /// How many passed.
    pub passed: usize,
    /// Those that did not: what was expected, what came instead, and where.
    pub failed: Vec<Diagnostic>,
}
