//! Where an authorization response may go, and how the pages speak of it.

use std::collections::BTreeSet;

/// Addresses of this machine, as native applications register them (RFC 8252 §7.3). A name such as `localhost` may be anybody's.
const LOOPBACK: [&str; 2] = ["http://127.0.0.1", "http://[::1]"];
/// Schemes that run or show what they hold, in place of handing it to somebody.
const NEVER_FOLLOWED: [&str; 6] = ["javascript", "data", "vbscript", "blob", "file", "about"];

/// Whether `presented` is one of the client's redirect URIs: byte for byte (RFC 9700 §4.1.3).
///
/// The one exception is RFC 8252 §7.3's: where a loopback address is registered *without a port*, any port may be presented, for a native
/// application listens on whatever port is free. Path and query are still compared byte for byte, and a registered port is exact.
pub(super) fn is_registered(registered: &BTreeSet<String>, presented: &str) -> bool {
    let fits = registered.contains(presented) || registered.iter().any(|known| differs_in_port_alone(known, presented));
    fits && can_be_followed(presented)
}

fn differs_in_port_alone(registered: &str, presented: &str) -> bool {
    LOOPBACK.iter().any(|host| {
        let (Some(path), Some(rest)) = (registered.strip_prefix(host), presented.strip_prefix(host)) else {
            return false;
        };
        let has_no_port = path.is_empty() || path.starts_with(['/', '?']);
        let port = rest.strip_prefix(':').and_then(|rest| rest.strip_suffix(path));
        has_no_port && port.is_some_and(is_port)
    })
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0') && text.parse::<u16>().is_ok()
}

/// Guards against what should not have been registered: a response is appended as a query, so there is no fragment (RFC 6749 §3.1.2).
fn can_be_followed(uri: &str) -> bool {
    let Some((scheme, _)) = uri.split_once(':') else { return false };
    let runs = NEVER_FOLLOWED.iter().any(|never| scheme.eq_ignore_ascii_case(never));
    !runs && !uri.contains('#') && uri.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Adds parameters to a redirect URI, which may have a query of its own (RFC 6749 §3.1.2).
pub(super) fn with_parameters(uri: &str, parameters: &[(&str, &str)]) -> String {
    let separator = match uri.rsplit_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{uri}{separator}{query}")
}

/// What a person can recognise of a redirect URI: the host with its port, or the scheme of an application on the device.
pub(super) fn leads_to(uri: &str) -> String {
    match web_authority(uri) {
        Some(authority) => authority.to_owned(),
        None => format!("an application on this device ({})", scheme(uri)),
    }
}

/// The source expression of `form-action` (CSP Level 3 §2.3.1) for a form that is answered with a redirect to this URI: its scheme.
///
/// Chromium holds the whole chain of redirects to `form-action`, and a client may send its visitor on to another origin of its own, which
/// nobody here knows. So no narrower source would let every answer through. (`http:` matches `https:` too.)
pub(super) fn form_action_source(uri: &str) -> String {
    format!("{}:", scheme(uri))
}

/// Whether a browser itself goes there, and no other application on the device.
pub(super) fn is_web(uri: &str) -> bool {
    web_authority(uri).is_some()
}

fn web_authority(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once("://")?;
    let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    let authority = rest.split(['/', '?', '\\']).next().unwrap_or_default();
    // What stands before an `@` is not the host, however much it looks like one.
    let host = authority.rsplit('@').next().unwrap_or_default();
    (is_web && !host.is_empty()).then_some(host)
}

fn scheme(uri: &str) -> &str {
    let scheme = uri.split(':').next().unwrap_or_default();
    let is_scheme = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    if is_scheme { scheme } else { "" }
}
