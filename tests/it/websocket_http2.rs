//! WebSocket on streams of HTTP/2 (RFC 8441), to upstreams that know it over HTTP/1.1 only.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use bytes::Bytes;

use crate::support::{Answer, Gateway, Http2Answer, Http2Streams, Message, Setup, Upstream, eventually};
use crate::websocket::{accepting, ended, read, tunnels};

const VERSION: (&str, &str) = ("sec-websocket-version", "13");

async fn open(client: &mut Http2Streams, target: &str) -> Http2Answer {
    let answer = client.connect_to(target, "websocket", &[VERSION]).await;
    assert_eq!(answer.status(), 200, "{:?}", answer.head);
    answer
}

fn with_log(api: &str, more: &str) -> Setup {
    Setup { api: api.into(), more: format!("log: {{access: all}}\n{more}"), ..Setup::default() }
}

fn send(stream: &mut Http2Answer, bytes: &'static [u8], ends: bool) {
    stream.sent.send_data(Bytes::from_static(bytes), ends).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc_8441_section_5_a_stream_becomes_a_tunnel() {
    let (upstream, streams) = accepting();
    let gateway = with_log("", "").start(&upstream);
    let mut client = Http2Streams::connect(gateway.address).await;
    let token = gateway.signer.token("items:read", &serde_json::json!({}));
    let fields = [
        VERSION,
        ("authorization", &format!("Bearer {token}")),
        ("sec-websocket-protocol", "chat"),
        ("origin", "https://a.test"),
    ];
    let mut answer = client.connect_to("/items", "websocket", &fields).await;
    assert_eq!(answer.status(), 200);
    for name in ["sec-websocket-accept", "upgrade", "connection", "content-length"] {
        assert!(!answer.head.headers.contains_key(name), "{name}");
    }
    let mut stream = streams.recv().unwrap();
    send(&mut answer, b"ping", false);
    assert_eq!(&read::<4>(&mut stream), b"ping");
    stream.get_mut().write_all(b"pong").unwrap();
    assert_eq!(answer.part().await.unwrap(), "pong");
    assert_eq!((tunnels(&gateway), gateway.metric("scopegate_connections", &["protocol=\"h2\""])), (1.0, 1.0));
    assert_eq!(gateway.metric("scopegate_requests_in_flight", &[]), 0.0);

    // Its ends are passed on one by one.
    send(&mut answer, b"last", true);
    let mut last = String::new();
    stream.read_to_string(&mut last).unwrap();
    assert_eq!(last, "last");
    stream.get_mut().write_all(b"words").unwrap();
    stream.get_ref().shutdown(Shutdown::Write).unwrap();
    assert_eq!(answer.rest().await, b"words");
    ended(&gateway, "closed");
    let record = eventually("the record", || gateway.log().into_iter().find(|line| line["path"] == "/items"));
    for (name, expected) in [("status", 101), ("bytes_in", 8), ("bytes_out", 9)] {
        assert_eq!(record[name], expected, "{record}");
    }
    assert_eq!(record["method"], "GET");

    is_bridged(&upstream.taken()[0]);
}

/// The handshake that the gateway makes for a stream.
fn is_bridged(request: &Message) {
    assert_eq!(request.start_line, "GET /items HTTP/1.1");
    for (name, expected) in [
        ("host", "api.test"),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat"),
        ("origin", "https://a.test"),
        ("scopegate-scope", "items:read"),
    ] {
        assert_eq!(request.field(name), Some(expected), "{name}");
    }
    assert_eq!(request.field("sec-websocket-key").unwrap().len(), 24);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_tunnels_and_requests() {
    let (upstream, streams) = accepting();
    let gateway = with_log("", "").start(&upstream);
    let mut client = Http2Streams::connect(gateway.address).await;
    let (mut first, mut second) = (open(&mut client, "/open/1").await, open(&mut client, "/open/2").await);
    let (mut one, mut two) = (streams.recv().unwrap(), streams.recv().unwrap());
    assert_eq!(client.get("/open/x").await.rest().await, b"plain");
    one.get_mut().write_all(b"1").unwrap();
    two.get_mut().write_all(b"2").unwrap();
    let mut heard = [first.part().await.unwrap(), second.part().await.unwrap()];
    heard.sort();
    assert_eq!(heard, ["1", "2"]);
    assert_eq!(tunnels(&gateway), 2.0);
    // The upstream hears of a peer that leaves one stream, and the other goes on.
    first.sent.send_reset(h2::Reason::CANCEL);
    drop(first);
    assert_eq!(one.read(&mut [0]).unwrap_or(0), 0);
    drop(one);
    eventually("one tunnel", || (tunnels(&gateway) == 1.0).then_some(()));
    send(&mut second, b"still", false);
    assert_eq!(&read::<5>(&mut two), b"still");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_carries_a_tunnel_is_not_idle() {
    let (upstream, streams) = accepting();
    let gateway = with_log("", "limits: {keep_alive: 300ms}").start(&upstream);
    let mut client = Http2Streams::connect(gateway.address).await;
    let mut answer = open(&mut client, "/open/x").await;
    let mut stream = streams.recv().unwrap();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(client.get("/open/x").await.status(), 200, "nobody was told to go");
    send(&mut answer, b"still here", false);
    assert_eq!(&read::<10>(&mut stream), b"still here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_leaves_ends_its_tunnels() {
    let (upstream, streams) = accepting();
    let gateway = with_log("", "").start(&upstream);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let address = gateway.address;
    let held = runtime.spawn(async move {
        let mut client = Http2Streams::connect(address).await;
        let answer = open(&mut client, "/open/x").await;
        (client, answer)
    });
    let mut stream = streams.recv().unwrap();
    drop(held.await.unwrap());
    runtime.shutdown_background();
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    drop(stream);
    eventually("the end", || (tunnels(&gateway) == 0.0).then_some(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_become_a_tunnel_is_refused() {
    let (upstream, _streams) = accepting();
    let gateway = Setup::default().start(&upstream);
    let mut client = Http2Streams::connect(gateway.address).await;
    for (name, target, protocol, fields, status, reason) in [
        ("no token", "/items", "websocket", &[VERSION][..], 401, "no_token"),
        ("no route", "/nowhere", "websocket", &[VERSION], 404, "no_route"),
        ("an admin's route", "/admin/1", "websocket", &[VERSION], 401, "no_token"),
        ("no version", "/open/x", "websocket", &[], 400, "bad_request"),
        ("another version", "/open/x", "websocket", &[("sec-websocket-version", "8")], 400, "bad_request"),
        ("another protocol", "/open/x", "connect-udp", &[VERSION], 501, "method_unknown"),
    ] {
        let mut answer = client.connect_to(target, protocol, fields).await;
        let document: serde_json::Value = serde_json::from_slice(&answer.rest().await).unwrap();
        assert_eq!((answer.status().as_u16(), &document["reason"]), (status, &reason.into()), "{name}");
    }
    assert_eq!(upstream.connections(), 0);
    let plain = http::Request::connect("http://api.test").body(()).unwrap();
    let answer = client.send(plain, false).await.map(|answer| answer.status().as_u16());
    assert!(matches!(answer, Ok(400) | Err(_)), "{answer:?}");
    let mut client = gateway.client();
    assert_eq!(client.request("CONNECT", "api.test:80", "").status, 400);
    assert!(client.is_closed(), "what comes next was meant for a tunnel");
    let has_no_path = |line: &serde_json::Value| line["method"] == "CONNECT" && line.get("path").is_none();
    eventually("a record without a path", || gateway.log().into_iter().find(has_no_path));
    assert_eq!(upstream.connections(), 0);
}

async fn asked(gateway: &Gateway) -> (u16, Vec<u8>) {
    let mut answer = Http2Streams::connect(gateway.address).await.connect_to("/open/x", "websocket", &[VERSION]).await;
    let status = answer.status().as_u16();
    (status, answer.rest().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstreams_refusal_is_passed_on_and_its_success_is_none() {
    let refusing =
        Upstream::answering(|_| Answer::Bytes(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno".to_vec()));
    assert_eq!(asked(&Setup::default().start(&refusing)).await, (403, b"no".to_vec()));
    // A success would open the stream (RFC 9113 §8.5).
    assert_eq!(asked(&Setup::default().start(&Upstream::echo())).await.0, 502);
    let gateway = Setup { api: "tunnels: {websocket: off}".into(), ..Setup::default() }.start(&refusing);
    assert_eq!(asked(&gateway).await.0, 501);
}

#[tokio::test(flavor = "multi_thread")]
async fn tunnels_on_streams_are_drained_too() {
    let (upstream, streams) = accepting();
    let mut gateway = with_log("", "drain_timeout: 1500ms").start(&upstream);
    let mut client = Http2Streams::connect(gateway.address).await;
    let mut answer = open(&mut client, "/open/x").await;
    let mut stream = streams.recv().unwrap();
    gateway.signal("TERM");
    eventually("the drain", || (gateway.ask("GET", "/readyz").status == 503).then_some(()));
    send(&mut answer, b"still here", false);
    assert_eq!(&read::<10>(&mut stream), b"still here");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert!(gateway.exit().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_that_is_cut_off_resets_its_stream() {
    let (upstream, streams) = accepting();
    let gateway = with_log("tunnels: {idle: 500ms}", "").start(&upstream);
    let mut client = Http2Streams::connect(gateway.address).await;
    let mut answer = open(&mut client, "/open/x").await;
    let _stream = streams.recv().unwrap();
    let fault = answer.received.data().await.expect("no end").expect_err("a reset");
    assert_eq!(fault.reason(), Some(h2::Reason::CANCEL));
    ended(&gateway, "idle");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tunnel_leaves_behind_for_a_peer_that_takes_nothing_is_given_up() {
    let (upstream, streams) = accepting();
    let more = "limits: {keep_alive: 300ms}\nworkers: 1";
    let gateway = with_log("tunnels: {idle: 500ms}", more).start(&upstream);
    let mut client = Http2Streams::connect(gateway.address).await;
    let _answer = open(&mut client, "/open/x").await;
    let mut stream = streams.recv().unwrap();
    // More than the stream's window, none of which is given back.
    let writing = std::thread::spawn(move || stream.get_mut().write_all(&vec![b'z'; 1 << 24]));
    ended(&gateway, "idle");
    assert!(writing.join().unwrap().is_err());
    eventually("the connection's end", || {
        (gateway.metric("scopegate_connections", &["protocol=\"h2\""]) == 0.0).then_some(())
    });
}
