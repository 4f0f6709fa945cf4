use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::{Gateway, is_gateway_file, load_gateway, load_gateway_with_inputs, load_policy};
use crate::gateway::{
    ForwardedStyle, HostRule, Limits, ListenerSettings, RevealRoutes, TrustedPeers, TunnelSettings, UpstreamSettings,
};
use crate::net::{Endpoint, ListenAddress, Protocol, Protocols};
use crate::policy::{Entry, Readings};
use crate::scope::Catalog;
use crate::telemetry::{LogAccess, LogFormat, LogSettings, LogSubject};
use crate::token::Algorithm;
use crate::verify::{KeyAddress, KeySource};

pub(super) const GATEWAY: &str = "\
listeners:
  - address: 127.0.0.1:8080
issuers:
  - issuer: https://idp.example.com/
    audience: [https://api.example.com]
    keys: {file: jwks.json}
upstreams:
  automations: {endpoints: [\"http://127.0.0.1:9000\"]}
policy: [routes.yaml]
";

pub(super) const POLICY: &str = "\
scopes:
  automations:            {describe: Manage your automations, implies: [automations:read], admin: admin.automations}
  automations:read:       {describe: See your automations, admin: admin.automations:read}
  admin.automations:      {describe: Manage all automations of the tenant, implies: [admin.automations:read]}
  admin.automations:read: {describe: See all automations of the tenant}
  apps:                   {describe: Manage your apps, implies: [apps:read, apps:export]}
  apps:read:              {describe: See your apps}
  apps:export:            {describe: Export your apps}
  api-keys:               {describe: Manage API keys, uses: [role]}

roles:
  TenantAdmin: {scopes: [admin.*, automations]}
  Analyst:     {scopes: [automations:read]}

clients:
  reporting-job: {scopes: [automations:read], acts_alone: true}
  \"*\":           {scopes: [\"*\"]}

routes:
  - path: /api/v1/automations
    upstream: automations
    methods:
      GET:  automations:read
      POST: automations
  - path: /api/v1/automations/{id}
    upstream: automations
    methods:
      GET:    automations:read
      DELETE: {user: automations, admin: admin.automations}
  - path: /api/v1/automations/{id}/actions/export
    upstream: automations
    methods:
      POST: {user: {all_of: [automations:read, {any_of: [apps, apps:export]}]}, admin: admin.automations}
  - path: /health
    upstream: automations
    methods: {GET: public}

tests:
  - name: an analyst cannot delete
    request: DELETE /api/v1/automations/7
    token: {scope: automations:read, roles: [Analyst]}
    expect: {deny: insufficient_scope}
  - name: a tenant admin reaches everything
    request: GET /api/v1/automations/7
    token: {scope: admin.automations:read, roles: [TenantAdmin]}
    expect: {allow: admin}
  - name: a job acts alone
    request: GET /api/v1/automations
    token: {scope: automations:read, client: reporting-job, subject: reporting-job}
    expect: {allow: user}
  - name: a job for a user without roles does not
    request: GET /api/v1/automations
    token: {scope: automations:read, client: reporting-job, subject: u1}
    expect: {deny: role_ceiling}
";

struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("jwks.json", "{\"keys\": []}")].iter().chain(files) {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn gateway(&self) -> Result<Gateway, Vec<String>> {
        load_gateway(&self.path("scopegate.yaml"))
            .map_err(|faults| faults.into_iter().map(|fault| fault.message).collect())
    }
}

fn gateway(text: &str, policy: &str) -> Result<Gateway, Vec<String>> {
    Files::new(&[("scopegate.yaml", text), ("routes.yaml", policy)]).gateway()
}

/// A policy that fits [`GATEWAY`].
const ONE_ROUTE: &str = "scopes: {a: {}}\nroutes: [{path: /a, upstream: automations, methods: {GET: a}}]";

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

/// A gateway file in which no key has its default.
pub(super) const EVERY_KEY: &str = "\
listeners:
  - {address: '[::1]:8080', public_url: https://api.example.com, trusted_peers: [10.0.0.0/8]}
  - {address: 'unix:/run/scopegate.sock', trusted_peers: [unix]}
admin: {address: '0.0.0.0:9901', token: {file: admin.token}, open_metrics: on}
workers: 3
issuers:
  - issuer: https://idp.example.com/
    required: off
    audience: https://api.example.com
    keys: {url: 'http://127.0.0.1:1/jwks', refresh: 1m, max_stale: 2h, cooldown: 1s, timeout: 500ms, ca: ca.pem}
    algorithms: [EdDSA]
    type: strict
    leeway: 0s
    max_lifetime: 1h
    claims: {scope: /scopes, roles: /realm_access/roles, client: [/cid]}
    client_only: {pointer: /gty, equals: true}
ceilings: {roles: on, clients: true}
reveal_routes: authenticated
upstreams:
  automations:
    endpoints: ['http://[::1]:9000']
    forward_token: false
    host: api.internal:81
    forwarded: both
    remove: [X_Debug]
    readings: {decoding: off, suffix: on}
    refuse_query: []
    base_path: /v2
    timeouts: {connect: 1s, response: 2s, idle: 3s}
    tunnels: {websocket: off, idle: 7s, end_with_token: on}
    connections: {max: 4, queue: 5, idle: 6s}
limits: {header_bytes: 32KiB, verification: 1}
realm: automations and apps
drain_timeout: 0s
handover_timeout: 5s
log: {format: text, level: debug, access: all, subject: hashed}
policy: [routes.yaml]
";

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

#[test]
fn the_policy_of_the_documentation_passes_its_tests() {
    let files = Files::new(&[("routes.yaml", POLICY)]);
    let policy = load_policy(&[files.path("routes.yaml")]).unwrap();
    assert_eq!((policy.tests.passed, policy.tests.failed.len()), (4, 0));
    let table = &policy.table;
    let entry = |route: usize, method: &str| {
        let entry = table.routes()[route].methods.iter().find(|(name, _)| name.as_str() == method);
        entry.map(|(_, entry)| sides(entry, table.catalog())).unwrap()
    };
    // The short form is the pair that the twins make of it.
    assert_eq!(entry(0, "POST"), entry(1, "DELETE"));
    assert_eq!(entry(0, "GET"), "user: automations:read; admin: admin.automations:read");
    assert_eq!(entry(3, "GET"), "public");
    assert_eq!(&*table.routes()[1].id, "/api/v1/automations/{id}");
}

fn sides(entry: &Entry, catalog: &Catalog) -> String {
    match entry {
        Entry::Public => "public".to_owned(),
        Entry::Authenticated => "authenticated".to_owned(),
        Entry::Scoped(sides) => sides.text(catalog),
    }
}

#[test]
fn entries_of_one_path_are_one_route_across_files() {
    let one = "scopes: {a: {}}\nroutes: [{id: x, path: '/x/{id}', upstream: u, timeout: 1s, methods: {GET: a}}]";
    let two = "routes:\n  - {path: '/x/{name}', upstream: u, methods: {POST: a}}\n  - {host: h.example, path: '/x/{id}', upstream: u, methods: {GET: a}}";
    let files = Files::new(&[("one.yaml", one), ("two.yaml", two)]);
    let policy = load_policy(&[files.path("one.yaml"), files.path("two.yaml")]).unwrap();
    let routes = policy.table.routes();
    assert_eq!(routes.iter().map(|route| &*route.id).collect::<Vec<_>>(), ["x", "h.example/x/{id}"]);
    assert_eq!(routes[0].methods.iter().map(|(method, _)| method.as_str()).collect::<Vec<_>>(), ["GET", "POST"]);
    assert_eq!(routes[0].timeout, Some(Duration::from_secs(1)));
}

#[test]
fn globs_are_read_once_sorted_and_relative_to_the_gateway_file() {
    let text = GATEWAY.replace("[routes.yaml]", "[policy/b.yaml, 'policy/*.yaml']");
    let route =
        |name: &str| format!("routes: [{{path: /{name}, upstream: automations, methods: {{GET: authenticated}}}}]");
    let files = Files::new(&[
        ("scopegate.yaml", &text),
        ("policy/a.yaml", &route("a")),
        ("policy/b.yaml", &route("b")),
        ("policy/.hidden.yaml", "broken: ["),
        ("policy/readme.md", "no policy"),
    ]);
    let ids: Vec<String> = files.gateway().unwrap().table.routes().iter().map(|route| route.id.to_string()).collect();
    assert_eq!(ids, ["/b", "/a"]);
}

#[test]
fn a_load_that_fails_still_says_what_to_watch() {
    let text = GATEWAY.replace("[routes.yaml]", "[absent.yaml, 'more/*.yaml']").replace("jwks.json", "absent.json");
    let files = Files::new(&[("scopegate.yaml", &text)]);
    let (outcome, inputs) = load_gateway_with_inputs(&files.path("scopegate.yaml"));
    assert_eq!(outcome.unwrap_err().len(), 3);
    let watched: Vec<&Path> = inputs.files().collect();
    let expected = ["absent.json", "absent.yaml", "scopegate.yaml"].map(|name| files.path(name));
    assert_eq!(watched, expected.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    assert_eq!(inputs.globs().collect::<Vec<_>>(), [files.path("more/*.yaml").display().to_string()]);
}

#[test]
fn faults_of_every_file_are_told_at_once() {
    let text = GATEWAY.replace("[routes.yaml]", "[a.yaml, b.yaml, c.yaml]").replace("address", "adress");
    let files = Files::new(&[
        ("scopegate.yaml", &text),
        ("a.yaml", "scopes: [\n"),
        ("b.yaml", "routes: [{path: x, upstream: automations, methods: {GET: public}}]"),
        ("c.yaml", "routes: [{path: /c, upstream: autmations, methods: {GET: scope}}]"),
    ]);
    let faults = files.gateway().unwrap_err();
    for part in [
        "unknown key `listeners[0].adress`",
        "`listeners[0].address` is missing",
        "not valid YAML",
        "begins with `/`",
        "upstream `autmations`",
        "scope `scope`",
    ] {
        assert!(faults.iter().any(|fault| fault.contains(part)), "{part}: {faults:#?}");
    }
}

#[test]
fn secrets_are_nowhere_in_what_is_said() {
    let text = GATEWAY.to_owned() + "admin: {address: nowhere, token: s3cret-in-the-line, open_metrics: maybe}\n";
    let files = Files::new(&[("scopegate.yaml", &text), ("routes.yaml", "routes: []")]);
    let faults = load_gateway(&files.path("scopegate.yaml")).unwrap_err();
    assert_eq!(faults.len(), 2);
    for fault in faults {
        let json = serde_json::to_string(&fault).unwrap();
        assert!(!fault.render(false).contains("s3cret") && !json.contains("s3cret"), "{json}");
    }
}

#[test]
fn a_secret_on_another_line_than_its_key_is_covered_too() {
    for admin in [
        "  token:\n    s3cret with space\n",
        "  ? token\n  : s3cret with space\n",
        "  {token:\n    s3cret, what: x}\n",
        "  {token:\n    \"a\n    s3cret\", what: x}\n",
        "  {\"tok\\x65n\": s3cret, what: x}\n",
        "  realm: &a s3cret\n  token: *a\n",
        "  token:\n    \"s3cret\n",
        "  token: |\n    s3cret\n   x: y\n",
        "  {token:\n    s3cret: x]\n",
    ] {
        let files = Files::new(&[("scopegate.yaml", &format!("admin:\n{admin}")), ("routes.yaml", "routes: []")]);
        for fault in load_gateway(&files.path("scopegate.yaml")).unwrap_err() {
            let json = serde_json::to_string(&fault).unwrap();
            assert!(!fault.render(false).contains("s3cret") && !json.contains("s3cret"), "{admin:?}: {json}");
        }
    }
}

#[test]
fn a_file_with_listeners_is_a_gateway_file() {
    let files = Files::new(&[("scopegate.yaml", GATEWAY), ("routes.yaml", POLICY), ("latin.yaml", "")]);
    assert!(is_gateway_file(&files.path("scopegate.yaml")).unwrap());
    assert!(!is_gateway_file(&files.path("routes.yaml")).unwrap());
    assert!(is_gateway_file(&files.path("absent.yaml")).is_err());
    fs::write(files.path("latin.yaml"), [b'a', 0xE9, b'\n']).unwrap();
    let faults = load_policy(&[files.path("latin.yaml")]).unwrap_err();
    assert!(faults[0].message.ends_with("is not UTF-8, from line 1 on"), "{}", faults[0].message);
}
