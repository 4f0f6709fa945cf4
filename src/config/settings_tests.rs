//! Every key of a gateway file: its documented default, and that it is read where it is written.

use std::time::Duration;

use super::load_tests::{EVERY_KEY, Files, GATEWAY, ONE_ROUTE, POLICY, gateway};
use super::{Gateway, load_gateway_with_inputs};
use crate::gateway::{
    ForwardedStyle, HostRule, Limits, ListenerSettings, RevealRoutes, TrustedPeers, TunnelSettings, UpstreamSettings,
};
use crate::net::{Endpoint, ListenAddress, Protocol, Protocols};
use crate::policy::Readings;
use crate::telemetry::{LogAccess, LogFormat, LogSettings, LogSubject};
use crate::token::Algorithm;
use crate::verify::{KeyAddress, KeySource};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_smallest_gateway_has_the_documented_defaults() {
    let files = Files::new(&[("scopegate.yaml", GATEWAY), ("routes.yaml", ONE_ROUTE)]);
    let gateway = files.gateway().unwrap();
    let listener = ListenerSettings {
        address: ListenAddress::Tcp("127.0.0.1:8080".parse().unwrap()),
        protocols: Protocols::ALL,
        tls: None,
        public_url: None,
        trusted_peers: TrustedPeers::default(),
    };
    assert_eq!(gateway.listeners, [listener]);
    assert_eq!(gateway.admin.address, "127.0.0.1:9901".parse().unwrap());
    assert!(gateway.admin.token.is_none() && !gateway.admin.open_metrics);
    assert_eq!((gateway.workers, gateway.reveal_routes), (0, RevealRoutes::Always));
    assert_eq!((gateway.realm.as_str(), gateway.drain_timeout), ("api", 30 * SECOND));
    let (_, inputs) = load_gateway_with_inputs(&files.path("scopegate.yaml"));
    assert!(inputs.files().eq(["jwks.json", "routes.yaml", "scopegate.yaml"].map(|name| files.path(name))));
    let ceilings = gateway.table.ceilings();
    assert!(ceilings.roles.is_none() && ceilings.clients.is_none());
}

#[test]
fn limits_and_log_have_the_documented_defaults() {
    let gateway = gateway(GATEWAY, ONE_ROUTE).unwrap();
    let limits = Limits {
        header_bytes: 64 << 10,
        fields: 100,
        target_bytes: 8 << 10,
        token_bytes: 16 << 10,
        header_time: 10 * SECOND,
        body_idle: 30 * SECOND,
        keep_alive: 75 * SECOND,
        streams: 128,
        resets: 64,
        requests_in_flight: 10_000,
        tunnels: 10_000,
        connections: 20_000,
        remembered_tokens: 65_536,
        verification: 0.5,
    };
    assert_eq!(gateway.limits, limits);
    let log = LogSettings {
        format: LogFormat::Json,
        level: tracing::Level::INFO,
        access: LogAccess::Denied,
        subject: LogSubject::Plain,
    };
    assert_eq!(gateway.log, log);
}

#[test]
fn an_issuer_has_the_documented_defaults() {
    let gateway = gateway(GATEWAY, ONE_ROUTE).unwrap();
    let rules = &gateway.issuers[0].rules;
    assert!(gateway.issuers[0].required && !rules.strict_type && rules.client_only.is_none());
    assert_eq!(rules.algorithms, Algorithm::ALL);
    assert_eq!((rules.leeway, rules.max_lifetime), (5 * SECOND, 24 * 3600 * SECOND));
    assert_eq!((&*rules.scope_pointers, &*rules.roles_pointer), (&["/scope".into(), "/scp".into()][..], "/roles"));
    assert_eq!(rules.client_pointers, ["/client_id", "/azp"]);
    let fetched = GATEWAY.replace("{file: jwks.json}", "{url: https://idp.example.com/jwks}");
    let expected = KeySource::Remote {
        address: KeyAddress::Url("https://idp.example.com/jwks".parse().unwrap()),
        refresh: 300 * SECOND,
        max_stale: 24 * 3600 * SECOND,
        cooldown: 30 * SECOND,
        timeout: 3 * SECOND,
        ca: None,
    };
    assert_eq!(self::gateway(&fetched, ONE_ROUTE).unwrap().issuers[0].keys, expected);
}

#[test]
fn an_upstream_has_the_documented_defaults() {
    let gateway = gateway(GATEWAY, ONE_ROUTE).unwrap();
    let expected = UpstreamSettings {
        protocol: Protocol::Http1,
        tls: None,
        name: "automations".into(),
        endpoint: Endpoint::Tcp { host: "127.0.0.1".to_owned(), port: 9000 },
        forward_token: true,
        host: HostRule::Keep,
        forwarded: ForwardedStyle::XForwarded,
        remove: Vec::new(),
        connect: 2 * SECOND,
        response: 30 * SECOND,
        idle: 60 * SECOND,
        tunnels: TunnelSettings { websocket: true, idle: 3600 * SECOND, end_with_token: false },
        max_connections: 256,
        queue: 64,
        connection_idle: 90 * SECOND,
    };
    assert_eq!(gateway.upstreams, [expected]);
    let rules = &gateway.table.upstreams()[0];
    assert_eq!((rules.readings, rules.base_path.as_str()), (Readings::default(), "/"));
    assert_eq!(rules.refuse_query, ["_method"]);
}

/// The gateway of [`EVERY_KEY`], and the folder in which it is.
fn every_key() -> (Gateway, Files) {
    let files = Files::new(&[
        ("scopegate.yaml", EVERY_KEY),
        ("routes.yaml", POLICY),
        ("admin.token", "s3cret\n"),
        ("ca.pem", "-"),
    ]);
    (files.gateway().unwrap(), files)
}

#[test]
fn every_key_of_the_gateway_is_read_where_it_is_written() {
    let (gateway, files) = every_key();
    assert!(gateway.admin.token.as_ref().unwrap().matches("s3cret") && gateway.admin.open_metrics);
    assert_eq!((gateway.workers, gateway.limits.header_bytes, gateway.drain_timeout), (3, 32_768, Duration::ZERO));
    assert_eq!(gateway.handover_timeout, 5 * SECOND);
    let [first, second] = gateway.listeners.as_slice() else { panic!("two listeners") };
    assert!(!first.trusted_peers.contains(None) && first.trusted_peers.contains(Some([10, 0, 0, 9].into())));
    assert_eq!(second.address, ListenAddress::Unix("/run/scopegate.sock".into()));
    assert!(second.trusted_peers.contains(None) && !second.trusted_peers.contains(Some([10, 0, 0, 9].into())));
    assert_eq!((gateway.reveal_routes, gateway.realm.as_str()), (RevealRoutes::Authenticated, "automations and apps"));
    assert_eq!((gateway.log.format, gateway.log.access), (LogFormat::Text, LogAccess::All));
    let ceilings = gateway.table.ceilings();
    assert_eq!(ceilings.roles.as_ref().unwrap().len(), 2);
    assert!(ceilings.clients.as_ref().unwrap().contains_key("*") && ceilings.acts_alone.contains("reporting-job"));
    let (_, inputs) = load_gateway_with_inputs(&files.path("scopegate.yaml"));
    for read in ["admin.token", "ca.pem", "routes.yaml", "scopegate.yaml"] {
        assert!(inputs.files().any(|path| path == files.path(read)), "{read}");
    }
}

#[test]
fn every_key_of_an_issuer_is_read_where_it_is_written() {
    let (gateway, files) = every_key();
    let issuer = &gateway.issuers[0];
    let expected = KeySource::Remote {
        address: KeyAddress::Url("http://127.0.0.1:1/jwks".parse().unwrap()),
        refresh: 60 * SECOND,
        max_stale: 7200 * SECOND,
        cooldown: SECOND,
        timeout: SECOND / 2,
        ca: Some(files.path("ca.pem")),
    };
    assert_eq!(issuer.keys, expected);
    assert!(!issuer.required && issuer.rules.strict_type && issuer.rules.leeway.is_zero());
    assert_eq!((&*issuer.rules.algorithms, issuer.rules.max_lifetime), (&[Algorithm::EdDsa][..], 3600 * SECOND));
    assert_eq!(
        (&*issuer.rules.audience, &*issuer.rules.roles_pointer),
        (&["https://api.example.com".to_owned()][..], "/realm_access/roles")
    );
    let marked = issuer.rules.client_only.as_ref().unwrap();
    assert_eq!((marked.pointer.as_str(), &marked.equals), ("/gty", &serde_json::json!(true)));
}

#[test]
fn every_key_of_an_upstream_is_read_where_it_is_written() {
    let (gateway, _files) = every_key();
    let expected = UpstreamSettings {
        protocol: Protocol::Http1,
        tls: None,
        name: "automations".into(),
        endpoint: Endpoint::Tcp { host: "::1".to_owned(), port: 9000 },
        forward_token: false,
        host: HostRule::Fixed("api.internal:81".parse().unwrap()),
        forwarded: ForwardedStyle::Both,
        remove: vec!["x-debug".parse().unwrap()],
        connect: SECOND,
        response: 2 * SECOND,
        idle: 3 * SECOND,
        tunnels: TunnelSettings { websocket: false, idle: 7 * SECOND, end_with_token: true },
        max_connections: 4,
        queue: 5,
        connection_idle: 6 * SECOND,
    };
    assert_eq!(gateway.upstreams, [expected]);
    let rules = &gateway.table.upstreams()[0];
    assert_eq!(rules.readings, Readings { decoding: false, suffix: true, ..Readings::default() });
    assert_eq!((rules.base_path.as_str(), rules.refuse_query.len()), ("/v2", 0));
}
