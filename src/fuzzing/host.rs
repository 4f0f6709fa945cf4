//! Hosts, of routes and of requests.

use http::{HeaderValue, Uri};

use super::lines::Lines;
use crate::policy::{HostPattern, RequestTarget};

/// Longer inputs say no more.
const MOST_BYTES: usize = 600;

/// Lines: the host of a route, a `Host` field, an absolute request target.
///
/// * A host has one spelling, and that spelling is read as itself: in lower case, without port, user information, path and
///   trailing dot.
/// * A `Host` field is read as the same host by the URL parser of browsers, unless that one takes it for a number.
/// * A target with an authority of its own is taken only where the `Host` field says the same.
pub fn host(bytes: &[u8]) {
    if bytes.len() > MOST_BYTES {
        return;
    }
    let mut lines = Lines::of(bytes);
    let (pattern, field, absolute) = (lines.text(), lines.line(), lines.line());
    if let Some(Ok(pattern)) = pattern.map(HostPattern::parse) {
        is_one_spelling(pattern.as_str().trim_start_matches("*."));
        assert_eq!(HostPattern::parse(pattern.as_str()).as_ref(), Ok(&pattern));
    }
    let Ok(field) = HeaderValue::from_bytes(field) else { return };
    let origin = Uri::from_static("/");
    let Ok(read) = RequestTarget::read(&origin, &field) else { return };
    is_one_spelling(read.host());
    is_the_browsers(field.to_str().unwrap(), read.host());
    let itself = HeaderValue::from_str(read.host()).unwrap();
    assert_eq!(RequestTarget::read(&origin, &itself).unwrap().host(), read.host());
    let Ok(absolute) = Uri::try_from(absolute) else { return };
    if let (Ok(target), Some(authority)) = (RequestTarget::read(&absolute, &field), absolute.authority()) {
        let named = HeaderValue::from_str(authority.as_str()).unwrap();
        assert_eq!(RequestTarget::read(&origin, &named).unwrap().host(), read.host(), "{absolute}");
        assert_eq!(target.host(), read.host());
        assert!(!authority.as_str().contains('@'), "{absolute}");
    }
}

fn is_one_spelling(host: &str) {
    assert!(!host.is_empty() && host.is_ascii() && !host.ends_with('.'), "{host:?}");
    let name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let is_name =
        host.len() <= 253 && host.bytes().all(name) && host.split('.').all(|label| (1..=63).contains(&label.len()));
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_address =
        address.is_some_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok_and(|read| read.to_string() == text));
    assert!(is_name || is_address, "{host:?}");
}

/// The browsers' parser takes `0x7f.1` and `2130706433` for addresses, and refuses what is no domain name; nobody else is meant here.
fn is_the_browsers(field: &str, host: &str) {
    let Ok(url) = url::Url::parse(&format!("http://{field}/")) else { return };
    assert_eq!((url.username(), url.password(), url.path()), ("", None, "/"), "{field}");
    match url.host() {
        Some(url::Host::Domain(domain)) => {
            let domain = domain.strip_suffix('.').unwrap_or(domain);
            assert!(domain == host || host.contains("xn--"), "{field} is {host}, and {domain} to browsers");
        }
        Some(url::Host::Ipv6(address)) => assert_eq!(format!("[{address}]"), host),
        Some(url::Host::Ipv4(_)) | None => {}
    }
}
