//! Who may ask.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};

use crate::token::Secret;

use super::problem::Problem;

/// What every request must satisfy before anything answers it.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    pub(super) address: IpAddr,
    pub(super) token: Option<Secret>,
    pub(super) open_metrics: bool,
}

/// Lets a request through to its endpoint, or refuses it.
pub(super) async fn screen(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let mut response = match guard.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Guard {
    fn check(&self, uri: &Uri, fields: &HeaderMap) -> Result<(), Problem> {
        if fields.contains_key(header::ORIGIN) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "a request with `Origin` is refused: web pages have no say here",
            ));
        }
        if self.address.is_loopback() && !self.is_addressed(uri, fields) {
            let detail = "`Host` must be the listener's address or `localhost`";
            return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail));
        }
        match &self.token {
            Some(token) if !self.is_open(uri.path()) => check_token(token, fields),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the request names this listener, in its one `Host` and, if it has one, in its target's authority.
    fn is_addressed(&self, uri: &Uri, fields: &HeaderMap) -> bool {
        let mut hosts = fields.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
        let host = host.to_str().ok().and_then(|text| text.parse::<Authority>().ok());
        host.is_some_and(|host| self.is_own_name(&host)) && uri.authority().is_none_or(|named| self.is_own_name(named))
    }

    fn is_own_name(&self, authority: &Authority) -> bool {
        let host = authority.host();
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_own = host.eq_ignore_ascii_case("localhost") || literal.parse() == Ok(self.address);
        is_own && !authority.as_str().contains('@')
    }

    fn is_open(&self, path: &str) -> bool {
        matches!(path, "/healthz" | "/readyz") || (self.open_metrics && path == "/metrics")
    }
}

/// RFC 6750 §2.1, the scheme's case aside (RFC 9110 §11.1).
fn check_token(token: &Secret, fields: &HeaderMap) -> Result<(), Problem> {
    let mut credentials = fields.get_all(header::AUTHORIZATION).iter();
    let presented = match (credentials.next(), credentials.next()) {
        (Some(one), None) => one.to_str().ok().and_then(|text| text.split_once(' ')),
        (Some(_), Some(_)) | (None, _) => None,
    };
    match presented {
        Some((scheme, secret)) if scheme.eq_ignore_ascii_case("bearer") && token.matches(secret) => Ok(()),
        Some(_) | None => {
            Err(Problem::new(StatusCode::UNAUTHORIZED, "this needs `Authorization: Bearer` and the admin token"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(address: &str, token: Option<&str>, open_metrics: bool) -> Guard {
        Guard { address: address.parse().unwrap(), token: token.map(Secret::new), open_metrics }
    }

    fn check(guard: &Guard, target: &str, fields: &[(&'static str, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, value.parse().unwrap());
        }
        guard.check(&target.parse().unwrap(), &map).map_or_else(|problem| problem.status.as_u16(), |()| 200)
    }

    #[test]
    fn on_loopback_only_the_address_and_localhost_are_named() {
        let cases = [
            ("127.0.0.1", "127.0.0.1:9901", 200),
            ("127.0.0.1", "127.0.0.1", 200),
            ("127.0.0.1", "localhost", 200),
            ("127.0.0.1", "LocalHost:1", 200),
            ("127.0.0.1", "127.0.0.2:9901", 421),
            ("127.0.0.1", "rebound.example.com:9901", 421),
            ("127.0.0.1", "localhost.example.com", 421),
            ("127.0.0.1", "localhost.", 421),
            ("127.0.0.1", "a@localhost", 421),
            ("127.0.0.1", "2130706433", 421),
            ("127.0.0.1", "127.1", 421),
            ("127.0.0.1", "", 421),
            ("127.0.0.1", "[::1]:9901", 421),
            ("::1", "[::1]:9901", 200),
            ("::1", "[0:0:0:0:0:0:0:1]", 200),
            ("::1", "127.0.0.1", 421),
            ("10.0.0.1", "anything.example.com", 200),
        ];
        for (address, host, expected) in cases {
            assert_eq!(
                check(&guard(address, None, false), "/version", &[("host", host)]),
                expected,
                "{address} {host}"
            );
        }
        let here = guard("127.0.0.1", None, false);
        assert_eq!(check(&here, "/version", &[]), 421, "no host");
        assert_eq!(check(&here, "/version", &[("host", "localhost"), ("host", "localhost")]), 421, "two hosts");
        assert_eq!(
            check(&here, "http://evil.example.com/version", &[("host", "localhost")]),
            421,
            "the target's authority"
        );
    }

    #[test]
    fn rfc6750_2_1_the_token_is_asked_for_but_by_probes() {
        let host = ("host", "gateway.example.com");
        let bearer = |text| ("authorization", text);
        let cases = [
            ("no credentials", "/version", vec![host], 401),
            ("the token", "/version", vec![host, bearer("Bearer s3cret")], 200),
            ("another case", "/version", vec![host, bearer("bEARER s3cret")], 200),
            ("another token", "/version", vec![host, bearer("Bearer s3cre")], 401),
            ("another scheme", "/version", vec![host, bearer("Basic s3cret")], 401),
            ("the token alone", "/version", vec![host, bearer("s3cret")], 401),
            ("two fields", "/version", vec![host, bearer("Bearer s3cret"), bearer("Bearer s3cret")], 401),
            ("a live probe", "/healthz", vec![host], 200),
            ("a ready probe", "/readyz", vec![host], 200),
            ("something like a probe", "/healthz/", vec![host], 401),
            ("metrics", "/metrics", vec![host], 401),
            ("a web page with the token", "/version", vec![host, bearer("Bearer s3cret"), ("origin", "null")], 403),
            ("a web page's probe", "/healthz", vec![host, ("origin", "https://x.example")], 403),
        ];
        for (name, path, fields, expected) in cases {
            assert_eq!(check(&guard("192.0.2.1", Some("s3cret"), false), path, &fields), expected, "{name}");
        }
        assert_eq!(check(&guard("192.0.2.1", Some("s3cret"), true), "/metrics", &[host]), 200, "open metrics");
        assert_eq!(check(&guard("192.0.2.1", Some("s3cret"), true), "/routes", &[host]), 401, "open metrics only");
        assert_eq!(
            check(&guard("127.0.0.1", Some("s3cret"), false), "/version", &[("host", "localhost")]),
            401,
            "loopback"
        );
    }
}
