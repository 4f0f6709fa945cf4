//! Logins, sessions and passwords over real sockets, with a real database.

use std::time::Duration;

use super::front_channel_testing::{ANN, NOW, PASSWORD, Stage, allow, asks, at_consent};
use super::password::hash_password;
use crate::store::Password;

#[tokio::test]
async fn a_login_form_is_bound_to_the_browser_that_asked_for_it() {
    let stage = Stage::start().await;
    let strangers = stage.browser().get("/login").await.hidden("csrf");
    let mut browser = stage.browser();
    let page = browser.get("/login").await;
    for (trick, token) in [("none", ""), ("a stranger's", &*strangers), ("a wrong one", "A")] {
        let fields = [("csrf", token), ("login", "ann"), ("password", PASSWORD)];
        let answer = browser.post("/login", &fields).await;
        assert_eq!((answer.status, browser.cookies.contains_key("scopegate")), (403, false), "{trick}");
        assert!(answer.body.contains("This page was too old"), "{trick}");
    }
    let again = browser.get("/login").await;
    assert_eq!(again.hidden("csrf"), page.hidden("csrf"), "a second window does not spoil the first");
    let evil = "Origin: https://evil.example\r\n";
    let fields = [("csrf", &*page.hidden("csrf")), ("login", "ann"), ("password", PASSWORD)];
    assert_eq!(browser.post_from(evil, "/login", &fields).await.status, 403);
    let good = browser.log_in(&page, "ann", PASSWORD).await;
    assert_eq!((good.status, good.leads_to().as_deref()), (303, Some("/")));
}

#[tokio::test]
async fn a_session_that_was_planted_before_the_login_is_worth_nothing_after_it() {
    let stage = Stage::start().await;
    let planted = "A".repeat(43);
    let mut browser = stage.browser();
    browser.cookies.insert("scopegate".to_owned(), planted.clone());
    let page = browser.get("/login").await;
    browser.log_in(&page, "ann", PASSWORD).await;
    let first = browser.cookies["scopegate"].clone();
    assert_ne!(first, planted);
    let page = browser.get("/login?to=approvals").await;
    assert_eq!(browser.log_in(&page, "bob", PASSWORD).await.leads_to().as_deref(), Some("/approvals"));
    assert_ne!(browser.cookies["scopegate"], first);
    for old in [planted, first] {
        let mut thief = stage.browser();
        thief.cookies.insert("scopegate".to_owned(), old);
        assert_eq!(thief.get("/").await.heading(), "Log in");
    }
    assert_eq!(browser.get("/").await.heading(), "Hello, The user bob");
}

#[tokio::test]
async fn who_is_unknown_and_who_is_wrong_are_told_the_same() {
    let stage = Stage::start().await;
    let mut browser = stage.browser();
    let page = browser.get("/login").await;
    let mut answers = Vec::new();
    for (login, password) in [("ann", "wrong"), ("ANN ", ""), ("nobody", PASSWORD), ("' OR 1=1 --", PASSWORD), ("", "")]
    {
        let answer = browser.log_in(&page, login, password).await;
        assert_eq!(answer.status, 403, "{login}");
        let said = answer.body.split("role=\"alert\"").nth(1).unwrap().split("</div>").next().unwrap();
        answers.push(said.to_owned());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    assert!(!browser.cookies.contains_key("scopegate"));
}

#[tokio::test]
async fn guessing_is_slowed_down_and_said_so() {
    let stage = Stage::start().await;
    let mut own = stage.browser_of("bob", 5).await;
    let mut browser = stage.browser();
    let page = browser.get("/login").await;
    for (login, other_case) in [("bob", "Bob"), ("nobody", "NOBODY")] {
        let mut last = browser.log_in(&page, login, "wrong").await;
        for _ in 0..10 {
            last = browser.log_in(&page, other_case, "wrong").await;
        }
        assert_eq!((last.status, last.field("retry-after").is_some()), (429, true), "{login}");
        assert!(last.body.contains("too many attempts"), "{login}");
    }
    assert_eq!(browser.log_in(&page, "bob", PASSWORD).await.status, 429, "also with the right one");
    assert_eq!(browser.log_in(&page, "ann", PASSWORD).await.status, 303, "nobody else is held back");
    assert_eq!(own.get("/").await.heading(), "Hello, The user bob", "who is in stays in");
}

#[tokio::test]
async fn a_password_is_guessed_no_faster_where_it_is_changed() {
    let stage = Stage::start().await;
    let mut thief = stage.browser_of("bob", 5).await;
    let csrf = thief.get("/password").await.hidden("csrf");
    let new = "seven green old ladders";
    let mut statuses = Vec::new();
    for current in [["wrong"; 10].as_slice(), &[PASSWORD]].concat() {
        let fields = [("csrf", &*csrf), ("current", current), ("new", new), ("again", new)];
        statuses.push(thief.post("/password", &fields).await.status);
    }
    assert_eq!(statuses, [vec![403; 10], vec![429]].concat());
    let mut browser = stage.browser();
    let page = browser.get("/login").await;
    assert_eq!(browser.log_in(&page, "bob", PASSWORD).await.status, 429, "both count together");
}

#[tokio::test]
async fn a_password_that_is_replaced_while_it_is_compared_opens_nothing() {
    let stage = Stage::start().await;
    let mut browser = stage.browser();
    let page = browser.get("/login").await;
    let mut old = stage.browser_of("ann", 5).await;
    let csrf = old.get("/password").await.hidden("csrf");
    // Hashed before the change begins, for others wait for it no longer than five seconds.
    let one_time = Password { hash: hash_password("other words than those").unwrap(), one_time: true };
    let mut change = stage.server.store.change().await.unwrap();
    let log_in = async { browser.log_in(&page, "ann", PASSWORD).await };
    let new = "seven green old ladders";
    let fields = [("csrf", &*csrf), ("current", PASSWORD), ("new", new), ("again", new)];
    let choose = async { old.post("/password", &fields).await };
    let replace = async {
        // Both have been compared, and wait for this change to end.
        tokio::time::sleep(Duration::from_secs(2)).await;
        change.set_password(ANN, &one_time, None).await.unwrap();
        change.commit().await.unwrap();
    };
    let (logged_in, chosen, ()) = tokio::join!(log_in, choose, replace);
    assert_eq!((logged_in.status, logged_in.heading()), (403, "Log in".to_owned()));
    assert_eq!((chosen.status, chosen.heading()), (403, "This page was too old".to_owned()));
    assert_eq!(
        (browser.get("/").await.heading(), old.get("/").await.heading()),
        ("Log in".to_owned(), "Log in".to_owned())
    );
}

#[tokio::test]
async fn a_one_time_password_opens_nothing_but_its_own_change() {
    let stage = Stage::start().await;
    let mut browser = stage.browser();
    let page = browser.get(&asks("scope=openid&prompt=login")).await;
    let logged_in = browser.log_in(&page, "new", PASSWORD).await;
    let page = browser.follow(&logged_in).await;
    let own = "Choose a password of your own";
    assert_eq!(page.heading(), own);
    for target in ["/", "/approvals", "/password", &*asks("scope=openid")] {
        assert_eq!(browser.get(target).await.heading(), own, "{target}");
    }
    assert_eq!(browser.get(&asks("scope=openid&prompt=none")).await.error().as_deref(), Some("interaction_required"));
    let (csrf, to) = (page.hidden("csrf"), page.hidden("to"));
    let before = browser.cookies["scopegate"].clone();
    for (new, again) in [(PASSWORD, PASSWORD), ("short", "short"), ("seven green ladders", "seven green ladder")] {
        let answer = browser.post("/password", &[("csrf", &csrf), ("to", &to), ("new", new), ("again", again)]).await;
        assert_eq!((answer.status, answer.body.contains("role=\"alert\"")), (422, true), "{new}");
    }
    let new = "seven green old ladders";
    let changed = browser.post("/password", &[("csrf", &csrf), ("to", &to), ("new", new), ("again", new)]).await;
    assert_eq!(changed.status, 200);
    assert_ne!(browser.cookies["scopegate"], before);
    assert_eq!(
        browser.follow(&changed).await.heading(),
        "App asks for access",
        "and the login counts for `prompt=login`"
    );
    let mut old = stage.browser();
    old.cookies.insert("scopegate".to_owned(), before);
    assert_eq!(old.get("/").await.heading(), "Log in");
}

#[tokio::test]
async fn a_login_too_old_or_not_for_this_request_is_asked_again() {
    let stage = Stage::start().await;
    let (mut browser, csrf, to) = at_consent(&stage, "openid").await;
    allow(&mut browser, &csrf, &to, &["openid"]).await;
    for (more, expected) in [("max_age=5", None), ("max_age=4", Some("Log in")), ("prompt=login", Some("Log in"))] {
        let answer = browser.get(&asks(more)).await;
        assert_eq!(
            (answer.told().is_none(), answer.heading()),
            (expected.is_some(), expected.unwrap_or_default().to_owned())
        );
    }
    let page = browser.get(&asks("prompt=login&state=one")).await;
    let logged_in = browser.log_in(&page, "ann", PASSWORD).await;
    assert!(browser.follow(&logged_in).await.told().unwrap().one("code").is_some());
    let proof = logged_in.leads_to().unwrap();
    let other = proof.replace("state=one", "state=two");
    assert_eq!(browser.get(&other).await.heading(), "Log in", "the proof is of one request");
    let mut another = stage.browser_of("ann", 5).await;
    assert_eq!(another.get(&proof).await.heading(), "Log in", "and of one session");
}

#[tokio::test]
async fn a_session_ends_with_its_time_and_what_was_decided_after_it_does_not_count() {
    let stage = Stage::start().await;
    let (mut browser, csrf, to) = at_consent(&stage, "openid").await;
    stage.server.clock.set(Duration::from_secs(NOW.unsigned_abs() + 595));
    let late = allow(&mut browser, &csrf, &to, &["openid"]).await;
    assert_eq!((late.heading(), &*stage.approved().await), ("Log in".to_owned(), ""));
}

#[tokio::test]
async fn cookies_are_out_of_reach_of_scripts_and_other_sites() {
    let stage = Stage::start().await;
    let mut browser = stage.browser();
    let page = browser.get("/login").await;
    let logged_in = browser.log_in(&page, "ann", PASSWORD).await;
    for cookie in [page.field("set-cookie").unwrap(), logged_in.field("set-cookie").unwrap()] {
        for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.split("; ").any(|part| part == attribute), "{cookie}: {attribute}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
    let value = browser.cookies["scopegate"].clone();
    let twice = format!("Cookie: scopegate={value}; scopegate={}\r\nAccept: text/html\r\n", "A".repeat(43));
    assert_eq!(stage.browser().send("GET", "/", &twice, "").await.heading(), "Log in", "two of a name are none");
}

#[tokio::test]
async fn with_https_no_other_host_can_set_a_cookie_of_ours() {
    let stage = Stage::start_as(Some("https://login.example")).await;
    let mut browser = stage.browser();
    let page = browser.get("/login").await;
    let logged_in = browser.log_in(&page, "ann", PASSWORD).await;
    for (answer, name) in [(&page, "__Host-scopegate-login="), (&logged_in, "__Host-scopegate=")] {
        let cookie = answer.field("set-cookie").unwrap();
        assert!(cookie.starts_with(name) && cookie.split("; ").any(|part| part == "Secure"), "{cookie}");
    }
    let value = browser.cookies.remove("__Host-scopegate").unwrap();
    browser.cookies.insert("scopegate".to_owned(), value);
    assert_eq!(browser.get("/").await.heading(), "Log in", "the name without the prefix is worth nothing");
}

#[tokio::test]
async fn no_link_leads_a_login_to_another_site() {
    let stage = Stage::start().await;
    let mut browser = stage.browser_of("ann", 5).await;
    for to in [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "?redirect_uri=https://evil.example/&client_id=app",
        "?client_id=app&redirect_uri=https://evil.example/%0d%0aLocation:%20https://evil.example/",
    ] {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("to", to).finish();
        let page = browser.get(&format!("/login?{query}")).await;
        let answer = browser.log_in(&page, "bob", PASSWORD).await;
        let location = answer.leads_to().unwrap();
        assert!(location == "/" || location.starts_with("/oauth/authorize?"), "{to}: {location}");
        let shown = browser.follow(&answer).await;
        assert!(shown.leads_to().is_none(), "{to}");
    }
}
