//! Loading: which files are read, what they become together, what is said of faults.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::{Gateway, is_gateway_file, load_gateway, load_gateway_with_inputs, load_policy};
use crate::policy::Entry;
use crate::scope::Catalog;

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

pub(super) struct Files(TempDir);

impl Files {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("jwks.json", "{\"keys\": []}")].iter().chain(files) {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn gateway(&self) -> Result<Gateway, Vec<String>> {
        load_gateway(&self.path("scopegate.yaml"))
            .map_err(|faults| faults.into_iter().map(|fault| fault.message).collect())
    }
}

pub(super) fn gateway(text: &str, policy: &str) -> Result<Gateway, Vec<String>> {
    Files::new(&[("scopegate.yaml", text), ("routes.yaml", policy)]).gateway()
}

/// A policy that fits [`GATEWAY`].
pub(super) const ONE_ROUTE: &str = "scopes: {a: {}}\nroutes: [{path: /a, upstream: automations, methods: {GET: a}}]";

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
    for part in ["unknown key `listeners[0].adress`", "not valid YAML", "begins with `/`", "upstream `autmations`"] {
        assert!(faults.iter().any(|fault| fault.contains(part)), "{part}: {faults:#?}");
    }
    // Neither that `address` is missing, nor that a scope is unknown that may be in the file which is not valid.
    assert_eq!(faults.len(), 4, "{faults:#?}");
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
    for (text, expected) in [
        ("upstreams: {}\npolicy: []\n", true),
        ("liteners: []\nceilings: {}\n", true),
        ("roles: {}\n", false),
        ("limits: {}\nroutes: []\nscopes: {}\n", false),
        ("database: x\nupstreams: {}\nceilings: {}\n", false),
        ("issuer: x\naudience: [x]\npolicy: []\n", false),
        ("upstreams: {a: [\npolicy: x", true),
    ] {
        fs::write(files.path("other.yaml"), text).unwrap();
        assert_eq!(is_gateway_file(&files.path("other.yaml")).unwrap(), expected, "{text}");
    }
    assert!(is_gateway_file(&files.path("absent.yaml")).is_err());
    fs::write(files.path("latin.yaml"), [b'a', 0xE9, b'\n']).unwrap();
    let faults = load_policy(&[files.path("latin.yaml")]).unwrap_err();
    assert!(faults[0].message.ends_with("is not UTF-8, from line 1 on"), "{}", faults[0].message);
}
