//! The parameters of a request, as RFC 6749 wants them sent: a form, each name once.

use std::collections::BTreeSet;
use std::fmt;

use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;

use super::fault::OAuthFault;

/// The longest body that is read, in bytes.
const BODY_LIMIT: usize = 64 * 1024;
/// Names that may be sent more than once (RFC 8707 §2).
const REPEATABLE: &str = "resource";

/// The parameters of a form or a query. Debug shows nothing of them.
#[derive(Clone, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `application/x-www-form-urlencoded` text.
    ///
    /// # Errors
    ///
    /// [`OAuthFault::InvalidRequest`] when a name other than `resource` comes twice.
    pub(super) fn parse(text: &[u8]) -> Result<Self, OAuthFault> {
        let mut names = BTreeSet::new();
        let mut parameters = Vec::new();
        for (name, value) in form_urlencoded::parse(text) {
            // RFC 6749 §3.1 and §3.2: no parameter is sent more than once.
            if name != REPEATABLE && !names.insert(name.clone()) {
                return Err(OAuthFault::InvalidRequest("a parameter is there twice"));
            }
            // The same sections: one without a value counts as omitted.
            if !value.is_empty() {
                parameters.push((name.into_owned(), value.into_owned()));
            }
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter, if it was sent with one.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a parameter.
    pub(super) fn all<'p>(&'p self, name: &str) -> impl Iterator<Item = &'p str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
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
