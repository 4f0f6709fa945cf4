//! What is recorded of a request, and of which: read by a collector that has the official messages.

use std::io::{Read, Write};

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use crate::support::{Answer, Collector, Gateway, Http2Client, Http2Upstream, Recorded, Setup, Upstream, eventually};
use crate::websocket;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn start(collector: &Collector, upstream: &Upstream, more: &str) -> Gateway {
    Setup { more: format!("workers: 1\nlog: {{access: all}}\n{}", collector.section(more)), ..Setup::default() }
        .start(upstream)
}

/// A gateway that records everything, in front of an upstream that echoes.
fn recording() -> (Collector, Upstream, Gateway) {
    let (collector, upstream) = (Collector::start(), Upstream::echo());
    let gateway = start(&collector, &upstream, ", sample: 1");
    (collector, upstream, gateway)
}

/// Attributes of a span but those that differ with every run.
fn shown(recorded: &Recorded) -> String {
    let lines = recorded
        .attributes
        .iter()
        .filter(|(key, _)| !["scopegate.request_id", "scopegate.table", "server.port"].contains(&key.as_str()));
    lines.map(|(key, value)| format!("{key}={value}\n")).collect()
}

fn record_of(gateway: &Gateway, path: &str) -> Value {
    eventually("a record", || gateway.log().into_iter().find(|line| line["path"] == path))
}

#[test]
fn a_request_and_its_call_to_the_upstream_are_one_trace() {
    let (collector, upstream, gateway) = recording();
    let token = gateway.signer.token("items", &json!({}));
    assert_eq!(gateway.client().get("/items/secret-7?key=secret", &token).status, 200);
    let (server, call) = collector.one();
    let call = call.unwrap();
    assert_eq!((&*server.span.name, server.has_failed()), ("GET /items/{id}", false));
    let expected = "client.address=127.0.0.1\nhttp.request.body.size=0\nhttp.request.method=GET\n\
                    http.response.body.size=39\nhttp.response.status_code=200\nhttp.route=/items/{id}\n\
                    network.protocol.version=1.1\nscopegate.access=user\nscopegate.client_id=client-1\n\
                    scopegate.required=user: items:read, admin: admin.items:read\nscopegate.route=/items/{id}\n\
                    scopegate.source=upstream\nscopegate.token=jwt\nscopegate.upstream=api\nserver.address=api.test\n\
                    url.scheme=http\n";
    assert_eq!(shown(&server), expected);
    let expected = "http.request.method=GET\nhttp.response.status_code=200\nnetwork.protocol.version=1.1\n\
                    scopegate.upstream=api\nserver.address=127.0.0.1\nurl.scheme=http\n";
    assert_eq!(shown(&call), expected);
    assert_eq!((server.parent_id(), call.parent_id()), (String::new(), server.span_id()));
    assert_eq!(
        (server.trace_id(), server.events(), call.events()),
        (call.trace_id(), vec!["decided"], vec!["connected"])
    );
    let times = [server.span.start_time_unix_nano, call.span.start_time_unix_nano, call.span.end_time_unix_nano];
    assert!(times.is_sorted() && times[2] <= server.span.end_time_unix_nano, "{server:?} {call:?}");
    let request = upstream.taken().remove(0);
    assert_eq!(request.field("traceparent"), Some(&*call.traceparent()), "the upstream is told of the call");
    let record = record_of(&gateway, "/items/secret-7");
    assert_eq!(
        (&record["trace_id"], &record["request_id"]),
        (&server.trace_id().into(), &server.text("scopegate.request_id").unwrap().into())
    );
    assert_eq!(server.resource["service.name"], "scopegate");
    let sent = String::from_utf8_lossy(&server.bytes);
    let signature = token.rsplit('.').next().unwrap();
    for secret in ["secret", signature, "user-1", "authorization"] {
        assert!(!sent.contains(secret), "`{secret}` was sent");
    }
    let exported = || gateway.metric("scopegate_spans_total", &["result=\"exported\""]);
    eventually("the answer", || (exported() == 2.0).then_some(()));
}

#[test]
fn how_the_token_was_come_by_is_recorded() {
    let (collector, _, gateway) = recording();
    let token = gateway.signer.token("items", &json!({}));
    for expected in ["jwt", "cached"] {
        assert_eq!(gateway.client().get("/items/7", &token).status, 200);
        assert_eq!(collector.next().0.text("scopegate.token"), Some(expected));
    }
    assert_eq!(gateway.client().request("GET", "/open/x", "").status, 200);
    assert_eq!(collector.next().0.text("scopegate.token"), Some("none"));
}

#[test]
fn a_refusal_is_recorded_with_its_reason_and_is_no_failure() {
    let (collector, _, gateway) = recording();
    let token = gateway.signer.token("items:read", &json!({}));
    let mut client = gateway.client();
    assert_eq!(client.request("GET", "/items/7", "").status, 401);
    let (server, call) = collector.next();
    assert_eq!(
        (server.text("scopegate.reason"), server.text("http.response.status_code")),
        (Some("no_token"), Some("401"))
    );
    assert_eq!((server.has_failed(), server.text("error.type"), call.is_none()), (false, None, true));
    assert_eq!(client.request("DELETE", "/items/7", &format!("Authorization: Bearer {token}\r\n")).status, 403);
    let (server, _) = collector.next();
    for (key, value) in [
        ("scopegate.reason", "insufficient_scope"),
        ("scopegate.required", "user: items, admin: admin.items"),
        ("scopegate.missing", "items"),
        ("scopegate.source", "gateway"),
        ("http.response.status_code", "403"),
    ] {
        assert_eq!(server.text(key), Some(value), "{key}");
    }
    assert!(!server.has_failed() && server.text("scopegate.access").is_none());
    assert_eq!(client.request("BREW", "/nowhere", "").status, 501);
    let (server, _) = collector.next();
    assert_eq!((&*server.span.name, server.text("http.request.method")), ("_OTHER", Some("_OTHER")));
    assert_eq!((server.text("error.type"), server.has_failed()), (Some("method_unknown"), true));
}

#[test]
fn what_the_upstream_does_wrong_is_seen_where_it_happens() {
    let collector = Collector::start();
    let upstream = Upstream::answering(|request| match request.target() {
        "/open/missing" => Answer::Bytes(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()),
        "/open/broken" => Answer::Bytes(b"HTTP/1.1 503 Not Now\r\nContent-Length: 0\r\n\r\n".to_vec()),
        _ => Answer::Close(b"nonsense\r\n\r\n".to_vec()),
    });
    let gateway = start(&collector, &upstream, ", sample: 1");
    // Of the span of the request: whether it has failed, and how; the same of the call.
    for (name, status, of_request, of_call) in [
        ("missing", 404, (false, None), (true, Some("404"))),
        ("broken", 503, (true, Some("503")), (true, Some("503"))),
        ("nonsense", 502, (true, Some("upstream_unreachable")), (true, Some("upstream_unreachable"))),
    ] {
        assert_eq!(gateway.client().request("GET", &format!("/open/{name}"), "").status, status);
        let (server, call) = collector.next();
        let call = call.unwrap();
        assert_eq!((server.has_failed(), server.text("error.type")), of_request, "{name}");
        assert_eq!((call.has_failed(), call.text("error.type")), of_call, "{name}");
    }
}

#[test]
fn an_upstream_that_nobody_is_at_has_a_call_without_a_connection() {
    let collector = Collector::start();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let setup = Setup { more: collector.section(", sample: 1"), ..Setup::default() };
    let gateway = setup.start_before(&format!("http://{closed}"));
    assert_eq!(gateway.client().request("GET", "/open/x", "").status, 502);
    let (server, call) = collector.one();
    let call = call.unwrap();
    assert_eq!((server.has_failed(), server.text("error.type")), (true, Some("upstream_unreachable")));
    assert_eq!((call.events(), call.text("http.response.status_code")), (vec![], None));
    assert_eq!(call.text("server.port"), Some(&*closed.port().to_string()));
}

/// What the upstream is told, and what was recorded, of a request with these fields.
fn told(sample: &str, fields: &str) -> (Option<String>, Option<String>, Option<Recorded>) {
    let (collector, upstream) = (Collector::start(), Upstream::echo());
    let mut gateway = start(&collector, &upstream, sample);
    assert_eq!(gateway.client().request("GET", "/open/x", fields).status, 200);
    gateway.signal("TERM");
    assert!(gateway.exit().success());
    let request = upstream.taken().remove(0);
    let field = |name: &str| {
        let values = request.fields.iter().filter(|(known, _)| known == name).map(|(_, value)| &**value);
        Some(values.collect::<Vec<_>>().join(",")).filter(|text| !text.is_empty())
    };
    let recorded = (!collector.spans().is_empty()).then(|| collector.one().0);
    (field("traceparent"), field("tracestate"), recorded)
}

#[test]
fn a_trace_goes_on_as_its_parent_decided() {
    let state = "tracestate: a=b\r\nTraceState: c=d\r\n";
    for sample in [", sample: 0", ", sample: 1"] {
        let (parent, kept, recorded) = told(sample, &format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n{state}"));
        let recorded = recorded.unwrap();
        assert_eq!((recorded.trace_id(), recorded.parent_id()), (TRACE.to_owned(), PARENT.to_owned()));
        assert_eq!((&*recorded.span.trace_state, recorded.span.flags), ("a=b,c=d", 0x301));
        let parent = parent.unwrap();
        assert!(parent.starts_with(&format!("00-{TRACE}-")) && parent.ends_with("-01") && !parent.contains(PARENT));
        assert_eq!(kept.as_deref(), Some("a=b,c=d"));
        let (parent, kept, recorded) =
            told(sample, &format!("traceparent: 00-{TRACE}-{PARENT}-00\r\ntracestate: a=b\r\n"));
        assert_eq!(parent, Some(format!("00-{TRACE}-{PARENT}-00")), "it is passed on as it came");
        assert_eq!((kept.as_deref(), recorded.is_none()), (Some("a=b"), true));
    }
}

#[test]
fn without_a_sound_parent_a_trace_begins_here() {
    let good = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n");
    for (name, fields) in [
        ("none", String::new()),
        ("garbage", "traceparent: garbage\r\ntracestate: a=b\r\n".to_owned()),
        ("upper case", format!("{}tracestate: a=b\r\n", good.to_uppercase())),
        ("two", format!("{good}{good}tracestate: a=b\r\n")),
        ("a state alone", "tracestate: a=b\r\n".to_owned()),
    ] {
        for (sample, flags) in [(", sample: 1", "01"), (", sample: 0", "00")] {
            let (parent, state, recorded) = told(sample, &fields);
            let parent = parent.unwrap();
            assert!(!parent.contains(TRACE) && parent.ends_with(&format!("-{flags}")), "{name}: {parent}");
            assert_eq!((parent.len(), state), (55, None), "{name}");
            assert_eq!(recorded.map(|recorded| recorded.parent_id()), (flags == "01").then(String::new), "{name}");
        }
    }
}

#[test]
fn whose_parent_is_believed_is_configured() {
    let fields = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\ntracestate: a=b\r\n");
    for (parents, trusted, believed) in [
        ("none", "[127.0.0.0/8]", false),
        ("trusted", "[127.0.0.0/8]", true),
        ("trusted", "[10.0.0.0/8]", false),
        ("all", "[]", true),
    ] {
        let (collector, upstream) = (Collector::start(), Upstream::echo());
        let more = collector.section(&format!(", sample: 0, parents: {parents}"));
        let setup = Setup { more, ..Setup::default() };
        let gateway = setup.start_with(&upstream, &format!("trusted_peers: {trusted}"));
        assert_eq!(gateway.client().request("GET", "/open/x", &fields).status, 200);
        let request = upstream.taken().remove(0);
        let parent = request.field("traceparent").unwrap();
        assert_eq!(parent.contains(TRACE), believed, "{parents} {trusted}");
        assert_eq!(request.field("tracestate").is_some(), believed);
    }
}

#[test]
fn without_the_section_what_a_peer_says_of_traces_is_passed_on_untouched() {
    let upstream = Upstream::echo();
    let gateway = Setup { more: "log: {access: all}".into(), ..Setup::default() }.start(&upstream);
    assert_eq!(gateway.client().request("GET", "/open/x", "traceparent: garbage\r\ntracestate: a\r\n").status, 200);
    let request = upstream.taken().remove(0);
    assert_eq!((request.field("traceparent"), request.field("tracestate")), (Some("garbage"), Some("a")));
    assert_eq!(record_of(&gateway, "/open/x").get("trace_id"), None);
}

#[test]
fn over_http2_and_of_grpc_the_same_is_recorded() {
    let collector = Collector::start();
    let upstream = Http2Upstream::answering(|mut call| async move {
        let mut stream = call.answer(Response::new(()));
        stream.send_data(Bytes::from_static(b"hello"), true).unwrap();
    });
    let setup = Setup {
        api: "protocol: http2".into(),
        more: collector.section(", sample: 1"),
        policy: crate::support::POLICY.to_owned()
            + "  - {path: '/echo.Echo/{method}', upstream: api, methods: {POST: items}}\n",
        ..Setup::default()
    };
    let gateway = setup.start_before(&upstream.endpoint());
    let mut client = Http2Client::connect(gateway.address);
    let parent = format!("00-{TRACE}-{PARENT}-01");
    assert_eq!(client.ask("GET", "/open/x", &[("traceparent", &parent)]).unwrap().head.status(), 200);
    let (server, call) = collector.next();
    let call = call.unwrap();
    assert_eq!(
        (server.text("network.protocol.version"), call.text("network.protocol.version")),
        (Some("2"), Some("2"))
    );
    assert_eq!((server.text("server.address"), server.parent_id()), (Some("api.test"), PARENT.to_owned()));
    assert_eq!(upstream.taken().remove(0).headers()["traceparent"], &*call.traceparent());
    let refused = client.ask("POST", "/echo.Echo/Unary", &[("content-type", "application/grpc")]).unwrap();
    assert_eq!((refused.head.status().as_u16(), refused.field("grpc-status")), (200, Some("16")));
    let (server, _) = collector.next();
    assert_eq!((&*server.span.name, server.text("scopegate.reason")), ("POST /echo.Echo/{method}", Some("no_token")));
    assert_eq!(
        server.text("http.response.status_code"),
        Some("401"),
        "the one that HTTP would have had, as in the log"
    );
}

#[test]
fn a_tunnel_is_recorded_at_its_end() {
    let collector = Collector::start();
    let (upstream, streams) = websocket::accepting();
    let gateway = start(&collector, &upstream, ", sample: 1");
    let mut client = websocket::open(&gateway, "/open/x", "");
    let mut stream = streams.recv().unwrap();
    client.send("words");
    assert_eq!(&websocket::read::<5>(&mut stream), b"words");
    assert!(collector.spans().is_empty());
    stream.get_mut().write_all(b"answer").unwrap();
    drop(stream);
    let mut answer = String::new();
    client.reader().read_to_string(&mut answer).unwrap();
    drop(client);
    let (server, call) = collector.one();
    assert_eq!((server.text("http.response.status_code"), &*answer), (Some("101"), "answer"));
    assert_eq!((server.text("http.request.body.size"), server.text("http.response.body.size")), (Some("5"), Some("6")));
    assert!(call.unwrap().span.end_time_unix_nano < server.span.end_time_unix_nano, "the call ends with its 101");
}
