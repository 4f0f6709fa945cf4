//! `upstreams` of a gateway file → where requests go, and what the policy must know of it.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use crate::gateway::{ForwardedStyle, HostRule, TunnelSettings, UpstreamSettings};
use crate::net::{ClientTls, Protocol};
use crate::policy::{Readings, UpstreamRules};

use super::faults::Fault;
use super::gateway_file::refuse_empty;
use super::node::{Entry, Value};
use super::paths::{self, WrittenEndpoint};
use super::read::{Fields, Subject};
use super::scalars::{Scalar, Wrong};
use super::secrets::Folder;
use super::source::Placed;
use super::{tls, upstream_keys};

/// Fields without which no message could be framed or routed.
const NEEDED: [&str; 4] = ["connection", "content-length", "host", "transfer-encoding"];

/// One upstream: its side of forwarding and its side of the policy.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) rules: UpstreamRules,
    /// `None` after a fault.
    pub(super) settings: Option<UpstreamSettings>,
}

/// What a policy checked alone supposes of an upstream: every default.
pub(super) fn supposed(name: &str) -> UpstreamRules {
    UpstreamRules {
        name: name.into(),
        readings: Readings::default(),
        refuse_query: vec!["_method".to_owned()],
        base_path: "/".to_owned(),
    }
}

/// Reads every upstream.
pub(super) fn read(root: &Fields<'_, '_>, folder: &mut Folder<'_>) -> Vec<Upstream> {
    if root.node("upstreams").is_some_and(|node| matches!(&node.value, Value::Map(entries) if entries.is_empty())) {
        root.refuse(
            root.place_of("upstreams"),
            "upstreams",
            "is empty",
            Some("routes forward to one of them".to_owned()),
        );
    }
    root.entries("upstreams").iter().map(|entry| upstream(entry, root, folder)).collect()
}

fn upstream(entry: &Entry<'_>, root: &Fields<'_, '_>, folder: &mut Folder<'_>) -> Upstream {
    let subject = Subject::new("upstream", &entry.key);
    let fields = Fields::read_at(&entry.value, entry.place, upstream_keys::UPSTREAM, subject, root.faults);
    let name: Arc<str> = Arc::from(entry.key.as_ref());
    let rules = UpstreamRules {
        name: Arc::clone(&name),
        readings: readings(&fields.section("readings")),
        refuse_query: fields.texts("refuse_query").into_iter().map(|placed| placed.value).collect(),
        base_path: base_path(&fields),
    };
    Upstream { rules, settings: settings(name, &fields, folder) }
}

fn readings(fields: &Fields<'_, '_>) -> Readings {
    Readings {
        decoding: fields.boolean("decoding"),
        encoded_slash: fields.boolean("encoded_slash"),
        path_parameters: fields.boolean("path_parameters"),
        merged_slashes: fields.boolean("merged_slashes"),
        query_in_path: fields.boolean("query_in_path"),
        trailing_slash: fields.boolean("trailing_slash"),
        letter_case: fields.boolean("letter_case"),
        suffix: fields.boolean("suffix"),
        trailing_dot: fields.boolean("trailing_dot"),
    }
}

fn base_path(fields: &Fields<'_, '_>) -> String {
    let path = fields.parsed("base_path", |scalar| paths::prefix(scalar.text).map(str::to_owned));
    path.map_or_else(|| "/".to_owned(), |placed| placed.value)
}

fn settings(name: Arc<str>, fields: &Fields<'_, '_>, folder: &mut Folder<'_>) -> Option<UpstreamSettings> {
    let timeouts = fields.section("timeouts");
    let connections = fields.section("connections");
    let tunnels = fields.section("tunnels");
    let host = fields.parsed("host", host_rule).map(|placed| placed.value);
    let remove = fields.list("remove", removable).into_iter().map(|placed| placed.value).collect();
    let forwarded = match fields.choice("forwarded") {
        "forwarded" => ForwardedStyle::Forwarded,
        "both" => ForwardedStyle::Both,
        "none" => ForwardedStyle::None,
        _ => ForwardedStyle::XForwarded,
    };
    let protocol = if fields.choice("protocol") == "http2" { Protocol::Http2 } else { Protocol::Http1 };
    if protocol == Protocol::Http2 && fields.node("tunnels").is_some() {
        let message =
            fields.subject.say("tunnels", "has no effect: WebSocket is offered by upstreams that speak HTTP/1.1");
        fields.faults.push(Fault::warning(fields.place_of("tunnels"), message).hint("remove it, or `protocol: http2`"));
    }
    let endpoint = endpoint(fields);
    let tls = upstream_tls(fields, folder, endpoint.as_ref(), protocol);
    Some(UpstreamSettings {
        name,
        protocol,
        tls: tls?,
        forward_token: fields.boolean("forward_token"),
        forwarded,
        remove,
        connect: timeouts.duration("connect").unwrap_or_default(),
        response: timeouts.duration("response").unwrap_or_default(),
        idle: timeouts.duration("idle").unwrap_or_default(),
        tunnels: TunnelSettings {
            websocket: tunnels.boolean("websocket"),
            idle: tunnels.duration("idle").unwrap_or_default(),
            end_with_token: tunnels.boolean("end_with_token"),
        },
        max_connections: connections.count("max"),
        queue: connections.count("queue"),
        connection_idle: connections.duration("idle").unwrap_or_default(),
        endpoint: endpoint?.value.endpoint,
        host: host?,
    })
}

/// TLS is spoken where the endpoint says `https`, and nowhere else; the outer `None` is a fault.
fn upstream_tls(
    fields: &Fields<'_, '_>,
    folder: &mut Folder<'_>,
    endpoint: Option<&Placed<WrittenEndpoint>>,
    protocol: Protocol,
) -> Option<Option<ClientTls>> {
    let section = fields.section("tls");
    match endpoint {
        Some(Placed { value: WrittenEndpoint { is_tls: false, .. }, place }) if fields.node("tls").is_some() => {
            let message = fields.subject.say("tls", "is written, but the endpoint is not `https`");
            let fault = Fault::error(fields.place_of("tls"), message).related(*place, "the endpoint");
            fields.faults.push(fault.hint("write `https://`, or remove `tls`"));
            None
        }
        Some(Placed { value: WrittenEndpoint { is_tls: true, .. }, .. }) => {
            tls::of_upstream(&section, folder, protocol).map(Some)
        }
        Some(_) | None => Some(None),
    }
}

fn endpoint(fields: &Fields<'_, '_>) -> Option<Placed<WrittenEndpoint>> {
    refuse_empty(fields, "endpoints", "write one, such as `[http://127.0.0.1:9000]`");
    let endpoints = fields.list("endpoints", |scalar| paths::endpoint(scalar.text));
    if let Some(Value::List(written)) = fields.node("endpoints").map(|node| &node.value)
        && let Some(second) = written.get(1)
    {
        let message = fields.subject.tell("several endpoints are not supported yet");
        fields.faults.push(Fault::error(second.place, message).hint("write one, and let it balance what is behind it"));
    }
    endpoints.into_iter().next()
}

/// `keep`, `endpoint`, or a `Host` field's value (RFC 9110 §7.2).
fn host_rule(scalar: Scalar<'_>) -> Result<HostRule, Wrong> {
    let wrong = || Wrong::expected("`keep`, `endpoint`, or a host with or without port");
    match scalar.text {
        "keep" => Ok(HostRule::Keep),
        "endpoint" => Ok(HostRule::Endpoint),
        text => {
            let authority: http::uri::Authority = text.parse().map_err(|_| wrong())?;
            if authority.as_str().contains('@') || authority.host().is_empty() {
                return Err(wrong());
            }
            HeaderValue::from_str(text).map(HostRule::Fixed).map_err(|_| wrong())
        }
    }
}

/// A field's name, in lower case and with `-`, as both spellings are removed.
fn removable(scalar: Scalar<'_>) -> Result<HeaderName, Wrong> {
    let wrong = || Wrong::expected("the name of a request field");
    let name = scalar.text.to_ascii_lowercase().replace('_', "-");
    if NEEDED.contains(&name.as_str()) {
        return Err(Wrong::expected("a field that messages can do without"));
    }
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())
}
