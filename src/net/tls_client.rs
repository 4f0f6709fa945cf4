//! TLS with upstreams.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{AlertDescription, ClientConfig};
use tokio_rustls::{TlsConnector, TlsStream};

use super::tls_certificate::digest_of;
use super::tls_provider::provider;
use super::{Certificate, Endpoint, HandshakeFault, Protocol, Roots, Socket, Stream, TlsFault};

/// What TLS with an upstream is made of.
#[derive(Clone, Debug)]
pub struct ClientTlsSettings {
    /// What its certificate must lead up to.
    pub roots: Roots,
    /// The name or address that its certificate must have; otherwise the endpoint's host.
    pub server_name: Option<ServerName<'static>>,
    /// What it is shown if it asks for a certificate.
    pub certificate: Option<Certificate>,
    /// What is offered by ALPN (RFC 7301). HTTP/2 must be taken; a server that knows no ALPN speaks HTTP/1.1.
    pub protocol: Protocol,
}

/// TLS with one upstream; cheap to clone. Sessions resume, on every connection that is opened through it.
#[derive(Clone)]
pub struct ClientTls(Arc<Inner>);

struct Inner {
    config: Arc<ClientConfig>,
    settings: ClientTlsSettings,
    digest: [u8; 32],
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientTls").field(&self.0.settings).finish()
    }
}

/// Two are equal if they are made of the same.
impl PartialEq for ClientTls {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest == other.0.digest
    }
}

impl Eq for ClientTls {}

impl ClientTls {
    /// Sets TLS up, without sessions to resume.
    ///
    /// # Errors
    ///
    /// [`TlsFault`].
    pub fn new(settings: ClientTlsSettings) -> Result<Self, TlsFault> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsFault::Refused)?
            .with_root_certificates(Arc::clone(settings.roots.store()));
        let mut config = match &settings.certificate {
            Some(certificate) => {
                let shown = SingleCertAndKey::from(certificate.key().as_ref().clone());
                builder.with_client_cert_resolver(Arc::new(shown))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![alpn(settings.protocol).into()];
        let digest = settings.digest();
        Ok(Self(Arc::new(Inner { config: Arc::new(config), settings, digest })))
    }

    /// Makes the handshake with an upstream that was reached at `endpoint`. It has no time limit of its own.
    ///
    /// # Errors
    ///
    /// [`HandshakeFault`].
    pub async fn connect(&self, socket: Socket, endpoint: &Endpoint) -> Result<Stream, HandshakeFault> {
        let name = match &self.0.settings.server_name {
            Some(name) => name.clone(),
            None => endpoint.server_name().map_err(HandshakeFault::Failed)?,
        };
        let connector = TlsConnector::from(Arc::clone(&self.0.config));
        let stream = Box::pin(connector.connect(name, socket)).await.map_err(|fault| self.fault(fault))?;
        let (_, connection) = stream.get_ref();
        match self.0.settings.protocol {
            Protocol::Http2 if connection.alpn_protocol() != Some(alpn(Protocol::Http2).as_bytes()) => {
                Err(HandshakeFault::OtherProtocol(alpn(Protocol::Http2)))
            }
            Protocol::Http1 | Protocol::Http2 => Ok(Stream::Tls(Box::new(TlsStream::Client(stream)))),
        }
    }

    /// The certificate that the upstream is shown.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.0.settings.certificate.as_ref()
    }

    fn fault(&self, fault: io::Error) -> HandshakeFault {
        let refused = rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol);
        let told = fault.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if told == Some(&refused) {
            HandshakeFault::OtherProtocol(alpn(self.0.settings.protocol))
        } else {
            HandshakeFault::Failed(fault)
        }
    }
}

impl ClientTlsSettings {
    fn digest(&self) -> [u8; 32] {
        let name = self.server_name.as_ref().map(ServerName::to_str);
        let name = name.as_deref().unwrap_or_default();
        let fixed = [alpn(self.protocol).as_bytes(), name.as_bytes(), self.roots.digest()];
        digest_of(fixed.into_iter().chain(self.certificate.as_ref().map(Certificate::digest)))
    }
}

/// RFC 7301 §6, RFC 9113 §3.1.
const fn alpn(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http1 => "http/1.1",
        Protocol::Http2 => "h2",
    }
}
