//! HTTP/2 (RFC 9113): the same decisions, every stream for itself, and an end to what a peer may ask for.

use std::io::{BufReader, Write};
use std::net::TcpStream;

use bytes::Bytes;
use http::StatusCode;
use serde_json::json;

use crate::support::http2::{
    DATA, END_HEADERS, END_STREAM, FrameClient, GOAWAY, HEADERS, Http2Client, PING, RST_STREAM, WINDOW_UPDATE, ask,
    request, section,
};
use crate::support::{Answer, Gateway, Setup, Upstream, eventually};

/// RFC 9113 §7.
pub const CANCEL: u32 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// Never answers `/open/silent`; holds much for `/open/large`.
pub fn upstream() -> Upstream {
    Upstream::answering(|request| match request.target() {
        "/open/silent" => Answer::Take(Box::new(|mut stream: BufReader<TcpStream>| {
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        })),
        "/open/large" => Answer::ok(&"x".repeat(1 << 20)),
        _ => Answer::ok(&request.start_line),
    })
}

pub fn limited(limits: &str) -> Gateway {
    Setup { more: format!("limits: {{{limits}}}\nworkers: 1"), ..Setup::default() }.start(&upstream())
}

pub fn errors(gateway: &Gateway, kind: &str) -> f64 {
    gateway.metric("scopegate_connection_errors_total", &[&format!("kind=\"{kind}\"")])
}

pub fn counted(gateway: &Gateway, kind: &str) {
    eventually(kind, || (errors(gateway, kind) == 1.0).then_some(()));
}

/// Method, target and fields of a request.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

pub fn code(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[..4].try_into().unwrap())
}

#[test]
fn a_request_is_forwarded_like_one_of_http_1() {
    let upstream = Upstream::echo();
    let gateway = Setup::default().start(&upstream);
    let token = gateway.signer.token("items:read", &json!({}));
    let client = Http2Client::connect(gateway.address);
    let authorization = format!("Bearer {token}");
    let fields = [("authorization", &*authorization), ("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers")];
    let response = client.request("GET", "/items/7?x=y", &fields);
    assert_eq!((response.status, response.text()), (StatusCode::OK, "GET /items/7?x=y HTTP/1.1"));
    assert!(response.field("x-request-id").is_some() && response.field("connection").is_none());
    let [seen] = <[_; 1]>::try_from(upstream.taken()).unwrap();
    assert_eq!((seen.field("host"), seen.field("cookie")), (Some("api.test"), Some("a=1; b=2")));
    assert_eq!((seen.field("via"), seen.field("scopegate-access")), (Some("2.0 scopegate"), Some("user")));
    let connections = |protocol: &str| gateway.metric("scopegate_connections", &[&format!("protocol=\"{protocol}\"")]);
    let silent = TcpStream::connect(gateway.address).unwrap();
    eventually("a connection of each kind", || {
        ((connections("h2"), connections("new"), connections("http1")) == (1.0, 1.0, 0.0)).then_some(())
    });
    drop((client, silent));
    eventually("they are gone", || ((connections("h2"), connections("new")) == (0.0, 0.0)).then_some(()));
}

#[test]
fn every_refusal_is_that_of_http_1() {
    let gateway = limited("header_bytes: 4KiB, target_bytes: 64B, token_bytes: 1KiB");
    let reading = format!("Bearer {}", gateway.signer.token("items:read", &json!({})));
    let (long, target) = ("x".repeat(5 << 10), format!("/open/{}", "x".repeat(70)));
    let cases: &[Case<'_>] = &[
        ("GET", "/items", &[]),
        ("GET", "/items", &[("authorization", "Bearer forged")]),
        ("GET", "/items", &[("authorization", &reading), ("authorization", &reading)]),
        ("POST", "/items", &[("authorization", &reading)]),
        ("GET", "/admin/1", &[("authorization", &reading)]),
        ("GET", "/nowhere", &[]),
        ("DELETE", "/open/1", &[]),
        ("PURGE", "/open/1", &[]),
        ("GET", "/open/..%2fitems", &[]),
        ("GET", "/open/1", &[("x-long", &long)]),
        ("GET", &target, &[]),
        ("GET", "/open/1", &[("x_request_id", "1"), ("scopegate_access", "admin")]),
    ];
    let client = Http2Client::connect(gateway.address);
    for (method, target, fields) in cases {
        let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let expected = gateway.client().request(method, target, &lines);
        let seen = client.request(method, target, fields);
        assert_eq!(
            (seen.status.as_u16(), seen.text().is_empty()),
            (expected.status, expected.text().is_empty()),
            "{target}"
        );
        if expected.status != 200 {
            assert_eq!(seen.reason(), expected.reason(), "{method} {target}");
            for name in ["www-authenticate", "allow", "cache-control", "content-type", "retry-after"] {
                assert_eq!(seen.field(name), expected.field(name), "{name} of {method} {target}");
            }
        }
    }
    let host = client.request("GET", "/open/1", &[("host", "other.test")]);
    assert_eq!((host.status.as_u16(), host.reason()), (400, "bad_request".into()));
}

#[test]
fn a_refusal_ends_its_own_stream_and_no_other() {
    let gateway = limited("");
    let mut client = FrameClient::connect(gateway.address, &[]);
    client.send(HEADERS, END_HEADERS, 1, &section("POST", "/items"));
    assert!(client.until(HEADERS, 1).is_some(), "refused before its content has come");
    let reset = client.until(RST_STREAM, 1).expect("nobody waits for the content");
    assert_eq!(code(&reset.payload), 0, "RFC 9113 §8.1: NO_ERROR");
    client.get(3, "/open/1");
    assert!(client.until(HEADERS, 3).is_some());
}

#[test]
fn streams_go_on_beside_one_that_stalls() {
    let gateway = limited("");
    let client = Http2Client::connect(gateway.address);
    client.runtime.block_on(async {
        let stalled = tokio::spawn(ask(client.sender.clone(), request("GET", "/open/silent", &[])));
        let mut others: Vec<_> = (0..20)
            .map(|number| tokio::spawn(ask(client.sender.clone(), request("GET", &format!("/open/{number}"), &[]))))
            .collect();
        others.push(tokio::spawn(ask(client.sender.clone(), request("GET", "/open/large", &[]))));
        for other in others {
            assert_eq!(other.await.unwrap().unwrap().status, StatusCode::OK);
        }
        assert!(!stalled.is_finished());
        stalled.abort();
    });
    eventually("the reset reached the exchange", || {
        (gateway.metric("scopegate_requests_in_flight", &[]) == 0.0).then_some(())
    });
}

#[test]
fn content_that_stops_ends_its_own_stream() {
    let gateway = limited("body_idle: 300ms");
    let mut client = FrameClient::connect(gateway.address, &[]);
    client.send(HEADERS, END_HEADERS, 1, &section("POST", "/open/1"));
    client.send(DATA, 0, 1, b"half");
    let answer = client.until(HEADERS, 1).expect("an answer");
    assert_eq!(answer.flags & END_STREAM, 0, "a problem document follows");
    client.get(3, "/open/1");
    assert!(client.until(HEADERS, 3).is_some(), "the connection goes on");
}

#[test]
fn an_answer_that_is_not_taken_ends_its_own_stream() {
    let gateway = limited("body_idle: 300ms");
    // RFC 9113 §6.5.2: no window for any stream.
    let mut client = FrameClient::connect(gateway.address, &[(4, 0)]);
    for (stream, target) in [(1, "/open/1"), (3, "/open/large"), (5, "/nowhere")] {
        client.get(stream, target);
        assert!(client.until(HEADERS, stream).is_some());
        let reset = client.until(RST_STREAM, stream).expect("it is reset");
        assert_eq!(code(&reset.payload), CANCEL, "{target}");
    }
    eventually("counted", || (errors(&gateway, "body_timeout") == 3.0).then_some(()));
    client.get(7, "/open/1");
    client.send(WINDOW_UPDATE, 0, 7, &[0, 0, 1, 0]);
    assert!(client.until(DATA, 7).is_some(), "the connection goes on");
}

#[test]
fn an_answer_that_is_not_taken_holds_no_upstream_connection() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nx-sum: 6\r\n\r\n";
    let upstream = Upstream::answering(move |request| match request.target() {
        "/open/chunked" => Answer::Bytes(chunked.into()),
        _ => Answer::ok("abcdef"),
    });
    let api = "connections: {max: 1, queue: 1}, timeouts: {connect: 1s}".into();
    let gateway = Setup { api, more: "workers: 1".into(), ..Setup::default() }.start(&upstream);
    let mut client = FrameClient::connect(gateway.address, &[(4, 0)]);
    for (stream, target) in [(1, "/open/chunked"), (3, "/open/1"), (5, "/open/chunked")] {
        client.get(stream, target);
        let head = client.until(HEADERS, stream).expect("a head");
        assert_eq!(head.flags & END_STREAM, 0, "content follows");
        assert_eq!(gateway.client().request("GET", "/open/2", "").status, 200, "beside {target}");
    }
    assert_eq!(upstream.connections(), 1, "it was given back each time");
    for (stream, parts) in [(5, &["abc", "def"][..]), (3, &["abcdef"]), (1, &["abc", "def"])] {
        client.send(WINDOW_UPDATE, 0, stream, &[0, 0, 1, 0]);
        for part in parts {
            assert_eq!(client.until(DATA, stream).expect("content").payload, part.as_bytes());
        }
        if parts.len() > 1 {
            let trailers = client.until(HEADERS, stream).expect("trailers");
            assert_eq!(trailers.flags & END_STREAM, END_STREAM);
        }
    }
}

#[test]
fn a_drain_lets_streams_end() {
    let (give, streams) = std::sync::mpsc::channel();
    let give = std::sync::Mutex::new(give);
    let upstream = Upstream::answering(move |_| {
        let give = give.lock().unwrap().clone();
        Answer::Take(Box::new(move |stream: BufReader<TcpStream>| give.send(stream).unwrap()))
    });
    let mut gateway = Setup::default().start(&upstream);
    let mut client = FrameClient::connect(gateway.address, &[]);
    client.get(1, "/open/1");
    let mut stream = streams.recv().unwrap();
    gateway.signal("TERM");
    let goaway = client.until(GOAWAY, 0).expect("GOAWAY");
    assert_eq!(code(&goaway.payload[4..]), 0);
    let ping = client.until(PING, 0).expect("a ping");
    client.send(PING, 1, 0, &ping.payload);
    stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert!(client.until(HEADERS, 1).is_some(), "the stream is finished");
    assert!(gateway.exit().success());
}

#[test]
fn what_takes_longer_than_the_drain_may_is_refused() {
    let mut gateway = Setup { more: "drain_timeout: 300ms".into(), ..Setup::default() }.start(&upstream());
    let client = Http2Client::connect(gateway.address);
    let answer = client.runtime.spawn(ask(client.sender.clone(), request("GET", "/open/silent", &[])));
    eventually("under way", || (gateway.metric("scopegate_requests_in_flight", &[]) == 1.0).then_some(()));
    gateway.signal("TERM");
    let answer = client.runtime.block_on(answer).unwrap().unwrap();
    assert_eq!((answer.status.as_u16(), answer.reason()), (503, "draining".into()));
    assert!(gateway.exit().success());
}

#[test]
fn a_listener_takes_only_what_it_is_told_to() {
    let start = |protocols: &str| {
        let gateway = Setup { more: "workers: 1".into(), ..Setup::default() };
        gateway.start_with(&upstream(), &format!("protocols: [{protocols}]"))
    };
    let gateway = start("http2");
    let mut client = gateway.client();
    client.send("GET /open/1 HTTP/1.1\r\nHost: api.test\r\n\r\n");
    assert!(client.is_closed());
    counted(&gateway, "parse");
    assert_eq!(Http2Client::connect(gateway.address).request("GET", "/open/1", &[]).status, StatusCode::OK);

    let gateway = start("http1");
    let mut client = gateway.client();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(!client.rest().starts_with(&[0]), "no frame is answered");
    counted(&gateway, "parse");
    assert_eq!(gateway.client().request("GET", "/open/1", "").status, 200);
}

#[test]
fn content_and_trailers_pass() {
    let upstream = Upstream::echo();
    let gateway = Setup::default().start(&upstream);
    let client = Http2Client::connect(gateway.address);
    let content = Bytes::from(vec![b'x'; 3 << 20]);
    let mut post = request("POST", "/open/1", &[]);
    *post.body_mut() = content.clone().into();
    let answer = client.runtime.block_on(ask(client.sender.clone(), post)).unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    let [seen] = <[_; 1]>::try_from(upstream.taken()).unwrap();
    assert_eq!(seen.content, content);
}
