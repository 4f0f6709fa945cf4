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

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTERED: [&str; 5] = [
        "https://app.example/callback",
        "https://app.example/callback?tenant=7",
        "com.example.app:/callback",
        "http://127.0.0.1/callback",
        "http://[::1]:8080/callback",
    ];

    const TRICKS: &[(&str, &str)] = &[
        ("nothing", ""),
        ("another host", "https://evil.example/callback"),
        ("userinfo", "https://app.example@evil.example/callback"),
        ("userinfo of the right host", "https://user@app.example/callback"),
        ("prefix of the host", "https://app.example.evil.example/callback"),
        ("suffix of the host", "https://evilapp.example/callback"),
        ("subdomain", "https://www.app.example/callback"),
        ("fragment", "https://app.example/callback#x"),
        ("empty fragment", "https://app.example/callback#"),
        ("added query", "https://app.example/callback?x=1"),
        ("empty query", "https://app.example/callback?"),
        ("query of another value", "https://app.example/callback?tenant=8"),
        ("longer query", "https://app.example/callback?tenant=7&x=1"),
        ("prefix of the path", "https://app.example/call"),
        ("suffix of the path", "https://app.example/callback/evil"),
        ("trailing slash", "https://app.example/callback/"),
        ("path traversal", "https://app.example/callback/../evil"),
        ("encoded path traversal", "https://app.example/callback/%2e%2e/evil"),
        ("path traversal that comes back", "https://app.example/x/../callback"),
        ("encoded letter", "https://app.example/%63allback"),
        ("encoded slash", "https://app.example%2Fcallback"),
        ("letter case of the path", "https://app.example/Callback"),
        ("letter case of the host", "https://APP.example/callback"),
        ("letter case of the scheme", "HTTPS://app.example/callback"),
        ("default port", "https://app.example:443/callback"),
        ("another port", "https://app.example:8443/callback"),
        ("another scheme", "http://app.example/callback"),
        ("no scheme", "//app.example/callback"),
        ("a path alone", "/callback"),
        ("backslash", "https://app.example\\callback"),
        ("backslash and another host", "https://evil.example\\@app.example/callback"),
        ("look-alike letter", "https://аpp.example/callback"),
        ("full-width dot", "https://app。example/callback"),
        ("final dot", "https://app.example./callback"),
        ("space before", " https://app.example/callback"),
        ("space after", "https://app.example/callback "),
        ("line feed", "https://app.example/callback\n"),
        ("carriage return and a field", "https://app.example/callback\r\nSet-Cookie: x=y"),
        ("zero byte", "https://app.example/callback\0"),
        ("script", "javascript:alert(1)//https://app.example/callback"),
        ("data", "data:text/html,https://app.example/callback"),
        ("custom scheme with an authority", "com.example.app://callback"),
        ("prefix of the custom scheme", "com.example.app.evil:/callback"),
        ("a registered loopback port is exact", "http://[::1]:8081/callback"),
        ("and is not left out", "http://[::1]/callback"),
        ("loopback by name", "http://localhost/callback"),
        ("loopback in another spelling", "http://127.1/callback"),
        ("loopback with TLS", "https://127.0.0.1/callback"),
        ("another path on loopback", "http://127.0.0.1:8080/evil"),
        ("no path on loopback", "http://127.0.0.1:8080"),
        ("port zero", "http://127.0.0.1:0/callback"),
        ("port beyond all", "http://127.0.0.1:65536/callback"),
        ("port with a sign", "http://127.0.0.1:+80/callback"),
        ("port with zeros", "http://127.0.0.1:0080/callback"),
        ("empty port", "http://127.0.0.1:/callback"),
        ("port in other digits", "http://127.0.0.1:８０/callback"),
        ("port and userinfo", "http://127.0.0.1:80@evil.example/callback"),
        ("loopback as a prefix", "http://127.0.0.1.evil.example/callback"),
    ];

    #[test]
    fn rfc_9700_4_1_3_a_redirect_uri_is_compared_byte_for_byte() {
        let registered: BTreeSet<String> = REGISTERED.into_iter().map(str::to_owned).collect();
        assert!(REGISTERED.into_iter().all(|uri| is_registered(&registered, uri)));
        for (trick, uri) in TRICKS {
            assert!(!is_registered(&registered, uri), "{trick}: `{uri}`");
        }
    }

    #[test]
    fn rfc_8252_7_3_a_loopback_address_that_is_registered_without_a_port_has_any() {
        for (registered, presented, expected) in [
            ("http://127.0.0.1/callback", "http://127.0.0.1:51004/callback", true),
            ("http://127.0.0.1/callback", "http://127.0.0.1:65535/callback", true),
            ("http://127.0.0.1/callback?a=1", "http://127.0.0.1:1/callback?a=1", true),
            ("http://127.0.0.1", "http://127.0.0.1:8080", true),
            ("http://[::1]/callback", "http://[::1]:51004/callback", true),
            ("http://[::1]/callback", "http://127.0.0.1:51004/callback", false),
            ("http://127.0.0.1:80/callback", "http://127.0.0.1:51004/callback", false),
            ("http://localhost/callback", "http://localhost:51004/callback", false),
            ("https://app.example/callback", "https://app.example:51004/callback", false),
        ] {
            let registered = BTreeSet::from([registered.to_owned()]);
            assert_eq!(is_registered(&registered, presented), expected, "{registered:?} {presented}");
        }
    }

    #[test]
    fn what_should_never_have_been_registered_is_not_followed() {
        for uri in [
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "https://app.example/#x",
            "https://é.example/",
            "x",
        ] {
            assert!(!is_registered(&BTreeSet::from([uri.to_owned()]), uri), "{uri}");
        }
    }

    #[test]
    fn rfc_6749_3_1_2_a_query_of_the_redirect_uri_is_kept() {
        for (uri, expected) in [
            ("https://app.example/callback", "https://app.example/callback?code=a%26b&state=+"),
            ("https://app.example/callback?", "https://app.example/callback?code=a%26b&state=+"),
            ("https://app.example/callback?x=1", "https://app.example/callback?x=1&code=a%26b&state=+"),
            ("https://app.example/callback?x=1&", "https://app.example/callback?x=1&code=a%26b&state=+"),
            ("com.example.app:/callback", "com.example.app:/callback?code=a%26b&state=+"),
        ] {
            assert_eq!(with_parameters(uri, &[("code", "a&b"), ("state", " ")]), expected);
        }
    }

    #[test]
    fn a_person_is_told_the_host_and_a_browser_the_scheme() {
        for (uri, host, source, web) in [
            ("https://app.example/callback", "app.example", "https:", true),
            ("https://app.example:8443?x", "app.example:8443", "https:", true),
            ("http://[::1]:8080/callback", "[::1]:8080", "http:", true),
            ("https://bank.example@evil.example/", "evil.example", "https:", true),
            ("com.example.app:/callback", "an application on this device (com.example.app)", "com.example.app:", false),
            ("x y;:", "an application on this device ()", ":", false),
        ] {
            assert_eq!((&*leads_to(uri), &*form_action_source(uri), is_web(uri)), (host, source, web), "{uri}");
        }
    }
}
