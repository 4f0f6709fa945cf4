use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::fetch_testing::{Behaviour, Server};
use super::{Answer, BODY_LIMIT, Content, Credentials, FetchFault, FetchSettings, Fetcher, Sent, fetch, fetch_any};

async fn get(url: &Uri) -> Result<Answer, FetchFault> {
    send(url, Sent::default()).await
}

async fn send(url: &Uri, sent: Sent) -> Result<Answer, FetchFault> {
    let timeout = Duration::from_secs(20);
    fetch(FetchSettings { url, accept: "application/json", timeout, ca: None, sent }).await
}

/// The variant's name, for faults hold causes that cannot be compared.
fn name(outcome: &Result<Answer, FetchFault>) -> String {
    match outcome {
        Ok(answer) => format!("{} bytes", answer.body.len()),
        Err(FetchFault::Status(status)) => format!("Status({})", status.as_u16()),
        Err(fault) => format!("{fault:?}").split('(').next().unwrap().to_owned(),
    }
}

#[tokio::test]
async fn an_answer_is_taken_only_whole_and_with_status_200() {
    let raw = |text: &str| Behaviour::Raw(text.as_bytes().to_vec());
    let sized = |length: usize| Behaviour::ok(&" ".repeat(length));
    for (behaviour, expected) in [
        (Behaviour::ok("{}"), "2 bytes"),
        (raw("HTTP/1.1 200 OK\r\n\r\nuntil the end"), "13 bytes"),
        (raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), "2 bytes"),
        (raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"), "Protocol"),
        (raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"), "Protocol"),
        (raw("garbage\r\n\r\n"), "Protocol"),
        (raw(""), "Protocol"),
        (Behaviour::status("204 No Content"), "Status(204)"),
        (Behaviour::status("302 Found\r\nLocation: /other"), "Status(302)"),
        (Behaviour::status("404 Not Found"), "Status(404)"),
        (Behaviour::status("500 Broken"), "Status(500)"),
        (sized(BODY_LIMIT), "1048576 bytes"),
        (sized(BODY_LIMIT + 1), "TooLarge"),
        (Behaviour::chunks(BODY_LIMIT), "1048576 bytes"),
        (Behaviour::chunks(BODY_LIMIT + 1024), "TooLarge"),
        (Behaviour::chunks(10 << 20), "TooLarge"),
    ] {
        let server = Server::start(behaviour).await;
        assert_eq!(name(&get(&server.url()).await), expected);
        assert_eq!(server.requests(), 1, "no redirect is followed and nothing is tried twice");
    }
}

#[tokio::test]
async fn rfc9110_6_6_1_an_answer_says_what_time_it_was_at_the_origin() {
    for (fields, expected) in [
        ("Date: Tue, 24 Nov 2026 01:00:00 GMT", Some(1_795_482_000)),
        ("Date: Tue, 24 Nov 2026 01:00:00 GMT\r\nAge: 60", Some(1_795_482_060)),
        ("Date: yesterday", None),
        ("Date: Wed, 31 Dec 1969 23:59:59 GMT", None),
        ("X: y", None),
    ] {
        let server = Server::start(Behaviour::ok_with(fields, "{}")).await;
        let sent_at = get(&server.url()).await.unwrap().sent_at;
        assert_eq!(sent_at, expected.map(Duration::from_secs), "{fields}");
    }
}

#[tokio::test]
async fn any_status_is_an_answer_to_whoever_asks_for_any() {
    let server = Server::start(Behaviour::status("503 Not Now")).await;
    let (url, timeout) = (server.url(), Duration::from_secs(20));
    let settings = FetchSettings { url: &url, accept: "text/plain", timeout, ca: None, sent: Sent::default() };
    assert_eq!(fetch_any(settings).await.unwrap().0.as_u16(), 503);
}

#[tokio::test]
async fn the_request_is_a_plain_get_of_the_target() {
    let server = Server::start(Behaviour::ok("{}")).await;
    get(&server.url()).await.unwrap();
    let head = server.latest().to_ascii_lowercase();
    assert!(head.starts_with("get /keys?a=1 http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nhost: {}\r\n", server.address)), "{head}");
    assert!(head.contains("\r\naccept: application/json\r\n"), "{head}");
}

#[tokio::test]
async fn rfc_9110_section_13_1_2_unchanged_content_is_not_sent_again() {
    let server = Server::start(Behaviour::ok_with("ETag: \"1\"", "{}")).await;
    let first = get(&server.url()).await.unwrap();
    assert_eq!((first.unchanged, first.etag.as_ref().map(|tag| tag.as_bytes())), (false, Some(b"\"1\"".as_slice())));
    server.behave(Behaviour::Raw(b"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n".to_vec()));
    let sent = Sent::conditional(Credentials::new("Bearer s3cret"), first.etag.clone());
    let second = send(&server.url(), sent).await.unwrap();
    assert!(second.unchanged && second.body.is_empty() && second.etag == first.etag);
    let head = server.latest().to_ascii_lowercase();
    assert!(
        head.contains("\r\nif-none-match: \"1\"\r\n") && head.contains("\r\nauthorization: bearer s3cret\r\n"),
        "{head}"
    );
    assert_eq!(name(&get(&server.url()).await), "Status(304)", "nobody asked whether it changed");
}

#[tokio::test]
async fn with_content_the_request_is_a_post() {
    let server = Server::start(Behaviour::ok("{}")).await;
    let content = Content { media_type: "application/x-www-form-urlencoded", bytes: "token=a%2Bb".into() };
    let sent = Sent { content: Some(content), ..Sent::default() };
    send(&server.url(), sent).await.unwrap();
    let head = server.latest().to_ascii_lowercase();
    assert!(head.starts_with("post /keys?a=1 http/1.1\r\n"), "{head}");
    for field in ["content-type: application/x-www-form-urlencoded", "content-length: 11"] {
        assert!(head.contains(&format!("\r\n{field}\r\n")), "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_bounds_the_whole_fetch() {
    for sent in ["", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"] {
        let server = Server::start(Behaviour::Hang(sent.into())).await;
        let start = tokio::time::Instant::now();
        assert_eq!(name(&get(&server.url()).await), "TimedOut");
        assert_eq!(start.elapsed().as_secs(), 20);
    }
}

#[tokio::test]
async fn what_cannot_be_reached_is_refused() {
    let server = Server::start(Behaviour::ok("{}")).await;
    let url = server.url();
    drop(server);
    tokio::task::yield_now().await;
    assert_eq!(name(&get(&url).await), "Refused");
    for (url, expected) in [("/keys", "Url"), ("ftp://127.0.0.1/", "Url"), ("http://name.invalid/", "Unresolved")] {
        assert_eq!(name(&get(&url.parse().unwrap()).await), expected, "{url}");
    }
}

#[tokio::test]
async fn rfc_9111_section_4_2_freshness() {
    for (field, expected) in [
        ("X: 1", None),
        ("Cache-Control: max-age=60", Some(60)),
        ("Cache-Control: public, MAX-AGE=\"60\", must-revalidate", Some(60)),
        ("Cache-Control: max-age=60, max-age=30", Some(30)),
        ("Cache-Control: max-age=60\r\nCache-Control: max-age=50", Some(50)),
        ("Cache-Control: max-age=60\r\nAge: 45", Some(15)),
        ("Cache-Control: max-age=60\r\nAge: 90", Some(0)),
        ("Cache-Control: max-age=99999999999999999999", Some(u64::from(u32::MAX))),
        ("Cache-Control: max-age=-1", None),
        ("Cache-Control: max-age=x", None),
        ("Cache-Control: s-maxage=9", None),
        ("Cache-Control: no-cache", None),
    ] {
        let server = Server::start(Behaviour::ok_with(field, "{}")).await;
        assert_eq!(get(&server.url()).await.unwrap().max_age, expected.map(Duration::from_secs), "{field}");
    }
}

/// An authority, and a server's side of TLS with a certificate of it for `name`.
fn tls(name: &str) -> (String, TlsAcceptor) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(certificate.der().to_vec())],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (pem, TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn tls_trusts_only_the_given_authority_and_name() {
    let (authority, acceptor) = tls("localhost");
    let (other_authority, _) = tls("localhost");
    let server = Server::start_at("127.0.0.1:0", Behaviour::ok("{}"), Some(acceptor)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (right, wrong) = (file("right.pem", &authority), file("wrong.pem", &other_authority));
    let (empty, missing) = (file("empty.pem", ""), folder.path().join("missing.pem"));
    for (host, ca, expected) in [
        ("localhost", Some(&right), "2 bytes"),
        ("127.0.0.1", Some(&right), "Tls"),
        ("localhost", Some(&wrong), "Tls"),
        ("localhost", Some(&empty), "Roots"),
        ("localhost", Some(&missing), "Roots"),
    ] {
        let url: Uri = format!("https://{host}:{}/", server.address.port()).parse().unwrap();
        let settings = FetchSettings {
            url: &url,
            accept: "*/*",
            timeout: Duration::from_secs(20),
            ca: ca.map(|path| path.as_path()),
            sent: Sent::default(),
        };
        assert_eq!(name(&Fetcher::default().fetch(settings.clone()).await), expected, "{host} {ca:?}");
        assert_eq!(name(&fetch(settings).await), expected, "{host} {ca:?}");
    }
}

#[test]
fn faults_count_as_one_of_three() {
    for (fault, expected) in [
        (FetchFault::TimedOut, "timed out"),
        (FetchFault::TooLarge, "too large"),
        (FetchFault::Url, "failed"),
        (FetchFault::Status(http::StatusCode::NOT_FOUND), "failed"),
        (FetchFault::Refused(std::io::ErrorKind::ConnectionRefused.into()), "failed"),
    ] {
        assert_eq!(fault.counted_as("timed out", "too large", "failed"), expected, "{fault}");
    }
}
