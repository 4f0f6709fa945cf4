//! TLS with peers (RFC 8446, RFC 5246).

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::UnixTime;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{Acceptor, ServerConfig, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, SupportedProtocolVersion};
use tokio_rustls::{LazyConfigAcceptor, TlsStream, server};

use super::tls_certificate::digest_of;
use super::tls_names::CertificatesByName;
use super::tls_provider::provider;
use super::{AcceptFault, Certificate, Protocol, Protocols, Roots, Socket, Stream, TlsFault};

/// Sessions that are remembered for clients of TLS 1.2 that take no tickets.
const SESSIONS: usize = 1024;
const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// What a listener's TLS is made of.
#[derive(Clone, Debug)]
pub struct ServerTlsSettings {
    /// Shown to clients that ask for no name, or for one that no certificate has.
    pub first: Certificate,
    /// Shown to clients that ask for one of their names.
    pub others: Vec<Certificate>,
    /// The least version that is spoken.
    pub least: TlsVersion,
    /// Whether clients show certificates.
    pub clients: ClientCertificates,
    /// What is offered by ALPN (RFC 7301), HTTP/2 before HTTP/1.1.
    pub protocols: Protocols,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// Whether clients show certificates. One that is shown must be valid and lead up to one of the roots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// None is asked for.
    None,
    /// One is asked for, and may be lacking.
    Request(Roots),
    /// Nobody comes in without one.
    Require(Roots),
}

/// A listener's TLS; cheap to clone.
///
/// Sessions resume by tickets that the server keeps no memory for; their key is made anew every six hours and forgotten after
/// twelve. Nothing is taken before the handshake has ended (no 0-RTT: it could be replayed).
#[derive(Clone)]
pub struct ServerTls(Arc<Inner>);

struct Inner {
    config: Arc<ServerConfig>,
    settings: ServerTlsSettings,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    digest: [u8; 32],
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerTls").field(&self.0.settings).finish()
    }
}

/// Two are equal if they are made of the same.
impl PartialEq for ServerTls {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest == other.0.digest
    }
}

impl Eq for ServerTls {}

impl ServerTls {
    /// Sets TLS up, with a ticket key of its own.
    ///
    /// # Errors
    ///
    /// [`TlsFault`], when the system has no random numbers or a root is no certificate.
    pub fn new(settings: ServerTlsSettings) -> Result<Self, TlsFault> {
        let clients = verifier(&settings.clients)?;
        let versions: &[&SupportedProtocolVersion] = match settings.least {
            TlsVersion::Tls12 => &[&TLS13, &TLS12],
            TlsVersion::Tls13 => &[&TLS13],
        };
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_protocol_versions(versions).map_err(TlsFault::Refused)?;
        let builder = match &clients {
            Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
            None => builder.with_no_client_auth(),
        };
        let names = CertificatesByName::new(&settings.first, &settings.others);
        let mut config = builder.with_cert_resolver(Arc::new(names));
        config.alpn_protocols = offered(settings.protocols);
        config.ticketer = Ticketer::new().map_err(TlsFault::Refused)?;
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        let digest = settings.digest();
        Ok(Self(Arc::new(Inner { config: Arc::new(config), settings, clients, digest })))
    }

    /// The same with the sessions of `previous`, so that what clients kept from it still resumes: unless it asked clients for other
    /// certificates, for a session that resumes is not asked again.
    #[must_use]
    pub fn going_on_from(self, previous: &Self) -> Self {
        if self.0.settings.clients != previous.0.settings.clients {
            return self;
        }
        let mut config = ServerConfig::clone(&self.0.config);
        config.ticketer = Arc::clone(&previous.0.config.ticketer);
        config.session_storage = Arc::clone(&previous.0.config.session_storage);
        let Inner { settings, clients, digest, .. } = &*self.0;
        Self(Arc::new(Inner {
            config: Arc::new(config),
            settings: settings.clone(),
            clients: clients.clone(),
            digest: *digest,
        }))
    }

    /// Takes a peer's handshake within `time`; with the version of HTTP that ALPN chose, if the peer speaks ALPN.
    ///
    /// # Errors
    ///
    /// [`AcceptFault`]. A peer whose handshake failed has been sent an alert.
    pub async fn accept(&self, socket: Socket, time: Duration) -> Result<(Stream, Option<Protocol>), AcceptFault> {
        // Only for as long as it lasts does a handshake take the room that it needs.
        let handshake = Box::pin(self.handshake(socket));
        let stream = tokio::time::timeout(time, handshake).await.map_err(|_| AcceptFault::TimedOut)??;
        let (_, connection) = stream.get_ref();
        let chosen =
            connection.alpn_protocol().map(|name| if name == HTTP2 { Protocol::Http2 } else { Protocol::Http1 });
        Ok((Stream::Tls(Box::new(TlsStream::Server(stream))), chosen))
    }

    async fn handshake(&self, socket: Socket) -> Result<server::TlsStream<Socket>, AcceptFault> {
        let begun = LazyConfigAcceptor::new(Acceptor::default(), socket).await.map_err(|fault| {
            let has_left = matches!(fault.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset);
            if has_left { AcceptFault::Left } else { AcceptFault::Failed(fault) }
        })?;
        let stream = begun.into_stream(Arc::clone(&self.0.config)).await.map_err(AcceptFault::Failed)?;
        self.look_again(stream.get_ref().1).map_err(|fault| AcceptFault::Failed(io::Error::other(fault)))?;
        Ok(stream)
    }

    /// A session that resumes brings its client's certificate along unseen: it may have expired since.
    fn look_again(&self, connection: &rustls::ServerConnection) -> Result<(), rustls::Error> {
        let (Some(clients), Some(HandshakeKind::Resumed)) = (&self.0.clients, connection.handshake_kind()) else {
            return Ok(());
        };
        let Some((certificate, others)) = connection.peer_certificates().and_then(<[_]>::split_first) else {
            return Ok(());
        };
        clients.verify_client_cert(certificate, others, UnixTime::now()).map(|_| ())
    }

    /// Its certificates, the first first.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.0.settings.first).chain(&self.0.settings.others)
    }
}

impl ServerTlsSettings {
    fn digest(&self) -> [u8; 32] {
        let certificates = std::iter::once(&self.first).chain(&self.others).map(Certificate::digest);
        let (asked, roots): (&[u8], _) = match &self.clients {
            ClientCertificates::None => (b"none", None),
            ClientCertificates::Request(roots) => (b"request", Some(roots)),
            ClientCertificates::Require(roots) => (b"require", Some(roots)),
        };
        let least: &[u8] = match self.least {
            TlsVersion::Tls12 => b"1.2",
            TlsVersion::Tls13 => b"1.3",
        };
        let offered = offered(self.protocols);
        let offered = offered.iter().map(Vec::as_slice);
        digest_of([least, asked].into_iter().chain(roots.map(Roots::digest)).chain(offered).chain(certificates))
    }
}

fn verifier(clients: &ClientCertificates) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsFault> {
    let build = |roots: &Roots| WebPkiClientVerifier::builder_with_provider(Arc::clone(roots.store()), provider());
    let built = match clients {
        ClientCertificates::None => return Ok(None),
        ClientCertificates::Request(roots) => build(roots).allow_unauthenticated().build(),
        ClientCertificates::Require(roots) => build(roots).build(),
    };
    // Without lists of revoked certificates the builder has one fault left: no roots.
    built.map(Some).map_err(|_| TlsFault::NoRoots)
}

fn offered(protocols: Protocols) -> Vec<Vec<u8>> {
    let http2 = protocols.http2.then(|| HTTP2.to_vec());
    let http1 = protocols.http1.then(|| HTTP1.to_vec());
    http2.into_iter().chain(http1).collect()
}
