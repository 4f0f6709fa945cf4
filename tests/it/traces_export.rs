//! The way of spans to the collector: whatever becomes of it, requests go on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use crate::support::{Answer, Authority, Collector, DEADLINE, Gateway, Setup, TlsFront, Upstream, eventually};

fn start(section: &str) -> Gateway {
    Setup { more: section.to_owned(), ..Setup::default() }.start(&Upstream::echo())
}

fn ask(gateway: &Gateway, times: usize) {
    let mut client = gateway.client();
    for _ in 0..times {
        assert_eq!(client.request("GET", "/open/x", "").status, 200);
    }
}

fn counted(gateway: &Gateway, result: &str) -> f64 {
    gateway.metric("scopegate_spans_total", &[&format!("result=\"{result}\"")])
}

fn count(gateway: &Gateway, result: &str, spans: f64) {
    eventually(result, || (counted(gateway, result) == spans).then_some(()));
}

/// A collector that answers nothing, for as long as what is returned beside it lives.
fn hanging() -> (Collector, mpsc::Sender<()>) {
    let (hold, held) = mpsc::channel();
    let held = Arc::new(Mutex::new(held));
    let collector = Collector::answering(move |_| {
        let held = Arc::clone(&held);
        Answer::Take(Box::new(move |_stream| drop(held.lock().map(|held| held.recv()))))
    });
    (collector, hold)
}

#[test]
fn a_collector_that_is_down_is_told_of_once_and_disturbs_nobody() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = start(&format!("traces: {{otlp: 'http://{closed}', sample: 1, interval: 10ms, queue: 4}}\n"));
    ask(&gateway, 50);
    let all = || counted(&gateway, "dropped") + counted(&gateway, "failed");
    eventually("everything is counted", || (all() == 100.0).then_some(()));
    assert!(counted(&gateway, "dropped") > 0.0 && counted(&gateway, "failed") > 0.0);
    let told = || gateway.log().iter().filter(|line| line["msg"] == "the collector does not take spans").count();
    assert_eq!(told(), 1);
    ask(&gateway, 1);
}

#[test]
fn a_collector_that_hangs_holds_up_nothing_but_a_bounded_queue() {
    let (collector, _hold) = hanging();
    let mut gateway = start(&collector.section(", sample: 1, queue: 8, timeout: 60s"));
    ask(&gateway, 1);
    eventually("the collector is asked", || (collector.server.connections() == 1).then_some(()));
    // While it hangs, and until the end of its time, all of these are answered.
    ask(&gateway, 100);
    count(&gateway, "dropped", 2.0 * 92.0);
    assert_eq!((counted(&gateway, "exported"), counted(&gateway, "failed")), (0.0, 0.0));
    assert_eq!(collector.server.connections(), 1);
    let begun = std::time::Instant::now();
    gateway.signal("TERM");
    assert!(gateway.exit().success());
    assert!(begun.elapsed() < DEADLINE, "what waits ends the process no later than its bound");
    assert!(gateway.log().iter().any(|line| line["msg"] == "the last spans could not be sent in time"));
}

#[test]
fn what_may_pass_is_sent_again_and_what_may_not_is_given_up() {
    // How many spans of one request come through, and how often they are sent.
    for (name, status, exported, attempts) in [
        ("not now", "503 Not Now", 2.0, 2),
        ("slower", "429 Slower", 2.0, 2),
        ("bad", "400 Bad", 0.0, 1),
        ("a redirect", "307 There", 0.0, 1),
    ] {
        let asked = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&asked);
        let collector = Collector::answering(move |_| match seen.fetch_add(1, Ordering::SeqCst) {
            0 => Answer::Bytes(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into_bytes()),
            _ => Answer::Bytes(Collector::taken()),
        });
        let gateway = start(&collector.section(", sample: 1"));
        ask(&gateway, 1);
        count(&gateway, "exported", exported);
        count(&gateway, "failed", 2.0 - exported);
        assert_eq!(asked.load(Ordering::SeqCst), attempts, "{name}");
    }
}

#[test]
fn spans_that_a_collector_rejects_count_as_failed() {
    // `partial_success {rejected_spans: 1}`.
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\x0a\x02\x08\x01";
    let collector = Collector::answering(|_| Answer::Bytes(answer.to_vec()));
    let gateway = start(&collector.section(", sample: 1"));
    ask(&gateway, 1);
    count(&gateway, "exported", 1.0);
    count(&gateway, "failed", 1.0);
}

#[test]
fn a_drain_sends_what_waits() {
    let collector = Collector::start();
    let mut gateway =
        start(&format!("traces: {{otlp: 'http://{}', sample: 1, interval: 1m}}\n", collector.server.address));
    ask(&gateway, 1000);
    gateway.signal("TERM");
    assert!(gateway.exit().success());
    assert_eq!(collector.spans().len(), 2000);
}

#[test]
fn a_batch_that_is_full_does_not_wait() {
    let collector = Collector::start();
    let gateway = start(&format!("traces: {{otlp: 'http://{}', sample: 1, interval: 1m}}\n", collector.server.address));
    ask(&gateway, 512);
    eventually("a batch", || (collector.spans().len() >= 1024).then_some(()));
}

#[test]
fn a_reload_changes_where_spans_go_and_loses_none() {
    let (first, second) = (Collector::start(), Collector::start());
    let gateway = start(&format!("traces: {{otlp: 'http://{}', sample: 1, interval: 1m}}\n", first.server.address));
    ask(&gateway, 1);
    let file = std::fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    let (before, _) = file.split_once("traces:").unwrap();
    let reload = |section: &str| {
        gateway.write("scopegate.yaml", &format!("{before}{section}"));
        gateway.ask("POST", "/reload")
    };
    let changed = reload(&second.section(", sample: 1"));
    assert_eq!((changed.status, changed.json()["settings_changed"].as_bool()), (200, Some(true)));
    ask(&gateway, 1);
    eventually("the second collector's", || (second.spans().len() == 2).then_some(()));
    eventually("what waited for the first", || (first.spans().len() == 2).then_some(()));
    assert_eq!(reload(&second.section(", sample: 7")).status, 409, "a mistake changes nothing");
    assert_eq!(reload(&second.section(", sample: 1")).json()["changed"].as_bool(), Some(false));
    ask(&gateway, 1);
    eventually("one more", || (second.spans().len() == 4).then_some(()));
    assert_eq!(reload("").status, 200);
    ask(&gateway, 1);
    count(&gateway, "exported", 6.0);
}

#[test]
fn a_collector_is_shown_credentials_and_told_who_speaks_and_the_log_is_not() {
    let collector = Collector::start();
    let more = ", sample: 1, headers: {Authorization: {file: credentials}, x-tenant: {env: HOME}}, resource: {service.name: edge, place: here and there}";
    let setup = Setup {
        more: format!("log: {{access: all, level: trace}}\n{}", collector.section(more)),
        files: vec![("credentials", "Basic c2VjcmV0\n".into())],
        ..Setup::default()
    };
    let gateway = setup.start(&Upstream::echo());
    ask(&gateway, 1);
    let request = eventually("a request", || collector.server.taken().pop());
    assert_eq!(request.field("authorization"), Some("Basic c2VjcmV0"));
    assert_eq!(request.field("x-tenant"), std::env::var("HOME").ok().as_deref());
    ask(&gateway, 1);
    let (server, _) = collector.one();
    assert_eq!((&*server.resource["service.name"], &*server.resource["place"]), ("edge", "here and there"));
    assert_eq!(server.resource["service.instance.id"].len(), 32);
    assert!(!gateway.log().iter().any(|line| line.to_string().contains("c2VjcmV0")));
}

#[test]
fn a_collector_behind_tls_is_verified() {
    let (authority, other) = (Authority::new("authority"), Authority::new("other"));
    let collector = Collector::start();
    let front = TlsFront::start(&authority.issue(&["localhost"]), None, collector.server.address);
    for (ca, result) in [(authority.pem(), "exported"), (other.pem(), "failed")] {
        let port = front.address.port();
        let more = format!("traces: {{otlp: 'https://localhost:{port}/', sample: 1, interval: 10ms, ca: ca.pem}}\n");
        let setup = Setup { more, files: vec![("ca.pem", ca)], ..Setup::default() };
        let gateway = setup.start(&Upstream::echo());
        ask(&gateway, 1);
        count(&gateway, result, 2.0);
    }
    assert_eq!(collector.spans().len(), 2);
}
