//! The pages over real sockets, with a real database: what a browser may do, and what nobody may do to it.

use std::time::Duration;

use super::front_channel_testing::{ALLOW_LIST, ANN, Answer, Browser, CALLBACK, NOW, PASSWORD, Stage, asks};
use super::password::hash_password;
use super::secrets;
use crate::store::{CodeUse, Password, ScopeNames};

/// Ann's browser at the consent page for `scope`, and what its form carries.
async fn at_consent(stage: &Stage, scope: &str) -> (Browser, String, String) {
    let mut browser = stage.browser_of("ann", 5).await;
    let page = browser.get(&asks(&format!("scope={scope}"))).await;
    assert_eq!(page.heading(), "App asks for access");
    (browser, page.hidden("csrf"), page.hidden("to"))
}

async fn allow(browser: &mut Browser, csrf: &str, to: &str, scopes: &[&str]) -> Answer {
    let scopes = scopes.iter().map(|scope| ("scope", *scope));
    let fields: Vec<_> = [("csrf", csrf), ("to", to), ("decision", "allow")].into_iter().chain(scopes).collect();
    browser.post("/consent", &fields).await
}

#[tokio::test]
async fn a_code_comes_with_what_was_approved_and_stands_for_what_was_asked() {
    let stage = Stage::start().await;
    let (mut browser, csrf, to) = at_consent(&stage, "openid+profile&nonce=n1&resource=https://api.example").await;
    let answer = allow(&mut browser, &csrf, &to, &["openid"]).await;
    assert_eq!((answer.status, &*stage.approved().await), (303, "openid"));
    let told = answer.told().unwrap();
    assert_eq!((told.one("state"), told.one("iss")), (Some("s"), Some(&*format!("http://{}", stage.address))));
    let mut change = stage.server.store.change().await.unwrap();
    let found = change.redeem_code(&secrets::hash(told.one("code").unwrap()), NOW, |_| true).await.unwrap();
    let CodeUse::Redeemed(code) = found else { panic!("{found:?}") };
    assert_eq!((&*code.client, &*code.user, &*code.redirect_uri), ("app", ANN, CALLBACK));
    assert_eq!((code.requested, code.nonce.as_deref()), (ScopeNames::parse("openid profile"), Some("n1")));
    assert_eq!((code.authenticated_at, code.expires_at), (NOW - 5, NOW + 60));
    assert_eq!(code.resources, ["https://api.example"]);
}

#[tokio::test]
async fn looking_at_the_link_with_another_method_issues_nothing() {
    let stage = Stage::start().await;
    let (mut browser, csrf, to) = at_consent(&stage, "openid").await;
    allow(&mut browser, &csrf, &to, &["openid"]).await;
    for method in ["HEAD", "PUT", "OPTIONS"] {
        let answer = browser.send(method, &asks("scope=openid"), "", "").await;
        assert_eq!((answer.status, answer.field("allow"), answer.field("location")), (405, Some("GET, POST"), None));
    }
    let code = browser.get(&asks("scope=openid")).await;
    assert!(code.told().unwrap().one("code").is_some(), "the same link by GET");
}

#[tokio::test]
async fn what_was_not_on_the_page_cannot_be_approved_with_it() {
    let stage = Stage::start().await;
    let (mut browser, csrf, to) = at_consent(&stage, "openid").await;
    let smuggled = ["openid", "admin.users", "offline_access", "admin.roles", "nosuch", "openid profile", ""];
    assert_eq!(allow(&mut browser, &csrf, &to, &smuggled).await.status, 303);
    assert_eq!(stage.approved().await, "openid");
}

#[tokio::test]
async fn denying_is_told_unless_something_stands_from_before() {
    let stage = Stage::start().await;
    let (mut browser, csrf, to) = at_consent(&stage, "openid").await;
    for decision in ["deny", "", "Allow"] {
        let fields = [("csrf", &*csrf), ("to", &to), ("decision", decision), ("scope", "openid")];
        assert_eq!(browser.post("/consent", &fields).await.error().as_deref(), Some("access_denied"), "{decision}");
    }
    assert_eq!(stage.approved().await, "");
    let nothing = allow(&mut browser, &csrf, &to, &[]).await;
    assert_eq!((nothing.status, nothing.body.contains("role=\"alert\"")), (422, true));
    assert_eq!(allow(&mut browser, &csrf, &to, &["openid"]).await.status, 303);
    let page = browser.get(&asks("scope=openid+profile")).await;
    let (csrf, to) = (page.hidden("csrf"), page.hidden("to"));
    let denied = browser.post("/consent", &[("csrf", &csrf), ("to", &to), ("decision", "deny")]).await;
    assert!(denied.told().unwrap().one("code").is_some());
    assert_eq!(stage.approved().await, "openid");
    let page = browser.get(&asks("scope=openid&prompt=consent")).await;
    let (csrf, to) = (page.hidden("csrf"), page.hidden("to"));
    let denied = browser.post("/consent", &[("csrf", &csrf), ("to", &to), ("decision", "deny")]).await;
    assert_eq!(denied.error().as_deref(), Some("access_denied"), "who is asked again can say no");
}

#[tokio::test]
async fn a_form_of_another_page_session_or_site_does_nothing() {
    let stage = Stage::start().await;
    let (mut browser, csrf, to) = at_consent(&stage, "openid").await;
    allow(&mut browser, &csrf, &to, &["openid"]).await;
    let page = browser.get(&asks("scope=profile")).await;
    let to = page.hidden("to");
    let foreign = stage.browser_of("ann", 5).await.get("/logout").await.hidden("csrf");
    let login = stage.browser().get("/login").await.hidden("csrf");
    let own = format!("Origin: http://{}\r\n", stage.address);
    let forms: [(&str, &[(&str, &str)]); 5] = [
        ("/logout", &[]),
        ("/approvals", &[("client", "app"), ("scope", "openid")]),
        ("/consent", &[("to", &to), ("decision", "allow"), ("scope", "profile")]),
        (
            "/password",
            &[("current", PASSWORD), ("new", "seven green old ladders"), ("again", "seven green old ladders")],
        ),
        ("/account", &[("to", &to)]),
    ];
    for (trick, head, token) in [
        ("no token", &*own, None),
        ("an empty one", &own, Some("")),
        ("a wrong one", &own, Some("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        ("another session's", &own, Some(&*foreign)),
        ("the login form's", &own, Some(&*login)),
        ("another origin", "Origin: https://evil.example\r\n", Some(&*csrf)),
        ("another port", "Origin: http://127.0.0.1:1\r\n", Some(&*csrf)),
        ("an origin that is hidden", "Origin: null\r\n", Some(&*csrf)),
        ("a cross-site form", "Sec-Fetch-Site: cross-site\r\n", Some(&*csrf)),
    ] {
        for (target, fields) in forms {
            let token = token.map(|token| ("csrf", token));
            let fields: Vec<_> = fields.iter().copied().chain(token).collect();
            let answer = browser.post_from(head, target, &fields).await;
            assert_eq!((answer.status, answer.leads_to()), (403, None), "{trick}: {target}");
        }
    }
    assert_eq!(stage.approved().await, "openid");
    assert_eq!(browser.get("/").await.heading(), "Hello, The user ann");
    let kept = stage.server.store.user_by_login("ann").await.unwrap().unwrap().1;
    assert!(stage.server.passwords.verify(PASSWORD, Some(&kept.hash)).await);
}

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
async fn rfc_9700_4_1_no_request_leads_to_an_address_that_is_not_registered() {
    let stage = Stage::start().await;
    let (mut browser, csrf, to) = at_consent(&stage, "openid").await;
    allow(&mut browser, &csrf, &to, &["openid"]).await;
    assert!(
        browser.get(&asks("scope=openid")).await.told().unwrap().one("code").is_some(),
        "nothing is asked any more"
    );
    for uri in [
        "https://evil.example/callback",
        "https://app.example@evil.example/callback",
        "https://app.example.evil.example/callback",
        "https://app.example/callback/../evil",
        "https://app.example/callback/%2e%2e/evil",
        "https://app.example/callback?next=https://evil.example/",
        "https://app.example/callback#x",
        "https://app.example:444/callback",
        "https://APP.example/callback",
        "https://app.example/callback\r\nLocation: https://evil.example/",
        "https://app.example/callback\0",
        "http://app.example/callback",
        "//app.example/callback",
        "com.example.app:/callback2",
        "javascript:alert(1)",
        "",
    ] {
        let uri = written("redirect_uri", uri);
        let twice = format!("{uri}&{}", written("redirect_uri", CALLBACK));
        for more in [uri.clone(), format!("{uri}&prompt=none"), format!("{uri}&response_type=token"), twice] {
            let answer = browser.get(&asks(&more)).await;
            assert_eq!((answer.status, answer.leads_to()), (400, None), "{more}");
            assert!(!answer.body.contains("evil.example"), "{more}: not as a link either");
        }
    }
}

#[tokio::test]
async fn rfc_9700_2_1_1_no_code_comes_without_a_challenge_of_s256() {
    let stage = Stage::start().await;
    let (mut browser, csrf, to) = at_consent(&stage, "openid").await;
    allow(&mut browser, &csrf, &to, &["openid"]).await;
    for more in [
        "code_challenge",
        "code_challenge=",
        "code_challenge_method",
        "code_challenge_method=plain",
        "code_challenge&code_challenge_method",
        "code_challenge_method=S256&code_challenge_method=plain",
    ] {
        let told = browser.get(&asks(more)).await.told().unwrap();
        assert_eq!((told.one("error"), told.one("code")), (Some("invalid_request"), None), "{more}");
    }
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
async fn removing_an_approval_is_done_and_said() {
    let stage = Stage::start().await;
    let (mut browser, csrf, to) = at_consent(&stage, "openid+profile+offline_access").await;
    allow(&mut browser, &csrf, &to, &["openid", "profile", "offline_access"]).await;
    let page = browser.get("/approvals").await;
    assert!(page.body.contains("See your name and login") && page.body.contains("14 November 2023"));
    let csrf = page.hidden("csrf");
    let removed = browser.post("/approvals", &[("csrf", &csrf), ("client", "app"), ("scope", "profile")]).await;
    assert_eq!((removed.status, &*stage.approved().await), (303, "offline_access openid"));
    assert!(browser.follow(&removed).await.body.contains("Removed: “See your name and login” from App."));
    let forged = browser.get("/approvals?client=app&scope=openid").await;
    assert!(!forged.body.contains("role=\"status\""), "a link says nothing that is not so");
    let forged = browser.get("/approvals?client=Your+account+is+locked&scope=x").await;
    assert!(!forged.body.contains("locked"));
    let bobs = stage.browser_of("bob", 1).await.get("/approvals").await;
    assert!(bobs.body.contains("No application has access."));
    let removed = browser.post("/approvals", &[("csrf", &csrf), ("client", "app")]).await;
    assert!(browser.follow(&removed).await.body.contains("App has no access any more."));
    assert_eq!(stage.approved().await, "");
}

#[tokio::test]
async fn every_page_keeps_other_sites_out() {
    let stage = Stage::start().await;
    let mut browser = stage.browser_of("ann", 5).await;
    let consent = asks("scope=openid");
    let native = asks("scope=openid&redirect_uri=com.example.app:/callback");
    let unknown = asks("client_id=nobody");
    for (target, status, form_action) in [
        ("/", 200, "'self'"),
        ("/login?to=approvals", 200, "'self'"),
        ("/approvals", 200, "'self'"),
        ("/password", 200, "'self'"),
        ("/logout", 200, "'self'"),
        ("/nowhere", 404, "'self'"),
        ("/consent", 405, "'self'"),
        (&*unknown, 400, "'self'"),
        (&*consent, 200, "'self' https:"),
        (&*native, 200, "'self' com.example.app:"),
        (&*asks("prompt=login"), 200, "'self'"),
    ] {
        let answer = browser.get(target).await;
        let policy = format!(
            "default-src 'none'; style-src 'self'; form-action {form_action}; base-uri 'none'; frame-ancestors 'none'"
        );
        assert_eq!(answer.status, status, "{target}");
        for (name, value) in [
            ("content-security-policy", &*policy),
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("content-type", "text/html; charset=utf-8"),
        ] {
            assert_eq!(answer.field(name), Some(value), "{target}: {name}");
        }
    }
    let redirect = browser.get(&asks("scope=openid&prompt=none")).await;
    assert_eq!((redirect.status, redirect.error().as_deref()), (303, Some("consent_required")));
    assert_eq!(redirect.field("cache-control"), Some("no-store"));
    assert_eq!(redirect.field("referrer-policy"), Some("no-referrer"));
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

#[tokio::test]
async fn openid_connect_core_3_1_2_1_a_request_by_post_is_the_same_request() {
    let stage = Stage::start().await;
    let mut browser = stage.browser_of("ann", 5).await;
    let form = "Origin: https://app.example\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let query = asks("scope=openid&state=a%2Bb%20c");
    let (_, body) = query.split_once('?').unwrap();
    let answer = browser.send("POST", "/oauth/authorize", form, body).await;
    assert_eq!(answer.status, 303);
    assert!(answer.leads_to().unwrap().starts_with("/oauth/authorize?"));
    assert_eq!(browser.follow(&answer).await.heading(), "App asks for access");
    let denied = browser.send("POST", "/oauth/authorize", form, &format!("{body}&prompt=none")).await;
    let told = browser.follow(&denied).await.told().unwrap();
    assert_eq!(told.one("state"), Some("a+b c"));
    for (head, body) in [("Content-Type: application/json\r\n", "{}"), (form, "state=%ff"), (form, "client_id=%zz")] {
        assert_eq!(browser.send("POST", "/oauth/authorize", head, body).await.status, 400, "{body}");
    }
}

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

fn written(name: &str, value: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
}

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

#[tokio::test]
async fn the_style_sheet_is_kept_as_long_as_it_is_the_same() {
    let stage = Stage::start().await;
    let mut browser = stage.browser();
    let page = browser.get("/login").await;
    let address = page.body.split("href=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let sheet = browser.get(&address).await;
    assert_eq!(sheet.field("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(sheet.field("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(browser.get("/style.css?v=other").await.field("cache-control"), Some("no-cache"));
    let known = format!("If-None-Match: {}\r\n", sheet.field("etag").unwrap());
    let again = browser.send("GET", "/style.css", &known, "").await;
    assert_eq!((again.status, again.body.is_empty()), (304, true));
    let bare = browser.send("GET", "/nowhere", "Accept: application/json\r\n", "").await;
    assert_eq!((bare.status, bare.body.contains("<html")), (404, false));
}
