//! HTTP/2 towards upstreams: what they receive, how streams share connections, and what happens when either dies.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::Builder;
use http::{HeaderMap, HeaderValue, Response};

use crate::support::{Answer, Client, Gateway, Http2Client, Http2Upstream, Order, Setup, Upstream, eventually};

fn start(upstream: &Http2Upstream, api: &str) -> Gateway {
    let comma = if api.is_empty() { "" } else { ", " };
    let setup = Setup { api: format!("protocol: http2{comma}{api}"), more: "workers: 1".into(), ..Setup::default() };
    setup.start_before(&upstream.endpoint())
}

#[test]
fn the_upstream_receives_pseudo_fields_and_none_that_concern_a_connection() {
    let upstream = Http2Upstream::echo();
    let gateway = start(&upstream, "");
    let fields = "TE: trailers, deflate\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nX-Kept: 2\r\n";
    let response = gateway.client().request("GET", "/open/a?b=c", fields);
    assert_eq!((response.status, &*response.text()), (200, "/open/a"));
    let request = upstream.taken().remove(0);
    assert_eq!(request.method(), "GET");
    assert_eq!(request.uri(), "http://api.test/open/a?b=c");
    let received = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
    assert_eq!(received("te"), Some("trailers"));
    assert_eq!(received("x-kept"), Some("2"));
    assert_eq!(received("scopegate-access"), Some("public"));
    for gone in ["host", "connection", "keep-alive", "x-hop", "transfer-encoding"] {
        assert_eq!(received(gone), None, "{gone}");
    }
}

#[test]
fn the_authority_is_what_the_host_rule_says() {
    let upstream = Http2Upstream::echo();
    for (rule, expected) in [
        ("keep", "api.test".to_owned()),
        ("endpoint", upstream.address.to_string()),
        ("www.test:81", "www.test:81".into()),
    ] {
        let gateway = start(&upstream, &format!("host: '{rule}'"));
        assert_eq!(gateway.client().request("GET", "/open/a", "").status, 200);
        assert_eq!(upstream.taken().remove(0).uri().authority().unwrap().as_str(), expected, "{rule}");
    }
}

#[test]
fn content_and_trailers_pass_both_ways() {
    let upstream = Http2Upstream::answering(|mut call| async move {
        let length = call.request.headers().get("content-length").cloned();
        let (content, trailers) = call.read().await;
        let sum = trailers.and_then(|trailers| trailers.get("x-sum").cloned());
        let mut response = Response::new(());
        response.headers_mut().insert("trailer", HeaderValue::from_static("x-end"));
        let mut stream = call.answer(response);
        stream.send_data(Bytes::from(format!("{length:?} {sum:?} ")), false).unwrap();
        stream.send_data(Bytes::from(content), false).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-end", HeaderValue::from_static("done"));
        stream.send_trailers(trailers).unwrap();
    });
    let gateway = start(&upstream, "");
    let mut client = gateway.client();
    client.send(
        "POST /open/a HTTP/1.1\r\nHost: api.test\r\nTE: trailers\r\nConnection: te\r\nTransfer-Encoding: chunked\r\nTrailer: \
         x-sum\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n",
    );
    let response = client.response_to("POST");
    assert_eq!(response.text(), "None Some(\"7\") abc");
    assert_eq!(response.message.trailers, [("x-end".into(), "done".into())]);
    client.send("POST /open/a HTTP/1.1\r\nHost: api.test\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(client.response_to("POST").text(), "Some(\"2\") None hi");
}

#[test]
fn many_requests_share_one_connection() {
    let upstream = Http2Upstream::echo();
    let gateway = start(&upstream, "");
    let mut clients: Vec<Client> = (0..50).map(|_| gateway.client()).collect();
    for round in 0..4 {
        for client in &mut clients {
            client.send(format!("GET /open/{round} HTTP/1.1\r\nHost: api.test\r\n\r\n"));
        }
        for client in &mut clients {
            assert_eq!(client.response_to("GET").text(), format!("/open/{round}"));
        }
    }
    assert_eq!(upstream.connections(), 1);
    assert_eq!(gateway.metric("scopegate_upstream_connections", &[]), 1.0);
}

/// An upstream that answers when it is told to, and says how many streams it may have.
fn held(streams: u32) -> (Http2Upstream, Arc<Mutex<Vec<tokio::sync::oneshot::Sender<()>>>>) {
    let held: Arc<Mutex<Vec<_>>> = Arc::default();
    let keep = Arc::clone(&held);
    let mut settings = Builder::new();
    settings.max_concurrent_streams(streams);
    let upstream = Http2Upstream::with(settings, move |mut call| {
        let (go, told) = tokio::sync::oneshot::channel();
        keep.lock().unwrap().push(go);
        async move {
            let _ = told.await;
            call.ok("");
        }
    });
    (upstream, held)
}

const ASK: &str = "GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n";

#[test]
fn another_connection_is_opened_only_when_every_stream_of_the_first_is_taken() {
    let (upstream, held) = held(2);
    let gateway = start(&upstream, "connections: {max: 2, queue: 1}, timeouts: {connect: 10s}");
    let mut clients: Vec<Client> = (0..6).map(|_| gateway.client()).collect();
    for (number, connections) in [(0, 1), (1, 1), (2, 2), (3, 2)] {
        clients[number].send(ASK);
        eventually("it arrives", || (held.lock().unwrap().len() == number + 1).then_some(()));
        assert_eq!(upstream.connections(), connections);
    }
    clients[4].send(ASK);
    eventually("five are under way", || (gateway.metric("scopegate_requests_in_flight", &[]) == 5.0).then_some(()));
    clients[5].send(ASK);
    assert_eq!(clients[5].response_to("GET").reason(), "overloaded", "one may wait, and one does");
    held.lock().unwrap().remove(0).send(()).unwrap();
    assert_eq!(clients[0].response_to("GET").status, 200);
    eventually("the one that waited is served", || (held.lock().unwrap().len() == 4).then_some(()));
    held.lock().unwrap().drain(..).for_each(|go| go.send(()).unwrap());
    for client in &mut clients[1..5] {
        assert_eq!(client.response_to("GET").status, 200);
    }
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn an_upstream_that_allows_one_stream_is_asked_one_by_one() {
    let mut settings = Builder::new();
    settings.max_concurrent_streams(1);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, highest) = (Arc::clone(&now), Arc::clone(&most));
    let upstream = Http2Upstream::with(settings, move |mut call| {
        highest.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let counted = Arc::clone(&counted);
        async move {
            tokio::task::yield_now().await;
            counted.fetch_sub(1, Ordering::SeqCst);
            call.ok("");
        }
    });
    let gateway = start(&upstream, "connections: {max: 1}, timeouts: {connect: 10s}");
    let mut clients: Vec<Client> = (0..40).map(|_| gateway.client()).collect();
    clients.iter_mut().for_each(|client| client.send(ASK));
    for client in &mut clients {
        assert_eq!(client.response_to("GET").status, 200);
    }
    assert_eq!((upstream.connections(), most.load(Ordering::SeqCst)), (1, 1));
}

#[test]
fn what_speaks_no_http2_is_502() {
    let upstream =
        Upstream::answering(|_| Answer::Close(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec()));
    let setup = Setup { api: "protocol: http2".into(), more: "workers: 1".into(), ..Setup::default() };
    let gateway = setup.start(&upstream);
    for _ in 0..3 {
        let response = gateway.client().request("GET", "/open/a", "");
        assert_eq!((response.status, response.reason()), (502, "upstream_unreachable".into()));
    }
    assert_eq!(gateway.metric("scopegate_upstream_failures_total", &["kind=\"protocol\""]), 3.0);
    assert_eq!(gateway.metric("scopegate_upstream_connections", &[]), 0.0);
}

#[test]
fn a_connection_that_drains_takes_no_more_streams_and_ends_those_it_has() {
    let upstream = Http2Upstream::answering(|mut call| async move {
        if call.request.uri().path() == "/open/drain" {
            call.order(Order::Drain);
        }
        let connection = call.connection;
        call.ok(&connection.to_string());
    });
    let gateway = start(&upstream, "");
    let mut client = gateway.client();
    assert_eq!(client.request("GET", "/open/a", "").text(), "1");
    assert_eq!(client.request("GET", "/open/drain", "").text(), "1");
    eventually("it goes elsewhere", || (client.request("GET", "/open/a", "").text() == "2").then_some(()));
    for _ in 0..3 {
        assert_eq!(client.request("POST", "/open/a", "Content-Length: 0\r\n").text(), "2");
    }
    eventually("the first connection is gone", || {
        (gateway.metric("scopegate_upstream_connections", &[]) == 1.0).then_some(())
    });
}

#[test]
fn a_connection_that_rests_too_long_is_closed() {
    let upstream = Http2Upstream::echo();
    let gateway = start(&upstream, "connections: {idle: 100ms}");
    assert_eq!(gateway.client().request("GET", "/open/a", "").status, 200);
    eventually("it is closed", || (gateway.metric("scopegate_upstream_connections", &[]) == 0.0).then_some(()));
    assert_eq!(gateway.client().request("GET", "/open/a", "").status, 200);
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn a_reload_that_changes_an_upstream_lets_its_old_streams_end() {
    let (upstream, held) = held(100);
    let gateway = start(&upstream, "connections: {idle: 80s}");
    let mut client = gateway.client();
    client.send(ASK);
    eventually("it arrives", || (held.lock().unwrap().len() == 1).then_some(()));
    let file = std::fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    gateway.write("scopegate.yaml", &file.replace("80s", "81s"));
    assert_eq!(gateway.ask("POST", "/reload").status, 200);
    let mut next = gateway.client();
    next.send(ASK);
    eventually("the next arrives", || (held.lock().unwrap().len() == 2).then_some(()));
    assert_eq!(upstream.connections(), 2);
    held.lock().unwrap().drain(..).for_each(|go| go.send(()).unwrap());
    assert_eq!((client.response_to("GET").status, next.response_to("GET").status), (200, 200));
    eventually("one connection is left", || {
        (gateway.metric("scopegate_upstream_connections", &[]) == 1.0).then_some(())
    });
}

#[test]
fn content_and_trailers_pass_from_stream_to_stream() {
    let upstream = Http2Upstream::answering(|mut call| async move {
        let (content, trailers) = call.read().await;
        let mut stream = call.answer(Response::new(()));
        stream.send_data(Bytes::from(content), false).unwrap();
        stream.send_trailers(trailers.unwrap_or_default()).unwrap();
    });
    let gateway = start(&upstream, "");
    let mut client = Http2Client::connect(gateway.address);
    let mut asked = client.begin("POST", "/open/a", &[("te", "trailers")], false);
    asked.content.send_data(Bytes::from_static(b"abc"), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("7"));
    trailers.insert("scopegate-access", HeaderValue::from_static("admin"));
    asked.content.send_trailers(trailers).unwrap();
    let answered = client.answer(asked).unwrap();
    assert_eq!(answered.text(), "abc");
    assert_eq!(answered.trailers.get("x-sum").unwrap(), "7");
    assert_eq!(answered.trailers.len(), 1);
}

#[test]
fn a_peer_that_takes_nothing_holds_up_nobody_else() {
    let upstream = Http2Upstream::answering(|mut call| async move {
        let large = call.request.uri().path() == "/open/large";
        let mut stream = call.answer(Response::new(()));
        let content = if large { vec![b'x'; 8 << 20] } else { b"small".to_vec() };
        stream.send_data(Bytes::from(content), true).unwrap();
    });
    let gateway = start(&upstream, "connections: {max: 1}");
    let mut slow: Vec<Client> = (0..8).map(|_| gateway.client()).collect();
    for client in &mut slow {
        client.send("GET /open/large HTTP/1.1\r\nHost: api.test\r\n\r\n");
        assert!(client.has_byte());
    }
    for _ in 0..20 {
        assert_eq!(gateway.client().request("GET", "/open/small", "").text(), "small");
    }
    for client in &mut slow {
        assert_eq!(client.response_to("GET").message.content.len(), 8 << 20);
    }
    assert_eq!(upstream.connections(), 1);
}
