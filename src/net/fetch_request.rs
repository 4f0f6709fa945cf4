//! What one fetch sends beside its target: a conditional or authenticated GET, or a POST with content.

use std::fmt;
use std::net::IpAddr;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, IF_NONE_MATCH, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;

use super::fetch::FetchFault;

/// What a request sends besides its target; by default nothing, and then it is a plain GET.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// The value of `Authorization`.
    pub credentials: Option<Credentials>,
    /// The value of `If-None-Match`: the answer may then be 304 (RFC 9110 §13.1.2).
    pub if_none_match: Option<HeaderValue>,
    /// What is sent; with it the request is a POST.
    pub content: Option<Content>,
    /// Further fields.
    pub fields: Vec<(HeaderName, HeaderValue)>,
}

/// The value of an `Authorization` field (RFC 9110 §11.6.2). Its Debug shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(HeaderValue);

/// The content of a POST; its Debug shows the media type alone, for the bytes may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// The value of `Content-Type`.
    pub media_type: &'static str,
    /// What is sent.
    pub bytes: Bytes,
}

impl Credentials {
    /// Takes scheme and credentials, such as `Bearer abc`; `None` for what no field can hold.
    pub fn new(text: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(text).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("media_type", &self.media_type).finish_non_exhaustive()
    }
}

impl Sent {
    /// A GET with these credentials that need not repeat what has not changed since `if_none_match`.
    pub fn conditional(credentials: Option<Credentials>, if_none_match: Option<HeaderValue>) -> Self {
        Self { credentials, if_none_match, ..Self::default() }
    }
}

/// Whether a URL stays on this machine: what is sent there, nobody in between can read or change.
pub fn is_loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    // RFC 3986 §3.2.2: an IPv6 address stands in brackets.
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Makes the request; `keep` says whether another may follow on its connection.
pub(super) fn request(
    url: &Uri,
    accept: &'static str,
    sent: &Sent,
    keep: bool,
) -> Result<Request<Full<Bytes>>, FetchFault> {
    let target = url.path_and_query().map_or("/", |target| target.as_str());
    let authority = url.authority().ok_or(FetchFault::Url)?.as_str();
    // RFC 9110 §7.2: `Host` has no userinfo.
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let method = if sent.content.is_some() { Method::POST } else { Method::GET };
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header(HOST, host)
        .header(ACCEPT, accept)
        .header(USER_AGENT, concat!("scopegate/", env!("CARGO_PKG_VERSION")));
    if !keep {
        request = request.header(CONNECTION, "close");
    }
    if let Some(Credentials(value)) = &sent.credentials {
        request = request.header(AUTHORIZATION, value);
    }
    if let Some(value) = &sent.if_none_match {
        request = request.header(IF_NONE_MATCH, value);
    }
    for (name, value) in &sent.fields {
        request = request.header(name, value);
    }
    if let Some(content) = &sent.content {
        request = request.header(CONTENT_TYPE, content.media_type);
    }
    let content = sent.content.as_ref().map(|content| content.bytes.clone()).unwrap_or_default();
    request.body(Full::new(content)).map_err(|_| FetchFault::Url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown_by_debug() {
        let content =
            Content { media_type: "application/x-www-form-urlencoded", bytes: Bytes::from_static(b"token=s3cret") };
        let credentials = Credentials::new("Bearer s3cret");
        let shown = format!("{:?}", Sent { credentials, content: Some(content), ..Sent::default() });
        assert!(!shown.contains("s3cret") && shown.contains("urlencoded"), "{shown}");
        assert_eq!(Credentials::new("Bearer a\r\nb"), None);
    }

    #[test]
    fn loopback_is_an_address_or_localhost() {
        let cases = [
            ("http://127.0.0.1:1/x", true),
            ("http://127.8.8.8/", true),
            ("http://[::1]:1/x", true),
            ("http://localhost:1/", true),
            ("http://LOCALHOST/", true),
            ("http://localhost.example.com/", false),
            ("http://10.0.0.1/", false),
            ("http://127.0.0.1.example.com/", false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_loopback(&text.parse().unwrap()), expected, "{text}");
        }
    }
}
