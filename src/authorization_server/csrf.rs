//! Whether a form was sent from a page of ours, by the browser that the page was made for.
//!
//! Every form carries a tag over its purpose, keyed with the value of a cookie that no script and no other site can read. So nothing is
//! stored, and a tag of another session, or of another purpose, is worth nothing.

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use axum::http::HeaderMap;
use axum::http::header::ORIGIN;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::Url;

/// What a tag is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A form of a session.
    Form,
    /// The login form; keyed with the cookie of the login, for there is no session yet.
    LoginForm,
    /// Shows that the user logged in for the authorization request that is tagged.
    LoggedInFor,
    /// Shows that the user chose the account for the authorization request that is tagged.
    ChoseAccountFor,
}

impl Purpose {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Form => b"form",
            Self::LoginForm => b"login form",
            Self::LoggedInFor => b"logged in for",
            Self::ChoseAccountFor => b"chose account for",
        }
    }
}

/// Makes the tag over `text`, keyed with a cookie's value: 43 letters of base64url.
pub(super) fn tag(cookie: &str, purpose: Purpose, text: &str) -> String {
    URL_SAFE_NO_PAD.encode(hmac::sign(&key(cookie), &tagged(purpose, text)))
}

/// Returns whether `presented` is that tag; how long this takes says nothing about where they differ.
pub(super) fn is_tag(presented: &str, cookie: &str, purpose: Purpose, text: &str) -> bool {
    let presented = URL_SAFE_NO_PAD.decode(presented).unwrap_or_default();
    hmac::verify(&key(cookie), &tagged(purpose, text), &presented).is_ok()
}

fn key(cookie: &str) -> Key {
    Key::new(HMAC_SHA256, cookie.as_bytes())
}

fn tagged(purpose: Purpose, text: &str) -> Vec<u8> {
    // A zero byte is in no purpose, so that purpose and text cannot run into each other.
    [purpose.name(), b"\0", text.as_bytes()].concat()
}

/// Returns whether a page of ours sent a form, as the browser tells it. What is no browser tells nothing, and holds no cookie that a
/// stranger could use.
pub(super) fn is_from_our_page(fields: &HeaderMap, issuer: &str) -> bool {
    let ours = Url::parse(issuer).map(|issuer| issuer.origin().ascii_serialization()).ok();
    let origins = fields.get_all(ORIGIN).iter();
    let sites = fields.get_all("sec-fetch-site").iter();
    // `none` is what a browser says of what its user did without any page, such as sending a form again.
    origins.map(|origin| origin.to_str().ok()).all(|origin| origin.is_some() && origin == ours.as_deref())
        && sites.map(|site| site.to_str().ok()).all(|site| matches!(site, Some("same-origin" | "none")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_bound_to_cookie_purpose_and_text() {
        let made = tag("cookie", Purpose::LoggedInFor, "client_id=a");
        for (name, presented, cookie, purpose, text, expected) in [
            ("itself", &*made, "cookie", Purpose::LoggedInFor, "client_id=a", true),
            ("another session", &made, "cookie2", Purpose::LoggedInFor, "client_id=a", false),
            ("another purpose", &made, "cookie", Purpose::ChoseAccountFor, "client_id=a", false),
            ("another request", &made, "cookie", Purpose::LoggedInFor, "client_id=b", false),
            ("nothing", "", "cookie", Purpose::LoggedInFor, "client_id=a", false),
            ("no base64url", "!", "cookie", Purpose::LoggedInFor, "client_id=a", false),
            ("its beginning", made.get(..40).unwrap(), "cookie", Purpose::LoggedInFor, "client_id=a", false),
        ] {
            assert_eq!(is_tag(presented, cookie, purpose, text), expected, "{name}");
        }
    }

    #[test]
    fn a_form_of_another_origin_is_known_by_what_the_browser_says() {
        for (issuer, fields, expected) in [
            ("https://as.example", &[("origin", "https://as.example")][..], true),
            ("https://as.example:443", &[("origin", "https://as.example")], true),
            ("http://127.0.0.1:9000", &[("origin", "http://127.0.0.1:9000")], true),
            ("https://as.example", &[("origin", "https://as.example"), ("sec-fetch-site", "same-origin")], true),
            ("https://as.example", &[], true),
            ("https://as.example", &[("origin", "null")], false),
            ("https://as.example", &[("origin", "http://as.example")], false),
            ("https://as.example", &[("origin", "https://as.example:8443")], false),
            ("https://as.example", &[("origin", "https://as.example.evil.example")], false),
            ("https://as.example", &[("origin", "https://as.example"), ("origin", "https://evil.example")], false),
            ("https://as.example", &[("sec-fetch-site", "cross-site")], false),
            ("https://as.example", &[("sec-fetch-site", "same-site")], false),
            ("http://127.0.0.1:9000", &[("origin", "http://127.0.0.1:9001")], false),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in fields {
                map.append(*name, value.parse().unwrap());
            }
            assert_eq!(is_from_our_page(&map, issuer), expected, "{issuer} {fields:?}");
        }
    }
}
