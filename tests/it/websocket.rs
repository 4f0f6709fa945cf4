//! WebSocket through the gateway: who may open a tunnel, what it carries, how it ends (RFC 6455, RFC 9110 §7.8).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

pub use crate::support::HANDSHAKE;
use crate::support::{Answer, Client, DEADLINE, Gateway, Setup, Upstream, eventually};

pub const KEY: &str = "x3JJHMbDL1EzLkh9GBhXDw==";

/// The 101 that RFC 6455 §4.2.2 wants, with more fields.
pub fn switching(key: &str, more: &str) -> String {
    let proof = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n{more}\r\n",
        BASE64_STANDARD.encode(proof)
    )
}

/// An upstream that accepts every handshake, and hands each tunnel to the test.
pub fn accepting() -> (Upstream, mpsc::Receiver<BufReader<TcpStream>>) {
    let (give, streams) = mpsc::channel();
    let give = std::sync::Mutex::new(give);
    let upstream = Upstream::answering(move |request| {
        let give = give.lock().unwrap().clone();
        let Some(key) = request.field("sec-websocket-key").map(str::to_owned) else { return Answer::ok("plain") };
        Answer::Take(Box::new(move |mut stream| {
            stream.get_mut().write_all(switching(&key, "").as_bytes()).unwrap();
            stream.get_ref().set_read_timeout(Some(DEADLINE)).unwrap();
            // A test that has ended takes no more.
            let _ = give.send(stream);
        }))
    });
    (upstream, streams)
}

/// Sends a handshake and reads the 101.
pub fn open(gateway: &Gateway, target: &str, fields: &str) -> Client {
    let mut client = gateway.client();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: api.test\r\n{HANDSHAKE}{fields}\r\n"));
    let head = client.try_head().unwrap().unwrap();
    assert_eq!(head.status, 101, "{:?}", head.message);
    client
}

pub fn read<const N: usize>(stream: &mut impl Read) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// The number of tunnels that the metrics show.
pub fn tunnels(gateway: &Gateway) -> f64 {
    gateway.metric("scopegate_connections", &["protocol=\"upgraded\""])
}

/// Waits for the end of one tunnel, for this reason.
pub fn ended(gateway: &Gateway, end: &str) {
    let label = format!("end=\"{end}\"");
    eventually(end, || (gateway.metric("scopegate_tunnels_ended_total", &[&label]) == 1.0).then_some(()));
    assert_eq!(gateway.metric("scopegate_tunnels_ended_total", &[]), 1.0);
    assert_eq!(tunnels(gateway), 0.0);
}

#[test]
fn a_tunnel_carries_bytes_both_ways_and_is_recorded_at_its_end() {
    let (upstream, streams) = accepting();
    let gateway = Setup { more: "log: {access: all}".into(), ..Setup::default() }.start(&upstream);
    let token = gateway.signer.token("items:read", &serde_json::json!({}));
    let fields = format!(
        "Authorization: Bearer {token}\r\nSec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\
         Origin: https://app.test\r\n"
    );
    let mut client = open(&gateway, "/items", &fields);
    let mut stream = streams.recv().unwrap();
    client.send("\x01\x02ping");
    assert_eq!(&read::<6>(&mut stream), b"\x01\x02ping");
    stream.get_mut().write_all(b"pong!").unwrap();
    assert_eq!(&read::<5>(client.reader()), b"pong!");

    assert_eq!((tunnels(&gateway), gateway.metric("scopegate_connections", &["protocol=\"http1\""])), (1.0, 0.0));
    assert_eq!(gateway.metric("scopegate_requests_in_flight", &[]), 0.0);
    assert_eq!(gateway.metric("scopegate_upstream_connections", &[]), 1.0);
    drop((client, stream));
    let record = eventually("the record", || gateway.log().into_iter().find(|line| line["path"] == "/items"));
    for (name, expected) in [("status", 101), ("bytes_in", 6), ("bytes_out", 5)] {
        assert_eq!(record[name], expected, "{record}");
    }
    assert_eq!((&record["access"], &record["source"]), (&"user".into(), &"upstream".into()));
    assert_eq!(gateway.metric("scopegate_requests_total", &["code=\"101\"", "method=\"GET\""]), 1.0);
    assert_eq!(gateway.metric("scopegate_upstream_connections", &[]), 0.0);

    let request = &upstream.taken()[0];
    for (name, expected) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat, superchat"),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("origin", "https://app.test"),
        ("scopegate-access", "user"),
    ] {
        assert_eq!(request.field(name), Some(expected), "{name}");
    }
}

#[test]
fn whoever_may_not_open_a_tunnel_is_refused_as_for_a_plain_request() {
    let (upstream, _streams) = accepting();
    let gateway = Setup::default().start(&upstream);
    let token = |scope: &str| gateway.signer.token(scope, &serde_json::json!({}));
    let (reader, stranger) = (token("items:read"), token("other"));
    for (name, target, fields, status, reason) in [
        ("no token", "/items".to_owned(), String::new(), 401, "no_token"),
        ("a token that lacks the scope", "/items".to_owned(), bearer(&stranger), 403, "insufficient_scope"),
        ("a token that is none", "/items".to_owned(), bearer("x.y.z"), 401, "bad_token"),
        ("an admin's route", "/admin/1".to_owned(), bearer(&reader), 403, "insufficient_scope"),
        ("no route", "/nowhere".to_owned(), bearer(&reader), 404, "no_route"),
        ("a token in the query", format!("/items?access_token={reader}"), String::new(), 401, "no_token"),
        (
            "a token as a sub-protocol",
            "/items".to_owned(),
            format!("Sec-WebSocket-Protocol: bearer, {reader}\r\n"),
            401,
            "no_token",
        ),
    ] {
        let mut client = gateway.client();
        let response = client.request("GET", &target, &format!("{HANDSHAKE}{fields}"));
        assert_eq!((response.status, response.reason().as_str()), (status, reason), "{name}");
        assert_eq!(response.field("connection"), Some("close"), "{name}");
        assert!(client.is_closed(), "{name}");
    }
    assert_eq!((upstream.connections(), tunnels(&gateway)), (0, 0.0));
}

pub fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[test]
fn a_handshake_with_a_fault_is_400_and_other_upgrades_are_plain_requests() {
    let (upstream, _streams) = accepting();
    let gateway = Setup::default().start(&upstream);
    let version = "Sec-WebSocket-Version: 13\r\n";
    let key = format!("Sec-WebSocket-Key: {KEY}\r\n");
    let asks = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    for (name, method, fields, status) in [
        ("no key", "GET", format!("{asks}{version}"), 400),
        ("no version", "GET", format!("{asks}{key}"), 400),
        ("another version", "GET", format!("{asks}{key}Sec-WebSocket-Version: 8\r\n"), 400),
        ("a key that is none", "GET", format!("{asks}{version}Sec-WebSocket-Key: abc\r\n"), 400),
        ("content", "GET", format!("{HANDSHAKE}Content-Length: 1\r\n"), 400),
        ("POST", "POST", format!("{asks}{version}Content-Length: 0\r\n"), 200),
        (
            "h2c",
            "GET",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n".to_owned(),
            200,
        ),
        ("TLS", "GET", "Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n".to_owned(), 200),
        ("not nominated", "GET", "Upgrade: websocket\r\n".to_owned(), 200),
    ] {
        let mut client = gateway.client();
        client.send(format!("{method} /open/x HTTP/1.1\r\nHost: api.test\r\n{fields}\r\n"));
        let response = client.response_to(method);
        assert_eq!(response.status, status, "{name}");
        let goes_on = client.try_send("GET /nowhere HTTP/1.1\r\nHost: api.test\r\n\r\n").is_ok() && client.has_byte();
        assert_eq!(goes_on, status == 200, "{name}: {response:?}");
    }
    for request in upstream.taken() {
        assert_eq!((request.field("upgrade"), request.field("http2-settings")), (None, None), "{request:?}");
        assert_eq!(request.field("connection"), None, "{request:?}");
    }
}

#[test]
fn an_old_client_gets_a_plain_answer() {
    let (upstream, _streams) = accepting();
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    client.send("GET /open/x HTTP/1.0\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(client.response_to("GET").status, 200, "RFC 9110 §7.8");
}

#[test]
fn an_upstream_without_websocket_is_not_asked() {
    let upstream = Upstream::echo();
    let gateway = Setup { api: "tunnels: {websocket: off}".into(), ..Setup::default() }.start(&upstream);
    let mut client = gateway.client();
    assert_eq!(client.request("GET", "/open/x", HANDSHAKE).status, 200);
    assert!(client.is_closed());
    assert_eq!(upstream.taken()[0].field("upgrade"), None);
}

#[test]
fn early_bytes_wait_for_the_101() {
    let (give, seen) = mpsc::channel();
    let give = std::sync::Mutex::new(give);
    let upstream = Upstream::answering(move |_| {
        let give = give.lock().unwrap().clone();
        Answer::Take(Box::new(move |mut stream| {
            // Nothing may come before the answer: this waits for the end of a time, not for a thing to happen.
            stream.get_ref().set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            let before = stream.fill_buf().map(<[u8]>::len).unwrap_or_default();
            stream.get_mut().write_all(switching(KEY, "").as_bytes()).unwrap();
            stream.get_ref().set_read_timeout(Some(DEADLINE)).unwrap();
            give.send((before, read::<9>(&mut stream))).unwrap();
        }))
    });
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    client.send(format!("GET /open/x HTTP/1.1\r\nHost: api.test\r\n{HANDSHAKE}\r\nearly"));
    client.send("more");
    assert_eq!(client.try_head().unwrap().unwrap().status, 101);
    assert_eq!(seen.recv().unwrap(), (0, *b"earlymore"));
}

#[test]
fn an_upstream_that_refuses_never_sees_a_byte_that_came_behind_the_handshake() {
    let refusal = |answer: &'static str| {
        let (give, seen) = mpsc::channel();
        let give = std::sync::Mutex::new(give);
        let upstream = Upstream::answering(move |_| {
            let give = give.lock().unwrap().clone();
            Answer::Take(Box::new(move |mut stream| {
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest);
                give.send(rest).unwrap();
            }))
        });
        (upstream, seen)
    };
    let unproven = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
    let other = switching(KEY, "").replace("Upgrade: websocket", "Upgrade: h2c").leak();
    for (name, answer, status) in [
        ("refused", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403),
        ("taken for a plain request", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200),
        ("switched without proof", unproven, 502),
        ("switched to something else", other, 502),
    ] {
        let (upstream, seen) = refusal(answer);
        let gateway = Setup::default().start(&upstream);
        let mut client = gateway.client();
        // What follows is at the same time a request: were it taken for one, the upstream would have two.
        let follows = "GET /open/smuggled HTTP/1.1\r\nHost: api.test\r\n\r\n";
        client.send(format!("GET /open/x HTTP/1.1\r\nHost: api.test\r\n{HANDSHAKE}\r\n{follows}"));
        let response = client.response_to("GET");
        assert_eq!((response.status, response.field("connection")), (status, Some("close")), "{name}");
        assert!(client.is_closed(), "{name}");
        assert_eq!(seen.recv().unwrap(), b"", "{name}: and the connection is not kept");
        assert_eq!((upstream.taken().len(), upstream.connections()), (1, 1), "{name}");
        assert_eq!(gateway.metric("scopegate_tunnels_ended_total", &[]), 0.0, "{name}");
    }
}

#[test]
fn an_upstream_that_was_asked_is_not_asked_for_anything_else_on_that_connection() {
    let upstream = Upstream::echo();
    let gateway = Setup { more: "workers: 1".into(), ..Setup::default() }.start(&upstream);
    assert_eq!(gateway.client().request("GET", "/open/x", HANDSHAKE).status, 200);
    assert_eq!(gateway.client().request("GET", "/open/x", "").status, 200);
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn a_switch_that_nobody_asked_for_is_502() {
    let upstream = Upstream::answering(|_| Answer::Bytes(switching(KEY, "").into_bytes()));
    let gateway = Setup::default().start(&upstream);
    assert_eq!(gateway.client().request("GET", "/open/x", "").status, 502);
}
