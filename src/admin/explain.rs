//! Questions to `POST /explain`.

use http::{HeaderValue, Method, StatusCode, Uri};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::policy::{Explanation, Presented, PresentedClient, Terms, explain};

use super::problem::Problem;

/// The host of a question whose `url` is only a path.
const DEFAULT_HOST: HeaderValue = HeaderValue::from_static("localhost");

/// A request with the claims that its token would carry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    method: String,
    url: String,
    scope: Option<Names>,
    roles: Option<Names>,
    client: Option<String>,
    subject: Option<String>,
    token: Option<IgnoredAny>,
}

/// A claim that is a string or an array of strings.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Several(Vec<String>),
}

impl Question {
    /// Reads a question.
    ///
    /// # Errors
    ///
    /// A problem that says what the body lacks.
    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        let question: Self =
            serde_json::from_slice(body).map_err(|fault| malformed(format!("the body is not a question: {fault}")))?;
        if question.token.is_some() {
            return Err(malformed(
                "a `token` cannot be verified here; give its claims: `scope`, `roles`, `client`, `subject`",
            ));
        }
        Ok(question)
    }

    /// Asks under what is in force.
    ///
    /// # Errors
    ///
    /// A problem where the method or URL could not even be sent.
    pub(super) fn answer(&self, terms: Terms<'_>) -> Result<Explanation, Problem> {
        let method = Method::from_bytes(self.method.as_bytes()).map_err(|_| malformed("`method` is not a method"))?;
        let (uri, host) = self.target()?;
        let scope = self.scope.as_ref().map(Names::joined).unwrap_or_default();
        Ok(explain(terms, &method, &uri, &host, self.presented(&scope).as_ref()))
    }

    /// The origin-form target (RFC 9112 §3.2.1) and `Host` that a client would send for the URL.
    fn target(&self) -> Result<(Uri, HeaderValue), Problem> {
        let uri: Uri = self.url.parse().map_err(|_| malformed("`url` is not a URL that could be sent"))?;
        let Some(authority) = uri.authority().filter(|_| uri.scheme().is_some()) else {
            return if self.url.starts_with('/') {
                Ok((uri, DEFAULT_HOST))
            } else {
                Err(malformed("`url` is neither absolute nor a path"))
            };
        };
        let host =
            HeaderValue::from_str(authority.as_str()).map_err(|_| malformed("`url` has no host that could be sent"))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok((path.parse().map_err(|_| malformed("`url` has no path that could be sent"))?, host))
    }

    fn presented<'a>(&'a self, scope: &'a str) -> Option<Presented<'a>> {
        let has_claims =
            self.scope.is_some() || self.roles.is_some() || self.client.is_some() || self.subject.is_some();
        has_claims.then(|| Presented {
            scope,
            roles: self.roles.as_ref().map(Names::each).unwrap_or_default(),
            client: self.client.as_deref().map_or(PresentedClient::Unlimited, PresentedClient::Named),
            alone: self.subject.is_some() && self.subject == self.client,
        })
    }
}

impl Names {
    fn each(&self) -> Vec<&str> {
        match self {
            Self::One(name) => vec![name],
            Self::Several(names) => names.iter().map(String::as_str).collect(),
        }
    }

    /// Scope strings are united (RFC 6749 §3.3).
    fn joined(&self) -> String {
        self.each().join(" ")
    }
}

fn malformed(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}
