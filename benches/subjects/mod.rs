//! The parts of a checked request, each as something that can be run over and over: `cost` times them, `instructions` is counted.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a benchmark fails by panicking")]

mod keys;

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Uri, Version};
use scopegate::clock::Clock;
use scopegate::config;
use scopegate::policy::{self, Presented, PresentedClient, RequestTarget, RouteTable, Standing};
use scopegate::telemetry::Metrics;
use scopegate::token::{self, BearerToken, IssuerRules};
use scopegate::verify::{FairShare, IssuerSettings, Issuers, KeySource, Verifier};
use serde_json::json;
use tempfile::TempDir;

pub(crate) use keys::{AUDIENCE, ISSUER, Key};

/// Of one length, so that a path is as long in a large table as in a small one.
const KINDS: [&str; 5] = ["spaces", "groups", "themes", "quotas", "models"];
const LOOKUPS: usize = 500;
/// Prime to the number of routes of every table here: so many steps of it meet as many routes as there are, in no order.
const STRIDE: usize = 7_919;

/// One part; a run of it is one call.
pub(crate) struct Subject {
    pub(crate) group: &'static str,
    pub(crate) name: String,
    pub(crate) run: Box<dyn FnMut()>,
}

fn subject(group: &'static str, name: impl Into<String>, run: impl FnMut() + 'static) -> Subject {
    Subject { group, name: name.into(), run: Box::new(run) }
}

pub(crate) fn all() -> Vec<Subject> {
    let mut all = Vec::new();
    all.extend([10, 1_000, 20_000].map(lookup));
    all.extend(readings());
    all.push(screening());
    all.extend(decide());
    all.extend([Key::rsa(), Key::ec()].iter().flat_map(verify));
    all
}

/// A policy of so many entries (method and path): a reading and a writing one for each path.
pub(crate) fn policy(entries: usize) -> String {
    let mut text = String::from("scopes:\n");
    for kind in KINDS {
        writeln!(text, "  {kind}: {{implies: ['{kind}:read'], admin: 'admin.{kind}'}}").unwrap();
        writeln!(text, "  '{kind}:read': {{}}\n  'admin.{kind}': {{}}").unwrap();
    }
    text += "routes:\n";
    for number in 0..entries / 2 {
        let (kind, path) = (KINDS[number % KINDS.len()], path(number));
        writeln!(text, "  - {{path: '{path}/{{id}}', upstream: api, methods: {{GET: '{kind}:read', POST: {kind}}}}}")
            .unwrap();
    }
    text
}

fn path(number: usize) -> String {
    format!("/api/v1/{}{:04}", KINDS[number % KINDS.len()], number / KINDS.len())
}

fn table(entries: usize) -> Arc<RouteTable> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("routes.yaml");
    std::fs::write(&file, policy(entries)).unwrap();
    config::load_policy(&[file]).unwrap_or_else(|faults| panic!("{}", faults[0].render(false))).table
}

fn find(table: &RouteTable, uri: &Uri, host: &HeaderValue) -> policy::Found {
    let target = RequestTarget::read(uri, host).unwrap();
    table.find(&target, &Method::GET).unwrap()
}

fn host() -> HeaderValue {
    HeaderValue::from_static("api.example.test")
}

/// As many look-ups in every table, of paths that are spread over all of it; the target is read too.
fn lookup(entries: usize) -> Subject {
    let (table, host, routes) = (table(entries), host(), entries / 2);
    let uris: Vec<Uri> =
        (0..LOOKUPS).map(|n| n * STRIDE % routes).map(|n| uri(&format!("{}/{}", path(n), 100_000 + n))).collect();
    let mut next = 0;
    subject("lookup", entries.to_string(), move || {
        next = (next + 1) % uris.len();
        black_box(find(&table, black_box(&uris[next]), &host));
    })
}

fn uri(path: &str) -> Uri {
    path.parse().unwrap()
}

fn readings() -> Vec<Subject> {
    let table = table(1_000);
    let paths = [
        ("plain", "/api/v1/groups0001/1001"),
        ("escaped", "/api/v1/groups0001/a%20b"),
        ("composed", "/api/v1/groups0001/a%2520b;c=d%3Be"),
    ];
    let reading = |(name, path): (&str, &str)| {
        let (table, uri, host) = (Arc::clone(&table), uri(path), host());
        subject("readings", name, move || {
            black_box(find(&table, black_box(&uri), &host));
        })
    };
    paths.map(reading).into()
}

/// The fields that a browser's `fetch` sends, and a token.
fn screening() -> Subject {
    let mut fields = fields("a.token.of-some-length");
    for (name, value) in [
        ("host", "api.example.test"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
        ("accept", "application/json"),
        ("accept-language", "en-GB,en;q=0.7,nb;q=0.3"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("content-length", "0"),
        ("origin", "https://dashboard.example.test"),
        ("referer", "https://dashboard.example.test/spaces"),
        ("sec-fetch-mode", "cors"),
    ] {
        fields.insert(name, HeaderValue::from_static(value));
    }
    subject("fields", "screened", move || {
        policy::screen_fields(&Method::GET, Version::HTTP_11, black_box(&fields)).unwrap();
    })
}

fn decide() -> Vec<Subject> {
    let table = table(1_000);
    let found = find(&table, &uri("/api/v1/groups0001/1"), &host());
    let presented = |scope| Presented { scope, roles: Vec::new(), client: PresentedClient::Unlimited, alone: false };
    let mut subjects = Vec::new();
    for (name, scope) in [("allow", "spaces:read groups offline_access"), ("deny", "spaces:read offline_access")] {
        let (table, standing) = (Arc::clone(&table), Standing::new(&table, None, &presented(scope)));
        subjects.push(subject("decide", name, move || {
            let _ = black_box(policy::decide(&table, black_box(found), Some(&standing)));
        }));
    }
    subjects.push(subject("decide", "standing", move || {
        let shown = presented(black_box("spaces:read groups offline_access"));
        black_box(Standing::new(&table, None, &shown));
    }));
    subjects
}

fn fields(token: &str) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    fields
}

/// One verifier, a runtime that it is called in, and the issuer that it believes.
struct Verifying {
    runtime: tokio::runtime::Runtime,
    verifier: Verifier<()>,
    issuers: Issuers,
    _folder: TempDir,
}

impl Verifying {
    fn new(key: &Key, remembered: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let entered = runtime.enter();
        let (clock, metrics) = (Clock::system(), Arc::new(Metrics::new()));
        let settings = settings(folder.path(), key);
        let issuers = Issuers::start(vec![settings], None, clock.clone(), Arc::clone(&metrics)).unwrap();
        let verifier = Verifier::new(remembered, 1.0, clock, metrics);
        drop(entered);
        Self { runtime, verifier, issuers, _folder: folder }
    }

    fn verified(&self, fields: &HeaderMap) {
        let token = BearerToken::from_fields(fields, 16 << 10).unwrap();
        let share = FairShare::default();
        self.runtime.block_on(self.verifier.verify(&self.issuers, token, &share, |_| false)).unwrap();
    }
}

fn settings(folder: &Path, key: &Key) -> IssuerSettings {
    let file = folder.join("jwks.json");
    std::fs::write(&file, json!({"keys": [key.jwk]}).to_string()).unwrap();
    IssuerSettings {
        rules: rules(),
        required: true,
        keys: KeySource::File(file),
        introspection: None,
        revocations: None,
    }
}

fn verify(key: &Key) -> [Subject; 2] {
    let tokens: Vec<HeaderMap> = (0..64).map(|number| fields(&key.token(number))).collect();
    let one = tokens[0].clone();
    // A memory of one token: two tokens in turn are never remembered.
    let (forgetful, remembering) = (Verifying::new(key, 1), Verifying::new(key, 1024));
    let mut next = 0;
    let first = move || {
        next = (next + 1) % tokens.len();
        forgetful.verified(&tokens[next]);
    };
    [
        subject("verify", format!("{:?}, first time", key.algorithm), first),
        subject("verify", format!("{:?}, remembered", key.algorithm), move || remembering.verified(&one)),
    ]
}

fn rules() -> IssuerRules {
    IssuerRules {
        issuer: ISSUER.into(),
        audience: vec![AUDIENCE.into()],
        algorithms: token::Algorithm::ALL.to_vec(),
        strict_type: false,
        leeway: Duration::from_secs(5),
        max_lifetime: Duration::from_secs(86_400),
        scope_pointers: vec!["/scope".into(), "/scp".into()],
        roles_pointer: "/roles".into(),
        client_pointers: vec!["/client_id".into(), "/azp".into()],
        client_only: None,
    }
}
