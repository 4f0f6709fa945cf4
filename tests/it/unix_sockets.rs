//! Unix sockets as listeners.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::Command;

use crate::support::{Message, Service, Upstream};

/// What `scopegate serve` says when it cannot listen at `socket`, with the files of a service that has ended.
fn refusal(service: &Service) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_scopegate"))
        .args(["serve", "--config"])
        .arg(service.path("scopegate.yaml"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_live_socket_is_another_process_and_a_file_is_no_socket() {
    let mut service = Service::start(&Upstream::echo(), "");
    let path = service.path("socket");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let live = refusal(&service);
    assert!(live.contains(&format!("cannot listen on `unix:{}`", path.display())), "{live}");
    assert!(live.contains("another process listens there"), "{live}");
    assert!(service.unix.get("/open/x", "").unwrap().start_line.contains(" 200 "), "nothing has happened to it");
    service.signal("TERM");
    service.await_end(service.pid);
    assert!(!path.exists());
    fs::write(&path, "precious").unwrap();
    let file = refusal(&service);
    assert!(file.contains("the file is there and is no socket"), "{file}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_socket_that_a_killed_process_left_is_replaced() {
    let upstream = Upstream::echo();
    let mut first = Service::start(&upstream, "");
    let path = first.path("socket");
    first.signal("KILL");
    assert!(!first.has_ended_well());
    assert!(path.exists() && UnixListener::bind(&path).is_err());
    let second = Service::start(&upstream, "");
    second.change(&second.path("socket").display().to_string(), &path.display().to_string());
    let mut again = Command::new(env!("CARGO_BIN_EXE_scopegate"));
    let (_server, _) =
        crate::support::Server::run(again.args(["serve", "--config"]).arg(second.path("scopegate.yaml")));
    assert!(first.unix.get("/open/x", "").unwrap().start_line.contains(" 200 "));
}

#[test]
fn peers_are_told_of_as_unknown_and_believed_only_where_the_file_says_so() {
    for (trusted, expected_for, expected_forwarded) in [
        ("[]", None, "for=unknown;host=\"api.test\";proto=http"),
        ("[unix]", Some("198.51.100.7"), "for=198.51.100.7, for=unknown;host=\"api.test\";proto=http"),
    ] {
        let upstream = Upstream::echo();
        let mut service = Service::start(&upstream, "");
        let written = format!("unix:{}", service.path("socket").display());
        service.change(&written, &format!("{written}\n    trusted_peers: {trusted}"));
        service.change("endpoints: [", "forwarded: both, endpoints: [");
        service.hand_over();
        service.unix.get("/open/x", "X-Forwarded-For: 198.51.100.7\r\nForwarded: for=198.51.100.7\r\n").unwrap();
        let seen: Vec<Message> = upstream.taken();
        assert_eq!(seen[0].field("x-forwarded-for"), expected_for);
        assert_eq!(seen[0].field("forwarded"), Some(expected_forwarded));
    }
}
