//! What was decided on is what the upstream receives, and what was refused it never sees.

use std::cell::Cell;
use std::sync::Arc;

use http::{HeaderValue, Method, Uri};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use scopegate::config;
use scopegate::policy::{Decision, Presented, PresentedClient, RouteTable, decide_request};
use serde_json::json;

use crate::support::{Gateway, Message, Setup, Upstream};

const CASES: u32 = 600;

/// Routes that odd spellings of a path could confuse, each asking for something else.
const POLICY: &str = "scopes:
  items: {implies: [items:read], admin: admin.items}
  items:read: {admin: admin.items:read}
  admin.items: {implies: [admin.items:read]}
  admin.items:read: {}
routes:
  - {path: /, upstream: api, methods: {GET: public}}
  - {path: '/{a}', upstream: api, methods: {GET: items:read, POST: items, PUT: public, DELETE: {admin: admin.items}}}
  - {path: '/{a}/{b}', upstream: api, methods: {GET: items:read, POST: items, PATCH: public}}
  - {path: '/admin/{b}', upstream: api, methods: {GET: {admin: admin.items:read}, POST: {admin: admin.items}}}
  - {path: /items/all, upstream: api, methods: {GET: {admin: admin.items:read}}}
  - {path: '/items/{id}:cancel', upstream: api, methods: {POST: {admin: admin.items}}}
  - {path: '/files/{rest=**}', upstream: api, methods: {GET: items:read, POST: items, PUT: items, OPTIONS: authenticated}}
  - {host: '*.wild.test', path: '/{rest=**}', upstream: api, methods: {GET: public, POST: items}}
";

/// One request as it goes over the wire.
#[derive(Clone, Debug)]
struct Sent {
    method: &'static str,
    absolute: bool,
    host: &'static str,
    path: String,
    query: Option<String>,
    /// The content, and whether it is chunked.
    content: Option<(Vec<u8>, bool)>,
    scope: &'static str,
}

fn requests() -> impl Strategy<Value = Sent> {
    let methods = prop_oneof![
        12 => prop::sample::select(&["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"][..]),
        1 => prop::sample::select(&["TRACE", "CONNECT", "get", "BREW"][..]),
    ];
    let hosts = prop_oneof![
        12 => prop::sample::select(&["api.test", "a.wild.test", "API.Test:8080", "A.b.WILD.test."][..]),
        1 => prop::sample::select(&["", "a/b", "user@api.test", "[::1]:80", "wild.test", "api.test, other.test", "a:b"][..]),
    ];
    let piece = prop_oneof![
        12 => prop::sample::select(&["a", "items", "admin", "all", "files", "7", "7:cancel", "%61dmin", "%7Ea", "it%65ms", "a.json"][..]),
        2 => prop::sample::select(&["Admin", "ALL", "", "a;v=1", "%3Bx", "%20", "%C3%A9", "a%2Fb", "%25", "%2541", "a%3Fb", "%41%25"][..]),
        1 => prop::sample::select(&["..", ".", "%2e%2e", "%252e", "..;x", "\\", "%5Ca", "%00", "%zz", "%", "%C3", "\u{e9}", "a b", "\"<>"][..]),
    ];
    let paths = prop::collection::vec(piece, 0..4).prop_map(|pieces| format!("/{}", pieces.join("/")));
    let queries = prop::option::of(prop_oneof![
        6 => prop::sample::select(&["", "x=1", "a=%2F..%2f&b", "q=/../x?y", "%7E=%41", "b[]=1;c", "x=%zz"][..]),
        1 => prop::sample::select(&["_method=DELETE", "a=1&%5Fmethod=PUT"][..]),
    ]);
    let content = prop::option::of((prop::collection::vec(any::<u8>(), 0..300), any::<bool>()));
    let scopes = prop::sample::select(&["items", "items", "items:read", "admin.items items", ""][..]);
    (methods, prop::bool::weighted(0.1), hosts, paths, queries, content, scopes).prop_map(
        |(method, absolute, host, path, query, content, scope)| Sent {
            method,
            absolute,
            host,
            path,
            query: query.map(str::to_owned),
            content,
            scope,
        },
    )
}

impl Sent {
    fn bytes(&self, token: &str) -> Vec<u8> {
        let origin = if self.absolute { format!("http://{}", self.host) } else { String::new() };
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let head = format!(
            "{} {origin}{}{query} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nScopegate-Access: admin\r\n",
            self.method, self.path, self.host
        );
        let mut bytes = head.into_bytes();
        match &self.content {
            None => bytes.extend(b"\r\n"),
            Some((content, false)) => {
                bytes.extend(format!("Content-Length: {}\r\n\r\n", content.len()).bytes());
                bytes.extend(content);
            }
            Some((content, true)) => {
                bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                for part in content.chunks(70) {
                    bytes.extend(format!("{:x};x=\"y\"\r\n", part.len()).bytes());
                    bytes.extend(part);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"0\r\n\r\n");
            }
        }
        bytes
    }

    /// The target that may be forwarded: the path with unreserved escapes decoded (RFC 3986 §6.2.2.2), the query as it is.
    fn target(&self) -> String {
        let mut target = String::new();
        let mut rest = &*self.path;
        while let Some((before, after)) = rest.split_once('%') {
            let byte = u8::from_str_radix(&after[..2], 16).expect("an escape that was let through");
            target += before;
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                target.push(char::from(byte));
            } else {
                target += &format!("%{}", &after[..2]);
            }
            rest = &after[2..];
        }
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{target}{rest}{query}")
    }
}

/// A gateway, its upstream, and the same table beside it.
struct Bench {
    upstream: Upstream,
    gateway: Gateway,
    table: Arc<RouteTable>,
    forwarded: Cell<u32>,
    refused: Cell<u32>,
}

impl Bench {
    fn new() -> Self {
        let upstream = Upstream::echo();
        let gateway = Setup { policy: POLICY.into(), ..Setup::default() }.start(&upstream);
        let table = config::load_policy(&[gateway.folder.path().join("routes.yaml")]).expect("it loads").table;
        Self { upstream, gateway, table, forwarded: Cell::new(0), refused: Cell::new(0) }
    }

    fn try_one(&self, sent: &Sent) -> Result<(), TestCaseError> {
        let mut client = self.gateway.client();
        client.send(sent.bytes(&self.gateway.signer.token(sent.scope, &json!({}))));
        let status = client.response_to(sent.method).status;
        let received = self.upstream.taken();
        if status != 200 {
            prop_assert!((400..502).contains(&status), "{status}: the upstream answers whatever reaches it");
            prop_assert_eq!(received, vec![], "refused with {}", status);
            self.refused.set(self.refused.get() + 1);
            return Ok(());
        }
        self.forwarded.set(self.forwarded.get() + 1);
        let [received] = received.as_slice() else {
            return Err(TestCaseError::fail(format!("{} requests were received", received.len())));
        };
        prop_assert_eq!(received.method(), sent.method);
        prop_assert_eq!(received.target(), sent.target());
        prop_assert_eq!(received.field("host"), Some(sent.host));
        prop_assert_eq!(&received.content, &sent.content.clone().unwrap_or_default().0);
        self.decides_alike(received, sent)
    }

    /// Whoever reads what was received comes to the decision that the gateway told the upstream.
    fn decides_alike(&self, received: &Message, sent: &Sent) -> Result<(), TestCaseError> {
        let method = Method::from_bytes(received.method().as_bytes()).expect("a method");
        let uri: Uri = received.target().parse().expect("a target");
        let host = HeaderValue::from_str(received.field("host").expect("a host")).expect("a value");
        let client = PresentedClient::Named("client-1");
        let presented = Presented { scope: sent.scope, roles: Vec::new(), client, alone: false };
        let Decision::Forward(grant) = decide_request(&self.table, &method, &uri, &host, Some(&presented)) else {
            return Err(TestCaseError::fail("what was received would have been refused"));
        };
        let route = self.table.route(grant.found().route);
        prop_assert_eq!(received.field("scopegate-route"), Some(&*route.id));
        prop_assert_eq!(received.field("scopegate-access"), Some(grant.access().as_str()));
        Ok(())
    }
}

#[test]
fn the_upstream_receives_what_was_decided_on_and_nothing_else() {
    let bench = Bench::new();
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    runner.run(&requests(), |sent| bench.try_one(&sent)).unwrap_or_else(|fault| panic!("{fault}"));
    let (forwarded, refused) = (bench.forwarded.get(), bench.refused.get());
    assert!(forwarded > CASES / 6 && refused > CASES / 6, "{forwarded} forwarded, {refused} refused");
}

#[test]
fn rfc9112_3_2_1_an_absolute_target_without_a_path_is_the_root_to_everybody() {
    let bench = Bench::new();
    for (target, received) in [
        ("http://api.test", "/"),
        ("http://api.test?x=1", "/?x=1"),
        ("http://api.test#x", "/"),
        ("http://api.test:80#/admin/a", "/"),
    ] {
        let mut client = bench.gateway.client();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: api.test\r\n\r\n"));
        assert_eq!(client.response_to("GET").status, 200, "{target}");
        let taken: Vec<_> = bench.upstream.taken().iter().map(|message| message.target().to_owned()).collect();
        assert_eq!(taken, [received], "{target}");
    }
}
