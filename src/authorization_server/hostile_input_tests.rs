//! What people try in links and forms, in every field.

use super::front_channel_testing::{ALLOW_LIST, PASSWORD, Stage, asks, written};
use crate::store::ScopeNames;

/// What people try in every field.
const HOSTILE: [&str; 15] = [
    "'; DROP TABLE users; --",
    "\" OR \"\"=\"",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "%00",
    "\u{202e}",
    "${7*7}",
    "{{7*7}}",
    "é",
    "\0",
    "\r\nSet-Cookie: x=y",
    "?",
    "?&&&",
    "?%",
    "?client_id=%00",
];

#[tokio::test]
async fn whatever_a_link_holds_is_answered() {
    let stage = Stage::start().await;
    let mut browser = stage.browser_of("ann", 5).await;
    let names =
        ["client_id", "redirect_uri", "state", "scope", "prompt", "nonce", "resource", "login_hint", "scopegate_proof"];
    for text in HOSTILE {
        for name in names {
            let answer = browser.get(&asks(&written(name, text))).await;
            assert!(answer.status < 500 && !answer.body.contains("<script>"), "{name}={text}: {}", answer.status);
            assert!(answer.field("set-cookie").is_none_or(|cookie| !cookie.contains("x=y")), "{name}={text}");
        }
        for (path, name) in [("/login", "to"), ("/approvals", "client"), ("/approvals", "scope"), ("/", "x")] {
            let answer = browser.get(&format!("{path}?{}", written(name, text))).await;
            assert!(answer.status == 200 && !answer.body.contains("<script>"), "{path} {text}");
        }
    }
}

#[tokio::test]
async fn whatever_a_form_holds_is_answered_and_changes_nothing() {
    let stage = Stage::start().await;
    let mut browser = stage.browser_of("ann", 5).await;
    let csrf = browser.get("/logout").await.hidden("csrf");
    for text in HOSTILE {
        for target in ["/consent", "/account", "/approvals", "/password"] {
            let hostile = ["to", "client", "scope", "current", "new"].map(|name| (name, text));
            let fields: Vec<_> = [("csrf", &*csrf)].into_iter().chain(hostile).collect();
            let answer = browser.post(target, &fields).await;
            assert!(answer.status < 500 && !answer.body.contains("<script>"), "{target} {text:?}: {}", answer.status);
        }
    }
    assert_eq!(stage.server.store.users("", 10).await.unwrap().len(), 3);
    assert_eq!(stage.server.store.client("app").await.unwrap().unwrap().allow_list, ScopeNames::parse(ALLOW_LIST));
    assert_eq!(stage.approved().await, "");
}

#[tokio::test]
async fn whatever_a_login_form_holds_lets_nobody_in() {
    let stage = Stage::start().await;
    let mut browser = stage.browser();
    let csrf = browser.get("/login").await.hidden("csrf");
    for text in HOSTILE {
        for fields in [
            [("csrf", &*csrf), ("to", text), ("login", text), ("password", text)],
            [("csrf", text), ("to", text), ("login", "ann"), ("password", PASSWORD)],
        ] {
            let answer = browser.post("/login", &fields).await;
            assert_eq!((answer.status, answer.leads_to()), (403, None), "{text:?}");
            assert!(!answer.body.contains("<script>"), "{text:?}");
            assert!(answer.field("set-cookie").is_none_or(|cookie| !cookie.contains("x=y")), "{text:?}");
        }
    }
    assert!(!browser.cookies.contains_key("scopegate"));
}
