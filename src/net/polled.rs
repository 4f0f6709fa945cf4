//! A resource that is asked for again and again.

use std::path::PathBuf;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};

use super::fetch::{Answer, FetchFault, FetchSettings};
use super::fetch_request::{Credentials, Sent};
use super::fetcher::Fetcher;
use super::schedule::{Schedule, chance};

/// A resource that is asked for every few seconds, as the gateway file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polled {
    /// `https`, or `http` where the configuration allows it.
    pub url: Uri,
    /// The time from one answer to the next question; up to a tenth is taken off by chance.
    pub interval: Duration,
    /// How old the latest answer may be before it counts for nothing.
    pub max_stale: Duration,
    /// For one answer.
    pub timeout: Duration,
    /// A PEM file of certificates that alone are trusted; without it the system's are.
    pub ca: Option<PathBuf>,
    /// What the gateway shows of itself.
    pub credentials: Credentials,
}

impl Polled {
    /// Asks for JSON: the whole resource, unless its entity tag is still `etag`.
    ///
    /// # Errors
    ///
    /// As [`Fetcher::fetch`].
    pub async fn ask(&self, fetcher: &Fetcher, etag: Option<HeaderValue>) -> Result<Answer, FetchFault> {
        self.ask_at(fetcher, &self.url, etag).await
    }

    /// Asks for JSON with one more parameter in the query.
    ///
    /// # Errors
    ///
    /// As [`Fetcher::fetch`].
    pub async fn ask_with(&self, fetcher: &Fetcher, name: &str, value: &str) -> Result<Answer, FetchFault> {
        let url = with_parameter(&self.url, name, value).ok_or(FetchFault::Url)?;
        self.ask_at(fetcher, &url, None).await
    }

    async fn ask_at(&self, fetcher: &Fetcher, url: &Uri, etag: Option<HeaderValue>) -> Result<Answer, FetchFault> {
        let sent = Sent::conditional(Some(self.credentials.clone()), etag);
        let ca = self.ca.as_deref();
        fetcher.fetch(FetchSettings { url, accept: "application/json", timeout: self.timeout, ca, sent }).await
    }

    /// The pause after so many failures in a row; 0 after an answer.
    pub fn pause(&self, failures: u32) -> Duration {
        let schedule = Schedule { refresh: self.interval, cooldown: self.interval };
        match failures {
            0 => schedule.after_success(None, chance()),
            _ => schedule.after_failure(failures, chance()),
        }
    }
}

/// RFC 3986 §3.4: the parameter comes last, and everything in it that is not unreserved (§2.3) is escaped.
fn with_parameter(url: &Uri, name: &str, value: &str) -> Option<Uri> {
    let mut target = url.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    target.push(if target.contains('?') { '&' } else { '?' });
    target.push_str(name);
    target.push('=');
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            target.push(char::from(byte));
        } else {
            target.push_str(&format!("%{byte:02X}"));
        }
    }
    let mut parts = url.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3986_section_3_4_a_parameter_is_added_to_whatever_query_there_is() {
        for (url, value, expected) in [
            ("https://a.test/feed", "12", "https://a.test/feed?cursor=12"),
            ("https://a.test", "12", "https://a.test/?cursor=12"),
            ("http://a.test:81/feed?tenant=1", "a&b=c d", "http://a.test:81/feed?tenant=1&cursor=a%26b%3Dc%20d"),
            ("https://a.test/feed", "ü%-._~", "https://a.test/feed?cursor=%C3%BC%25-._~"),
            ("https://a.test/feed", "", "https://a.test/feed?cursor="),
        ] {
            let url = with_parameter(&url.parse().unwrap(), "cursor", value).unwrap();
            assert_eq!(url.to_string(), expected);
        }
    }
}
