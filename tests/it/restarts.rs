//! A new process takes over, and nobody notices.

use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::sync::mpsc;

use crate::support::{
    Answer, Authority, Behaviour, Busy, Client, KeyServer, Place, Service, Signer, TlsClient, Upstream, eventually,
    is_alive, signal,
};
use crate::websocket::switching;

/// Hand-overs in a row: `RESTARTS`, else few.
fn restarts() -> usize {
    std::env::var("RESTARTS").map_or(3, |number| number.parse().expect("a number"))
}

/// 64 clients, of every kind.
fn busy(service: &Service) -> Busy {
    let Service { tcp, unix, .. } = service;
    Busy::new().keep_alive(tcp, 24).keep_alive(unix, 16).connecting(tcp, 12).connecting(unix, 12)
}

#[test]
fn no_request_of_64_busy_connections_fails_in_hand_overs_in_a_row() {
    let mut service = Service::start(&Upstream::echo(), "");
    let load = busy(&service);
    for number in 1..=restarts() {
        let so_far = load.good();
        eventually("the load runs", || (load.good() > so_far + 500).then_some(()));
        service.hand_over();
        assert_eq!(service.metric("scopegate_handover_total{result=\"done\"}"), number as f64);
        assert_eq!(service.ask("/readyz").status, 200);
    }
    let so_far = load.good();
    eventually("the load runs on", || (load.good() > so_far + 500).then_some(()));
    let (good, bad) = load.stop();
    assert!(bad.is_empty(), "{} of {good} failed: {:?}", bad.len(), &bad[..bad.len().min(5)]);
    assert!(service.path("socket").exists());
    service.signal("TERM");
    service.await_end(service.pid);
    assert!(!service.path("socket").exists(), "the last process has taken its file away");
}

/// An upstream that gives back what it is sent over a WebSocket.
fn echoing() -> Upstream {
    Upstream::answering(|request| match request.field("sec-websocket-key").map(str::to_owned) {
        None => Answer::ok("plain"),
        Some(key) => Answer::Take(Box::new(move |mut stream| {
            let _ = stream.get_mut().write_all(switching(&key, "").as_bytes());
            let mut back = stream.get_ref().try_clone().unwrap();
            let _ = std::io::copy(&mut stream, &mut back);
        })),
    })
}

#[test]
fn whatever_the_64_speak_no_request_fails_in_hand_overs_in_a_row() {
    let (authority, folder) = (Authority::new("hand-over"), tempfile::tempdir().unwrap());
    authority.issue(&["api.test"]).write(folder.path(), "api");
    let file = |end: &str| folder.path().join(format!("api.{end}")).display().to_string();
    let tls = format!(
        "  - address: 127.0.0.1:0\n    tls: {{certificates: [{{chain: {}, key: {}}}]}}\n",
        file("pem"),
        file("key")
    );
    let command = Command::new(env!("CARGO_BIN_EXE_scopegate"));
    let mut service = Service::start_by(command, &echoing(), "", "{file: jwks.json}", &tls);
    let (client, address) = (TlsClient::trusting(&authority), service.address(2));
    let Place::Tcp(clear) = service.tcp else { panic!("TCP") };
    let over_tls = Place::Tls(address, client.clone());
    let load = Busy::new()
        .keep_alive(&over_tls, 12)
        .connecting(&over_tls, 8)
        .http2(address, Some(&client), 12)
        .http2(clear, None, 12)
        .websocket(&service.tcp, 8)
        .websocket(&service.unix, 4)
        .websocket(&over_tls, 8);
    for _ in 0..restarts() {
        let so_far = load.good();
        eventually("the load runs", || (load.good() > so_far + 300).then_some(()));
        service.hand_over();
    }
    let so_far = load.good();
    eventually("the load runs on", || (load.good() > so_far + 300).then_some(()));
    let (good, bad) = load.stop();
    assert!(bad.is_empty(), "{} of {good} failed: {:?}", bad.len(), &bad[..bad.len().min(5)]);
}

#[test]
fn the_new_process_follows_the_files_as_they_are_and_any_number_of_workers() {
    let mut service = Service::start(&Upstream::echo(), "workers: 3");
    let load = busy(&service);
    eventually("the load runs", || (load.good() > 500).then_some(()));
    for (from, to) in [("workers: 3", "workers: 1"), ("workers: 1", "workers: 4"), ("workers: 4", "workers: 2")] {
        service.change(from, to);
        service.hand_over();
        let so_far = load.good();
        eventually("the load runs on", || (load.good() > so_far + 500).then_some(()));
    }
    let policy = fs::read_to_string(service.path("routes.yaml")).unwrap();
    fs::write(service.path("routes.yaml"), policy + "  - {path: /new, upstream: api, methods: {GET: public}}\n")
        .unwrap();
    service.hand_over();
    let (good, bad) = load.stop();
    assert!(bad.is_empty(), "{} of {good} failed: {:?}", bad.len(), &bad[..bad.len().min(5)]);
    assert!(service.tcp.get("/new", "").unwrap().start_line.contains(" 200 "));
    let workers: Vec<_> = service.events("serving").iter().map(|event| event["workers"].as_u64().unwrap()).collect();
    assert_eq!(workers, [3, 3, 1, 1, 4, 4, 2, 2, 2, 2], "two listeners, five processes");
}

#[test]
fn listeners_come_and_go() {
    let mut service = Service::start(&Upstream::echo(), "");
    let load = Busy::new().keep_alive(&service.tcp, 4).connecting(&service.tcp, 4);
    eventually("the load runs", || (load.good() > 100).then_some(()));
    let (old, new) = (service.path("socket"), service.path("another"));
    service.change(&format!("unix:{}", old.display()), &format!("unix:{}", new.display()));
    service.hand_over();
    assert!(!old.exists());
    assert!(Place::Unix(new.clone()).get("/open/x", "").unwrap().start_line.contains(" 200 "));
    service.change(&format!("  - address: unix:{}\n", new.display()), "");
    service.hand_over();
    assert!(!new.exists());
    let (good, bad) = load.stop();
    assert!(bad.is_empty(), "{} of {good} failed: {:?}", bad.len(), &bad[..bad.len().min(5)]);
}

#[test]
fn requests_under_way_are_answered_by_the_process_that_has_them() {
    let (give, streams) = mpsc::channel();
    let give = std::sync::Mutex::new(give);
    let upstream = Upstream::answering(move |request| {
        if request.target() != "/open/slow" {
            return Answer::ok("quick");
        }
        let give = give.lock().unwrap().clone();
        Answer::Take(Box::new(move |stream| give.send(stream).unwrap()))
    });
    let mut service = Service::start(&upstream, "");
    let Place::Tcp(address) = service.tcp else { panic!("TCP") };
    let mut client = Client::connect(address);
    client.send("GET /open/slow HTTP/1.1\r\nHost: api.test\r\n\r\n");
    let mut stream = streams.recv().unwrap();
    let before = service.begin_hand_over();
    assert!(service.tcp.get("/open/quick", "").unwrap().start_line.contains(" 200 "));
    assert_eq!((service.ask("/healthz").status, service.ask("/readyz").status), (200, 200));
    assert!(is_alive(before), "it waits for its answer");
    stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow").unwrap();
    let response = client.response_to("GET");
    assert_eq!((response.text().as_str(), response.field("connection")), ("slow", Some("close")));
    service.await_end(before);
}

#[test]
fn files_that_do_not_load_leave_the_old_process_serving() {
    let service = Service::start(&Upstream::echo(), "");
    let load = busy(&service);
    service.change("policy: [routes.yaml]", "polixy: [routes.yaml]");
    service.signal("USR2");
    let failed = service.event("the hand-over failed, and this process goes on serving", 0);
    let reason = failed["reason"].as_str().unwrap();
    assert!(reason.contains("cannot serve") && reason.contains("`polixy`"), "{reason}");
    assert_eq!(service.metric("scopegate_handover_total{result=\"failed\"}"), 1.0);
    eventually("the new process is gone", || service.children().is_empty().then_some(()));
    let so_far = load.good();
    eventually("the load runs on", || (load.good() > so_far + 500).then_some(()));
    let (good, bad) = load.stop();
    assert!(bad.is_empty(), "{} of {good} failed: {:?}", bad.len(), &bad[..bad.len().min(5)]);
    assert!(service.path("socket").exists() && is_alive(service.pid));
}

/// A service whose key server will not answer the next process, and that server.
fn without_keys(more: &str) -> (Service, KeyServer) {
    let keys = KeyServer::start(Behaviour::Keys(Signer::new("key-1").jwks(), ""));
    let service =
        Service::start_with_keys(&Upstream::echo(), more, &format!("{{url: 'http://{}/keys'}}", keys.address));
    eventually("the first process is ready", || (service.ask("/readyz").status == 200).then_some(()));
    keys.behave(Behaviour::Hung);
    (service, keys)
}

/// The process that is being started.
fn newcomer(service: &Service, keys: &KeyServer) -> u32 {
    let asked = keys.asked();
    service.signal("USR2");
    let pid = eventually("a new process", || service.children().first().copied());
    eventually("it asks for keys", || (keys.asked() > asked).then_some(()));
    pid
}

#[test]
fn a_new_process_that_is_killed_leaves_the_old_one_serving() {
    let (mut service, keys) = without_keys("");
    let load = busy(&service);
    let newcomer = newcomer(&service, &keys);
    service.signal("USR2");
    let refused = service.event("no hand-over", 0);
    assert_eq!(refused["reason"], "another hand-over is under way");
    signal(newcomer, "KILL");
    let failed = service.event("the hand-over failed, and this process goes on serving", 0);
    assert_eq!(failed["reason"], "the new process ended before it served");
    let so_far = load.good();
    eventually("the load runs on", || (load.good() > so_far + 500).then_some(()));
    for (result, times) in [("refused", 1.0), ("failed", 1.0), ("done", 0.0)] {
        assert_eq!(service.metric(&format!("scopegate_handover_total{{result=\"{result}\"}}")), times, "{result}");
    }
    keys.behave(Behaviour::Keys(service.signer.jwks(), ""));
    let so_far = service.events("handed over").len();
    service.signal("USR2");
    let handed_over = service.event("handed over", so_far);
    let before = std::mem::replace(&mut service.pid, handed_over["pid"].as_u64().unwrap().try_into().unwrap());
    service.await_end(before);
    let (good, bad) = load.stop();
    assert!(bad.is_empty(), "{} of {good} failed: {:?}", bad.len(), &bad[..bad.len().min(5)]);
    assert_eq!(service.metric("scopegate_handover_total{result=\"failed\"}"), 1.0, "the count goes on");
}

#[test]
fn a_new_process_that_does_not_get_ready_is_ended() {
    let (service, keys) = without_keys("handover_timeout: 1s");
    let newcomer = newcomer(&service, &keys);
    let failed = service.event("the hand-over failed, and this process goes on serving", 0);
    assert_eq!(failed["reason"], "the new process was not ready within 1 seconds");
    eventually("it is gone", || (!is_alive(newcomer)).then_some(()));
    assert!(service.unix.get("/open/x", "").unwrap().start_line.contains(" 200 "));
}

#[test]
fn an_old_process_that_is_asked_to_end_takes_the_new_one_with_it() {
    let (mut service, keys) = without_keys("");
    let newcomer = newcomer(&service, &keys);
    service.signal("TERM");
    service.await_end(service.pid);
    eventually("the new process is gone", || (!is_alive(newcomer)).then_some(()));
    // Threads of a process that was killed may close its sockets a moment after it counts as ended.
    eventually("nobody listens", || service.tcp.connect().is_err().then_some(()));
    assert!(!service.path("socket").exists());
}

#[test]
fn a_new_process_whose_predecessor_is_killed_serves_at_once() {
    let (mut service, keys) = without_keys("");
    let newcomer = newcomer(&service, &keys);
    signal(service.pid, "KILL");
    eventually("the new process serves", || {
        let serving = service.events("serving");
        serving.iter().any(|event| event["pid"] == newcomer).then_some(())
    });
    service.pid = newcomer;
    for place in [&service.tcp, &service.unix] {
        assert!(place.get("/open/x", "").unwrap().start_line.contains(" 200 "));
    }
}
