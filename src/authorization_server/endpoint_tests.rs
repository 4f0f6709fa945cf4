//! Introspection, revocation and user information over a real listener and a real database.

use serde_json::{Value, json};

use super::testing::{API, GATEWAY_TOKEN, ISSUER, OTHER_API, START, World};

const ALLOWED: &str = "automations offline_access openid profile";

/// A user's tokens of one client, among others.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) user: String,
    pub(super) client: String,
    pub(super) access: String,
    pub(super) refresh: String,
}

pub(super) async fn scene() -> Scene {
    let world = World::new().await;
    let user = world.user("nora", &["User"]).await;
    let client = world.client("app", ALLOWED).await;
    world.client("other", ALLOWED).await;
    world.client_with("gateway", "", |client| client.introspects = true).await;
    world.client_with("spa", ALLOWED, |client| client.secret = None).await;
    world.approve(&user, &client, ALLOWED).await;
    let answer = world.tokens(&user, &client, "offline_access").await;
    let (access, refresh) = (answer.text("access_token"), answer.text("refresh_token"));
    Scene { world, user, client, access, refresh }
}

#[tokio::test]
async fn rfc_7662_2_2_an_access_token_is_shown_to_its_client_and_to_protected_resources() {
    let Scene { world, user, client, access, .. } = scene().await;
    let jti = super::testing::claims(&access)["jti"].clone();
    let active = json!({
        "active": true, "token_type": "Bearer", "iss": ISSUER, "aud": [API, OTHER_API, ISSUER], "sub": user,
        "client_id": client, "scope": "automations offline_access openid profile", "iat": START, "exp": START + 300,
        "jti": jti, "username": "nora", "roles": ["User"], "auth_time": START - 30,
    });
    assert_eq!(world.introspect("gateway", &access).await, active);
    assert_eq!(world.introspect(&client, &access).await, active);
    assert_eq!(world.introspect("other", &access).await, json!({"active": false}));
    let own = [("grant_type", "client_credentials"), ("scope", "automations")];
    let own = world.post_as(&client, "/oauth/token", &own).await.text("access_token");
    let shown = world.introspect("gateway", &own).await;
    assert_eq!((&shown["sub"], shown.get("username"), shown.get("roles")), (&json!(client), None, None));
    world.pass(300);
    assert_eq!(world.introspect("gateway", &access).await, json!({"active": false}), "it has ended");
}

#[tokio::test]
async fn a_refresh_token_is_shown_to_its_own_client_alone() {
    let Scene { world, user, client, refresh, .. } = scene().await;
    let shown = world.introspect(&client, &refresh).await;
    assert_eq!(
        shown,
        json!({
            "active": true, "iss": ISSUER, "sub": user, "username": "nora", "client_id": client,
            "scope": "automations offline_access openid profile", "iat": START, "exp": START + 720 * 3_600,
        })
    );
    for client in ["gateway", "other"] {
        assert_eq!(world.introspect(client, &refresh).await, json!({"active": false}), "{client}");
    }
}

#[tokio::test]
async fn rfc_7662_2_1_nobody_introspects_without_authentication() {
    let Scene { world, client, access, .. } = scene().await;
    for form in [
        vec![("token", &*access)],
        vec![("token", &*access), ("client_id", "spa")],
        vec![("token", &*access), ("client_id", &client)],
    ] {
        let answer = world.post("/oauth/introspect", &[], &form).await;
        assert_eq!((answer.status.as_u16(), &*answer.text("error")), (401, "invalid_client"), "{form:?}");
    }
    assert_eq!(world.post_as("gateway", "/oauth/introspect", &[]).await.text("error"), "invalid_request");
    let answer = world.post_as("gateway", "/oauth/introspect", &[("token", &access)]).await;
    assert_eq!(answer.field("cache-control"), "no-store");
}

#[tokio::test]
async fn what_this_server_did_not_sign_is_not_active() {
    let Scene { world, access, .. } = scene().await;
    let (signed, signature) = access.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let other = scene().await.access;
    let other_signature = other.rsplit_once('.').unwrap().1;
    for (name, token) in [
        ("another server's", other.clone()),
        ("another token's signature", format!("{signed}.{other_signature}")),
        ("no signature", format!("{signed}.")),
        ("alg none", format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{payload}.")),
        ("a payload of another", format!("{header}.{}.{signature}", other.split('.').nth(1).unwrap())),
        ("no token", "..".into()),
        ("no token", "a.b.c".into()),
        ("no token", "x".into()),
        ("no token", "ä.ö.ü".into()),
        ("very long", "a.".repeat(20_000)),
    ] {
        assert_eq!(world.introspect("gateway", &token).await, json!({"active": false}), "{name}");
    }
}

#[tokio::test]
async fn rfc_7009_2_a_client_revokes_tokens_of_its_own() {
    let Scene { world, user, client, access, refresh } = scene().await;
    for token in [&access, &refresh] {
        let answer = world.post_as("other", "/oauth/revoke", &[("token", token)]).await;
        assert_eq!((answer.status.as_u16(), &*answer.text("error")), (400, "invalid_grant"), "another client's");
        assert_eq!(world.introspect(&client, token).await["active"], true);
    }
    let form = [("token", &*access), ("token_type_hint", "refresh_token")];
    let answer = world.post_as(&client, "/oauth/revoke", &form).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0), "whatever the hint");
    assert_eq!(world.introspect(&client, &access).await["active"], false);
    assert_eq!(world.introspect(&client, &refresh).await["active"], true, "the grant goes on");
    assert_eq!(world.get("/userinfo", Some(&access)).await.status, 401);
    let renewed = world.refresh(&client, &refresh).await;
    let answer = world.post_as(&client, "/oauth/revoke", &[("token", &renewed.text("refresh_token"))]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(world.introspect(&client, &renewed.text("access_token")).await["active"], false, "with its grant");
    assert_eq!(world.refresh(&client, &renewed.text("refresh_token")).await.text("error"), "invalid_grant");
    let feed = world.get("/oauth/revocations", Some(GATEWAY_TOKEN)).await.json();
    let named: Vec<&Value> = feed["entries"].as_array().unwrap().iter().map(|entry| &entry["jti"]).collect();
    assert!(named.contains(&&super::testing::claims(&access)["jti"]), "{feed}");
    assert!(named.contains(&&renewed.claims()["jti"]), "{feed}");
    assert_eq!(world.approve_count(&user, &client).await, 4, "approvals stand");
}

#[tokio::test]
async fn rfc_7009_2_2_what_is_no_token_is_as_good_as_revoked() {
    let Scene { world, client, access, .. } = scene().await;
    for token in ["x", "a.b.c", "..", &access.replace('e', "f")] {
        let answer = world.post_as(&client, "/oauth/revoke", &[("token", token)]).await;
        assert_eq!(answer.status, 200, "{token}");
    }
    assert_eq!(world.post_as(&client, "/oauth/revoke", &[]).await.text("error"), "invalid_request");
    let answer = world.post("/oauth/revoke", &[], &[("token", &access), ("client_id", &client)]).await;
    assert_eq!(answer.text("error"), "invalid_client", "without the secret");
}

#[tokio::test]
async fn rfc_7009_2_1_a_public_client_revokes_its_own() {
    let Scene { world, user, .. } = scene().await;
    world.approve(&user, "spa", ALLOWED).await;
    let code = world.code(&user, "spa", "offline_access").await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", super::testing::CALLBACK),
        ("code_verifier", super::testing::VERIFIER),
        ("client_id", "spa"),
    ];
    let tokens = world.post("/oauth/token", &[], &form).await;
    let form = [("token", &*tokens.text("refresh_token")), ("client_id", "spa")].map(|(n, v)| (n, v.to_owned()));
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(world.post("/oauth/revoke", &[], &form).await.status, 200);
    assert_eq!(world.introspect("gateway", &tokens.text("access_token")).await["active"], false);
}

#[tokio::test]
async fn openid_connect_core_5_3_userinfo_tells_what_the_scope_lets_it() {
    let Scene { world, user, client, access, .. } = scene().await;
    let whole = json!({"sub": user, "name": "NORA", "preferred_username": "nora"});
    let answer = world.get("/userinfo", Some(&access)).await;
    assert_eq!((answer.json(), answer.field("cache-control")), (whole.clone(), "no-store"));
    let bearer = format!("Bearer {access}");
    assert_eq!(world.ask("POST", "/userinfo", &[("authorization", &bearer)], "").await.json(), whole);
    let bare = world.client("bare", "openid").await;
    world.approve(&user, &bare, "openid").await;
    let token = world.tokens(&user, &bare, "openid").await.text("access_token");
    assert_eq!(world.get("/userinfo", Some(&token)).await.json(), json!({"sub": user}));
    let own = [("grant_type", "client_credentials"), ("scope", "openid")];
    let own = world.post_as(&client, "/oauth/token", &own).await.text("access_token");
    assert_eq!(world.get("/userinfo", Some(&own)).await.status, 401, "nobody stands behind it");
}

#[tokio::test]
async fn rfc_6750_3_userinfo_says_why_it_refuses() {
    let Scene { world, user, .. } = scene().await;
    let plain = world.client("plain", "automations profile").await;
    world.approve(&user, &plain, "automations profile").await;
    let without_openid = world.tokens(&user, &plain, "").await.text("access_token");
    world.disapprove(&user, &plain, "profile").await;
    world.pass(1);
    let for_others = world.tokens(&user, &plain, "").await.text("access_token");
    for (token, status, challenge) in [
        (None, 401, "Bearer realm=\"scopegate\""),
        (Some("a b"), 400, "error=\"invalid_request\""),
        (Some("a.b.c"), 401, "error=\"invalid_token\""),
        (Some(&*without_openid), 401, "error=\"invalid_token\""),
        (Some(&*for_others), 401, "error=\"invalid_token\""),
    ] {
        let answer = world.get("/userinfo", token).await;
        let shown = answer.field("www-authenticate");
        assert_eq!(answer.status.as_u16(), status, "{token:?}: {answer:?}");
        assert!(shown.contains(challenge) && (token.is_some() || shown == challenge), "{token:?}: {shown}");
    }
    world.approve(&user, &plain, "profile").await;
    let token = world.tokens(&user, &plain, "").await.text("access_token");
    let answer = world.get("/userinfo", Some(&token)).await;
    assert_eq!(answer.status, 403);
    assert!(answer.field("www-authenticate").contains("error=\"insufficient_scope\""), "{answer:?}");
    assert!(answer.field("www-authenticate").ends_with("scope=\"openid\""), "{answer:?}");
}

#[tokio::test]
async fn pages_of_any_origin_read_what_no_cookie_leads_to() {
    let world = World::new().await;
    let origin = [("origin", "https://app.test")];
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/.well-known/jwks.json",
        "/oauth/token",
        "/oauth/revoke",
        "/userinfo",
    ] {
        let asked = [origin[0], ("access-control-request-method", "POST")];
        let preflight = world.ask("OPTIONS", path, &asked, "").await;
        assert_eq!(preflight.status, 204, "{path}");
        assert_eq!(preflight.field("access-control-allow-origin"), "*", "{path}");
        assert_eq!(preflight.field("access-control-allow-headers"), "Authorization, Content-Type", "{path}");
        for method in ["GET", "POST"] {
            let answer = world.ask(method, path, &origin, "").await;
            assert_eq!(answer.field("access-control-allow-origin"), "*", "{method} {path}: errors too");
            assert_eq!(answer.field("access-control-allow-credentials"), "", "{method} {path}");
        }
    }
    for path in ["/oauth/introspect", "/oauth/revocations"] {
        let answer = world.ask("POST", path, &origin, "").await;
        assert_eq!(answer.field("access-control-allow-origin"), "", "{path}");
    }
}

#[tokio::test]
async fn whatever_a_client_sends_is_answered_and_changes_nothing() {
    let Scene { world, client, access, refresh, .. } = scene().await;
    let before = world.introspect(&client, &refresh).await;
    for text in [
        "m4rk'; DROP TABLE users; --",
        "m4rk' OR '1'='1",
        "m4rk<script>alert(1)</script>",
        "m4rk\r\nSet-Cookie: x=y",
        "m4rk\0",
        "m4rk%00%ff",
        "m4rk\u{202e}é",
        "m4rk ${7*7} {{7*7}}",
    ] {
        for (path, names) in [
            ("/oauth/revoke", ["token", "token_type_hint", "unknown"].as_slice()),
            ("/oauth/introspect", &["token", "token_type_hint", "unknown"]),
            ("/oauth/token", &["grant_type", "scope", "refresh_token", "code", "resource", "code_verifier"]),
        ] {
            for name in names {
                let authenticated = world.post_as(&client, path, &[(name, text)]).await;
                let nobody = world.post(path, &[], &[("client_id", text), ("client_secret", text), (name, text)]).await;
                for answer in [authenticated, nobody] {
                    assert!(answer.status.as_u16() < 500, "{path} {name}={text:?}: {answer:?}");
                    assert!(!format!("{answer:?}").contains("m4rk"), "{path} {name}={text:?}: {answer:?}");
                    assert_eq!(answer.field("set-cookie"), "", "{path} {name}={text:?}");
                }
            }
        }
        let field: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        for path in ["/userinfo", "/oauth/revocations", "/api/v1/users", "/api/v1/role-directory"] {
            let answer = world.get(path, Some(&field)).await;
            assert!([400, 401].contains(&answer.status.as_u16()), "{path}: {answer:?}");
        }
        let feed = world.get(&format!("/oauth/revocations?cursor={field}"), Some(GATEWAY_TOKEN)).await;
        assert_eq!((feed.status.as_u16(), &feed.json()["entries"]), (200, &json!([])), "{text:?}");
    }
    assert_eq!(world.introspect(&client, &refresh).await, before);
    assert_eq!(world.introspect(&client, &access).await["active"], true);
}
