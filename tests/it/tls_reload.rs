//! Certificates are renewed while clients connect.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rustls::HandshakeKind;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::support::{Authority, Gateway, Issued, Setup, TlsClient, Upstream, eventually, s_client};

const ONE: &str = "{certificates: [{chain: tls/api.pem, key: tls/api.key}]}";
const SWAPS: usize = 200;
/// Clients that connect again and again.
const BUSY: usize = 4;

fn gateway(authority: &Authority) -> Gateway {
    let certificates = vec![("api", authority.issue(&["api.test"]))];
    Setup { tls: ONE.into(), certificates, ..Setup::default() }.start(&Upstream::echo())
}

fn der(issued: &Issued) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(issued.chain.as_bytes()).unwrap()
}

fn reloads(gateway: &Gateway, result: &str) -> f64 {
    gateway.metric("scopegate_reload_total", &[&format!("result=\"{result}\"")])
}

#[test]
fn two_hundred_swaps_fail_no_handshake_and_bad_ones_change_nothing() {
    let authority = Authority::new("swaps");
    let gateway = gateway(&authority);
    let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let clients: Vec<_> = (0..BUSY)
        .map(|_| {
            let (client, address) = (TlsClient::trusting(&authority), gateway.address);
            let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let exchanged = client.ask(address, "api.test").expect("a handshake and an answer");
                    assert!(exchanged.text.starts_with("HTTP/1.1 200 OK"), "{}", exchanged.text);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut last = authority.issue(&["api.test"]);
    for number in 1..=SWAPS {
        let next = authority.issue(&["api.test"]);
        let bad = number % 10 == 0;
        let written = if bad { Issued { chain: next.chain.clone(), key: last.key.clone() } } else { next.clone() };
        written.write(&gateway.folder.path().join("tls"), "api");
        let answer = gateway.ask("POST", "/reload");
        assert_eq!(answer.status == 200, !bad, "swap {number}: {}", answer.text());
        if !bad {
            last = next;
        }
        let shown = TlsClient::trusting(&authority).ask(gateway.address, "api.test").unwrap();
        assert_eq!(shown.certificate, der(&last), "swap {number}");
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("no handshake failed");
    }
    assert!(done.load(Ordering::Relaxed) > BUSY, "{done:?}");
    assert_eq!(gateway.metric("scopegate_connection_errors_total", &[]), 0.0);
    let log = gateway.log();
    let told = log.iter().filter_map(|line| line["msg"].as_str());
    assert!(told.clone().any(|line| line.contains("does not belong to the first certificate")), "{log:?}");
}

#[test]
fn sessions_outlive_a_renewal() {
    let authority = Authority::new("renewal");
    let gateway = gateway(&authority);
    let client = TlsClient::trusting(&authority);
    assert_eq!(client.ask(gateway.address, "api.test").unwrap().kind, HandshakeKind::Full);
    let file = gateway.folder.path().join("session");
    let file = file.to_str().unwrap();
    assert!(s_client(gateway.address, &["-tls1_2", "-servername", "api.test", "-sess_out", file]).is_answered());
    let renewed = authority.issue(&["api.test"]);
    renewed.write(&gateway.folder.path().join("tls"), "api");
    assert_eq!(gateway.ask("POST", "/reload").status, 200);
    assert_eq!(client.ask(gateway.address, "api.test").unwrap().kind, HandshakeKind::Resumed);
    let again = s_client(gateway.address, &["-tls1_2", "-servername", "api.test", "-sess_in", file]);
    assert!(again.0.contains("Reused, TLS"), "{}", again.0);
    let fresh = TlsClient::trusting(&authority).ask(gateway.address, "api.test").unwrap();
    assert_eq!((fresh.kind, fresh.certificate), (HandshakeKind::Full, der(&renewed)));
}

#[test]
fn a_mounted_secrets_swap_takes_effect_by_itself() {
    let authority = Authority::new("secrets");
    let gateway = gateway(&authority);
    let folder = gateway.folder.path().join("tls");
    let swap = |version: &str, issued: &Issued| {
        issued.write(&folder.join(version), "api");
        symlink(version, folder.join("..data.tmp")).unwrap();
        fs::rename(folder.join("..data.tmp"), folder.join("..data")).unwrap();
    };
    let shows = |issued: &Issued| {
        eventually("the new certificate", || {
            let shown = TlsClient::trusting(&authority).ask(gateway.address, "api.test").unwrap();
            (shown.certificate == der(issued)).then_some(())
        });
    };
    let first = authority.issue(&["api.test"]);
    swap("..v1", &first);
    for name in ["api.pem", "api.key"] {
        let link = folder.join(format!("{name}.tmp"));
        symlink(Path::new("..data").join(name), &link).unwrap();
        fs::rename(link, folder.join(name)).unwrap();
    }
    shows(&first);
    let second = authority.issue(&["api.test"]);
    swap("..v2", &second);
    shows(&second);
}

#[test]
fn a_bad_certificate_leaves_the_old_one_in_force_until_it_is_mended() {
    let authority = Authority::new("mends");
    let gateway = gateway(&authority);
    let folder = gateway.folder.path().join("tls");
    let before = TlsClient::trusting(&authority).ask(gateway.address, "api.test").unwrap().certificate;
    gateway.write("tls/api.pem", "nothing of use");
    eventually("the failure", || (reloads(&gateway, "failed") >= 1.0).then_some(()));
    let now = TlsClient::trusting(&authority).ask(gateway.address, "api.test").unwrap().certificate;
    assert_eq!(now, before);
    assert!(gateway.ask("GET", "/readyz").text().contains("is not PEM"));
    let mended = authority.issue(&["api.test"]);
    mended.write(&folder, "api");
    eventually("the mend", || {
        let shown = TlsClient::trusting(&authority).ask(gateway.address, "api.test").unwrap();
        (shown.certificate == der(&mended)).then_some(())
    });
}

#[test]
fn a_listener_turns_neither_clear_nor_secure_without_a_restart() {
    let authority = Authority::new("slips");
    let gateway = gateway(&authority);
    let file = fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    gateway.write("scopegate.yaml", &file.replace(&format!("    tls: {ONE}\n"), ""));
    let answer = gateway.ask("POST", "/reload");
    assert_eq!(answer.json()["restart_needed"], serde_json::json!(["listeners.tls"]), "{}", answer.text());
    assert!(TlsClient::trusting(&authority).ask(gateway.address, "api.test").is_ok());
}

#[test]
fn expiry_is_shown_for_certificates_in_use_and_no_others() {
    let authority = Authority::new("expiry");
    let until =
        |year| authority.issue_with(&["api.test"], |params| params.not_after = rcgen::date_time_ymd(year, 1, 1));
    let setup = Setup {
        tls: "{certificates: [{chain: tls/api.pem, key: tls/api.key}, {chain: tls/b.pem, key: tls/b.key}]}".into(),
        certificates: vec![("api", until(2040)), ("b", authority.issue(&["b.test"]))],
        ..Setup::default()
    };
    let gateway = setup.start(&Upstream::echo());
    let expiry = |file: &str| {
        let labels = [format!("certificate=\"tls/{file}.pem\""), "listener=\"127.0.0.1:0\"".to_owned()];
        gateway.metric("scopegate_certificate_expiry_timestamp_seconds", &labels.each_ref().map(String::as_str))
    };
    assert_eq!(expiry("api"), 2_208_988_800.0, "2040-01-01");
    assert!(expiry("b") > 0.0);
    until(2041).write(&gateway.folder.path().join("tls"), "api");
    let file = fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    gateway.write("scopegate.yaml", &file.replace(", {chain: tls/b.pem, key: tls/b.key}", ""));
    assert_eq!(gateway.ask("POST", "/reload").status, 200);
    assert_eq!(expiry("api"), 2_240_611_200.0, "2041-01-01");
    assert_eq!(expiry("b"), 0.0, "its series is gone");
}
