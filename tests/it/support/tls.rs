//! The other ends of TLS: `openssl s_client`, a client and a server of our own.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, StreamOwned};
use tokio::io::{copy, copy_bidirectional, sink};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{Authority, DEADLINE, Issued};

/// A request on whose answer the connection ends.
const REQUEST: &[u8] = b"GET /open/x HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n";

/// What `openssl s_client` printed.
pub struct Said(pub String);

impl Said {
    /// What follows `label` in its line.
    pub fn after(&self, label: &str) -> Option<&str> {
        self.0.lines().find_map(|line| Some(line.split_once(label)?.1.trim()))
    }

    /// Whether the answer to the request came.
    pub fn is_answered(&self) -> bool {
        self.0.contains("HTTP/1.1 200 OK")
    }
}

/// Runs `openssl s_client` against `address` with `options`, asks one request, and reads to the end.
pub fn s_client(address: SocketAddr, options: &[&str]) -> Said {
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &address.to_string(), "-ign_eof"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    // It may have been refused already, and have gone.
    let _ = child.stdin.take().expect("its input").write_all(REQUEST);
    let output = child.wait_with_output().expect("it ends");
    Said([output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat())
}

/// A TLS client that trusts one authority and keeps sessions.
#[derive(Clone, Debug)]
pub struct TlsClient(Arc<ClientConfig>);

/// What one connection came to.
pub struct Exchanged {
    pub text: String,
    pub certificate: CertificateDer<'static>,
    pub kind: HandshakeKind,
}

impl TlsClient {
    pub fn trusting(authority: &Authority) -> Self {
        Self(Arc::new(client(authority)))
    }

    /// Connects, asks one request, and reads to the end, which must be one that TLS says.
    pub fn ask(&self, address: SocketAddr, name: &str) -> io::Result<Exchanged> {
        let mut stream = self.connect(address, name)?;
        stream.write_all(REQUEST)?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let certificate = stream.conn.peer_certificates().expect("a certificate")[0].clone().into_owned();
        Ok(Exchanged { text, certificate, kind: stream.conn.handshake_kind().expect("a handshake") })
    }
}

impl TlsClient {
    /// A connection, whose handshake is made with the first bytes that go over it.
    pub fn connect(&self, address: SocketAddr, name: &str) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let connection = ClientConnection::new(Arc::clone(&self.0), name).map_err(io::Error::other)?;
        Ok(StreamOwned::new(connection, stream))
    }
}

impl TlsClient {
    /// Makes the handshake, in which HTTP/2 is agreed upon.
    pub async fn connect_http2(
        &self,
        stream: tokio::net::TcpStream,
        name: &str,
    ) -> io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
        let mut config = ClientConfig::clone(&self.0);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

/// A server that speaks TLS and hands what it reads to another in clear text.
#[derive(Clone)]
pub struct TlsFront {
    pub address: SocketAddr,
    handshakes: Arc<Mutex<Vec<HandshakeKind>>>,
}

impl TlsFront {
    /// Shows `certificate`, and asks for certificates of `clients` if there is such an authority.
    pub fn start(certificate: &Issued, clients: Option<&Authority>, to: SocketAddr) -> Self {
        Self::start_with(server(certificate, clients), to)
    }

    /// The same for HTTP/2, by ALPN.
    pub fn start_http2(certificate: &Issued, clients: Option<&Authority>, to: SocketAddr) -> Self {
        let mut config = server(certificate, clients);
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self::start_with(config, to)
    }

    fn start_with(config: ServerConfig, to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let front = Self { address: listener.local_addr().expect("an address"), handshakes: Arc::default() };
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let handshakes = Arc::clone(&front.handshakes);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
                while let Ok((stream, _)) = listener.accept().await {
                    let (acceptor, handshakes) = (acceptor.clone(), Arc::clone(&handshakes));
                    tokio::spawn(async move {
                        let mut stream = match acceptor.accept(stream).into_fallible().await {
                            Ok(stream) => stream,
                            // Closed with bytes unread, its alert could be lost to the reset.
                            Err((_, mut refused)) => return drop(copy(&mut refused, &mut sink()).await),
                        };
                        let kind = stream.get_ref().1.handshake_kind().expect("a handshake");
                        handshakes.lock().expect("unpoisoned").push(kind);
                        let mut upstream = tokio::net::TcpStream::connect(to).await.expect("the upstream");
                        let _ = copy_bidirectional(&mut stream, &mut upstream).await;
                    });
                }
            });
        });
        front
    }

    /// Handshakes that have succeeded so far.
    pub fn handshakes(&self) -> Vec<HandshakeKind> {
        self.handshakes.lock().expect("unpoisoned").clone()
    }
}

/// What a client goes by that trusts `authority`.
pub(super) fn client(authority: &Authority) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots(authority))
        .with_no_client_auth()
}

/// What a server goes by that shows `certificate`, and asks for certificates of `clients` if there is such an authority.
pub(super) fn server(certificate: &Issued, clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().expect("versions");
    let builder = match clients {
        Some(authority) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(authority)), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
        None => builder.with_no_client_auth(),
    };
    let chain = CertificateDer::pem_slice_iter(certificate.chain.as_bytes()).map(|read| read.expect("PEM"));
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).expect("PEM");
    builder.with_single_cert(chain.collect(), key).expect("a certificate")
}

fn roots(authority: &Authority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("PEM")).expect("a root");
    roots
}
