//! Request targets: what is refused outright, and what is kept.

use http::{HeaderValue, Uri};
use proptest::prelude::*;

use crate::policy::target::has_dot_segment;
use crate::policy::{Denial, RequestTarget};

/// Host, path and query of a target shown with `Host: api.test`.
fn read(target: &str) -> Result<(String, String, Option<String>), Denial> {
    read_with("api.test", target)
}

fn read_with(host: &str, target: &str) -> Result<(String, String, Option<String>), Denial> {
    let uri: Uri = target.parse().unwrap_or_else(|fault| panic!("`{target}`: {fault}"));
    let host = HeaderValue::from_bytes(host.as_bytes()).unwrap();
    let target = RequestTarget::read(&uri, &host)?;
    Ok((target.host().to_owned(), target.path().to_owned(), target.query().map(str::to_owned)))
}

#[test]
fn plain_targets_are_kept() {
    for (target, path, query) in [
        ("/", "/", None),
        ("/items/1", "/items/1", None),
        ("/items/1?", "/items/1", Some("")),
        ("/items/1?a=%zz&b=..%2f", "/items/1", Some("a=%zz&b=..%2f")),
        ("/items/1#x", "/items/1", None),
        ("/%69tems/%61", "/items/a", None),
        ("/items/a%2Fb%20c%C3%A9", "/items/a%2Fb%20c%C3%A9", None),
        ("/items/...", "/items/...", None),
        ("/items/..a;x/.b", "/items/..a;x/.b", None),
        ("/items/(x)'!*,$&+=", "/items/(x)'!*,$&+=", None),
        ("//api.test/a", "//api.test/a", None),
        ("http://api.test/a", "/a", None),
        ("HTTP://API.test:80/a", "/a", None),
        ("https://api.test:443/a", "/a", None),
        ("http://api.test", "/", None),
        ("http://api.test?x", "/", Some("x")),
    ] {
        assert_eq!(read(target), Ok(("api.test".to_owned(), path.to_owned(), query.map(str::to_owned))), "{target}");
    }
}

#[test]
fn rfc9112_3_2_1_an_absolute_target_without_a_path_is_not_forwarded_as_it_was_sent() {
    for target in ["http://api.test", "http://api.test?x", "http://api.test#x", "http://api.test:80#/a?x"] {
        let (uri, host): (Uri, _) = (target.parse().unwrap(), HeaderValue::from_static("api.test"));
        let read = RequestTarget::read(&uri, &host).unwrap();
        assert!(read.path() == "/" && read.is_rewritten(), "{target}");
    }
}

const REFUSED: &[&str] = &[
    "/public/../admin",
    "/public/%2E./admin",
    "/public/%252E%252e/admin",
    "/public/%25252e%25252e/admin",
    "/public/%2e%2e;x/admin",
    "/public/.;/x",
    "/public/..%3b/admin",
    "/public/..;%20x/admin",
    "/public/..;a=b;c/admin",
    "/public/x/.",
    "/..",
    "/public/..\\admin",
    "/public/..%5cadmin",
    "/public/..%2fadmin",
    "/public/..%252fadmin",
    "/items/%5c..%5c..%5cadmin",
    "/items/1%00",
    "/items/1%250a",
    "/items/%7F",
    "/items/%C2%85",
    "/items/%2",
    "/items/%g0",
    "/items/100%",
    "/items/%zz/%2e%2e",
    "/items/%ff",
    "/items/%c0%ae%c0%ae/x",
    "/items/%25ff",
    "/caf\u{e9}",
    "/items?caf\u{e9}",
    "*",
    "api.test:80",
    "ftp://api.test/a",
    "http://other.test/a",
    "http://api.test:99/a",
    "http://api.test@other.test/a",
    "http://user@api.test/a",
];

#[test]
fn what_two_readers_read_differently_is_refused() {
    for target in REFUSED {
        assert_eq!(read(target), Err(Denial::BadRequest), "{target}");
    }
    assert_eq!(read(&format!("/%{}20", "25".repeat(100))), Err(Denial::BadRequest), "encoded too often");
}

#[test]
fn hosts_are_read_in_one_spelling_and_malformed_ones_refused() {
    for (host, expected) in [
        ("API.Test.:8080", Some("api.test")),
        ("[0::1]:8080", Some("[::1]")),
        ("", None),
        ("a/admin", None),
        ("a@b", None),
        ("api test", None),
        ("api.test:abc", None),
        ("caf\u{e9}.test", None),
    ] {
        assert_eq!(read_with(host, "/").ok().map(|(host, ..)| host).as_deref(), expected, "{host}");
    }
}

#[test]
fn dot_segments_are_seen_behind_every_slash() {
    for (path, expected) in [
        ("/a/..", true),
        ("/a\\.\\b", true),
        ("/a%2F..", true),
        ("/a%5c..%2fb", true),
        ("/a%20..", false),
        ("/..%20", false),
        ("/..;x%20y/b", true),
        ("/..;x%2Fy", true),
        ("/a%2e..%2F", false),
        ("/...", false),
        ("/%2F...%2F", false),
    ] {
        assert_eq!(has_dot_segment(path), expected, "{path}");
    }
}

/// Whether a plain reader, who decodes, takes every kind of slash and cuts parameters, meets a dot segment.
fn meets_dots(path: &str) -> bool {
    let mut text = path.to_owned();
    for _ in 0..8 {
        let slashed =
            ["%2F", "%2f", "%5C", "%5c", "\\"].iter().fold(text.clone(), |text, slash| text.replace(slash, "/"));
        if slashed.split('/').any(|segment| matches!(segment.split(';').next(), Some("." | ".."))) {
            return true;
        }
        let Ok(Some(next)) = crate::policy::escapes::decode(&text, false) else { return false };
        text = next;
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..60), host in prop::collection::vec(any::<u8>(), 0..20)) {
        let target: Vec<u8> = [b"/".as_slice(), &bytes].concat();
        if let (Ok(uri), Ok(host)) = (Uri::try_from(target), HeaderValue::from_bytes(&host)) {
            let _ = RequestTarget::read(&uri, &host);
        }
    }

    #[test]
    fn what_is_forwarded_is_read_alike(target in "/([ab./;\\\\]|%2[0-9a-fA-F]|%25|%5[cC]|%3[bB]|%6[1-9]|%C3%A9){0,24}(\\?[ab=&%]{0,6})?") {
        let host = HeaderValue::from_static("api.test");
        let uri: Uri = target.parse().unwrap();
        if let Ok(read) = RequestTarget::read(&uri, &host) {
            prop_assert!(!meets_dots(read.path()), "{}", read.path());
            prop_assert_eq!(read.is_rewritten(), read.path() != uri.path());
            let forwarded: Uri = format!("{}{}", read.path(), read.query().map_or(String::new(), |query| format!("?{query}"))).parse().unwrap();
            let again = RequestTarget::read(&forwarded, &host).unwrap();
            prop_assert_eq!((again.path(), again.query()), (read.path(), read.query()));
            prop_assert!(!again.is_rewritten());
        } else if let Ok(decoded) = crate::policy::escapes::decode(uri.path(), false) {
            // Nothing is refused without a reason.
            let decoded = decoded.unwrap_or_default();
            let odd = decoded.chars().any(char::is_control) || meets_dots(uri.path()) || meets_dots(&decoded) || decoded.contains('%');
            prop_assert!(odd, "{target}");
        }
    }
}
