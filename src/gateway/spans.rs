//! The spans of a request that has ended: one of the side that was called, and below it one of the call to the upstream.
//!
//! Attributes are those of OpenTelemetry's conventions for HTTP, and `scopegate.*`. No path, no query and no subject is among them,
//! for they hold secrets and name people, and a trace goes to where other people read: `http.route` has the route's template.

use std::time::Duration;

use http::uri::Authority;
use http::{Method, Version};

use crate::gateway::UpstreamSettings;
use crate::gateway::exchange::{Exchange, PEER_LEFT};
use crate::gateway::trace::Recorded;
use crate::net::{Endpoint, Protocol};
use crate::policy::{Access, Reason, Route};
use crate::telemetry::{AccessRecord, CutOff, Peer, Source};
use crate::traces::{Attributes, Recording, Span, SpanKind};

/// The longest name of a host (RFC 1035 §2.3.4).
const LONGEST_HOST: usize = 255;

/// A request that has ended.
#[derive(Debug)]
pub(super) struct Ended<'a> {
    pub(super) record: &'a AccessRecord<'a>,
    pub(super) route: Option<&'a Route>,
    /// Where it was forwarded to.
    pub(super) upstream: Option<&'a UpstreamSettings>,
    /// When it had a connection there, since its start.
    pub(super) asked: Option<Duration>,
}

/// Hands over the spans of a request.
pub(super) fn record(recorded: &Recorded, exchange: &Exchange, ended: &Ended<'_>) {
    let Some(tracer) = &exchange.view.snapshot.traces else { return };
    let record = ended.record;
    let end = exchange.plane.shared.clock.now();
    let start = end.saturating_sub(record.duration);
    let template = ended.route.map(|route| route.template.as_str());
    let method = method(exchange, record.method);
    let name = template.map_or_else(|| method.to_owned(), |template| format!("{method} {template}"));
    let server = Span {
        trace: recorded.begun.context.trace,
        id: recorded.begun.context.span,
        parent: recorded.begun.parent.map(|parent| (parent, true)),
        state: recorded.state.as_deref(),
        kind: SpanKind::Server,
        name: &name,
        start,
        end,
        failed: is_failure(record.status),
    };
    let mut recording = Recording::new();
    recording.add(&server, |attributes| {
        attributes.text("http.request.method", method);
        attributes.text_if("http.route", template);
        attributes.text_if("scopegate.route", ended.route.map(|route| &*route.id));
        describe_exchange(exchange, ended, recorded.version, attributes);
        describe_decision(record, attributes);
        if let Some((token, took)) = recorded.decided.get() {
            attributes.text("scopegate.token", token.as_str());
            attributes.event("decided", start + took);
        }
    });
    record_call(recorded, ended, &server, method, &mut recording);
    tracer.take(recording);
}

/// Adds the span of the call to the upstream, if there was one.
fn record_call(recorded: &Recorded, ended: &Ended<'_>, server: &Span<'_>, method: &str, recording: &mut Recording) {
    let (Some(upstream), Some(reached)) = (ended.upstream, recorded.reached.get()) else { return };
    let record = ended.record;
    let answered = ended.asked.zip(record.upstream_duration).map(|(asked, took)| server.start + asked + took);
    let call = Span {
        id: recorded.call,
        parent: Some((server.id, false)),
        kind: SpanKind::Client,
        start: server.start + reached,
        end: answered.unwrap_or(server.end).min(server.end),
        // Of a call it is a failure, too, to be refused.
        failed: record.status >= 400,
        ..*server
    };
    recording.add(&call, |attributes| {
        attributes.text("http.request.method", method);
        describe_call(upstream, record, attributes);
        if let Some(asked) = ended.asked {
            attributes.event("connected", server.start + asked);
        }
    });
}

/// What the conventions for HTTP ask of a server.
fn describe_exchange(exchange: &Exchange, ended: &Ended<'_>, version: Version, attributes: &mut Attributes<'_, '_>) {
    let record = ended.record;
    let listener = exchange.view.snapshot.listeners.get(exchange.connection.listener);
    let is_tls = listener.is_some_and(|listener| listener.tls.is_some());
    attributes.text("url.scheme", if is_tls { "https" } else { "http" });
    attributes.text_if("network.protocol.version", version_text(version));
    if let Some(authority) = record.host.and_then(|host| host.parse::<Authority>().ok()) {
        let host = authority.host();
        attributes.text("server.address", host.get(..LONGEST_HOST).unwrap_or(host));
        if let Some(port) = authority.port_u16() {
            attributes.number("server.port", port.into());
        }
    }
    match record.peer {
        Peer::Address(address) => attributes.text("client.address", &address.to_string()),
        Peer::Unix => attributes.text("network.transport", "unix"),
    }
    if record.status != PEER_LEFT {
        attributes.number("http.response.status_code", record.status.into());
    }
    if is_failure(record.status) {
        attributes.text("error.type", &fault(record));
    }
    attributes.number("http.request.body.size", record.bytes_in);
    attributes.number("http.response.body.size", record.bytes_out);
}

/// What the gateway made of the request.
fn describe_decision(record: &AccessRecord<'_>, attributes: &mut Attributes<'_, '_>) {
    attributes.text("scopegate.request_id", record.request_id);
    attributes.text("scopegate.source", record.source.as_str());
    attributes.text_if("scopegate.access", record.access.map(Access::as_str));
    attributes.text_if("scopegate.reason", record.reason.map(Reason::as_str));
    attributes.text_if("scopegate.required", record.required);
    attributes.text_if("scopegate.missing", record.missing);
    attributes.text_if("scopegate.client_id", record.client_id);
    attributes.text_if("scopegate.upstream", record.upstream);
    attributes.text_if("scopegate.cut_off_by", record.cut_off_by.map(CutOff::as_str));
    attributes.text("scopegate.table", record.table);
}

/// What the conventions for HTTP ask of a client.
fn describe_call(upstream: &UpstreamSettings, record: &AccessRecord<'_>, attributes: &mut Attributes<'_, '_>) {
    attributes.text("scopegate.upstream", &upstream.name);
    attributes.text("url.scheme", if upstream.tls.is_some() { "https" } else { "http" });
    match &upstream.endpoint {
        Endpoint::Tcp { host, port } => {
            attributes.text("server.address", host);
            attributes.number("server.port", (*port).into());
        }
        Endpoint::Unix(path) => {
            attributes.text("server.address", &path.to_string_lossy());
            attributes.text("network.transport", "unix");
        }
    }
    attributes.text(
        "network.protocol.version",
        match upstream.protocol {
            Protocol::Http1 => "1.1",
            Protocol::Http2 => "2",
        },
    );
    if record.source == Source::Upstream {
        attributes.number("http.response.status_code", record.status.into());
    }
    if record.status >= 400 {
        attributes.text("error.type", &fault(record));
    }
}

/// The conventions have a span of a server fail with 5xx only: a refusal is what the gateway is there for.
fn is_failure(status: u16) -> bool {
    status >= 500
}

/// `error.type`: the gateway's own word where there is one, else the status.
fn fault(record: &AccessRecord<'_>) -> String {
    match record.reason {
        Some(reason) => reason.as_str().to_owned(),
        None if record.status == PEER_LEFT => "peer_left".to_owned(),
        None => record.status.to_string(),
    }
}

/// The method, if it is one that anybody knows: others come from the peer.
fn method<'a>(exchange: &Exchange, method: &'a Method) -> &'a str {
    let is_known =
        matches!(*method, Method::TRACE | Method::CONNECT) || exchange.view.snapshot.table.knows_method(method);
    if is_known { method.as_str() } else { "_OTHER" }
}

fn version_text(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    }
}
