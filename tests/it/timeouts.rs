//! Every wait has an end, and says whose it was.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Answer, Client, Gateway, Setup, Upstream, eventually};

fn silent() -> Upstream {
    Upstream::answering(|_| {
        Answer::Take(Box::new(|stream: BufReader<TcpStream>| {
            // Holds the connection until the gateway gives it up.
            let mut stream = stream;
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }))
    })
}

/// Runs `act`, which is to take about `wanted`.
fn timed<T>(wanted: Duration, act: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let value = act();
    let took = started.elapsed();
    assert!(took >= wanted.mul_f32(0.8) && took < wanted + Duration::from_secs(5), "{took:?} instead of {wanted:?}");
    value
}

#[test]
fn an_upstream_that_does_not_answer_is_504() {
    let gateway = Setup { api: "timeouts: {response: 300ms}".into(), ..Setup::default() }.start(&silent());
    let mut client = gateway.client();
    let response = timed(Duration::from_millis(300), || client.request("GET", "/open/x", ""));
    assert_eq!((response.status, response.reason()), (504, "upstream_timeout".into()));
    assert_eq!(gateway.metric("scopegate_upstream_failures_total", &["kind=\"response_timeout\""]), 1.0);
    assert_eq!(client.request("GET", "/nowhere", "").status, 404, "the peer's connection goes on");
}

#[test]
fn a_routes_own_timeout_comes_first() {
    let policy = "routes:\n  - {path: /slow, upstream: api, timeout: 200ms, methods: {GET: public}}\n";
    let gateway = Setup { policy: policy.into(), ..Setup::default() }.start(&silent());
    let response = timed(Duration::from_millis(200), || gateway.client().request("GET", "/slow", ""));
    assert_eq!(response.status, 504);
}

#[test]
fn an_upstream_that_pauses_its_content_is_given_up() {
    let upstream = Upstream::answering(|_| {
        Answer::Take(Box::new(|mut stream: BufReader<TcpStream>| {
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").unwrap();
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }))
    });
    let gateway = Setup { api: "timeouts: {idle: 300ms}".into(), ..Setup::default() }.start(&upstream);
    let mut client = gateway.client();
    client.send("GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n");
    assert_eq!(client.try_head().unwrap().unwrap().status, 200);
    let rest = timed(Duration::from_millis(300), || client.rest());
    assert_eq!(rest, b"half");
    assert_eq!(gateway.metric("scopegate_upstream_failures_total", &["kind=\"idle_timeout\""]), 1.0);
}

#[test]
fn nobody_at_the_upstreams_address_is_502() {
    let upstream = Upstream::echo();
    let gateway = Setup::default().start(&upstream);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let path = gateway.folder.path().join("scopegate.yaml");
    let file = std::fs::read_to_string(path).unwrap().replace(&upstream.address.to_string(), &port.to_string());
    gateway.write("scopegate.yaml", &file);
    assert_eq!(gateway.ask("POST", "/reload").status, 200);
    let response = gateway.client().request("GET", "/open/x", "");
    assert_eq!((response.status, response.reason()), (502, "upstream_unreachable".into()));
    assert!(!response.text().contains(&port.to_string()), "no address of the inside leaves");
    assert_eq!(gateway.client().request("GET", "/open/x", "").status, 502);
    let records: Vec<_> = eventually("both records", || {
        let log = gateway.log();
        let records: Vec<_> = log.iter().filter(|line| line["reason"] == "upstream_unreachable").cloned().collect();
        (records.len() == 2).then_some(records)
    });
    assert!(records.iter().all(|record| record["upstream"] == "api"), "{records:?}");
    let told: Vec<_> =
        gateway.log().into_iter().filter(|line| line["msg"] == "no connection to the upstream").collect();
    assert_eq!(told.len(), 1, "not once for every request: {told:?}");
    assert!(told[0]["fault"].as_str().unwrap().contains("onnection refused"), "{told:?}");
}

#[test]
fn a_peer_that_pauses_its_content_under_an_answer_is_to_blame_for_the_silence() {
    let upstream = Upstream::answering(|_| {
        Answer::Take(Box::new(|mut stream: BufReader<TcpStream>| {
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").unwrap();
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }))
    });
    let gateway = Setup { more: "limits: {body_idle: 300ms}".into(), ..Setup::default() }.start(&upstream);
    let mut client = gateway.client();
    client.send("POST /open/x HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    assert_eq!(client.try_head().unwrap().unwrap().status, 200);
    timed(Duration::from_millis(300), || client.rest());
    assert_eq!(gateway.metric("scopegate_connection_errors_total", &["kind=\"body_timeout\""]), 1.0);
    assert_eq!(gateway.metric("scopegate_upstream_failures_total", &["kind=\"idle_timeout\""]), 0.0);
}

fn limited(limits: &str) -> Gateway {
    Setup { more: format!("limits: {{{limits}}}"), ..Setup::default() }.start(&Upstream::echo())
}

fn counted(gateway: &Gateway, kind: &str) {
    let kind = format!("kind=\"{kind}\"");
    eventually(&kind, || (gateway.metric("scopegate_connection_errors_total", &[&kind]) == 1.0).then_some(()));
}

#[test]
fn a_head_that_trickles_in_is_cut_off() {
    let gateway = limited("header_time: 300ms");
    let mut client = gateway.client();
    client.send("GET /open/x HTTP/1.1\r\nHost: api");
    assert!(timed(Duration::from_millis(300), || client.is_closed()));
    counted(&gateway, "header_timeout");
}

#[test]
fn an_idle_connection_is_closed_in_silence() {
    let gateway = limited("keep_alive: 300ms");
    let mut fresh = gateway.client();
    assert!(timed(Duration::from_millis(300), || fresh.is_closed()));
    let mut used = gateway.client();
    assert_eq!(used.request("GET", "/open/x", "").status, 200);
    assert!(timed(Duration::from_millis(300), || used.is_closed()));
    assert_eq!(gateway.metric("scopegate_connection_errors_total", &[]), 0.0);
}

#[test]
fn content_that_stops_coming_is_400_and_the_end_of_the_connection() {
    let gateway = limited("body_idle: 300ms");
    let mut client = gateway.client();
    client.send("POST /open/x HTTP/1.1\r\nHost: api.test\r\nContent-Length: 10\r\n\r\nhalf");
    let response = timed(Duration::from_millis(300), || client.response_to("POST"));
    assert_eq!(
        (response.status, response.reason(), response.field("connection")),
        (400, "bad_request".into(), Some("close"))
    );
    assert!(client.is_closed());
}

#[test]
fn a_peer_that_does_not_take_its_answer_is_cut_off() {
    let upstream = Upstream::answering(|_| {
        Answer::Take(Box::new(|mut stream: BufReader<TcpStream>| {
            let _ = stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            while stream.get_mut().write_all(&[b"10000\r\n", &[b'x'; 65536][..], b"\r\n"].concat()).is_ok() {}
        }))
    });
    let gateway = Setup { more: "limits: {body_idle: 300ms}".into(), ..Setup::default() }.start(&upstream);
    let mut client: Client = gateway.client();
    client.send("GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n");
    counted(&gateway, "body_timeout");
    assert!(client.reader().get_ref().peer_addr().is_ok());
    eventually("the upstream's connection is given up", || {
        (gateway.metric("scopegate_upstream_connections", &[]) == 0.0).then_some(())
    });
}

#[test]
fn what_is_waited_for_before_the_upstream_has_bounds_of_its_own() {
    let upstream = silent();
    let gateway = Setup {
        api: "connections: {max: 1}, timeouts: {connect: 1s}".into(),
        more: "limits: {header_time: 200ms}\nworkers: 1".into(),
        ..Setup::default()
    }
    .start(&upstream);
    let mut first = gateway.client();
    first.send("GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n");
    eventually("the only connection is taken", || (upstream.connections() == 1).then_some(()));
    let response = timed(Duration::from_secs(1), || gateway.client().request("GET", "/open/x", ""));
    assert_eq!((response.status, response.reason()), (503, "overloaded".into()));
}
