//! What becomes of requests when an HTTP/2 upstream, or the peer, breaks off, refuses, stalls or falls silent.

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use bytes::Bytes;
use h2::Reason;
use h2::server::Builder;
use http::{HeaderValue, Response};
use tokio::sync::Semaphore;

use crate::support::{Answer, Gateway, Http2Client, Http2Upstream, Order, Setup, Upstream, Wire, eventually};

fn start(upstream: &Http2Upstream, api: &str) -> Gateway {
    start_before(&upstream.endpoint(), api)
}

fn start_before(endpoint: &str, api: &str) -> Gateway {
    let comma = if api.is_empty() { "" } else { ", " };
    let setup = Setup { api: format!("protocol: http2{comma}{api}"), more: "workers: 1".into(), ..Setup::default() };
    setup.start_before(endpoint)
}

fn failures(gateway: &Gateway, kind: &str) -> f64 {
    gateway.metric("scopegate_upstream_failures_total", &[&format!("kind=\"{kind}\"")])
}

#[test]
fn what_the_upstream_refused_is_sent_once_more() {
    let refusals = Arc::new(AtomicUsize::new(0));
    let left = Arc::clone(&refusals);
    let upstream = Http2Upstream::answering(move |mut call| {
        let refuse = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        async move {
            match refuse {
                true => call.respond.send_reset(Reason::REFUSED_STREAM),
                false => call.ok("done"),
            }
        }
    });
    let gateway = start(&upstream, "");
    let mut client = gateway.client();
    for (method, refused, status) in [("GET", 1, 200), ("POST", 1, 200), ("GET", 2, 502), ("POST", 0, 200)] {
        refusals.store(refused, Ordering::SeqCst);
        let response = client.request(method, "/open/a", if method == "POST" { "Content-Length: 0\r\n" } else { "" });
        assert_eq!(response.status, status, "{method} refused {refused} times");
    }
    assert_eq!(failures(&gateway, "retried"), 3.0);
}

#[test]
fn who_comes_while_a_connection_is_about_to_fail_is_given_another() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = start_before(&format!("http://{}", listener.local_addr().unwrap()), "");
    let [mut early, mut late] = [gateway.client(), gateway.client()];
    early.send("GET /open/early HTTP/1.1\r\nHost: api.test\r\n\r\n");
    let (silent, _) = listener.accept().unwrap();
    late.send("GET /open/late HTTP/1.1\r\nHost: api.test\r\n\r\n");
    eventually("both wait", || (gateway.metric("scopegate_requests_in_flight", &[]) == 2.0).then_some(()));
    drop(silent);
    assert_eq!(early.response_to("GET").status, 502);
    let mut upstream = Wire::new(listener.accept().unwrap().0);
    upstream.serve_http2();
    let stream = upstream.until_request("/open/late");
    upstream.answer_http2(stream, "well");
    assert_eq!(late.response_to("GET").status, 200);
}

#[test]
fn a_reset_with_another_reason_is_502_and_not_repeated() {
    let upstream = Http2Upstream::answering(|mut call| async move {
        match call.request.uri().path() {
            "/open/reset" => call.respond.send_reset(Reason::INTERNAL_ERROR),
            _ => call.ok(""),
        }
    });
    let gateway = start(&upstream, "");
    for (target, status) in [("/open/reset", 502), ("/open/a", 200), ("/open/reset", 502)] {
        assert_eq!(gateway.client().request("GET", target, "").status, status);
    }
    assert_eq!((upstream.taken().len(), upstream.connections()), (3, 1));
}

/// An upstream that answers with part of what it announces, and resets its stream for `reason` when it is told to.
fn breaking_off(reason: Reason) -> (Http2Upstream, Arc<Semaphore>) {
    let go = Arc::new(Semaphore::new(0));
    let told = Arc::clone(&go);
    let upstream = Http2Upstream::answering(move |mut call| {
        let told = Arc::clone(&told);
        async move {
            let mut response = Response::new(());
            response.headers_mut().insert("content-length", HeaderValue::from_static("10"));
            let mut stream = call.answer(response);
            stream.send_data(Bytes::from_static(b"half"), false).unwrap();
            told.acquire().await.unwrap().forget();
            stream.send_reset(reason);
        }
    });
    (upstream, go)
}

#[test]
fn a_reset_reaches_a_stream_as_a_reset_and_a_connection_as_a_broken_answer() {
    for (reason, expected) in [
        (Reason::CANCEL, Reason::CANCEL),
        (Reason::ENHANCE_YOUR_CALM, Reason::ENHANCE_YOUR_CALM),
        (Reason::REFUSED_STREAM, Reason::INTERNAL_ERROR),
        (Reason::PROTOCOL_ERROR, Reason::INTERNAL_ERROR),
        (Reason::NO_ERROR, Reason::INTERNAL_ERROR),
    ] {
        let (upstream, go) = breaking_off(reason);
        let gateway = start(&upstream, "");
        let mut client = gateway.client();
        client.send("GET /open/a HTTP/1.1\r\nHost: api.test\r\n\r\n");
        assert!(client.has_byte());
        go.add_permits(1);
        assert!(client.try_response_to("GET").is_err(), "{reason:?}");
        let mut client = Http2Client::connect(gateway.address);
        let asked = client.begin("GET", "/open/a", &[], true);
        let (response, _content) = client.head(asked).unwrap();
        go.add_permits(1);
        assert_eq!(client.rest(response).unwrap_err().reason(), Some(expected), "{reason:?}");
        assert_eq!(failures(&gateway, "closed"), 2.0, "{reason:?}");
        assert_eq!(upstream.connections(), 1, "other streams go on");
    }
}

#[test]
fn rfc_9113_section_8_1_1_content_of_another_length_is_a_fault() {
    let upstream = Http2Upstream::answering(|mut call| async move {
        let mut response = Response::new(());
        response.headers_mut().insert("content-length", HeaderValue::from_static("3"));
        let head = call.request.method() == "HEAD";
        let mut stream = call.respond.send_response(response, head).unwrap();
        if !head {
            stream.send_data(Bytes::from_static(b"longer"), true).unwrap();
        }
    });
    let gateway = start(&upstream, "");
    let mut client = gateway.client();
    client.send("GET /open/a HTTP/1.1\r\nHost: api.test\r\n\r\n");
    assert!(
        !client.try_response_to("GET").is_ok_and(|response| response.is_some_and(|response| response.status == 200))
    );
    assert!(Http2Client::connect(gateway.address).ask("GET", "/open/a", &[]).is_err());
    let head = gateway.client().request("HEAD", "/open/a", "");
    assert_eq!((head.status, head.field("content-length")), (200, Some("3")));
}

/// An upstream that tells for which reason its streams are reset, and answers `begun` of each.
fn waiting(begun: bool) -> (Http2Upstream, mpsc::Receiver<Option<Reason>>) {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let upstream = Http2Upstream::answering(move |mut call| {
        let tell = tell.lock().unwrap().clone();
        async move {
            let reason = match begun {
                true => {
                    let mut stream = call.answer(Response::new(()));
                    stream.send_data(Bytes::from_static(b"begun"), false).unwrap();
                    std::future::poll_fn(|context| stream.poll_reset(context)).await
                }
                false => std::future::poll_fn(|context| call.respond.poll_reset(context)).await,
            };
            tell.send(reason.ok()).unwrap();
        }
    });
    (upstream, told)
}

#[test]
fn a_peer_that_leaves_cancels_its_stream() {
    for begun in [false, true] {
        let (upstream, told) = waiting(begun);
        let gateway = start(&upstream, "");
        let mut client = gateway.client();
        client.send("GET /open/a HTTP/1.1\r\nHost: api.test\r\n\r\n");
        eventually("it arrives", || (upstream.taken().len() == 1).then_some(()));
        if begun {
            assert!(client.has_byte());
        }
        drop(client);
        assert_eq!(told.recv_timeout(crate::support::DEADLINE).unwrap(), Some(Reason::CANCEL), "begun {begun}");

        let mut client = Http2Client::connect(gateway.address);
        let mut asked = client.begin("POST", "/open/a", &[], false);
        eventually("it arrives", || (upstream.taken().len() == 1).then_some(()));
        asked.content.send_reset(Reason::CANCEL);
        assert_eq!(told.recv_timeout(crate::support::DEADLINE).unwrap(), Some(Reason::CANCEL), "begun {begun}");
    }
}

#[test]
fn a_peer_that_resets_its_stream_closes_the_connection_of_an_http1_upstream() {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let upstream = Upstream::answering(move |_| {
        let tell = tell.lock().unwrap().clone();
        Answer::Take(Box::new(move |mut stream: BufReader<TcpStream>| {
            tell.send("arrived").unwrap();
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
            tell.send("closed").unwrap();
        }))
    });
    let gateway = Setup::default().start(&upstream);
    let mut client = Http2Client::connect(gateway.address);
    let mut asked = client.begin("POST", "/open/a", &[], false);
    assert_eq!(told.recv_timeout(crate::support::DEADLINE), Ok("arrived"));
    asked.content.send_reset(Reason::CANCEL);
    assert_eq!(told.recv_timeout(crate::support::DEADLINE), Ok("closed"));
}

#[test]
fn content_that_a_peer_cuts_short_without_an_error_is_not_taken_for_whole() {
    let upstream = Http2Upstream::answering(|mut call| async move {
        let mut content = Vec::new();
        loop {
            match call.content.data().await {
                Some(Ok(part)) => content.extend(part),
                Some(Err(_)) => return,
                None => break,
            }
        }
        call.ok("taken for whole");
    });
    let gateway = start(&upstream, "");
    let mut client = Http2Client::connect(gateway.address);
    let mut asked = client.begin("POST", "/open/a", &[], false);
    asked.content.send_data(Bytes::from_static(b"half"), false).unwrap();
    eventually("it arrives", || (upstream.taken().len() == 1).then_some(()));
    asked.content.send_reset(Reason::NO_ERROR);
    drop(asked);
    eventually("it is over", || (gateway.metric("scopegate_requests_in_flight", &[]) == 0.0).then_some(()));
    assert_eq!(gateway.metric("scopegate_requests_total", &["source=\"upstream\""]), 0.0);
}

#[test]
fn an_upstream_that_takes_no_content_runs_out_of_time_alone() {
    let mut settings = Builder::new();
    settings.initial_window_size(0);
    let upstream = Http2Upstream::with(settings, |mut call| async move {
        match call.request.method().as_str() {
            "POST" => std::future::pending().await,
            _ => {
                call.respond.send_response(Response::new(()), true).unwrap();
            }
        }
    });
    let gateway = start(&upstream, "timeouts: {response: 400ms}");
    let mut client = gateway.client();
    client.send("POST /open/a HTTP/1.1\r\nHost: api.test\r\nContent-Length: 100000\r\n\r\n");
    client.send(vec![b'x'; 100_000]);
    assert_eq!(gateway.client().request("GET", "/open/a", "").status, 200);
    assert_eq!(client.response_to("POST").reason(), "upstream_timeout");
    assert_eq!(upstream.connections(), 1);
}

/// Speaks as much HTTP/2 as these bytes, and reads on.
fn saying(bytes: &'static [u8]) -> Upstream {
    Upstream::answering(move |_| {
        Answer::Take(Box::new(move |mut stream: BufReader<TcpStream>| {
            stream.get_mut().write_all(bytes).unwrap();
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }))
    })
}

const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

#[test]
fn a_connection_that_has_fallen_silent_gets_no_more_requests() {
    let upstream = saying(SETTINGS);
    let gateway = start_before(&format!("http://{}", upstream.address), "timeouts: {response: 200ms}");
    for connections in 1..4 {
        assert_eq!(gateway.client().request("GET", "/open/a", "").reason(), "upstream_timeout");
        assert_eq!(upstream.connections(), connections);
    }
}

#[test]
fn a_connection_of_which_one_answer_is_slow_serves_on() {
    let upstream = Http2Upstream::answering(|mut call| async move {
        if call.request.uri().path() == "/open/slow" {
            std::future::pending::<()>().await;
        }
        call.ok("");
    });
    let gateway = start(&upstream, "timeouts: {response: 500ms}");
    let mut slow = gateway.client();
    slow.send("GET /open/slow HTTP/1.1\r\nHost: api.test\r\n\r\n");
    eventually("it arrives", || (upstream.taken().len() == 1).then_some(()));
    assert_eq!(gateway.client().request("GET", "/open/a", "").status, 200);
    assert_eq!(slow.response_to("GET").reason(), "upstream_timeout");
    assert_eq!(gateway.client().request("GET", "/open/a", "").status, 200);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_connection_that_dies_takes_its_requests_along_but_those_that_may_be_repeated() {
    let upstream = Http2Upstream::answering(|mut call| async move {
        match (call.connection, call.request.uri().path()) {
            (1, "/open/die") => call.end(Order::Close).await,
            _ => call.ok("alive"),
        }
    });
    let gateway = start(&upstream, "");
    let mut client = gateway.client();
    assert_eq!(client.request("GET", "/open/a", "").status, 200);
    assert_eq!(client.request("GET", "/open/die", "").text(), "alive");
    assert_eq!((upstream.connections(), failures(&gateway, "retried")), (2, 1.0));

    for order in [|| Order::Close, || Order::GoAway(Reason::INTERNAL_ERROR)] {
        let upstream = Http2Upstream::answering(move |mut call| async move {
            match call.request.method().as_str() {
                "POST" => call.end(order()).await,
                _ => call.ok("alive"),
            }
        });
        let gateway = start(&upstream, "");
        let mut client = gateway.client();
        assert_eq!(client.request("GET", "/open/a", "").status, 200);
        assert_eq!(client.request("POST", "/open/a", "Content-Length: 0\r\n").status, 502, "{:?}", order());
        assert_eq!(client.request("GET", "/open/a", "").status, 200);
    }
}

#[test]
fn an_answer_that_comes_before_the_content_ends_the_stream() {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let upstream = Http2Upstream::answering(move |mut call| {
        let tell = tell.lock().unwrap().clone();
        async move {
            let mut stream = call.answer(Response::new(()));
            stream.send_data(Bytes::from_static(b"early"), true).unwrap();
            while let Some(Ok(_)) = call.content.data().await {}
            tell.send(()).unwrap();
        }
    });
    let gateway = start(&upstream, "");
    let mut client = Http2Client::connect(gateway.address);
    let mut asked = client.begin("POST", "/open/a", &[], false);
    asked.content.send_data(Bytes::from_static(b"first part"), false).unwrap();
    let (response, mut content) = client.head(asked).unwrap();
    assert_eq!(client.rest(response).unwrap().text(), "early");
    assert_eq!(client.reset_of(&mut content), Reason::NO_ERROR);
    told.recv_timeout(crate::support::DEADLINE).expect("the upstream's stream ends as well");
}
