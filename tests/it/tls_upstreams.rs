//! TLS with upstreams: verified always, and what is said when it fails.

use std::net::{SocketAddr, TcpListener};

use rustls::HandshakeKind;

use crate::support::{Answer, Authority, Gateway, Issued, Response, Setup, TlsFront, Upstream, eventually};

/// An upstream that closes each connection after its answer.
fn closing() -> Upstream {
    Upstream::answering(|request| {
        let content = &request.start_line;
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", content.len());
        Answer::Close(format!("{head}{content}").into_bytes())
    })
}

/// A gateway before `upstream`, with `tls` as `upstreams.api.tls`, that trusts `authority`.
fn gateway(
    upstream: SocketAddr,
    authority: &Authority,
    tls: &str,
    certificates: Vec<(&'static str, Issued)>,
) -> Gateway {
    let setup = Setup {
        scheme: "https",
        api: format!("tls: {{ca: ca.pem{tls}}}, timeouts: {{connect: 2s}}"),
        files: vec![("ca.pem", authority.pem())],
        certificates,
        ..Setup::default()
    };
    setup.start_before(&format!("https://{upstream}"))
}

fn ask(gateway: &Gateway) -> Response {
    gateway.client().request("GET", "/open/x", "")
}

fn failures(gateway: &Gateway, kind: &str) -> f64 {
    gateway.metric("scopegate_upstream_failures_total", &[&format!("kind=\"{kind}\"")])
}

/// The reasons that were logged; there is one.
fn told(gateway: &Gateway) -> Vec<String> {
    eventually("the reason is told", || {
        let log = gateway.log();
        let lines = log.iter().filter(|line| line["msg"] == "no connection to the upstream");
        let text = |line: &serde_json::Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let reasons: Vec<_> =
            lines.map(|line| format!("{}: {}", text(line, "upstream"), text(line, "fault"))).collect();
        (!reasons.is_empty()).then_some(reasons)
    })
}

#[test]
fn an_upstream_of_ones_own_authority_is_reached_by_address_and_sessions_resume() {
    let authority = Authority::new("upstreams");
    let upstream = closing();
    let front = TlsFront::start(&authority.issue(&["127.0.0.1"]), None, upstream.address);
    let gateway = gateway(front.address, &authority, "", vec![]);
    for _ in 0..4 {
        assert_eq!(ask(&gateway).text(), "GET /open/x HTTP/1.1");
    }
    // A reload that leaves the upstream as it is keeps its sessions.
    assert_eq!(gateway.ask("POST", "/reload").status, 200);
    for _ in 0..4 {
        assert_eq!(ask(&gateway).status, 200);
    }
    let handshakes = front.handshakes();
    assert_eq!(handshakes.len(), 8);
    assert_eq!(handshakes.iter().filter(|kind| **kind == HandshakeKind::Full).count(), 1, "{handshakes:?}");
}

#[test]
fn what_cannot_be_verified_is_not_spoken_to() {
    let (authority, other) = (Authority::new("upstreams"), Authority::new("others"));
    let cases = [
        ("another authority", other.issue(&["127.0.0.1"]), "", "UnknownIssuer"),
        ("another name", authority.issue(&["api.internal"]), "", "not valid for name"),
        (
            "another name than the one written",
            authority.issue(&["127.0.0.1"]),
            ", server_name: api.internal",
            "not valid for name",
        ),
        ("expired", authority.issue_expired(&["127.0.0.1"]), "", "expired"),
    ];
    for (case, certificate, tls, reason) in cases {
        let upstream = Upstream::echo();
        let front = TlsFront::start(&certificate, None, upstream.address);
        let gateway = gateway(front.address, &authority, tls, vec![]);
        for _ in 0..5 {
            let response = ask(&gateway);
            assert_eq!((response.status, response.reason()), (502, "upstream_unreachable".into()), "{case}");
        }
        assert_eq!(failures(&gateway, "tls"), 5.0, "{case}");
        let told = told(&gateway);
        assert!(told.len() == 1 && told[0].starts_with("api: ") && told[0].contains(reason), "{case}: {told:?}");
        assert!(upstream.taken().is_empty(), "{case}");
    }
}

#[test]
fn another_name_can_be_asked_for() {
    let authority = Authority::new("upstreams");
    let front = TlsFront::start(&authority.issue(&["api.internal"]), None, Upstream::echo().address);
    let gateway = gateway(front.address, &authority, ", server_name: api.internal", vec![]);
    assert_eq!(ask(&gateway).status, 200);
}

#[test]
fn an_upstream_that_asks_for_a_certificate_is_shown_it() {
    let (authority, clients) = (Authority::new("upstreams"), Authority::new("gateways"));
    let front = TlsFront::start(&authority.issue(&["127.0.0.1"]), Some(&clients), Upstream::echo().address);
    let shown = gateway(
        front.address,
        &authority,
        ", certificate: tls/gateway.pem, key: tls/gateway.key",
        vec![("gateway", clients.issue(&["gateway"]))],
    );
    assert_eq!(ask(&shown).status, 200);
    let labels = ["upstream=\"api\"", "certificate=\"tls/gateway.pem\""];
    assert!(shown.metric("scopegate_certificate_expiry_timestamp_seconds", &labels) > 0.0);

    let none = gateway(front.address, &authority, "", vec![]);
    let response = ask(&none);
    assert_eq!((response.status, response.reason()), (502, "upstream_unreachable".into()));
    assert_eq!(failures(&none, "tls"), 1.0);
    assert!(told(&none).iter().any(|reason| reason.contains("CertificateRequired")), "{:?}", told(&none));
}

#[test]
fn the_handshake_lies_within_the_time_for_connecting() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = gateway(silent.local_addr().unwrap(), &Authority::new("upstreams"), "", vec![]);
    let response = ask(&gateway);
    assert_eq!((response.status, response.reason()), (504, "upstream_timeout".into()));
    assert_eq!(failures(&gateway, "connect_timeout"), 1.0);
}

#[test]
fn an_upstream_of_clear_text_is_not_spoken_to() {
    let upstream = Upstream::echo();
    let gateway = gateway(upstream.address, &Authority::new("upstreams"), "", vec![]);
    let response = ask(&gateway);
    assert_eq!((response.status, response.reason()), (502, "upstream_unreachable".into()));
    assert_eq!(failures(&gateway, "tls"), 1.0);
}
