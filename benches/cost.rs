//! What the parts of a checked request cost, and a whole one from end to end.
//!
//! `cargo bench` runs it; `cargo bench -- lookup` only what is named so. Times are of one thread, and of this machine: compare
//! them with each other, and over changes, rather than with figures from elsewhere.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a benchmark has no caller to explain itself to, and fails by panicking"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method, Uri};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use scopegate::clock::Clock;
use scopegate::config;
use scopegate::policy::{self, Presented, PresentedClient, RequestTarget, RouteTable, Standing};
use scopegate::telemetry::Metrics;
use scopegate::token::{self, BearerToken, IssuerRules};
use scopegate::verify::{FairShare, IssuerSettings, Issuers, KeySource, Verifier};
use serde_json::json;
use tempfile::TempDir;

const ISSUER: &str = "https://idp.example.test/";
const AUDIENCE: &str = "https://api.example.test";
const KINDS: [&str; 20] = [
    "automations",
    "apps",
    "spaces",
    "users",
    "groups",
    "tenants",
    "themes",
    "webhooks",
    "reloads",
    "tasks",
    "items",
    "collections",
    "notes",
    "audits",
    "quotas",
    "roles",
    "licenses",
    "extensions",
    "glossaries",
    "datasets",
];

/// A policy of so many entries (method and path): a reading and a writing one for each path.
fn policy(entries: usize) -> String {
    let mut text = String::from("scopes:\n");
    for kind in KINDS {
        writeln!(text, "  {kind}: {{implies: ['{kind}:read'], admin: 'admin.{kind}'}}").unwrap();
        writeln!(text, "  '{kind}:read': {{}}\n  'admin.{kind}': {{}}").unwrap();
    }
    text += "routes:\n";
    for number in 0..entries / 2 {
        let kind = KINDS[number % KINDS.len()];
        let path = format!("/api/v1/{kind}{}/{{id}}", number / KINDS.len());
        writeln!(text, "  - {{path: '{path}', upstream: api, methods: {{GET: '{kind}:read', POST: {kind}}}}}").unwrap();
    }
    text
}

fn table(folder: &Path, text: &str) -> Arc<RouteTable> {
    let path = folder.join("routes.yaml");
    std::fs::write(&path, text).unwrap();
    config::load_policy(&[path]).unwrap_or_else(|faults| panic!("{}", faults[0].render(false))).table
}

fn find(table: &RouteTable, uri: &Uri, host: &HeaderValue) -> policy::Found {
    let target = RequestTarget::read(uri, host).unwrap();
    table.find(&target, &Method::GET).unwrap()
}

/// Paths spread over the whole table.
fn uris(entries: usize) -> Vec<Uri> {
    let routes = entries / 2;
    let step = (routes / 500).max(1);
    let spread = (0..routes).step_by(step);
    spread
        .map(|n| format!("/api/v1/{}{}/{}", KINDS[n % KINDS.len()], n / KINDS.len(), 1000 + n).parse().unwrap())
        .collect()
}

fn lookup(criterion: &mut Criterion) {
    let folder = TempDir::new().unwrap();
    let host = HeaderValue::from_static("api.example.test");
    let mut group = criterion.benchmark_group("lookup");
    for entries in [10, 1_000, 20_000] {
        let table = table(folder.path(), &policy(entries));
        let uris = uris(entries);
        let mut next = uris.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(entries), |bencher| {
            bencher.iter(|| find(&table, black_box(next.next().unwrap()), &host));
        });
    }
    group.finish();
}

fn readings(criterion: &mut Criterion) {
    let folder = TempDir::new().unwrap();
    let host = HeaderValue::from_static("api.example.test");
    let table = table(folder.path(), &policy(1_000));
    let mut group = criterion.benchmark_group("readings");
    for (name, path) in [
        ("plain", "/api/v1/apps0/1001"),
        ("escaped", "/api/v1/apps0/a%20b"),
        ("composed", "/api/v1/apps0/a%2520b;c=d%3Be"),
    ] {
        let uri: Uri = path.parse().unwrap();
        group.bench_function(name, |bencher| bencher.iter(|| find(&table, black_box(&uri), &host)));
    }
    group.finish();
}

fn decide(criterion: &mut Criterion) {
    let folder = TempDir::new().unwrap();
    let table = table(folder.path(), &policy(1_000));
    let found = find(&table, &"/api/v1/apps0/1".parse().unwrap(), &HeaderValue::from_static("api.example.test"));
    let presented = |scope| Presented { scope, roles: Vec::new(), client: PresentedClient::Unlimited, alone: false };
    let mut group = criterion.benchmark_group("decide");
    for (name, scope) in [("allow", "spaces:read apps offline_access"), ("deny", "spaces:read offline_access")] {
        let standing = Standing::new(&table, None, &presented(scope));
        group
            .bench_function(name, |bencher| bencher.iter(|| policy::decide(&table, black_box(found), Some(&standing))));
    }
    let shown = presented("spaces:read apps offline_access");
    group.bench_function("standing", |bencher| bencher.iter(|| Standing::new(&table, None, black_box(&shown))));
    group.finish();
}

/// A key pair as a signer and as a member of a JWK Set.
struct Key {
    algorithm: Algorithm,
    encoding: EncodingKey,
    jwk: serde_json::Value,
}

fn b64(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn rsa() -> Key {
    use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
    let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
    let der = aws_lc_rs::rsa::KeyPair::as_der(&pair).unwrap();
    let jwk = json!({"kty": "RSA", "kid": "rs256", "alg": "RS256", "n": b64(&public.n), "e": b64(&public.e)});
    let pem =
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(der.as_ref()));
    Key { algorithm: Algorithm::RS256, encoding: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(), jwk }
}

fn ec() -> Key {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = pair.public_key().as_ref();
    let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "es256", "alg": "ES256", "x": b64(&point[1..33]), "y": b64(&point[33..])});
    let document = pair.to_pkcs8v1().unwrap();
    Key { algorithm: Algorithm::ES256, encoding: EncodingKey::from_ec_der(document.as_ref()), jwk }
}

impl Key {
    fn token(&self, number: u64) -> String {
        let now = Clock::system().now().as_secs();
        let mut header = Header::new(self.algorithm);
        header.typ = Some("at+jwt".into());
        header.kid = self.jwk["kid"].as_str().map(Into::into);
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": format!("user-{number:06}"), "client_id": "client-1", "iat": now, "nbf": now,
            "exp": now + 3600, "jti": format!("{number:032x}"), "scope": "apps:read spaces:read offline_access"
        });
        jsonwebtoken::encode(&header, &claims, &self.encoding).unwrap()
    }
}

fn fields(token: &str) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    fields
}

fn verify(criterion: &mut Criterion) {
    let folder = TempDir::new().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let mut group = criterion.benchmark_group("verify");
    for (name, key) in [("RS256", rsa()), ("ES256", ec())] {
        let file = folder.path().join("jwks.json");
        std::fs::write(&file, json!({"keys": [key.jwk]}).to_string()).unwrap();
        let settings = IssuerSettings {
            rules: rules(),
            required: true,
            keys: KeySource::File(file),
            introspection: None,
            revocations: None,
        };
        let clock = Clock::system();
        let metrics = Arc::new(Metrics::new());
        let issuers = Issuers::start(vec![settings], None, clock.clone(), Arc::clone(&metrics)).unwrap();
        // A memory of one token: two tokens in turn are never remembered.
        let forgetful: Verifier<()> = Verifier::new(1, 1.0, clock.clone(), Arc::clone(&metrics));
        let tokens: Vec<HeaderMap> = (0..64).map(|number| fields(&key.token(number))).collect();
        let mut next = tokens.iter().cycle();
        group.bench_function(BenchmarkId::new(name, "first"), |bencher| {
            bencher.iter(|| verified(&runtime, &forgetful, &issuers, next.next().unwrap()));
        });
        let verifier: Verifier<()> = Verifier::new(1024, 1.0, clock, metrics);
        group.bench_function(BenchmarkId::new(name, "remembered"), |bencher| {
            bencher.iter(|| verified(&runtime, &verifier, &issuers, &tokens[0]));
        });
    }
    group.finish();
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

fn verified(runtime: &tokio::runtime::Runtime, verifier: &Verifier<()>, issuers: &Issuers, fields: &HeaderMap) {
    let token = BearerToken::from_fields(fields, 16 << 10).unwrap();
    runtime.block_on(verifier.verify(issuers, token, &FairShare::default(), |_| false)).unwrap();
}

/// The gateway's binary before an upstream that answers everything with 128 bytes.
struct Served {
    _folder: TempDir,
    child: Child,
    address: SocketAddr,
    token: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn served() -> Served {
    let folder = TempDir::new().unwrap();
    let key = rsa();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("jwks.json", &json!({"keys": [key.jwk]}).to_string());
    write("routes.yaml", &policy(1_000));
    let upstream = upstream();
    write(
        "scopegate.yaml",
        &format!(
            "listeners: [{{address: '127.0.0.1:0'}}]\nadmin: {{address: '127.0.0.1:0'}}\nworkers: 1\nissuers: [{{issuer: '{ISSUER}', \
             audience: ['{AUDIENCE}'], keys: {{file: jwks.json}}}}]\nupstreams: {{api: {{endpoints: ['http://{upstream}']}}}}\npolicy: \
             [routes.yaml]\n"
        ),
    );
    let mut child = Command::new(env!("CARGO_BIN_EXE_scopegate"))
        .args(["serve", "--config"])
        .arg(folder.path().join("scopegate.yaml"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let serving = lines.find(|line| line.contains("\"msg\":\"serving\"")).unwrap();
    let serving: serde_json::Value = serde_json::from_str(&serving).unwrap();
    std::thread::spawn(move || lines.for_each(drop));
    Served {
        address: serving["listener"].as_str().unwrap().parse().unwrap(),
        token: key.token(0),
        _folder: folder,
        child,
    }
}

fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = [&b"HTTP/1.1 200 OK\r\nContent-Length: 128\r\n\r\n"[..], &[b'x'; 128]].concat();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            std::thread::spawn(move || answer_all(stream, &answer));
        }
    });
    address
}

fn answer_all(mut stream: TcpStream, answer: &[u8]) {
    let mut buffer = [0; 8192];
    let mut length = 0;
    while let Ok(read @ 1..) = stream.read(&mut buffer[length..]) {
        length += read;
        if buffer[..length].ends_with(b"\r\n\r\n") {
            length = 0;
            if stream.write_all(answer).is_err() {
                return;
            }
        }
    }
}

fn request(criterion: &mut Criterion) {
    let served = served();
    let mut stream = TcpStream::connect(served.address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut group = criterion.benchmark_group("request");
    for (name, target, status) in [("forwarded", "/api/v1/apps0/1", "200"), ("refused", "/api/v1/users0/1", "403")] {
        let text = format!(
            "GET {target} HTTP/1.1\r\nHost: api.example.test\r\nAuthorization: Bearer {}\r\n\r\n",
            served.token
        );
        group.bench_function(name, |bencher| bencher.iter(|| exchange(&mut stream, &text, status)));
    }
    group.finish();
}

fn exchange(stream: &mut TcpStream, request: &str, status: &str) {
    stream.write_all(request.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).unwrap();
    assert!(line.contains(status), "{line}");
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
}

criterion_group! {
    name = parts;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).without_plots();
    targets = lookup, readings, decide, verify, request
}
criterion_main!(parts);
