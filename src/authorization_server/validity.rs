//! The forms of names and addresses. Each is also a `pattern` of the API's description, for a caller to check beforehand.

use std::collections::BTreeSet;

use super::AdministrationFault;
use crate::store::ScopeNames;

/// Characters of a login at most.
const LOGIN: usize = 254;
/// Characters of a name for people at most.
const NAME: usize = 200;
/// Letters of a role's name at most.
const ROLE: usize = 64;
/// Letters of a `client_id` at most.
const CLIENT: usize = 100;
/// Letters of a redirect URI at most, and how many a client has.
const URI: usize = 500;
const URIS: usize = 20;
/// Letters of a scope at most, and how many a list has.
const SCOPE: usize = 100;
const SCOPES: usize = 500;

/// What is typed at login.
pub(super) fn login(text: &str) -> Result<(), AdministrationFault> {
    let fits =
        (1..=LOGIN).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._@+-".contains(&b));
    check(fits, "login", "must be 1 to 254 letters, digits or any of `._@+-`")
}

/// A user's name; it may be empty.
pub(super) fn display_name(text: &str) -> Result<(), AdministrationFault> {
    let fits = text.chars().count() <= NAME && text.chars().all(is_shown);
    check(fits, "name", "must be at most 200 characters, all of them visible")
}

/// A client's name.
pub(super) fn client_name(text: &str) -> Result<(), AdministrationFault> {
    let fits = !text.is_empty() && text.chars().count() <= NAME && text.chars().all(is_shown);
    check(fits, "name", "must be 1 to 200 characters, all of them visible")
}

/// A role's name, as it stands in tokens, in files and in addresses.
pub(super) fn role_name(text: &str) -> Result<(), AdministrationFault> {
    let fits = begins_well(text) && text.len() <= ROLE && text.bytes().all(|b| is_letter(b) || b"._:-".contains(&b));
    check(fits, "name", "must be 1 to 64 letters, digits or any of `._:-`, and begin with a letter or digit")
}

/// A `client_id`: never the identifier of a user, and the same in an address as it is written.
pub(super) fn client_id(text: &str) -> Result<(), AdministrationFault> {
    let plain = begins_well(text) && text.len() <= CLIENT && text.bytes().all(|b| is_letter(b) || b"._~-".contains(&b));
    let what = "must be 1 to 100 letters, digits or any of `._~-`, begin with a letter or digit, and not with `usr_`";
    check(plain && !text.starts_with("usr_"), "id", what)
}

/// Scopes of a list (RFC 6749 §3.3).
pub(super) fn scopes(member: &'static str, scopes: &ScopeNames) -> Result<(), AdministrationFault> {
    let is_scope =
        |name: &str| name.len() <= SCOPE && name.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
    let what = "must be at most 500 scopes, each of at most 100 printable letters without `\"` and `\\`";
    check(scopes.len() <= SCOPES && scopes.iter().all(is_scope), member, what)
}

/// Redirect URIs: absolute, without fragment (RFC 6749 §3.1.2), and https, http to a loopback address (RFC 8252 §7.3) or of a
/// private-use scheme with a dot (RFC 8252 §7.1).
pub(super) fn redirect_uris(uris: &BTreeSet<String>) -> Result<(), AdministrationFault> {
    check(uris.len() <= URIS, "redirect_uris", "must be at most 20")?;
    let what = "must be absolute, without fragment or user, and https, http to a loopback address, or of a private-use scheme with a dot";
    check(uris.iter().all(|uri| is_redirect_uri(uri)), "redirect_uris", what)
}

fn is_redirect_uri(text: &str) -> bool {
    if text.len() > URI || !is_uri_text(text) {
        return false;
    }
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    match scheme {
        "https" => rest.strip_prefix("//").is_some_and(|rest| is_authority(rest, is_host)),
        "http" => rest.strip_prefix("//").is_some_and(|rest| is_authority(rest, is_loopback)),
        private => is_private_use(private) && !rest.is_empty() && !rest.contains(['[', ']']),
    }
}

/// RFC 3986 §2: unreserved and reserved letters but `#`, and whole escapes.
fn is_uri_text(text: &str) -> bool {
    let mut pieces = text.split('%');
    let is_plain = |piece: &str| piece.bytes().all(|b| is_letter(b) || b"-._~:/?@!$&'()*+,;=[]".contains(&b));
    let is_escape = |piece: &str| {
        let (digits, rest) = piece.split_at_checked(2).unwrap_or(("", piece));
        digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit()) && is_plain(rest)
    };
    pieces.next().is_some_and(is_plain) && pieces.all(is_escape)
}

/// A host, perhaps a port, and then nothing, a path or a query.
fn is_authority(rest: &str, is_host: impl Fn(&str) -> bool) -> bool {
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let after = rest.strip_prefix(authority).unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':').filter(|_| !authority.ends_with(']')) {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let port_fits = port.is_none_or(|port| !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok());
    is_host(host) && port_fits && !after.contains(['[', ']'])
}

/// Labels of letters, digits and hyphens (RFC 1123 §2.1).
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        let ends = |byte: Option<&u8>| byte.is_some_and(|byte| is_letter(*byte));
        let bytes = label.as_bytes();
        ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(|byte| is_letter(*byte) || *byte == b'-')
    };
    text.split('.').all(is_label)
}

fn is_loopback(text: &str) -> bool {
    matches!(text, "127.0.0.1" | "[::1]" | "localhost")
}

/// A reverse domain name in lower case: `com.example.app`.
fn is_private_use(scheme: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let first = scheme.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    first && scheme.contains('.') && scheme.split('.').all(is_label)
}

/// Neither a control character nor one that turns the direction of what follows, or is nothing to be seen.
fn is_shown(letter: char) -> bool {
    !matches!(letter, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn begins_well(text: &str) -> bool {
    text.bytes().next().is_some_and(is_letter)
}

fn check(fits: bool, member: &'static str, what: &'static str) -> Result<(), AdministrationFault> {
    if fits { Ok(()) } else { Err(AdministrationFault::Invalid { member, what }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REDIRECT_URIS: &[(&str, bool)] = &[
        ("https://app.example.com/callback", true),
        ("https://app.example.com", true),
        ("https://app.example.com:8443/callback?a=b&c=%20", true),
        ("https://app.example.com?a=b", true),
        ("http://127.0.0.1/callback", true),
        ("http://127.0.0.1:49152/callback", true),
        ("http://[::1]:49152/callback", true),
        ("http://localhost:3000/", true),
        ("com.example.app:/callback", true),
        ("com.example.app://callback", true),
        ("http://app.example.com/callback", false),
        ("http://127.0.0.1.example.com/", false),
        ("http://127.0.0.2/", false),
        ("https://app.example.com/callback#fragment", false),
        ("https://app.example.com/#", false),
        ("https://user@app.example.com/", false),
        ("https://app.example.com@evil.example/", false),
        ("https://*.example.com/", false),
        ("https://app.example.com:/", false),
        ("https://app.example.com:0/", false),
        ("https://app.example.com:70000/", false),
        ("https://app.example.com:+80/", false),
        ("https://-app.example.com/", false),
        ("https://app..example.com/", false),
        ("https://app.example.com\\@evil.example/", false),
        ("https://app.example.com/ ", false),
        ("https://app.example.com/\r\nLocation: x", false),
        ("https://app.example.com/%", false),
        ("https://app.example.com/%4", false),
        ("https://app.example.com/%zz", false),
        ("https://app.example.com/[", false),
        ("https:///callback", false),
        ("https:callback", false),
        ("HTTPS://app.example.com/", false),
        ("//app.example.com/callback", false),
        ("/callback", false),
        ("", false),
        ("javascript:alert(1)", false),
        ("data:text/html,x", false),
        ("app:/callback", false),
        ("com.example.app:", false),
        ("com..app:/callback", false),
        ("Com.example.app:/callback", false),
        ("https://\u{e4}.example/", false),
    ];

    #[test]
    fn rfc_8252_7_redirect_uris_are_https_loopback_or_private_use() {
        for (uri, expected) in REDIRECT_URIS {
            assert_eq!(is_redirect_uri(uri), *expected, "`{uri}`");
        }
        assert!(!is_redirect_uri(&format!("https://a/{}", "x".repeat(URI))));
    }

    #[test]
    fn names_have_their_letters_and_their_length() {
        let ok = |result: Result<(), AdministrationFault>| result.is_ok();
        for (name, fits) in [
            ("a login", ok(login("Nora.Berg+x@example.com"))),
            ("the longest login", ok(login(&"x".repeat(254)))),
            ("a name of any script", ok(display_name("Nóra 漢字 <b>'; DROP TABLE users; --"))),
            ("no name", ok(display_name(""))),
            ("a role", ok(role_name("Tenant-Admin:v2.x_y"))),
            ("a client", ok(client_id("reporting~job-1"))),
            ("a scope", ok(scopes("scopes", &ScopeNames::parse("a:b/c")))),
        ] {
            assert!(fits, "{name}");
        }
        for (name, fits) in [
            ("no login", ok(login(""))),
            ("a login with a space", ok(login("no ra"))),
            ("a login beyond ASCII", ok(login("n\u{f3}ra"))),
            ("a login too long", ok(login(&"x".repeat(255)))),
            ("a name with a line break", ok(display_name("a\nb"))),
            ("a name that turns around", ok(display_name("a\u{202e}b"))),
            ("a name too long", ok(display_name(&"\u{e4}".repeat(201)))),
            ("a client without a name", ok(client_name(""))),
            ("a role without a name", ok(role_name(""))),
            ("a role that is a path", ok(role_name(".."))),
            ("a role with a slash", ok(role_name("a/b"))),
            ("a role too long", ok(role_name(&"x".repeat(65)))),
            ("a client that is a user", ok(client_id("usr_x"))),
            ("a client with a space", ok(client_id("a b"))),
            ("a client that is a path", ok(client_id("."))),
            ("a scope with a quote", ok(scopes("scopes", &ScopeNames::parse("a\"b")))),
            ("a scope beyond ASCII", ok(scopes("scopes", &ScopeNames::parse("\u{e4}")))),
        ] {
            assert!(!fits, "{name}");
        }
    }
}
