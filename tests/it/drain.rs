//! A drain finishes what is under way and takes nothing new.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::support::{Answer, DEADLINE, Load, Setup, Upstream, eventually};

/// An upstream that hands each request's connection to the test.
pub fn held() -> (Upstream, mpsc::Receiver<BufReader<TcpStream>>) {
    let (give, streams) = mpsc::channel();
    let give = std::sync::Mutex::new(give);
    let upstream = Upstream::answering(move |_| {
        let give = give.lock().unwrap().clone();
        Answer::Take(Box::new(move |stream| give.send(stream).unwrap()))
    });
    (upstream, streams)
}

#[test]
fn every_request_that_was_read_is_answered() {
    let upstream = Upstream::echo();
    let mut gateway = Setup::default().start(&upstream);
    let load = Load::start(gateway.address, 64, "GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n");
    eventually("the load runs", || (load.tally.good.load(Ordering::Relaxed) > 1000).then_some(()));
    gateway.signal("TERM");
    let tally = load.join();
    assert!(gateway.exit().success());
    assert_eq!(tally.bad.load(Ordering::Relaxed), 0, "{tally:?}");
    assert_eq!(
        upstream.taken().len(),
        tally.good.load(Ordering::Relaxed),
        "what was forwarded was answered: {tally:?}"
    );
}

#[test]
fn a_request_under_way_is_finished_and_its_connection_closed() {
    let (upstream, streams) = held();
    let mut gateway = Setup::default().start(&upstream);
    let mut idle = gateway.client();
    idle.send("GET /nowhere HTTP/1.1\r\nHost: api.test\r\n\r\n");
    assert_eq!(idle.response_to("GET").status, 404);
    let mut client = gateway.client();
    client.send("GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n");
    let mut stream = streams.recv().unwrap();
    gateway.signal("TERM");
    assert!(idle.is_closed(), "an idle connection closes");
    let ready = gateway.ask("GET", "/readyz");
    assert!(ready.status == 503 && ready.text().contains("draining"), "{}", ready.text());
    assert_eq!(gateway.ask("GET", "/healthz").status, 200);
    assert!(!gateway.has_ended());
    stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    let response = client.response_to("GET");
    assert_eq!((response.status, response.field("connection")), (200, Some("close")));
    assert!(gateway.exit().success());
}

#[test]
fn an_idle_connection_may_send_one_more_request() {
    let mut gateway = Setup::default().start(&Upstream::echo());
    let mut client = gateway.client();
    assert_eq!(client.request("GET", "/open/1", "").status, 200);
    gateway.signal("TERM");
    eventually("the last answer", || {
        let response = client.request("GET", "/open/2", "");
        assert_eq!(response.status, 200, "no request meets a connection that closes");
        (response.field("connection") == Some("close")).then_some(())
    });
    assert!(client.is_closed());
    assert!(gateway.exit().success());
}

#[test]
fn what_takes_longer_than_the_drain_may_is_refused() {
    let (upstream, streams) = held();
    let mut gateway = Setup { more: "drain_timeout: 300ms".into(), ..Setup::default() }.start(&upstream);
    let mut client = gateway.client();
    client.send("GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n");
    let stream = streams.recv().unwrap();
    let started = Instant::now();
    gateway.signal("TERM");
    let response = client.response_to("GET");
    assert_eq!(
        (response.status, response.reason(), response.field("retry-after")),
        (503, "draining".into(), Some("1"))
    );
    assert!(gateway.exit().success());
    assert!(started.elapsed() < Duration::from_secs(10));
    drop(stream);
}

#[test]
fn a_request_whose_head_is_half_read_is_answered() {
    let mut gateway = Setup::default().start(&Upstream::echo());
    let mut client = gateway.client();
    assert_eq!(client.request("GET", "/open/1", "").status, 200);
    client.send("GET /open/2 HTTP/1.1\r\nHost: ");
    // Another exchange on the same worker or the other: the half head has been read by then, or is read in the drain.
    assert_eq!(gateway.client().request("GET", "/open/x", "").status, 200);
    gateway.signal("TERM");
    eventually("the drain", || (gateway.ask("GET", "/readyz").status == 503).then_some(()));
    client.send("api.test\r\n\r\n");
    let response = client.response_to("GET");
    assert_eq!((response.status, response.field("connection")), (200, Some("close")));
    assert!(gateway.exit().success());
}

#[test]
fn the_drain_lasts_as_long_as_the_last_reload_says() {
    let (upstream, streams) = held();
    let mut gateway = Setup { more: "drain_timeout: 1h".into(), ..Setup::default() }.start(&upstream);
    let file = std::fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    gateway.write("scopegate.yaml", &file.replace("drain_timeout: 1h", "drain_timeout: 200ms"));
    assert_eq!(gateway.ask("POST", "/reload").status, 200);
    let mut client = gateway.client();
    client.send("GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n");
    let stream = streams.recv().unwrap();
    gateway.signal("TERM");
    assert_eq!(client.response_to("GET").reason(), "draining");
    assert!(gateway.exit().success());
    drop(stream);
}

#[test]
fn a_second_signal_cuts_the_drain_short_and_one_that_comes_double_does_not() {
    let (upstream, streams) = held();
    let mut gateway = Setup { more: "drain_timeout: 1h".into(), ..Setup::default() }.start(&upstream);
    let mut client = gateway.client();
    client.send("GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n");
    let stream = streams.recv().unwrap();
    gateway.signal("TERM");
    gateway.signal("INT");
    let draining = || gateway.ask("GET", "/readyz").status == 503;
    eventually("the drain", || draining().then_some(()));
    // For longer than what counts as one signal.
    client.reader().get_ref().set_read_timeout(Some(Duration::from_millis(1500))).unwrap();
    assert!(client.try_head().is_err() && draining(), "it waits for the answer");
    client.reader().get_ref().set_read_timeout(Some(DEADLINE)).unwrap();
    gateway.signal("INT");
    let response = client.response_to("GET");
    assert_eq!((response.status, response.reason()), (503, "draining".into()));
    assert!(gateway.exit().success());
    assert!(gateway.log().iter().any(|event| event["msg"] == "the drain is cut short"));
    drop(stream);
}
