use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::serve::{Times, serve_within};
use super::{AdminFault, AdminHandles, AdminSettings, InForce, Readiness, ReloadOutcome, serve};
use crate::net::RouterBounds;
use crate::policy::{
    Ceilings, Entry, HostPattern, Readings, Requirement, Route, RouteTable, Sides, TableParts, Template, UpstreamRules,
};
use crate::scope::{Catalog, Scope, ScopeEntry, Uses};
use crate::token::Secret;

/// Beyond any wait that is meant to end.
const DEADLINE: Duration = Duration::from_secs(30);

const GENEROUS: Times = within(DEADLINE, DEADLINE);

/// As much as anybody may want of all else.
const fn within(head_and_body: Duration, age: Duration) -> Times {
    Times { body: head_and_body, bounds: RouterBounds { connections: 128, head: head_and_body, age, grace: DEADLINE } }
}

/// A running admin listener.
struct Fixture {
    address: SocketAddr,
    ready: Arc<AtomicBool>,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<Result<(), AdminFault>>,
}

impl Fixture {
    async fn start(token: Option<&str>) -> Self {
        Self::start_with(token, |fixture| async move {
            if fixture { Ok(outcome()) } else { Err(vec!["routes.yaml:3:7: unknown key `rotue`".to_owned()]) }
        })
        .await
    }

    async fn start_with<F>(token: Option<&str>, reload: impl Fn(bool) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<ReloadOutcome, Vec<String>>> + Send + 'static,
    {
        Self::start_within(GENEROUS, token, reload).await
    }

    /// `reload` is told whether the fixture is ready, which stands for good files here.
    async fn start_within<F>(
        times: Times,
        token: Option<&str>,
        reload: impl Fn(bool) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<ReloadOutcome, Vec<String>>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ready, stop) = (Arc::new(AtomicBool::new(true)), CancellationToken::new());
        let settings = AdminSettings { address, token: token.map(Secret::new), open_metrics: true };
        let handles = handles(&ready, reload);
        let stopped = stop.clone();
        let served =
            tokio::spawn(
                async move { serve_within(times, listener, &settings, handles, stopped.cancelled_owned()).await },
            );
        Self { address, ready, stop, served }
    }

    /// Sends `request` on a connection of its own and reads to its end: status, fields, body.
    async fn ask(&self, request: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        (status, head.to_ascii_lowercase(), body.to_owned())
    }

    async fn get(&self, path: &str) -> (u16, String, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await
    }

    async fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let length = body.len();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        let (status, _, body) = self.ask(&(head + body)).await;
        (status, serde_json::from_str(&body).unwrap_or_default())
    }
}

fn outcome() -> ReloadOutcome {
    ReloadOutcome {
        changed: true,
        table_changed: true,
        settings_changed: false,
        fingerprint: "f2".to_owned(),
        restart_needed: vec!["workers".to_owned()],
        warnings: vec![],
    }
}

fn handles<F>(ready: &Arc<AtomicBool>, reload: impl Fn(bool) -> F + Send + Sync + 'static) -> AdminHandles
where
    F: Future<Output = Result<ReloadOutcome, Vec<String>>> + Send + 'static,
{
    let (for_readiness, for_reload) = (Arc::clone(ready), Arc::clone(ready));
    AdminHandles {
        readiness: Arc::new(move || {
            let ready = for_readiness.load(Ordering::Relaxed);
            let reasons = if ready { vec![] } else { vec!["draining".to_owned()] };
            Readiness { ready, reasons, detail: json!({ "issuers": [] }) }
        }),
        table: Arc::new(|| Arc::new(table())),
        terms: Arc::new(|| InForce { table: Arc::new(table()), directory: None }),
        reload: Arc::new(move || reload(for_reload.load(Ordering::Relaxed)).boxed()),
        metrics: Arc::new(|| "scopegate_requests_in_flight 0\n".to_owned()),
    }
}

/// Two scopes, a user route on one host and a public one on any.
fn table() -> RouteTable {
    let scope = |name: &str| ScopeEntry {
        name: Scope::parse(name).unwrap(),
        describe: String::new(),
        implies: vec![],
        twin: None,
        side: None,
        uses: Uses { token: true, role: true },
    };
    let catalog = Catalog::build(vec![scope("automations"), scope("admin.automations")]).unwrap();
    let side = |name: &str| Some(Requirement::Scope(catalog.id(name).unwrap()));
    let sides = Sides { user: side("automations"), admin: side("admin.automations") };
    let route = |id: &str, host: Option<&str>, path: &str, methods| Route {
        id: id.into(),
        host: host.map(|host| HostPattern::parse(host).unwrap()),
        template: Template::parse(path).unwrap(),
        upstream: 0,
        methods,
        strip_prefix: None,
        add_prefix: None,
        timeout: None,
    };
    let routes = vec![
        route(
            "one",
            Some("api.example.com"),
            "/automations/{id}",
            vec![(Method::GET, Entry::Authenticated), (Method::DELETE, Entry::Scoped(sides))],
        ),
        route("health", None, "/health", vec![(Method::GET, Entry::Public)]),
    ];
    let (readings, base_path) = (Readings::default(), "/".to_owned());
    let upstreams = vec![UpstreamRules { name: "automations".into(), readings, refuse_query: vec![], base_path }];
    RouteTable::build(TableParts { catalog, ceilings: Ceilings::default(), upstreams, routes }).unwrap()
}

#[tokio::test]
async fn the_expanded_table_is_shown() {
    let admin = Fixture::start(None).await;
    let (status, _, body) = admin.get("/routes").await;
    let expected = json!({
        "fingerprint": table().fingerprint(),
        "routes": [
            {
                "id": "one", "host": "api.example.com", "path": "/automations/{id}", "upstream": "automations",
                "methods": { "GET": "authenticated", "DELETE": { "user": "automations", "admin": "admin.automations" } },
            },
            { "id": "health", "host": null, "path": "/health", "upstream": "automations", "methods": { "GET": "public" } },
        ],
    });
    assert_eq!((status, serde_json::from_str::<Value>(&body).unwrap()), (200, expected));
}

#[tokio::test]
async fn questions_are_answered_as_the_gateway_would_decide() {
    let admin = Fixture::start(None).await;
    let one = "https://api.example.com:8443/automations/7?x=1";
    for (question, expected) in [
        (json!({ "method": "DELETE", "url": one }), "no_token"),
        (json!({ "method": "DELETE", "url": one, "scope": "" }), "insufficient_scope"),
        (json!({ "method": "DELETE", "url": one, "scope": "automations" }), "user"),
        (json!({ "method": "DELETE", "url": one, "scope": ["automations", "admin.automations"] }), "admin"),
        (json!({ "method": "GET", "url": one, "subject": "alice", "roles": "Analyst" }), "authenticated"),
        (json!({ "method": "PUT", "url": one }), "method_not_allowed"),
        (json!({ "method": "GET", "url": "/health" }), "public"),
        (json!({ "method": "GET", "url": "/a/../b" }), "bad_request"),
    ] {
        let (status, answer) = admin.post("/explain", &question.to_string()).await;
        assert_eq!(status, 200, "{question}: {answer}");
        let decision = answer["decision"].to_string();
        assert!(decision.contains(&format!("\"{expected}\"")), "{question}: {decision}");
    }
}

#[tokio::test]
async fn probes_and_metrics_and_version_are_answered() {
    let admin = Fixture::start(None).await;
    assert_eq!(admin.get("/healthz").await.2, "ok\n");
    let (status, head, body) = admin.get("/metrics").await;
    assert_eq!((status, body.as_str()), (200, "scopegate_requests_in_flight 0\n"));
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(head.contains("cache-control: no-store"), "{head}");
    let version: Value = serde_json::from_str(&admin.get("/version").await.2).unwrap();
    assert_eq!(version, json!({ "version": env!("CARGO_PKG_VERSION"), "revision": crate::telemetry::REVISION }));

    let (status, _, body) = admin.get("/readyz").await;
    assert_eq!((status, serde_json::from_str::<Value>(&body).unwrap()["ready"].clone()), (200, json!(true)));
    admin.ready.store(false, Ordering::Relaxed);
    let (status, _, body) = admin.get("/readyz").await;
    let expected = json!({ "ready": false, "reasons": ["draining"], "detail": { "issuers": [] } });
    assert_eq!((status, serde_json::from_str::<Value>(&body).unwrap()), (503, expected));
}

#[tokio::test]
async fn what_is_not_there_is_refused_as_a_problem() {
    let admin = Fixture::start(None).await;
    for (request, expected) in [
        ("GET /nothing HTTP/1.1\r\nHost: localhost\r\n", 404),
        ("GET /healthz/ HTTP/1.1\r\nHost: localhost\r\n", 404),
        ("POST /routes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n", 405),
        ("GET /reload HTTP/1.1\r\nHost: localhost\r\n", 405),
        ("GET /version HTTP/1.1\r\nHost: rebound.example.com\r\n", 421),
        ("GET /version HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n", 403),
        ("OPTIONS /reload HTTP/1.1\r\nHost: localhost\r\nOrigin: https://x.example\r\n", 403),
        ("GET /version HTTP/1.0\r\n", 421),
    ] {
        let (status, head, body) = admin.ask(&format!("{request}Connection: close\r\n\r\n")).await;
        assert_eq!(status, expected, "{request}");
        assert!(head.contains("content-type: application/problem+json"), "{head}");
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&problem["status"], &problem["type"]), (&json!(expected), &json!("about:blank")));
        if expected == 405 {
            assert!(head.contains("\r\nallow: "), "RFC 9110 §15.5.6: {head}");
        }
    }
}

#[tokio::test]
async fn the_token_is_asked_for_where_one_is_set() {
    let admin = Fixture::start(Some("s3cret")).await;
    assert_eq!(admin.get("/healthz").await.0, 200);
    assert_eq!(admin.get("/readyz").await.0, 200);
    assert_eq!(admin.get("/metrics").await.0, 200, "open metrics");
    let (status, head, _) = admin.get("/version").await;
    assert_eq!(status, 401);
    assert!(head.contains("www-authenticate: bearer realm="), "{head}");
    assert_eq!(admin.get("/nothing").await.0, 401, "what is there is not shown either");
    let with_token =
        "GET /version HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer s3cret\r\nConnection: close\r\n\r\n";
    assert_eq!(admin.ask(with_token).await.0, 200);
}

#[tokio::test]
async fn without_a_token_only_loopback_is_served() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let settings = AdminSettings { address: listener.local_addr().unwrap(), token: None, open_metrics: false };
    let handles = handles(&Arc::default(), |_| async { Err(vec![]) });
    let fault = serve(listener, &settings, handles, std::future::pending()).await.unwrap_err();
    assert!(matches!(fault, AdminFault::TokenDemanded(_)), "{fault}");
}

#[tokio::test]
async fn a_reload_tells_what_it_did_or_every_fault() {
    let admin = Fixture::start(None).await;
    let (status, answer) = admin.post("/reload", "").await;
    let expected = json!({
        "changed": true, "table_changed": true, "settings_changed": false, "fingerprint": "f2", "restart_needed": ["workers"],
        "warnings": [],
    });
    assert_eq!((status, answer), (200, expected));
    admin.ready.store(false, Ordering::Relaxed);
    let (status, answer) = admin.post("/reload", "").await;
    assert_eq!((status, &answer["errors"]), (409, &json!(["routes.yaml:3:7: unknown key `rotue`"])));
}

#[tokio::test]
async fn a_reload_ends_even_if_nobody_waits_for_it() {
    let (begun, go_on, ended) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    let admin = Fixture::start_with(None, {
        let (begun, go_on, ended) = (begun.clone(), go_on.clone(), ended.clone());
        move |_| {
            let (begun, go_on, ended) = (begun.clone(), go_on.clone(), ended.clone());
            async move {
                begun.cancel();
                go_on.cancelled().await;
                ended.cancel();
                Ok(outcome())
            }
        }
    })
    .await;
    let mut stream = TcpStream::connect(admin.address).await.unwrap();
    stream.write_all(b"POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    begun.cancelled().await;
    drop(stream);
    // An answer on another connection: the listener has had its turn to notice that the asker is gone.
    assert_eq!(admin.get("/healthz").await.0, 200);
    go_on.cancel();
    tokio::time::timeout(DEADLINE, ended.cancelled()).await.unwrap();
}

#[tokio::test]
async fn a_panic_behind_a_closure_is_a_500_and_hurts_nothing_else() {
    let admin = Fixture::start_with(None, |_| async { panic!("a defect") }).await;
    assert_eq!(admin.post("/reload", "").await.0, 500);
    assert_eq!(admin.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn questions_that_cannot_be_asked_are_refused() {
    let admin = Fixture::start(None).await;
    let long = format!("{{\"method\":\"{}\"}}", "G".repeat(64 * 1024));
    for (name, body, expected) in [
        ("no JSON", "x", 400),
        ("no method", r#"{"url":"/"}"#, 400),
        ("a member twice", r#"{"method":"GET","method":"PUT","url":"/"}"#, 400),
        ("an unknown member", r#"{"method":"GET","url":"/","scopes":"a"}"#, 400),
        ("a token", r#"{"method":"GET","url":"/","token":"a.b.c"}"#, 400),
        ("a method with a space", r#"{"method":"G T","url":"/"}"#, 400),
        ("a URL with a space", r#"{"method":"GET","url":"/a b"}"#, 400),
        ("a URL without scheme", r#"{"method":"GET","url":"example.com/a"}"#, 400),
        ("too long", &long, 413),
    ] {
        let (status, answer) = admin.post("/explain", body).await;
        assert_eq!(status, expected, "{name}: {answer}");
        assert!(!answer["detail"].as_str().unwrap().contains("a.b.c"), "{answer}");
    }
}

#[tokio::test]
async fn nobody_can_hold_a_connection_by_saying_nothing() {
    let short = Duration::from_millis(20);
    let admin = Fixture::start_within(within(short, DEADLINE), None, |_| async { Ok(outcome()) }).await;
    for begun in ["", "GET /healthz HTTP/1.1\r\nHost: loc"] {
        let (status, ..) = admin.ask(begun).await;
        assert!([0, 408].contains(&status), "`{begun}` was answered with {status}");
    }
    let unfinished = "POST /explain HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 10\r\n\r\n{";
    assert_eq!(admin.ask(unfinished).await.0, 408);
}

#[tokio::test]
async fn a_connection_ends_at_its_age_however_busy_it_is() {
    let age = Duration::from_millis(50);
    let admin = Fixture::start_within(within(DEADLINE, age), None, |_| async { Ok(outcome()) }).await;
    let mut stream = TcpStream::connect(admin.address).await.unwrap();
    let mut answer = Vec::new();
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let asking = async {
        while stream.write_all(request).await.is_ok() && stream.read_buf(&mut answer).await.is_ok_and(|bytes| bytes > 0)
        {
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_closed_when_the_listener_stops() {
    let admin = Fixture::start(None).await;
    let mut stream = TcpStream::connect(admin.address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok\n") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
    }
    admin.stop.cancel();
    assert_eq!(tokio::time::timeout(DEADLINE, stream.read_buf(&mut answer)).await.unwrap().unwrap(), 0);
    tokio::time::timeout(DEADLINE, admin.served).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(admin.address).await.is_err());
}
