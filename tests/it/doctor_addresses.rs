//! `scopegate doctor` on addresses: free, taken by a gateway that runs, taken by somebody else.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;

use crate::support::{Examined, Server, Sickbed, Upstream, eventually};

/// Two addresses on a loopback address of the test's own, where no other test's port can be.
fn addresses(last: u8) -> [SocketAddr; 2] {
    let bound = [0, 1].map(|_| TcpListener::bind(SocketAddr::from(([127, 77, 0, last], 0))).unwrap());
    bound.map(|listener| listener.local_addr().unwrap())
}

/// A set-up that is well, with listeners at these addresses.
fn at(listeners: &[String], admin: SocketAddr) -> Sickbed {
    let listeners: Vec<_> = listeners.iter().map(|address| format!("{{address: '{address}'}}")).collect();
    Sickbed { listeners: format!("[{}]", listeners.join(", ")), admin: admin.to_string(), ..Sickbed::new() }
}

/// Level, subject and message of the findings of a check.
fn found(examined: &Examined, check: &str) -> Vec<[String; 3]> {
    let document = examined.document();
    let findings = document["findings"].as_array().unwrap().iter().filter(|finding| finding["check"] == check);
    let text = |finding: &serde_json::Value, name: &str| finding[name].as_str().unwrap().to_owned();
    findings.map(|finding| ["level", "subject", "message"].map(|name| text(finding, name))).collect()
}

#[test]
fn a_gateway_that_runs_is_well_and_so_are_the_addresses_that_it_has() {
    let [listener, admin] = addresses(1);
    let sickbed = at(&[listener.to_string()], admin);
    sickbed.write_file();
    let (server, _) = Server::start("serve", &sickbed.folder.path().join("scopegate.yaml"));
    let by = format!("(`scopegate`, process {})", server.pid());
    let examined = eventually("the gateway is ready", || {
        let examined = sickbed.examine();
        found(&examined, "admin")[0][2].contains("is ready").then_some(examined)
    });
    assert_eq!((examined.status, examined.unwell()), (0, Vec::new()));
    let expected = |subject: SocketAddr, message: &str| ["ok".into(), subject.to_string(), format!("{message} {by}")];
    assert_eq!(found(&examined, "admin"), [expected(admin, "a running gateway answers there, and is ready")]);
    assert_eq!(found(&examined, "listener"), [expected(listener, "the running gateway listens there")]);
}

#[test]
fn a_gateway_that_is_not_ready_says_what_it_waits_for() {
    let [listener, admin] = addresses(2);
    let mut sickbed = at(&[listener.to_string()], admin);
    sickbed.keys = "{url: 'http://127.0.0.1:1/'}".into();
    sickbed.of_issuer = String::new();
    sickbed.write_file();
    let _server = Server::start("serve", &sickbed.folder.path().join("scopegate.yaml"));
    let examined = sickbed.examine();
    let [[level, _, message]] = &*found(&examined, "admin") else { panic!("{}", examined.stdout) };
    assert_eq!((level.as_str(), examined.status), ("warning", 1), "its keys cannot be had");
    let issuer = &sickbed.issuer;
    assert!(message.contains("is not ready") && message.contains(&format!("issuer `{issuer}` has had no keys yet")));
    let unwell = examined.unwell();
    let hint = &unwell.iter().find(|finding| finding[0] == "admin").unwrap()[4];
    assert!(hint.contains("once what it waits for is there"), "{hint}");
}

#[test]
fn addresses_that_somebody_else_has() {
    let [listener, admin] = addresses(3);
    let sickbed = at(&[listener.to_string()], admin);
    let by = format!("process {})", std::process::id());
    let hint = format!("`ss -ltnp 'sport = :{}'`", listener.port());
    let taken = TcpListener::bind(listener).unwrap();
    let message = "another process listens there (`";
    let examined = sickbed.examine();
    examined.assert_finds("listener", "failed", &listener.to_string(), message, &hint);
    assert!(examined.unwell()[0][3].ends_with(&by), "{:?}", examined.unwell());
    drop(taken);
    // What answers there is no admin listener.
    let upstream = Upstream::echo();
    let other = Sickbed { admin: upstream.address.to_string(), ..at(&[listener.to_string()], admin) };
    other.examine().assert_finds("admin", "failed", &upstream.address.to_string(), message, "write another address");
}

#[test]
fn a_listener_that_somebody_else_has_beside_a_gateway_that_runs() {
    let [listener, admin] = addresses(4);
    let sickbed = at(&["127.0.0.1:0".into()], admin);
    sickbed.write_file();
    let _server = Server::start("serve", &sickbed.folder.path().join("scopegate.yaml"));
    let _taken = TcpListener::bind(listener).unwrap();
    let examined = Sickbed { listeners: format!("[{{address: '{listener}'}}]"), ..sickbed }.examine();
    let listeners = found(&examined, "listener");
    assert_eq!((examined.status, &*listeners[0][0]), (1, "failed"), "{listeners:?}");
}

#[test]
fn addresses_that_cannot_be_had() {
    let [_, admin] = addresses(5);
    let message = "cannot be listened on: Cannot assign requested address";
    let hint = "no interface of this machine has that address";
    at(&["203.0.113.1:8080".into()], admin).examine().assert_finds(
        "listener",
        "failed",
        "203.0.113.1:8080",
        message,
        hint,
    );
}

#[test]
fn unix_sockets() {
    let [_, admin] = addresses(6);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let subject = format!("unix:{}", path.display());
    let sickbed = at(std::slice::from_ref(&subject), admin);
    assert_eq!(sickbed.examine().unwell(), Vec::<[String; 5]>::new(), "nothing there");
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(sickbed.examine().unwell(), Vec::<[String; 5]>::new(), "nobody listens any more");
    assert!(path.exists(), "nothing is changed");
    let listener = UnixListener::bind(folder.path().join("other")).unwrap();
    std::fs::rename(folder.path().join("other"), &path).unwrap();
    let message = "process listens there";
    sickbed.examine().assert_finds("listener", "failed", &subject, message, "write another path");
    drop(listener);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "kept").unwrap();
    sickbed.examine().assert_finds(
        "listener",
        "failed",
        &subject,
        "the file is there and is no socket",
        "write another path",
    );
    drop(folder);
    let message = "cannot be listened on: No such file or directory";
    sickbed.examine().assert_finds("listener", "failed", &subject, message, "make the socket's folder");
}
