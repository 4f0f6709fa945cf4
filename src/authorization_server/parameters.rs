//! The parameters of a request, as RFC 6749 wants them sent: a form, each name once.

use std::fmt;

use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;

use super::fault::OAuthFault;
use super::url_encoded::UrlEncoded;

/// The longest body that is read, in bytes.
const BODY_LIMIT: usize = 64 * 1024;
/// The name that may be sent more than once (RFC 8707 §2).
const REPEATABLE: &str = "resource";

/// The parameters of a form or a query. Debug shows nothing of them.
#[derive(Clone, Default)]
pub(super) struct Parameters(UrlEncoded);

impl Parameters {
    /// Reads `application/x-www-form-urlencoded` text.
    ///
    /// # Errors
    ///
    /// [`OAuthFault::InvalidRequest`] when an escape is malformed, or a name other than `resource` comes twice.
    pub(super) fn parse(text: &[u8]) -> Result<Self, OAuthFault> {
        let read = UrlEncoded::parse(text);
        let read = read.map_err(|_| OAuthFault::InvalidRequest("the parameters are not form-encoded UTF-8"))?;
        // RFC 6749 §3.1 and §3.2: no parameter is sent more than once.
        if read.repeats_any_but(REPEATABLE) {
            return Err(OAuthFault::InvalidRequest("a parameter is there twice"));
        }
        Ok(Self(read))
    }

    /// The value of a parameter, if it was sent with one.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.one(name)
    }

    /// Every value of a parameter; one without a value counts as omitted (RFC 6749 §3.1).
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.all(name).filter(|value| !value.is_empty())
    }

    /// The value of a parameter that must be there; `missing` says that it is not.
    ///
    /// # Errors
    ///
    /// [`OAuthFault::InvalidRequest`].
    pub(super) fn required(&self, name: &str, missing: &'static str) -> Result<&str, OAuthFault> {
        self.get(name).ok_or(OAuthFault::InvalidRequest(missing))
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parameters(…)")
    }
}

/// The parameters in the body of a request, at most 64 KiB of it.
#[derive(Debug)]
pub(super) struct Form(pub(super) Parameters);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = OAuthFault;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(OAuthFault::InvalidRequest("the body is not a form"));
        }
        let body = axum::body::to_bytes(request.into_body(), BODY_LIMIT).await;
        let body = body.map_err(|_| OAuthFault::InvalidRequest("the body is longer than 64 KiB, or broke off"))?;
        Parameters::parse(&body).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6749_3_1_a_parameter_comes_once_and_an_empty_one_not_at_all() {
        for (text, expected) in [
            ("scope=a", Some(Some("a"))),
            ("scope=", Some(None)),
            ("", Some(None)),
            ("scope", Some(None)),
            ("scope=a+b%20c", Some(Some("a b c"))),
            ("scope=a&scope=a", None),
            ("scope=&scope=a", None),
            ("sc%6Fpe=a&scope=b", None),
            ("Scope=a", Some(None)),
            ("x=1&x=2", None),
            ("scope=%", None),
            ("scope=%zz", None),
            ("scope=%ff", None),
        ] {
            let read = Parameters::parse(text.as_bytes());
            assert_eq!(read.as_ref().ok().map(|read| read.get("scope")), expected, "`{text}`");
        }
    }

    #[test]
    fn rfc_8707_2_resource_may_come_several_times() {
        let read = Parameters::parse(b"resource=a&resource=&resource=b").unwrap();
        assert_eq!(read.all("resource").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn debug_shows_no_value() {
        assert_eq!(format!("{:?}", Parameters::parse(b"password=hunter2").unwrap()), "Parameters(…)");
    }
}
