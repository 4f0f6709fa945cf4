//! The pages over real sockets, with a real database: what a browser may do, and what nobody may do to it.

use super::front_channel_testing::{ANN, CALLBACK, NOW, PASSWORD, Stage, allow, asks, at_consent, written};
use super::secrets;
use crate::store::{CodeUse, ScopeNames};

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
