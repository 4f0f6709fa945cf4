//! TLS with clients: versions, names, ALPN, resumption, and handshakes that come to nothing.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use rustls::HandshakeKind;

use crate::support::{Authority, DEADLINE, Gateway, Setup, TlsClient, Upstream, eventually, s_client};

const ONE: &str = "{certificates: [{chain: tls/api.pem, key: tls/api.key}]}";

/// A gateway whose one certificate is for `api.test`, behind `listener` as its `tls`.
fn gateway(authority: &Authority, tls: &str, more: &str) -> (Gateway, Upstream) {
    let upstream = Upstream::echo();
    let setup = Setup {
        tls: tls.into(),
        more: more.into(),
        certificates: vec![("api", authority.issue(&["api.test", "localhost", "127.0.0.1"]))],
        ..Setup::default()
    };
    (setup.start(&upstream), upstream)
}

fn errors(gateway: &Gateway, kind: &str) -> f64 {
    gateway.metric("scopegate_connection_errors_total", &[&format!("kind=\"{kind}\"")])
}

#[test]
fn curl_speaks_https_and_the_upstream_is_told_so() {
    let authority = Authority::new("curl's authority");
    let (gateway, upstream) = gateway(&authority, ONE, "");
    gateway.write("ca.pem", &authority.pem());
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--http1.1",
            "--write-out",
            "\n%{http_code} %{ssl_verify_result} %{num_connects}",
        ])
        .arg("--cacert")
        .arg(gateway.folder.path().join("ca.pem"))
        .args([
            format!("https://{}/open/a", gateway.address),
            format!("https://localhost:{}/open/b", gateway.address.port()),
        ])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(text, "GET /open/a HTTP/1.1\n200 0 1GET /open/b HTTP/1.1\n200 0 1", "{said}");
    let seen = upstream.taken();
    assert_eq!(seen.iter().map(|message| message.field("x-forwarded-proto")).collect::<Vec<_>>(), [Some("https"); 2]);
}

#[test]
fn rfc_8446_and_rfc_5246_are_spoken_and_nothing_older() {
    let authority = Authority::new("versions");
    let (gateway, _) = gateway(&authority, ONE, "");
    for (option, version) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let said = s_client(gateway.address, &[option]);
        assert!(said.is_answered() && said.0.contains(&format!("New, {version}")), "{}", said.0);
    }
    let old = s_client(gateway.address, &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]);
    assert!(!old.is_answered() && old.0.contains("alert handshake failure"), "{}", old.0);
    assert_eq!(errors(&gateway, "tls"), 1.0);
}

#[test]
fn the_least_version_can_be_raised() {
    let authority = Authority::new("1.3");
    let tls = "{certificates: [{chain: tls/api.pem, key: tls/api.key}], min_version: '1.3'}";
    let (gateway, _) = gateway(&authority, tls, "");
    assert!(s_client(gateway.address, &["-tls1_3"]).is_answered());
    let old = s_client(gateway.address, &["-tls1_2"]);
    assert!(!old.is_answered() && old.0.contains("alert protocol version"), "{}", old.0);
}

#[test]
fn rfc_6066_3_the_certificate_is_chosen_by_the_name_that_is_asked_for() {
    let authority = Authority::new("names");
    let names = [("first", "first.test"), ("api", "api.test"), ("wild", "*.api.test"), ("deep", "deep.api.test")];
    let list: Vec<_> =
        names.iter().map(|(file, _)| format!("{{chain: tls/{file}.pem, key: tls/{file}.key}}")).collect();
    let setup = Setup {
        tls: format!("{{certificates: [{}]}}", list.join(", ")),
        certificates: names.iter().map(|(file, name)| (*file, authority.issue(&[name]))).collect(),
        ..Setup::default()
    };
    let gateway = setup.start(&Upstream::echo());
    let cases: &[(&[&str], &str)] = &[
        (&["-servername", "api.test"], "api.test"),
        (&["-servername", "API.test"], "api.test"),
        (&["-servername", "any.api.test"], "*.api.test"),
        (&["-servername", "deep.api.test"], "deep.api.test"),
        (&["-servername", "too.deep.api.test"], "first.test"),
        (&["-servername", "elsewhere.test"], "first.test"),
        (&["-noservername"], "first.test"),
    ];
    for (options, expected) in cases {
        let said = s_client(gateway.address, options);
        assert_eq!(said.after("subject="), Some(&*format!("CN = {expected}")), "{options:?}: {}", said.0);
    }
}

#[test]
fn rfc_7301_3_2_a_client_with_no_protocol_in_common_is_refused() {
    let authority = Authority::new("protocols");
    let (gateway, _) = gateway(&authority, ONE, "");
    let one = s_client(gateway.address, &["-alpn", "spdy/3,http/1.1"]);
    assert!(one.is_answered() && one.after("ALPN protocol:") == Some("http/1.1"), "{}", one.0);
    let none = s_client(gateway.address, &[]);
    assert!(none.is_answered() && none.0.contains("No ALPN negotiated"), "{}", none.0);
    let other = s_client(gateway.address, &["-alpn", "spdy/3"]);
    assert!(!other.is_answered() && other.0.contains("alert no application protocol"), "{}", other.0);
    assert_eq!(errors(&gateway, "tls"), 1.0);
}

#[test]
fn sessions_resume_in_both_versions() {
    let authority = Authority::new("sessions");
    let (gateway, _) = gateway(&authority, ONE, "workers: 2");
    let file = gateway.folder.path().join("session");
    let file = file.to_str().unwrap();
    // The last is of clients that take no tickets: their sessions are in the server's memory.
    for version in [&["-tls1_3"][..], &["-tls1_2"], &["-tls1_2", "-no_ticket"]] {
        let first = s_client(gateway.address, &[version, &["-sess_out", file]].concat());
        assert!(first.is_answered() && first.0.contains("New, TLS"), "{}", first.0);
        // Whichever worker takes the connection, it can read the ticket of the other.
        for _ in 0..8 {
            let again = s_client(gateway.address, &[version, &["-sess_in", file]].concat());
            assert!(again.is_answered() && again.0.contains("Reused, TLS"), "{version:?}: {}", again.0);
        }
    }
}

#[test]
fn nothing_is_taken_before_the_handshake_has_ended() {
    let authority = Authority::new("early data");
    let (gateway, _) = gateway(&authority, ONE, "");
    let said = s_client(gateway.address, &["-tls1_3"]);
    let sizes: Vec<_> = said.0.lines().filter_map(|line| line.trim().strip_prefix("Max Early Data: ")).collect();
    assert!(!sizes.is_empty() && sizes.iter().all(|size| *size == "0"), "{}", said.0);
}

#[test]
fn a_handshake_has_the_time_of_a_head() {
    let authority = Authority::new("time");
    let (gateway, _) = gateway(&authority, ONE, "limits: {header_time: 300ms}");
    let silent = TcpStream::connect(gateway.address).unwrap();
    // The beginning of a ClientHello that never ends.
    let mut half = TcpStream::connect(gateway.address).unwrap();
    half.write_all(&[22, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3]).unwrap();
    for mut stream in [silent, half] {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        assert!(matches!(stream.read(&mut [0; 16]), Ok(0)), "closed");
    }
    eventually("both are counted", || (errors(&gateway, "header_timeout") == 2.0).then_some(()));
    assert_eq!(errors(&gateway, "tls"), 0.0);
}

#[test]
fn clear_text_is_refused_and_a_probe_of_the_port_is_no_error() {
    let authority = Authority::new("clear text");
    let (gateway, upstream) = gateway(&authority, ONE, "");
    drop(TcpStream::connect(gateway.address).unwrap());
    let mut clear = TcpStream::connect(gateway.address).unwrap();
    clear.set_read_timeout(Some(DEADLINE)).unwrap();
    clear.write_all(b"GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = clear.read_to_end(&mut answer);
    // RFC 8446 §6: an alert, and no HTTP.
    assert_eq!(answer.first(), Some(&21), "{answer:?}");
    eventually("it is counted", || (errors(&gateway, "tls") == 1.0).then_some(()));
    assert!(upstream.taken().is_empty());
    let last = gateway.log().pop().unwrap();
    assert_eq!(last["msg"], "serving", "no line for each stranger");
}

#[test]
fn a_hanging_handshake_holds_nobody_up() {
    let authority = Authority::new("hanging");
    let (gateway, _) = gateway(&authority, ONE, "workers: 1");
    let hanging: Vec<_> = (0..32).map(|_| hang(gateway.address)).collect();
    let client = TlsClient::trusting(&authority);
    let first = client.ask(gateway.address, "api.test").unwrap();
    assert!(first.text.starts_with("HTTP/1.1 200 OK"), "{}", first.text);
    assert_eq!(first.kind, HandshakeKind::Full);
    assert_eq!(client.ask(gateway.address, "api.test").unwrap().kind, HandshakeKind::Resumed);
    drop(hanging);
}

fn hang(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&[22, 3, 1]).unwrap();
    stream
}

#[test]
fn a_drain_takes_handshakes_that_go_on_and_waits_for_none_that_hangs() {
    let authority = Authority::new("drain");
    let (mut gateway, upstream) = gateway(&authority, ONE, "drain_timeout: 1h\nlimits: {header_time: 1m}");
    let client = TlsClient::trusting(&authority);
    let mut hanging = hang(gateway.address);
    hanging.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut late = client.connect(gateway.address, "api.test").unwrap();
    late.conn.write_tls(&mut late.sock).unwrap();
    eventually("both are accepted", || {
        (gateway.metric("scopegate_connections", &["protocol=\"new\""]) == 2.0).then_some(())
    });
    let started = Instant::now();
    gateway.signal("TERM");
    late.write_all(b"GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n").unwrap();
    let mut answer = String::new();
    late.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(matches!(hanging.read(&mut [0; 16]), Ok(0)), "closed");
    assert!(gateway.exit().success());
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert_eq!(upstream.taken().len(), 1);
}
