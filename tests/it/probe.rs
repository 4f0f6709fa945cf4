//! `scopegate probe` against servers that run, drain, wait or are not there.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::Command;

use crate::drain::held;
use crate::support::{AuthorizationServerSetup, Gateway, Setup, Upstream};

/// Exit status and standard output; nothing is said anywhere else.
fn probe(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scopegate"));
    let output = command.arg("probe").args(arguments).env_remove("SCOPEGATE_CONFIG").output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (output.status.code().expect("it exits"), String::from_utf8(output.stdout).expect("UTF-8"))
}

fn of(gateway: &Gateway, arguments: &[&str]) -> (i32, String) {
    probe(&[&["--address", &gateway.admin.to_string()], arguments].concat())
}

#[test]
fn a_gateway_that_serves_is_alive_and_ready_whatever_has_become_of_its_file() {
    let gateway = Setup::default().start(&Upstream::echo());
    let admin = gateway.admin;
    assert_eq!(of(&gateway, &[]), (0, format!("`/healthz` at {admin} answers 200\n")));
    assert_eq!(of(&gateway, &["--ready"]), (0, format!("`/readyz` at {admin} answers 200\n")));
    // A file with faults everywhere but at the address, which alone counts.
    let file = format!("listeners: none\nadmin: {{address: '{admin}', token: {{file: gone}}, x: 1}}\nissuers: 7\n");
    gateway.write("broken.yaml", &file);
    let path = gateway.folder.path().join("broken.yaml").display().to_string();
    assert_eq!(probe(&["--config", &path, "--ready"]).0, 0);
}

#[test]
fn a_gateway_without_keys_is_alive_and_not_ready() {
    let setup = Setup { keys: "{url: 'http://127.0.0.1:1/'}".into(), ..Setup::default() };
    let gateway = setup.start(&Upstream::echo());
    assert_eq!(of(&gateway, &[]).0, 0);
    let (status, said) = of(&gateway, &["--ready"]);
    assert_eq!((status, said.lines().count()), (1, 1));
    assert!(said.contains("answers 503: issuer `https://idp.test/` has had no keys yet"), "{said}");
}

#[test]
fn a_gateway_that_drains_is_alive_and_not_ready() {
    let (upstream, streams) = held();
    let mut gateway = Setup::default().start(&upstream);
    let mut idle = gateway.client();
    idle.send("GET /nowhere HTTP/1.1\r\nHost: api.test\r\n\r\n");
    assert_eq!(idle.response_to("GET").status, 404);
    let mut client = gateway.client();
    client.send("GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n");
    let mut stream = streams.recv().unwrap();
    gateway.signal("TERM");
    assert!(idle.is_closed(), "the drain has begun");
    assert_eq!(of(&gateway, &[]).0, 0);
    let (status, said) = of(&gateway, &["--ready"]);
    assert!(status == 1 && said.contains("answers 503") && said.contains("draining"), "{said}");
    stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert!(gateway.exit().success());
    let (status, said) = of(&gateway, &[]);
    assert!(status == 1 && said.contains("does not answer: the connection was refused"), "{said}");
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for_longer_than_the_call_allows() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (status, said) = probe(&["--address", &silent.local_addr().unwrap().to_string(), "--timeout", "100ms"]);
    assert!(status == 1 && said.contains("no whole answer in time"), "{said}");
}

#[test]
fn an_authorization_server_is_probed_where_its_file_says() {
    let server = AuthorizationServerSetup::default().start();
    let file = format!("database: x.sqlite\naddress: {}\n", server.address);
    server.write("probed.yaml", &file);
    let path = server.folder.path().join("probed.yaml").display().to_string();
    assert_eq!(probe(&["--config", &path]), (0, format!("`/healthz` at {} answers 200\n", server.address)));
}

#[test]
fn without_an_address_there_is_nobody_to_ask() {
    let folder = tempfile::tempdir().unwrap();
    for (file, said) in [
        (None, "is not there"),
        (Some("listeners: []\nadmin: {address: nowhere}\n"), "`admin.address` must be an IP address and a port"),
        (Some("listeners: []\nadmin: {address: '127.0.0.1:0'}\n"), "is any free port"),
        (Some("database: x\n"), "`address`"),
    ] {
        let path = folder.path().join("scopegate.yaml");
        file.iter().for_each(|text| std::fs::write(&path, text).unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_scopegate"));
        let output = command.args(["probe", "--config"]).arg(&path).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(said), "{said}: {stderr}");
    }
}
