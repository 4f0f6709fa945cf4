//! More connections than the process may have descriptors.

use std::io::{BufRead as _, BufReader, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::http2::upstream;
use crate::support::http2::{FrameClient, HEADERS};
use crate::support::{Client, DEADLINE, Gateway, Setup, Upstream, eventually};

const REQUEST: &str = "GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n";
const CROWD: usize = 100;

fn short_of_descriptors(upstream: &Upstream) -> Gateway {
    Setup { descriptors: Some(64), more: "workers: 2".into(), ..Setup::default() }.start(upstream)
}

fn turned_away(gateway: &Gateway) -> f64 {
    gateway.metric("scopegate_connection_errors_total", &["kind=\"too_many\""])
}

/// How often the log says that there was no descriptor for a connection.
fn lacked(gateway: &Gateway) -> usize {
    gateway.log().iter().filter(|event| event["msg"] == "connections cannot be accepted").count()
}

/// Nothing but the listeners is open, and everything is served.
#[track_caller]
fn assert_recovers(gateway: &Gateway) {
    eventually("all have gone", || (gateway.metric("scopegate_connections", &[]) == 0.0).then_some(()));
    // Of those who were turned away a few are still listened to, for a second or two, and hold their descriptors meanwhile.
    let is_served = || gateway.client().request("GET", "/open/x", "Connection: close\r\n").status == 200;
    eventually("everybody is served", || (0..8).all(|_| is_served()).then_some(()));
    assert_eq!(gateway.ask("POST", "/reload").status, 200);
}

#[test]
fn too_few_descriptors_are_told_of_at_the_start() {
    let gateway = short_of_descriptors(&Upstream::echo());
    let log = gateway.log();
    let told = log.iter().find(|event| event["descriptors"] == 64).expect("a warning");
    assert!(told["needed"].as_u64().unwrap() > 20_000, "{told}");
    let connections = told["connections"].as_u64().unwrap();
    assert!((1..32).contains(&connections), "{told}");
    let hint = told["msg"].as_str().unwrap();
    assert!(hint.contains("LimitNOFILE=") && hint.contains("limits.connections"), "{hint}");
}

#[test]
fn the_soft_limit_is_raised() {
    let gateway = Setup::default().start(&Upstream::echo());
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.pid())).unwrap();
    let files: Vec<_> =
        limits.lines().find(|line| line.starts_with("Max open files")).unwrap().split_whitespace().collect();
    assert_eq!(files[3], files[4], "soft and hard");
}

#[test]
fn requests_beyond_the_descriptors_are_refused_at_once_and_counted() {
    let gateway = short_of_descriptors(&Upstream::echo());
    let begun = Instant::now();
    let mut crowd: Vec<_> = (0..CROWD).map(|_| gateway.client()).collect();
    for client in &mut crowd {
        // It may have been turned away already.
        let _ = client.try_send(REQUEST);
    }
    let statuses = crowd.iter_mut().map(|client| client.try_head().ok().flatten().map(|head| head.status));
    let statuses: Vec<_> = statuses.collect();
    assert!(begun.elapsed() < DEADLINE / 2, "{:?}", begun.elapsed());
    let number = |status: u16| statuses.iter().filter(|found| **found == Some(status)).count();
    assert!(number(200) >= 1 && number(503) >= 1, "{statuses:?}");
    let without = statuses.iter().filter(|status| status.is_none()).count();
    // For one that was accepted the upstream may be out of reach: a connection to it takes a descriptor too.
    assert_eq!(number(200) + number(502) + number(503) + without, CROWD, "{statuses:?}");
    assert_eq!(turned_away(&gateway), (CROWD - number(200) - number(502)) as f64, "{statuses:?}");
    assert_eq!((gateway.ask("GET", "/healthz").status, gateway.ask("GET", "/readyz").status), (200, 200));
    assert_eq!(gateway.ask("POST", "/reload").status, 200, "files can be read");
    drop(crowd);
    assert_recovers(&gateway);
}

#[test]
fn connections_that_say_nothing_are_closed_at_once_and_the_admin_listener_answers_meanwhile() {
    let gateway = short_of_descriptors(&Upstream::echo());
    let mut crowd: Vec<_> = (0..2 * CROWD).map(|_| TcpStream::connect(gateway.address).unwrap()).collect();
    assert_eq!(gateway.ask("GET", "/healthz").status, 200);
    let is_open = |stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        matches!(stream.peek(&mut [0]), Err(fault) if fault.kind() == ErrorKind::WouldBlock)
    };
    eventually("nobody is left to wait in a queue", || {
        crowd.retain(is_open);
        (crowd.len() < 32).then_some(())
    });
    assert!(!crowd.is_empty());
    assert!(turned_away(&gateway) >= (2 * CROWD - 32) as f64, "{}", turned_away(&gateway));
    assert_eq!(lacked(&gateway), 0, "those who are turned away take no more descriptors than there are");
    assert_eq!(gateway.ask("GET", "/healthz").status, 200);
    drop(crowd);
    assert_recovers(&gateway);
}

#[test]
fn peers_are_told_also_when_upstreams_have_taken_every_descriptor() {
    let gateway = Setup { descriptors: Some(64), more: "workers: 1".into(), ..Setup::default() }.start(&upstream());
    let mut many = FrameClient::connect(gateway.address, &[]);
    for stream in (1..200).step_by(2) {
        many.get(stream, "/open/silent");
    }
    assert!(many.until(HEADERS, 199).is_some(), "for the last there is no connection to the upstream");
    let begun = Instant::now();
    for _ in 0..CROWD {
        let mut client = gateway.client();
        let _ = client.try_send(REQUEST);
        let status = client.try_head().ok().flatten().map(|head| head.status);
        assert!(matches!(status, Some(502 | 503) | None), "{status:?}");
    }
    assert!(begun.elapsed() < DEADLINE / 2, "{:?}", begun.elapsed());
    assert!((1..=4).contains(&lacked(&gateway)), "now and then: {}", lacked(&gateway));
    assert_eq!(gateway.ask("GET", "/healthz").status, 200);
    drop(many);
    assert_recovers(&gateway);
}

/// A gateway that is started under a bound so low that it may fail, if it does not.
fn started(file: &Path, descriptors: usize) -> Option<(Child, SocketAddr)> {
    let script = format!("ulimit -n {descriptors}; exec \"$0\" serve --config \"$1\"");
    let mut child = Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_scopegate")])
        .arg(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut events = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    match events.find(|event| event["msg"] == "serving") {
        Some(serving) => Some((child, serving["listener"].as_str().unwrap().parse().unwrap())),
        None => {
            assert!(!child.wait().unwrap().success());
            None
        }
    }
}

#[test]
fn a_gateway_that_says_that_it_serves_accepts_on_every_socket() {
    let template = Setup { more: "workers: 4".into(), ..Setup::default() }.start(&Upstream::echo());
    let file = template.folder.path().join("scopegate.yaml");
    let started: Vec<_> = (24..64).step_by(2).filter_map(|descriptors| started(&file, descriptors)).collect();
    assert!((1..20).contains(&started.len()), "some start, and some cannot: {}", started.len());
    for (mut child, address) in started {
        for _ in 0..16 {
            let mut client = Client::connect(address);
            // The answer may be that there are too few descriptors, but there is one.
            let _ = client.try_send("GET /nowhere HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n");
            let answered = client.try_head();
            let has_hung = |fault: &std::io::Error| matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            assert!(!answered.as_ref().is_err_and(has_hung), "{answered:?}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
