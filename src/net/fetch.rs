//! One request over HTTP/1.1, with or without TLS: bounded in time and bytes, never redirected.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{AGE, CACHE_CONTROL, DATE, ETAG};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use rustls::ClientConfig;
use tokio::time::timeout;

use super::fetch_connection::{self, Connection};
use super::fetch_request::{Sent, request};
use super::tls_fault::hint_of;

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
    /// What time it was at the origin when this was sent, since the Unix epoch and in whole seconds, if the answer says so (RFC 9110 §6.6.1):
    /// `Date` and `Age` together.
    pub sent_at: Option<Duration>,
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

impl FetchFault {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::TimedOut => "is a firewall or a network policy in between? does the server answer others?",
            Self::TooLarge => "is this the right URL?",
            Self::Url => "write an absolute URL",
            Self::Unresolved(_) => "is the name spelt right, and does this machine's resolver know it?",
            Self::Refused(_) => "is the server running, and are host and port right?",
            Self::Roots(_) => "name a PEM file as `ca`, or install the system's certificates",
            Self::Tls(cause) => return hint_of(cause),
            Self::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                "it does not take the credentials that it was shown"
            }
            Self::Status(status) if status.is_redirection() => {
                "redirects are not followed: write the URL that it leads to"
            }
            Self::Status(StatusCode::NOT_FOUND) => "is this the right URL?",
            Self::Status(_) => "what does the server's log say?",
            Self::Protocol(_) => "does it speak HTTP/1.1 there?",
        })
    }

    /// All of it in one line, with what caused it.
    pub fn in_one_line(&self) -> String {
        let cause = std::error::Error::source(self).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{self}{cause}")
    }

    /// What the fault counts as: out of time, too large, or simply failed. Counts tell no more apart.
    pub fn counted_as<T>(&self, timed_out: T, too_large: T, failed: T) -> T {
        match self {
            Self::TimedOut => timed_out,
            Self::TooLarge => too_large,
            Self::Url
            | Self::Unresolved(_)
            | Self::Refused(_)
            | Self::Roots(_)
            | Self::Tls(_)
            | Self::Status(_)
            | Self::Protocol(_) => failed,
        }
    }
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
    let (mut connection, request) = open(&settings).await?;
    connection.exchange(request).await
}

/// Fetches as [`fetch()`] does, whatever the status is.
///
/// # Errors
///
/// [`FetchFault`], for anything but a whole answer in time.
pub async fn fetch_any(settings: FetchSettings<'_>) -> Result<(StatusCode, Answer), FetchFault> {
    let fetching = async {
        let (mut connection, request) = open(&settings).await?;
        let response = connection.send(request).await?;
        Ok((response.status(), read_whole(response, false).await?))
    };
    timeout(settings.timeout, fetching).await.unwrap_or(Err(FetchFault::TimedOut))
}

async fn open(settings: &FetchSettings<'_>) -> Result<(Connection, Request<Full<Bytes>>), FetchFault> {
    let FetchSettings { url, accept, timeout, ca, sent } = settings;
    let request = request(url, accept, sent, false)?;
    let trust = trust(url, *ca).await?;
    Ok((Connection::open(url, *timeout, trust).await?, request))
}

/// What a connection to `url` trusts: nothing is needed without TLS.
///
/// # Errors
///
/// [`FetchFault::Roots`].
pub(super) async fn trust(url: &Uri, ca: Option<&Path>) -> Result<Option<Arc<ClientConfig>>, FetchFault> {
    if url.scheme_str() != Some("https") {
        return Ok(None);
    }
    let ca = ca.map(Path::to_owned);
    // Reading certificates blocks on files.
    let config = tokio::task::spawn_blocking(move || fetch_connection::tls(ca.as_deref())).await;
    config.map_err(|cause| FetchFault::Roots(cause.to_string()))?.map(Arc::new).map(Some)
}

/// Reads an answer whole, within its bounds; `conditional` says whether 304 was asked for.
///
/// # Errors
///
/// [`FetchFault`].
pub(super) async fn read(response: Response<Incoming>, conditional: bool) -> Result<Answer, FetchFault> {
    let unchanged = conditional && response.status() == StatusCode::NOT_MODIFIED;
    if response.status() != StatusCode::OK && !unchanged {
        return Err(FetchFault::Status(response.status()));
    }
    read_whole(response, unchanged).await
}

async fn read_whole(response: Response<Incoming>, unchanged: bool) -> Result<Answer, FetchFault> {
    if response.body().size_hint().lower() > BODY_LIMIT as u64 {
        return Err(FetchFault::TooLarge);
    }
    let (max_age, etag) = (max_age(response.headers()), response.headers().get(ETAG).cloned());
    let sent_at = sent_at(response.headers());
    let body = Limited::new(response.into_body(), BODY_LIMIT).collect().await.map_err(|cause| {
        if cause.is::<LengthLimitError>() {
            return FetchFault::TooLarge;
        }
        cause.downcast().map_or(FetchFault::TooLarge, |cause| FetchFault::Protocol(*cause))
    })?;
    Ok(Answer { unchanged, etag, max_age, sent_at, body: body.to_bytes() })
}

/// RFC 9111 §4.2.1 and §5.2.2.1: of several `max-age` the least counts, and time spent in caches on the way is over.
fn max_age(fields: &HeaderMap) -> Option<Duration> {
    let values = fields.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let seconds = values.flat_map(|value| value.split(',')).filter_map(directive_seconds).min()?;
    Some(Duration::from_secs(u64::from(seconds.saturating_sub(age(fields)))))
}

/// RFC 9111 §4.2.3: what a cache hands on has grown older by `Age` since its `Date`.
fn sent_at(fields: &HeaderMap) -> Option<Duration> {
    let date = httpdate::parse_http_date(fields.get(DATE)?.to_str().ok()?).ok()?;
    let date = date.duration_since(UNIX_EPOCH).ok()?;
    Some(date + Duration::from_secs(u64::from(age(fields))))
}

fn age(fields: &HeaderMap) -> u32 {
    fields.get(AGE).and_then(|age| age.to_str().ok()).and_then(delta_seconds).unwrap_or(0)
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
