//! Whatever bytes arrive, the gateway serves on, and nothing in it panics.

use std::net::Shutdown;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use crate::support::{DEADLINE, Gateway, Setup, Upstream, eventually};

const CASES: u32 = 500;
/// For a good request to be answered; a bad one is cut short after it.
const PATIENCE: Duration = Duration::from_millis(30);

/// Parts of requests, whole and broken, to be put together in any order.
const PARTS: &[&[u8]] = &[
    b"GET ",
    b"POST ",
    b"/open/x",
    b"/items/7",
    b"/%2e%2E%00;%ff",
    b"*",
    b"http://api.test/open/x",
    b" HTTP/1.1\r\n",
    b" HTTP/1.0\r\n",
    b" HTTP/2.0\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /open/x HTTP/1.1\r\nHost: api.test\r\n",
    b"POST /open/x HTTP/1.1\r\nHost: api.test\r\n",
    b"Host: api.test\r\n",
    b"Host: [::1\r\n",
    b"Authorization: Bearer a.b.c\r\n",
    b"Authorization: Bearer eyJhbGciOiJFUzI1NiJ9.e30.AAAA\r\n",
    b"Authorization: \xFF\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 18446744073709551616\r\n",
    b"Content-Length: -1\r\n",
    b"Connection: close, Upgrade\r\n",
    b"Upgrade: h2c\r\n",
    b"Expect: 100-continue\r\n",
    b"TE: trailers\r\nTrailer: x\r\n",
    b"X-Request-Id: \x80\r\n",
    b"Forwarded: for=\"[::1\"\r\n",
    b" folded\r\n",
    b"\r\n",
    b"\n",
    b"\0",
    b"5\r\nhello\r\n",
    b"FFFFFFFFFFFFFFFF\r\n",
    b"-5\r\n",
    b"0\r\nX: y\r\n\r\n",
    b"hello",
];

fn parts() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(PARTS), 1..12).prop_map(|parts| parts.concat())
}

/// A good request in which some bytes are other ones, left out or doubled.
fn damaged(request: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let damage = (any::<prop::sample::Index>(), any::<u8>(), 0..3_u8);
    prop::collection::vec(damage, 0..6).prop_map(move |damages| {
        let mut bytes = request.clone();
        for (place, byte, kind) in damages {
            let place = place.index(bytes.len());
            match kind {
                0 => bytes[place] = byte,
                1 => drop(bytes.remove(place)),
                _ => bytes.insert(place, bytes[place]),
            }
        }
        bytes
    })
}

/// Sends the bytes and no more, and reads what comes until the gateway closes.
fn throw(gateway: &Gateway, bytes: &[u8]) {
    let mut client = gateway.client();
    // A gateway that closes before it has read all is in its right.
    let _ = client.try_send(bytes);
    let stream = client.reader().get_ref();
    // Who says that nothing more comes before the answer does has left, as far as a gateway can know.
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    let _ = stream.peek(&mut [0]);
    stream.set_read_timeout(Some(DEADLINE)).expect("a time");
    let _ = stream.shutdown(Shutdown::Write);
    client.rest();
}

#[test]
fn any_bytes_leave_the_gateway_serving_and_without_a_panic() {
    let more = "limits: {header_time: 1s, body_idle: 1s, keep_alive: 1s, token_bytes: 2KiB}";
    let gateway = Setup { more: more.into(), ..Setup::default() }.start(&Upstream::echo());
    let token = gateway.signer.token("items", &json!({"roles": ["a"]}));
    let request = |content| {
        let head = "POST /files/a%20b?x=1 HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\nAuthorization: Bearer";
        format!("{head} {token}\r\n{content}").into_bytes()
    };
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..400),
        parts(),
        damaged(request("Content-Length: 5\r\n\r\nhello")),
        damaged(request("Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n")),
    ];
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&bytes, |bytes| {
        throw(&gateway, &bytes);
        let response = gateway.client().get("/items/7", &token);
        prop_assert_eq!(response.status, 200, "a good request afterwards");
        let text = gateway.ask("GET", "/metrics").text();
        prop_assert!(text.contains("scopegate_connection_errors_total{kind=\"panic\"} 0\n"), "a panic");
        Ok(())
    });
    ran.unwrap_or_else(|fault| panic!("{fault}"));
    eventually("nothing is left under way", || {
        (gateway.metric("scopegate_requests_in_flight", &[]) == 0.0).then_some(())
    });
    let answered = gateway.metric("scopegate_requests_total", &["code=\"200\""]);
    assert!(answered > f64::from(CASES), "some of the requests were undamaged, or good all the same: {answered}");
    assert!(gateway.metric("scopegate_connection_errors_total", &["kind=\"parse\""]) > 10.0);
}
