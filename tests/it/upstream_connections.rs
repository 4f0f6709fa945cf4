//! Connections to upstreams: reused, bounded, and what happens when they die.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::support::{Answer, Setup, Upstream, eventually};

fn one_worker(api: &str) -> Setup {
    Setup { api: api.into(), more: "workers: 1".into(), ..Setup::default() }
}

#[test]
fn one_connection_serves_many_requests() {
    let upstream = Upstream::echo();
    let gateway = one_worker("").start(&upstream);
    let mut client = gateway.client();
    for number in 0..50 {
        assert_eq!(client.request("GET", &format!("/open/{number}"), "").status, 200);
    }
    assert_eq!(client.request("POST", "/open/x", "Content-Length: 0\r\n").status, 200);
    assert_eq!(client.request("HEAD", "/open/x", "").status, 200);
    assert_eq!(gateway.client().request("GET", "/open/x", "").status, 200);
    assert_eq!(upstream.connections(), 1);
    assert_eq!(gateway.metric("scopegate_upstream_connections", &["upstream=\"api\""]), 1.0);
}

/// An upstream that answers the first request of each connection, and closes it over the second without an answer.
fn mortal(requests: &Arc<AtomicUsize>) -> Upstream {
    let requests = Arc::clone(requests);
    Upstream::answering(move |_| match requests.fetch_add(1, Ordering::SeqCst) {
        1 => Answer::Close(Vec::new()),
        _ => Answer::ok("alive"),
    })
}

#[test]
fn an_idempotent_request_is_sent_again_when_its_old_connection_dies() {
    let requests = Arc::default();
    let upstream = mortal(&requests);
    let gateway = one_worker("").start(&upstream);
    let mut client = gateway.client();
    assert_eq!(client.request("GET", "/open/1", "").status, 200);
    let response = client.request("GET", "/open/2", "");
    assert_eq!((response.status, &*response.text()), (200, "alive"));
    assert_eq!(requests.load(Ordering::SeqCst), 3);
    assert_eq!(gateway.metric("scopegate_upstream_failures_total", &["kind=\"retried\""]), 1.0);
}

#[test]
fn a_request_that_changes_things_is_never_sent_twice() {
    let requests = Arc::default();
    let gateway = one_worker("").start(&mortal(&requests));
    let mut client = gateway.client();
    assert_eq!(client.request("GET", "/open/1", "").status, 200);
    let response = client.request("POST", "/open/2", "Content-Length: 0\r\n");
    assert_eq!((response.status, response.reason()), (502, "upstream_unreachable".into()));
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[test]
fn a_new_connection_that_dies_is_not_tried_again() {
    let requests = Arc::new(AtomicUsize::new(1));
    let gateway = one_worker("").start(&mortal(&requests));
    assert_eq!(gateway.client().request("GET", "/open/1", "").status, 502);
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[test]
fn a_connection_that_the_upstream_closed_in_between_is_not_used() {
    let upstream = Upstream::answering(|_| Answer::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()));
    let gateway = one_worker("").start(&upstream);
    let mut client = gateway.client();
    for _ in 0..5 {
        assert_eq!(client.request("GET", "/open/1", "").status, 200);
        eventually("the closed connection is gone", || {
            (gateway.metric("scopegate_upstream_connections", &[]) == 0.0).then_some(())
        });
    }
    assert_eq!(client.request("POST", "/open/1", "Content-Length: 0\r\n").status, 200);
    assert_eq!(gateway.metric("scopegate_upstream_failures_total", &[]), 0.0);
}

#[test]
fn the_number_of_connections_and_of_those_who_wait_is_bounded() {
    let (give, streams) = mpsc::channel();
    let give = std::sync::Mutex::new(give);
    let upstream = Upstream::answering(move |_| {
        let give = give.lock().unwrap().clone();
        Answer::Take(Box::new(move |stream| give.send(stream).unwrap()))
    });
    let gateway = one_worker("connections: {max: 1, queue: 1}, timeouts: {connect: 10s}").start(&upstream);
    let ask = "GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n";
    let (mut first, mut second) = (gateway.client(), gateway.client());
    first.send(ask);
    let mut stream: BufReader<TcpStream> = streams.recv().unwrap();
    second.send(ask);
    eventually("two requests are under way", || {
        (gateway.metric("scopegate_requests_in_flight", &[]) == 2.0).then_some(())
    });
    let refused = gateway.client().request("GET", "/open/x", "");
    assert_eq!((refused.status, refused.reason(), refused.field("retry-after")), (503, "overloaded".into(), Some("1")));

    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    stream.get_mut().write_all(answer).unwrap();
    assert_eq!(first.response_to("GET").status, 200);
    let next = crate::support::Message::read_head(&mut stream).unwrap().unwrap();
    assert_eq!(next.target(), "/open/x", "the one that waited is given the connection");
    stream.get_mut().write_all(answer).unwrap();
    assert_eq!(second.response_to("GET").status, 200);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn an_upstream_that_is_no_http_server_is_502() {
    let upstream = Upstream::answering(|request| match request.target() {
        "/open/garbage" => Answer::Close(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        "/open/101" => {
            Answer::Close(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw".to_vec())
        }
        "/open/lengths" => {
            Answer::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx".to_vec())
        }
        _ => Answer::Close(Vec::new()),
    });
    let gateway = one_worker("").start(&upstream);
    for target in ["/open/garbage", "/open/101", "/open/lengths", "/open/nothing"] {
        let response = gateway.client().request("GET", target, "");
        assert_eq!((response.status, response.reason()), (502, "upstream_unreachable".into()), "{target}");
    }
}

#[test]
fn those_who_gave_up_waiting_cost_nothing_when_a_place_comes_free() {
    let (give, streams) = mpsc::channel();
    let give = std::sync::Mutex::new(give);
    let upstream = Upstream::answering(move |_| {
        let give = give.lock().unwrap().clone();
        Answer::Take(Box::new(move |stream| give.send(stream).unwrap()))
    });
    let gateway = one_worker("connections: {max: 1, queue: 1000}, timeouts: {connect: 50ms}").start(&upstream);
    let ask = "GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n";
    let mut first = gateway.client();
    first.send(ask);
    let stream: BufReader<TcpStream> = streams.recv().unwrap();
    let mut waiting: Vec<_> = (0..100).map(|_| gateway.client()).collect();
    waiting.iter_mut().for_each(|client| client.send(ask));
    for client in &mut waiting {
        assert_eq!(client.response_to("GET").reason(), "overloaded");
    }
    drop(stream);
    assert_eq!(first.response_to("GET").status, 502);
    let mut next = gateway.client();
    next.send(ask);
    let mut stream: BufReader<TcpStream> = streams.recv().unwrap();
    stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_eq!(next.response_to("GET").status, 200);
}

#[test]
fn a_reload_that_changes_an_upstream_closes_its_old_connections() {
    let upstream = Upstream::echo();
    let gateway = one_worker("connections: {idle: 80s}").start(&upstream);
    let mut client = gateway.client();
    let path = gateway.folder.path().join("scopegate.yaml");
    for seconds in 81..85 {
        assert_eq!(client.request("GET", "/open/x", "").status, 200);
        let file = std::fs::read_to_string(&path).unwrap();
        gateway.write("scopegate.yaml", &file.replace(&format!("{}s", seconds - 1), &format!("{seconds}s")));
        assert_eq!(gateway.ask("POST", "/reload").status, 200);
    }
    assert_eq!(client.request("GET", "/open/x", "").status, 200);
    eventually("one connection is left", || {
        (gateway.metric("scopegate_upstream_connections", &[]) == 1.0).then_some(())
    });
}
