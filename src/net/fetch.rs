//! One request over HTTP/1.1, with or without TLS: bounded in time and bytes, never redirected.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AGE, CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
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

use super::fetch_request::{Sent, request};

/// The bytes of a body beyond which an answer is refused.
pub const BODY_LIMIT: usize = 1 << 20;

/// What to fetch, and how long it may take.
#[derive(Clone, Debug)]
pub struct FetchSettings<'a> {
    /// An absolute URL, `http` or `https`.
    pub url: &'a Uri,
    /// The value of `Accept`.
    pub accept: &'static str,
    /// From the look-up of the name to the last byte of the body.
    pub timeout: Duration,
    /// A PEM file of certificates that alone are trusted; without it the system's are.
    pub ca: Option<&'a Path>,
    /// What the request sends besides its target.
    pub sent: Sent,
}

/// An answer with status 200, or with 304 to a request that had `If-None-Match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether the status is 304: what the asker has is still so, and the body is empty.
    pub unchanged: bool,
    /// The answer's entity tag, as it is sent back in `If-None-Match`.
    pub etag: Option<HeaderValue>,
    /// How much longer the answer is fresh, if it says so (RFC 9111 §4.2): `max-age` less `Age`.
    pub max_age: Option<Duration>,
    /// At most [`BODY_LIMIT`] bytes.
    pub body: Bytes,
}

/// Why there is no answer. Texts name no address and no URL.
#[derive(Debug, thiserror::Error)]
pub enum FetchFault {
    /// The time was up.
    #[error("no whole answer in time")]
    TimedOut,
    /// The body has more than [`BODY_LIMIT`] bytes.
    #[error("the answer is larger than {BODY_LIMIT} bytes")]
    TooLarge,
    /// The URL has no host, or a scheme other than `http` and `https`.
    #[error("the URL is not an absolute `http` or `https` URL")]
    Url,
    /// The host's name has no address.
    #[error("the host's name has no address")]
    Unresolved(#[source] std::io::Error),
    /// No address took the connection.
    #[error("the connection was refused")]
    Refused(#[source] std::io::Error),
    /// The file of trusted certificates cannot be used, or the system has none.
    #[error("no trusted certificates: {0}")]
    Roots(String),
    /// The TLS handshake failed.
    #[error("the TLS handshake failed")]
    Tls(#[source] std::io::Error),
    /// A status other than 200, redirects included, or 304 that was not asked for.
    #[error("status {}", .0.as_u16())]
    Status(StatusCode),
    /// The answer is not HTTP/1.1, or broke off.
    #[error("the answer is no whole HTTP message")]
    Protocol(#[source] hyper::Error),
}

/// Fetches one resource on a connection of its own, which is closed afterwards. Redirects are not followed.
///
/// # Errors
///
/// [`FetchFault`], for anything but a whole answer in time with status 200, or 304 where it was asked for.
pub async fn fetch(settings: FetchSettings<'_>) -> Result<Answer, FetchFault> {
    timeout(settings.timeout, fetch_unbounded(settings)).await.unwrap_or(Err(FetchFault::TimedOut))
}

async fn fetch_unbounded(settings: FetchSettings<'_>) -> Result<Answer, FetchFault> {
    let FetchSettings { url, accept, timeout, ca, sent } = settings;
    let host = url.host().ok_or(FetchFault::Url)?;
    // RFC 3986 §3.2.2: the brackets of an IPv6 address belong to the URL, not to the address.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let request = request(url, accept, &sent, false)?;
    match url.scheme_str() {
        Some("http") => exchange(connect(host, url.port_u16().unwrap_or(80), timeout).await?, request).await,
        Some("https") => {
            let ca = ca.map(Path::to_owned);
            // Reading certificates blocks on files.
            let config = tokio::task::spawn_blocking(move || tls(ca.as_deref())).await;
            let config = config.map_err(|cause| FetchFault::Roots(cause.to_string()))??;
            let connector = TlsConnector::from(Arc::new(config));
            let name = ServerName::try_from(host.to_owned()).map_err(|_| FetchFault::Url)?;
            let stream = connect(host, url.port_u16().unwrap_or(443), timeout).await?;
            exchange(connector.connect(name, stream).await.map_err(FetchFault::Tls)?, request).await
        }
        _ => Err(FetchFault::Url),
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

/// Builds the client's side anew for each fetch, so that renewed certificates are seen.
fn tls(ca: Option<&Path>) -> Result<ClientConfig, FetchFault> {
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

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Answer, FetchFault>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(FetchFault::Protocol)?;
    // The connection is driven beside the request, and ends with this fetch however it ends.
    let _driver = AbortOnDropHandle::new(tokio::spawn(connection));
    let conditional = request.headers().contains_key(IF_NONE_MATCH);
    let response = sender.send_request(request).await.map_err(FetchFault::Protocol)?;
    read(response, conditional).await
}

async fn read(response: Response<Incoming>, conditional: bool) -> Result<Answer, FetchFault> {
    let unchanged = conditional && response.status() == StatusCode::NOT_MODIFIED;
    if response.status() != StatusCode::OK && !unchanged {
        return Err(FetchFault::Status(response.status()));
    }
    if response.body().size_hint().lower() > BODY_LIMIT as u64 {
        return Err(FetchFault::TooLarge);
    }
    let (max_age, etag) = (max_age(response.headers()), response.headers().get(ETAG).cloned());
    let body = Limited::new(response.into_body(), BODY_LIMIT).collect().await.map_err(|cause| {
        if cause.is::<LengthLimitError>() {
            return FetchFault::TooLarge;
        }
        cause.downcast().map_or(FetchFault::TooLarge, |cause| FetchFault::Protocol(*cause))
    })?;
    Ok(Answer { unchanged, etag, max_age, body: body.to_bytes() })
}

/// RFC 9111 §4.2.1 and §5.2.2.1: of several `max-age` the least counts, and time spent in caches on the way is over.
fn max_age(fields: &HeaderMap) -> Option<Duration> {
    let values = fields.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let seconds = values.flat_map(|value| value.split(',')).filter_map(directive_seconds).min()?;
    let age = fields.get(AGE).and_then(|age| age.to_str().ok()).and_then(delta_seconds).unwrap_or(0);
    Some(Duration::from_secs(u64::from(seconds.saturating_sub(age))))
}

fn directive_seconds(directive: &str) -> Option<u32> {
    let (name, value) = directive.split_once('=')?;
    // RFC 9111 §5.2: a recipient ought to take the quoted form too.
    name.trim().eq_ignore_ascii_case("max-age").then(|| delta_seconds(value.trim().trim_matches('"'))).flatten()
}

/// RFC 9111 §1.2.2: a number too large to hold is the largest.
fn delta_seconds(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}
