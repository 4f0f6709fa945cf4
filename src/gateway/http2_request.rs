//! A request of HTTP/2 in the shape of HTTP/1.1, which all that decides and forwards knows.

use http::header::{CONNECTION, COOKIE, HOST, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::policy::Denial;

/// RFC 9113 §8.2.2: fields that say something of a connection of HTTP/1.1. `TE` may say `trailers`.
const OF_CONNECTIONS: [HeaderName; 6] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];

/// Puts the pseudo-header fields where HTTP/1.1 has them: `:authority` into `Host`, `:path` alone into the target. `:scheme` is
/// dropped, for nothing is decided by it.
///
/// # Errors
///
/// [`Denial::BadRequest`] where `Host` and `:authority` disagree, a field belongs to a connection of HTTP/1.1, or a value begins or
/// ends with white space, which RFC 9113 §8.2.1 forbids and HTTP/1.1 would take away. The target is in its new shape even then.
pub(super) fn reshape(parts: &mut Parts) -> Result<(), Denial> {
    let uri = std::mem::take(&mut parts.uri).into_parts();
    let authority = uri.authority.as_ref().map(|authority| HeaderValue::from_str(authority.as_str()));
    if let Some(target) = uri.path_and_query {
        parts.uri = Uri::from(target);
    }
    if let Some(authority) = authority {
        name_host(&mut parts.headers, authority.map_err(|_| Denial::BadRequest)?)?;
    }
    join_cookies(&mut parts.headers);
    let is_malformed = OF_CONNECTIONS.iter().any(|name| parts.headers.contains_key(name))
        || parts.headers.values().any(|value| value.as_bytes().trim_ascii().len() != value.len());
    if is_malformed { Err(Denial::BadRequest) } else { Ok(()) }
}

/// RFC 9113 §8.3.1: a `Host` field says what `:authority` says.
fn name_host(fields: &mut HeaderMap, authority: HeaderValue) -> Result<(), Denial> {
    let agrees = |host: &HeaderValue| host.as_bytes().eq_ignore_ascii_case(authority.as_bytes());
    if !fields.get_all(HOST).iter().all(agrees) {
        return Err(Denial::BadRequest);
    }
    if !fields.contains_key(HOST) {
        fields.insert(HOST, authority);
    }
    Ok(())
}

/// RFC 9113 §8.2.3: crumbs become one field before they reach what is not HTTP/2.
fn join_cookies(fields: &mut HeaderMap) {
    let mut crumbs = fields.get_all(COOKIE).iter();
    if crumbs.next().is_none() || crumbs.next().is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = fields.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(mut cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        cookie.set_sensitive(true);
        fields.insert(COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Version};

    use super::*;

    fn shaped(target: &str, fields: &[(&str, &str)]) -> Result<Parts, Denial> {
        let mut request = Request::builder().version(Version::HTTP_2).uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        reshape(&mut parts).map(|()| parts)
    }

    #[test]
    fn rfc_9113_section_8_3_1_the_authority_becomes_host() {
        for (fields, expected) in [
            (&[][..], Some("api.test:8443")),
            (&[("host", "api.test:8443")], Some("api.test:8443")),
            (&[("host", "API.test:8443")], Some("API.test:8443")),
            (&[("host", "api.test")], None),
            (&[("host", "api.test:8443"), ("host", "other.test")], None),
        ] {
            let host = shaped("https://api.test:8443/a?b=c", fields).ok().map(|parts| {
                assert_eq!(parts.uri, "/a?b=c");
                parts.headers.get(HOST).unwrap().to_str().unwrap().to_owned()
            });
            assert_eq!(host.as_deref(), expected, "{fields:?}");
        }
        let parts = shaped("/a", &[("host", "api.test")]).unwrap();
        assert_eq!(parts.headers.get(HOST).unwrap(), "api.test");
        assert!(shaped("/a", &[]).unwrap().headers.get(HOST).is_none(), "what follows refuses a request without one");
    }

    #[test]
    fn rfc_9113_section_8_2_3_crumbs_are_joined() {
        let parts =
            shaped("https://api.test/", &[("cookie", "a=1"), ("cookie", "b=2; c=3"), ("cookie", "d=4")]).unwrap();
        let cookies: Vec<_> = parts.headers.get_all(COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3; d=4"]);
    }

    #[test]
    fn rfc_9113_section_8_2_2_fields_of_connections_are_refused() {
        for name in OF_CONNECTIONS {
            assert_eq!(shaped("https://api.test/", &[(name.as_str(), "x")]).err(), Some(Denial::BadRequest), "{name}");
        }
        assert!(shaped("https://api.test/", &[("te", "trailers")]).is_ok());
    }

    #[test]
    fn rfc_9113_section_8_2_1_white_space_does_not_surround_a_value() {
        for (value, taken) in [("a b", true), ("", true), (" a", false), ("a ", false), ("\ta", false), (" ", false)] {
            assert_eq!(shaped("https://api.test/", &[("x-a", value)]).is_ok(), taken, "{value:?}");
        }
    }
}
