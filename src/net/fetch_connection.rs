//! The connection of a fetch: name, address, TLS, and one exchange after the other.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::IF_NONE_MATCH;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::fetch::{Answer, FetchFault, read};

/// An open connection; dropped, it is closed.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// The connection is driven beside its exchanges.
    _driver: AbortOnDropHandle<hyper::Result<()>>,
}

impl Connection {
    /// Opens a connection to the URL's authority; `time` is for one address after the other.
    ///
    /// # Errors
    ///
    /// [`FetchFault`] where no address takes it, or the handshake fails.
    pub(super) async fn open(url: &Uri, time: Duration, trust: Option<Arc<ClientConfig>>) -> Result<Self, FetchFault> {
        let host = url.host().ok_or(FetchFault::Url)?;
        // RFC 3986 §3.2.2: the brackets of an IPv6 address belong to the URL, not to the address.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match (url.scheme_str(), trust) {
            (Some("http"), _) => Self::begin(connect(host, url.port_u16().unwrap_or(80), time).await?).await,
            (Some("https"), Some(trust)) => {
                let name = ServerName::try_from(host.to_owned()).map_err(|_| FetchFault::Url)?;
                let stream = connect(host, url.port_u16().unwrap_or(443), time).await?;
                Self::begin(TlsConnector::from(trust).connect(name, stream).await.map_err(FetchFault::Tls)?).await
            }
            _ => Err(FetchFault::Url),
        }
    }

    async fn begin<S>(stream: S) -> Result<Self, FetchFault>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(FetchFault::Protocol)?;
        Ok(Self { sender, _driver: AbortOnDropHandle::new(tokio::spawn(connection)) })
    }

    /// Waits until another request can be sent; `false` if the connection has ended.
    pub(super) async fn ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request and reads its answer whole.
    ///
    /// # Errors
    ///
    /// [`FetchFault`].
    pub(super) async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, FetchFault> {
        let conditional = request.headers().contains_key(IF_NONE_MATCH);
        read(self.send(request).await?, conditional).await
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    ///
    /// [`FetchFault::Protocol`].
    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, FetchFault> {
        self.sender.send_request(request).await.map_err(FetchFault::Protocol)
    }
}

/// Tries the host's addresses one after the other; one that swallows packets cannot use up the time of the others.
async fn connect(host: &str, port: u16, time: Duration) -> Result<TcpStream, FetchFault> {
    let addresses: Vec<_> = lookup_host((host, port)).await.map_err(FetchFault::Unresolved)?.collect();
    let share = time / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut last = FetchFault::Unresolved(std::io::ErrorKind::NotFound.into());
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(cause)) => last = FetchFault::Refused(cause),
            Err(_) => last = FetchFault::TimedOut,
        }
    }
    Err(last)
}

/// Builds the client's side from the certificates as they are on disk now.
///
/// # Errors
///
/// [`FetchFault::Roots`].
pub(super) fn tls(ca: Option<&Path>) -> Result<ClientConfig, FetchFault> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let text = std::fs::read(path).map_err(|cause| FetchFault::Roots(cause.to_string()))?;
            for certificate in CertificateDer::pem_slice_iter(&text) {
                let certificate = certificate.map_err(|cause| FetchFault::Roots(cause.to_string()))?;
                roots.add(certificate).map_err(|cause| FetchFault::Roots(cause.to_string()))?;
            }
        }
        // A system's store may hold certificates that cannot be read; they are left out.
        None => _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    }
    if roots.is_empty() {
        return Err(FetchFault::Roots("none found".into()));
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|cause| FetchFault::Roots(cause.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
