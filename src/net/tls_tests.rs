//! Both ends of TLS over loopback.

use std::time::Duration;

use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{
    Acceptor, Certificate, CertificateDoubt, CertificateFault, ClientCertificates, ClientTls, ClientTlsSettings,
    ConnectFault, Endpoint, HandshakeFault, Listening, Protocol, Protocols, Roots, ServerTls, ServerTlsSettings,
    TlsVersion, read_certificates,
};

const TIME: Duration = Duration::from_secs(20);

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn roots(&self) -> Roots {
        Roots::of(read_certificates(self.0.pem().as_bytes()).unwrap()).unwrap()
    }

    fn issue(&self, names: &[&str]) -> Certificate {
        let (chain, key) = self.pem(names);
        Certificate::read("test", chain.as_bytes(), key.as_bytes()).unwrap()
    }

    fn pem(&self, names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

fn server(first: Certificate, protocols: Protocols) -> ServerTls {
    let settings = ServerTlsSettings {
        first,
        others: Vec::new(),
        least: TlsVersion::Tls12,
        clients: ClientCertificates::None,
        protocols,
    };
    ServerTls::new(settings).unwrap()
}

fn client(authority: &Authority, protocol: Protocol) -> ClientTls {
    ClientTls::new(ClientTlsSettings { roots: authority.roots(), server_name: None, certificate: None, protocol })
        .unwrap()
}

/// What ALPN chose at the server, and how connecting ended.
async fn handshake(server: &ServerTls, client: &ClientTls) -> (Option<Option<Protocol>>, Option<HandshakeFault>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = Acceptor::new(Listening::Tcp(listener)).unwrap();
    let endpoint = Endpoint::Tcp { host: "127.0.0.1".into(), port };
    let accepting = async {
        let (socket, _) = acceptor.accept().await.unwrap();
        server.accept(socket, TIME).await.ok().map(|(_, chosen)| chosen)
    };
    let (chosen, connected) = tokio::join!(accepting, endpoint.connect(TIME, Some(client)));
    let fault = match connected {
        Ok(_) => None,
        Err(ConnectFault::Tls(fault)) => Some(fault),
        Err(fault) => panic!("{fault}"),
    };
    (chosen, fault)
}

#[tokio::test]
async fn rfc_7301_the_protocol_is_agreed_upon() {
    let authority = Authority::new();
    let certificate = authority.issue(&["127.0.0.1"]);
    let only = |http1, http2| Protocols { http1, http2 };
    let cases = [
        (Protocols::ALL, Protocol::Http1, Some(Protocol::Http1)),
        (Protocols::ALL, Protocol::Http2, Some(Protocol::Http2)),
        (only(true, false), Protocol::Http1, Some(Protocol::Http1)),
        (only(false, true), Protocol::Http2, Some(Protocol::Http2)),
        (only(true, false), Protocol::Http2, None),
        (only(false, true), Protocol::Http1, None),
    ];
    for (offered, asked, expected) in cases {
        let (chosen, fault) = handshake(&server(certificate.clone(), offered), &client(&authority, asked)).await;
        assert_eq!(chosen.flatten(), expected, "{offered:?} {asked:?}");
        match expected {
            Some(_) => assert!(fault.is_none(), "{fault:?}"),
            None => assert!(matches!(fault, Some(HandshakeFault::OtherProtocol(_))), "{fault:?}"),
        }
    }
}

#[tokio::test]
async fn http2_is_not_spoken_to_one_that_knows_no_alpn() {
    let authority = Authority::new();
    let server = server(authority.issue(&["127.0.0.1"]), Protocols { http1: false, http2: false });
    let (_, fault) = handshake(&server, &client(&authority, Protocol::Http2)).await;
    assert!(matches!(fault, Some(HandshakeFault::OtherProtocol("h2"))), "{fault:?}");
    let (chosen, fault) = handshake(&server, &client(&authority, Protocol::Http1)).await;
    assert_eq!((chosen, fault.is_none()), (Some(None), true));
}

#[tokio::test]
async fn bytes_and_the_end_pass_both_ways() {
    let authority = Authority::new();
    let (server, client) =
        (server(authority.issue(&["127.0.0.1"]), Protocols::ALL), client(&authority, Protocol::Http1));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let echoing = async {
        let (socket, _) = listener.accept().await.unwrap();
        let (mut stream, _) = server.accept(super::Socket::Tcp(socket), TIME).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    };
    let asking = async {
        let endpoint = Endpoint::Tcp { host: "127.0.0.1".into(), port };
        let mut stream = endpoint.connect(TIME, Some(&client)).await.unwrap();
        stream.write_all(b"half-close").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    };
    let ((), text) = tokio::join!(echoing, asking);
    assert_eq!(text, "half-close");
}

#[test]
fn equality_is_of_content_and_not_of_where_it_came_from() {
    let authority = Authority::new();
    let certificate = authority.issue(&["127.0.0.1"]);
    assert_eq!(server(certificate.clone(), Protocols::ALL), server(certificate.clone(), Protocols::ALL));
    assert_ne!(server(certificate.clone(), Protocols::ALL), server(authority.issue(&["127.0.0.1"]), Protocols::ALL));
    let make = |roots: Roots, name: Option<&str>, certificate: Option<Certificate>, protocol| {
        let server_name = name.map(|name| ServerName::try_from(name.to_owned()).unwrap());
        ClientTls::new(ClientTlsSettings { roots, server_name, certificate, protocol }).unwrap()
    };
    let one = make(authority.roots(), None, None, Protocol::Http1);
    assert_eq!(one, make(authority.roots(), None, None, Protocol::Http1));
    assert_ne!(one, make(Authority::new().roots(), None, None, Protocol::Http1));
    assert_ne!(one, make(authority.roots(), Some("api.test"), None, Protocol::Http1));
    assert_ne!(one, make(authority.roots(), None, Some(certificate), Protocol::Http1));
    assert_ne!(one, make(authority.roots(), None, None, Protocol::Http2));
}

#[test]
fn certificates_and_keys_that_cannot_be_used_are_told_apart() {
    let authority = Authority::new();
    let (chain, key) = authority.pem(&["api.test"]);
    let (other, other_key) = authority.pem(&["other.test"]);
    let broken = chain.replacen("MII", "M*I", 1);
    let no_certificate = chain.replace("CERTIFICATE", "WIDGET");
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let unusable = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let cases = [
        ("not PEM", "0\u{1}", &*key, CertificateFault::NotPem),
        ("broken", &*broken, &*key, CertificateFault::Broken),
        ("none", &*no_certificate, &*key, CertificateFault::NoCertificate),
        ("garbage", garbage, &*key, CertificateFault::UnreadableCertificate(1)),
        ("key not PEM", &*chain, "", CertificateFault::NotPem),
        ("no key", &*chain, &*chain, CertificateFault::NoKey),
        ("encrypted", &*chain, &*encrypted, CertificateFault::EncryptedKey),
        ("two keys", &*chain, &format!("{key}{other_key}"), CertificateFault::SeveralKeys(2)),
        ("no key at all", &*chain, unusable, CertificateFault::UnusableKey),
        ("another's", &*chain, &*other_key, CertificateFault::OtherKey(None)),
        ("the second's", &*format!("{other}{chain}"), &*key, CertificateFault::OtherKey(Some(2))),
    ];
    for (name, chain, key, expected) in cases {
        assert_eq!(Certificate::read("test", chain.as_bytes(), key.as_bytes()).unwrap_err(), expected, "{name}");
    }
}

#[test]
fn doubts_are_of_the_time_and_the_order() {
    let authority = Authority::new();
    let (chain, key) = authority.pem(&["api.test"]);
    let (other, _) = authority.pem(&["other.test"]);
    let read = |chain: &str| Certificate::read("test", chain.as_bytes(), key.as_bytes()).unwrap();
    let now = 1_800_000_000;
    assert_eq!(read(&chain).doubts(now), []);
    assert_eq!(read(&format!("{chain}{}", authority.0.pem())).doubts(now), []);
    assert_eq!(read(&format!("{chain}{other}")).doubts(now), [CertificateDoubt::Disordered(1)]);
    // rcgen's certificates are valid from 1975 to 4096.
    assert_eq!(read(&chain).doubts(0), [CertificateDoubt::NotYetValid("1975-01-01".into())]);
    assert_eq!(read(&chain).doubts(i64::MAX), [CertificateDoubt::Expired("4096-01-01".into())]);
    assert_eq!(authority.issue(&[]).doubts(now), [CertificateDoubt::Nameless]);
    assert_eq!(authority.issue(&["127.0.0.1"]).doubts(now), []);
}

#[test]
fn debug_shows_no_key() {
    let authority = Authority::new();
    let (chain, key) = authority.pem(&["api.test"]);
    let certificate = Certificate::read("test", chain.as_bytes(), key.as_bytes()).unwrap();
    let shown = format!("{certificate:?} {:?}", server(certificate.clone(), Protocols::ALL));
    assert!(shown.contains("api.test") && !shown.contains("key:") && shown.len() < 2000, "{shown}");
}
