//! The token endpoint over a real listener and a real database: what it issues, and what it withstands.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::testing::{
    API, Answer, CALLBACK, CHALLENGE, GATEWAY_TOKEN, ISSUER, OTHER_API, SECRET, START, VERIFIER, World, claims, part,
};
use crate::store::{GrantType, UserChange};

const ALLOWED: &str = "automations apps:read offline_access openid profile";

/// A world with a user who approved everything for a client.
async fn world() -> (World, String, String) {
    let world = World::new().await;
    let user = world.user("nora", &["TenantAdmin"]).await;
    let client = world.client("app", ALLOWED).await;
    world.approve(&user, &client, ALLOWED).await;
    (world, user, client)
}

/// The form of a code, with some parameters replaced; an empty value leaves one out.
fn form<'a>(code: &'a str, with: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    form.retain(|(name, _)| with.iter().all(|(other, _)| other != name));
    form.extend(with.iter().filter(|(_, value)| !value.is_empty()));
    form
}

async fn is_active(world: &World, client: &str, token: &str) -> bool {
    world.introspect(client, token).await["active"] == true
}

#[tokio::test]
async fn rfc_6749_5_1_a_successful_response() {
    let (world, user, client) = world().await;
    let answer = world.tokens(&user, &client, "automations offline_access").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!((answer.field("cache-control"), answer.field("pragma")), ("no-store", "no-cache"));
    assert_eq!(answer.field("content-type"), "application/json");
    let body = answer.json();
    let members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["access_token", "token_type", "expires_in", "scope", "refresh_token"]);
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(300)));
    assert!(body["refresh_token"].as_str().unwrap().len() >= 43, "256 bits");
}

#[tokio::test]
async fn rfc_9068_2_the_access_token() {
    let (world, user, client) = world().await;
    let token = world.tokens(&user, &client, "automations").await.text("access_token");
    let keys = world.get("/.well-known/jwks.json", None).await.json();
    let header = part(&token, 0);
    assert_eq!(header, json!({"typ": "at+jwt", "alg": "ES256", "kid": keys["keys"][0]["kid"]}));
    let mut claims = claims(&token);
    let jti = claims.as_object_mut().unwrap().remove("jti").unwrap();
    assert!(jti.as_str().unwrap().len() >= 22, "128 bits");
    assert_eq!(
        claims,
        json!({
            "iss": ISSUER, "aud": [API, OTHER_API, ISSUER], "sub": user, "client_id": client,
            "scope": "apps:read automations openid profile", "roles": ["TenantAdmin"],
            "auth_time": START - 30, "iat": START, "exp": START + 300,
        })
    );
}

#[tokio::test]
async fn openid_connect_core_2_an_id_token_comes_with_openid_that_was_requested() {
    let (world, user, client) = world().await;
    assert!(!world.tokens(&user, &client, "automations").await.has("id_token"), "approved before, not requested now");
    let code = world.code_with(&user, &client, "openid", |code| code.nonce = Some("n-0S6".into())).await;
    let answer = world.redeem(&client, &code).await;
    let token = answer.text("id_token");
    assert_eq!(part(&token, 0)["typ"], "JWT");
    let mut claims = claims(&token);
    let at_hash = claims.as_object_mut().unwrap().remove("at_hash").unwrap();
    assert_eq!(at_hash.as_str().unwrap().len(), 22);
    assert_eq!(
        claims,
        json!({
            "iss": ISSUER, "sub": user, "aud": client, "iat": START, "exp": START + 300,
            "auth_time": START - 30, "nonce": "n-0S6",
        })
    );
    // RFC 9068 §4, RFC 8725 §3.11: it opens nothing.
    assert!(!is_active(&world, &client, &token).await);
    assert_eq!(world.get("/userinfo", Some(&token)).await.status, 401);
}

#[tokio::test]
async fn rfc_6749_4_1_2_a_code_that_is_shown_again_is_refused_and_what_it_gave_is_revoked() {
    let (world, user, client) = world().await;
    let code = world.code(&user, &client, "offline_access").await;
    let first = world.redeem(&client, &code).await;
    let (access, refresh) = (first.text("access_token"), first.text("refresh_token"));
    assert!(is_active(&world, &client, &access).await && is_active(&world, &client, &refresh).await);
    let later = world.refresh(&client, &refresh).await;
    world.pass(120);
    assert_eq!(world.redeem(&client, &code).await.text("error"), "invalid_grant");
    for token in [&access, &later.text("access_token"), &later.text("refresh_token")] {
        assert!(!is_active(&world, &client, token).await);
    }
    assert_eq!(world.refresh(&client, &later.text("refresh_token")).await.text("error"), "invalid_grant");
    let feed = world.get("/oauth/revocations", Some(GATEWAY_TOKEN)).await.json();
    let named: Vec<&Value> = feed["entries"].as_array().unwrap().iter().map(|entry| &entry["jti"]).collect();
    assert!(named.contains(&&first.claims()["jti"]) && named.contains(&&later.claims()["jti"]), "{feed}");
}

#[tokio::test]
async fn one_of_many_redeems_a_code_and_the_others_end_its_grant() {
    let (world, user, client) = world().await;
    let code = world.code(&user, &client, "offline_access").await;
    let answers = join_all((0..8).map(|_| world.redeem(&client, &code))).await;
    let good: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(good.len(), 1, "{answers:?}");
    assert!(answers.iter().filter(|answer| answer.status != 200).all(|answer| answer.text("error") == "invalid_grant"));
    assert!(!is_active(&world, &client, &good[0].text("access_token")).await);
}

#[tokio::test]
async fn rfc_9700_4_14_2_a_refresh_token_that_is_shown_again_ends_its_grant() {
    let (world, user, client) = world().await;
    let first = world.tokens(&user, &client, "offline_access").await.text("refresh_token");
    let second = world.refresh(&client, &first).await;
    assert_ne!(second.text("refresh_token"), first);
    assert_eq!(world.refresh(&client, &first).await.text("error"), "invalid_grant");
    assert_eq!(world.refresh(&client, &second.text("refresh_token")).await.text("error"), "invalid_grant");
    assert!(!is_active(&world, &client, &second.text("access_token")).await);
    let other_grant = world.tokens(&user, &client, "offline_access").await;
    assert_eq!(world.refresh(&client, &other_grant.text("refresh_token")).await.status, 200, "only that grant");
}

#[tokio::test]
async fn one_of_many_uses_a_refresh_token_and_the_others_end_its_grant() {
    let (world, user, client) = world().await;
    let token = world.tokens(&user, &client, "offline_access").await.text("refresh_token");
    let answers = join_all((0..8).map(|_| world.refresh(&client, &token))).await;
    let good: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(good.len(), 1, "{answers:?}");
    assert_eq!(world.refresh(&client, &good[0].text("refresh_token")).await.text("error"), "invalid_grant");
}

#[tokio::test]
async fn rfc_7636_4_6_a_code_takes_its_verifier() {
    let (world, user, client) = world().await;
    let code = world.code(&user, &client, "").await;
    let short = VERIFIER.get(..42).unwrap();
    for (name, verifier, error) in [
        ("downgraded to none", "", "invalid_request"),
        ("downgraded to plain: the challenge itself", CHALLENGE, "invalid_grant"),
        ("another", "another-verifier-of-43-unreserved-letters-01", "invalid_grant"),
        ("shorter than any may be", short, "invalid_request"),
    ] {
        let answer = world.post_as(&client, "/oauth/token", &form(&code, &[("code_verifier", verifier)])).await;
        assert_eq!(answer.text("error"), error, "{name}");
    }
    // RFC 7636 §4.3: a `plain` challenge is none that this server ever keeps; were it kept, it would match nothing.
    let plain = world.code_with(&user, &client, "", |code| code.code_challenge = VERIFIER.into()).await;
    assert_eq!(world.redeem(&client, &plain).await.text("error"), "invalid_grant");
    assert_eq!(world.redeem(&client, &code).await.status, 200, "no wrong proof used it up");
}

#[tokio::test]
async fn rfc_6749_4_1_3_a_code_is_for_its_client_and_its_redirect_uri() {
    let (world, user, client) = world().await;
    let thief = world.client("thief", ALLOWED).await;
    world.approve(&user, &thief, ALLOWED).await;
    let code = world.code(&user, &client, "").await;
    assert_eq!(world.redeem(&thief, &code).await.text("error"), "invalid_grant", "injected into another client");
    for (redirect_uri, error) in [
        ("", "invalid_request"),
        ("https://app.test/callback/", "invalid_grant"),
        ("https://app.test/Callback", "invalid_grant"),
        ("https://app.test:443/callback", "invalid_grant"),
        ("https://app.test/callback?", "invalid_grant"),
    ] {
        let answer = world.post_as(&client, "/oauth/token", &form(&code, &[("redirect_uri", redirect_uri)])).await;
        assert_eq!(answer.text("error"), error, "`{redirect_uri}`");
    }
    assert_eq!(world.redeem(&client, &code).await.status, 200, "no wrong proof used it up");
    // Nor does one end the grant of a code that was redeemed.
    assert_eq!(world.redeem(&thief, &code).await.text("error"), "invalid_grant");
    let token = world.tokens(&user, &client, "").await.text("access_token");
    assert!(is_active(&world, &client, &token).await);
}

#[tokio::test]
async fn a_code_ends_after_a_minute() {
    let (world, user, client) = world().await;
    let (code, late) = (world.code(&user, &client, "").await, world.code(&user, &client, "").await);
    world.pass(59);
    assert_eq!(world.redeem(&client, &code).await.status, 200);
    world.pass(1);
    assert_eq!(world.redeem(&client, &late).await.text("error"), "invalid_grant");
    assert_eq!(world.redeem(&client, "never-issued").await.text("error"), "invalid_grant");
    assert_eq!(world.redeem(&client, "").await.text("error"), "invalid_request");
}

#[tokio::test]
async fn rfc_6749_6_a_refresh_token_renews_no_more_than_it_carries() {
    let (world, user, client) = world().await;
    let other = world.client("other", ALLOWED).await;
    let first = world.tokens(&user, &client, "offline_access").await.text("refresh_token");
    assert_eq!(world.refresh(&other, &first).await.text("error"), "invalid_grant", "another client's");
    let narrowed = |token: String, scope: &'static str| {
        let (world, client) = (&world, &client);
        async move {
            let form = [("grant_type", "refresh_token"), ("refresh_token", &*token), ("scope", scope)];
            world.post_as(client, "/oauth/token", &form).await
        }
    };
    assert_eq!(narrowed(first.clone(), "automations user_default").await.granted(), "invalid_scope", "never granted");
    let second = narrowed(first, "automations").await;
    assert_eq!(second.granted(), "automations");
    let third = world.refresh(&client, &second.text("refresh_token")).await;
    assert_eq!(third.granted(), "apps:read automations offline_access openid profile", "the next one is not narrowed");
    world.pass(720 * 3_600);
    assert_eq!(world.refresh(&client, &third.text("refresh_token")).await.text("error"), "invalid_grant", "too late");
}

#[tokio::test]
async fn a_disabled_user_gets_nothing() {
    let (world, user, client) = world().await;
    let code = world.code(&user, &client, "").await;
    let before = world.tokens(&user, &client, "offline_access openid").await;
    let (access, refresh) = (before.text("access_token"), before.text("refresh_token"));
    let change = UserChange { disabled: Some(true), ..UserChange::default() };
    world.change(async |held| held.change_user(&user, &change, START).await.unwrap()).await;
    world.pass(1);
    assert_eq!(world.redeem(&client, &code).await.text("error"), "invalid_grant");
    assert_eq!(world.refresh(&client, &refresh).await.text("error"), "invalid_grant");
    assert!(!is_active(&world, &client, &access).await && !is_active(&world, &client, &refresh).await);
    assert_eq!(world.get("/userinfo", Some(&access)).await.status, 401);
    let code = world.code(&user, &client, "").await;
    assert_eq!(world.redeem(&client, &code).await.text("error"), "invalid_grant", "a code that came too late");
}

#[tokio::test]
async fn rfc_8707_2_a_token_is_for_the_resources_that_were_asked_for() {
    let (world, user, client) = world().await;
    let bound = |resources: &[&str]| {
        let resources: Vec<String> = resources.iter().map(|name| (*name).to_owned()).collect();
        world.code_with(&user, &client, "offline_access", |code| code.resources = resources)
    };
    let audience = |answer: &Answer| answer.claims()["aud"].clone();
    let code = bound(&[API]).await;
    let answer = world.post_as(&client, "/oauth/token", &form(&code, &[("resource", OTHER_API)])).await;
    assert_eq!(answer.text("error"), "invalid_target", "the grant is for another");
    let first = world.redeem(&client, &code).await;
    assert_eq!(audience(&first), json!([API, ISSUER]));
    let code = bound(&[]).await;
    let form = form(&code, &[("resource", OTHER_API)]);
    let answer = world.post_as(&client, "/oauth/token", &form).await;
    assert_eq!(audience(&answer), json!([OTHER_API, ISSUER]));
    let again = world.refresh(&client, &answer.text("refresh_token")).await;
    assert_eq!(audience(&again), json!([API, OTHER_API, ISSUER]), "the grant is for all");
    for (resource, expected) in [(API, json!([API])), ("https://api.test/", json!("invalid_target"))] {
        let form = [("grant_type", "client_credentials"), ("scope", "automations"), ("resource", resource)];
        let answer = world.post_as(&client, "/oauth/token", &form).await;
        let found = if answer.status == 200 { audience(&answer) } else { json!(answer.text("error")) };
        assert_eq!(found, expected, "`{resource}`");
    }
}

#[tokio::test]
async fn a_client_uses_the_grant_types_that_it_was_given() {
    let world = World::new().await;
    let user = world.user("nora", &[]).await;
    for grant_type in GrantType::ALL {
        let id = format!("without-{}", grant_type.as_str());
        let client = world.client_with(&id, "automations offline_access", |client| {
            client.grant_types.remove(&grant_type);
        });
        let client = client.await;
        world.approve(&user, &client, "automations offline_access").await;
        let form = [("grant_type", grant_type.as_str()), ("code", "x"), ("refresh_token", "x")];
        let answer = world.post_as(&client, "/oauth/token", &form).await;
        assert_eq!(answer.text("error"), "unauthorized_client", "{id}");
        if grant_type == GrantType::RefreshToken {
            let answer = world.tokens(&user, &client, "automations offline_access").await;
            assert_eq!(answer.granted(), "automations", "what it could not use is not granted");
            assert!(!answer.has("refresh_token"));
        }
    }
    let client = world.client("app", "automations").await;
    for grant_type in ["password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "Authorization_Code"] {
        let answer = world.post_as(&client, "/oauth/token", &[("grant_type", grant_type)]).await;
        assert_eq!(answer.text("error"), "unsupported_grant_type", "{grant_type}");
    }
    assert_eq!(world.post_as(&client, "/oauth/token", &[]).await.text("error"), "invalid_request");
}

#[tokio::test]
async fn rfc_6749_2_1_a_public_client_has_no_secret_and_no_token_of_its_own() {
    let world = World::new().await;
    let user = world.user("nora", &[]).await;
    let client = world.client_with("spa", "automations offline_access", |client| client.secret = None).await;
    world.approve(&user, &client, "automations offline_access").await;
    let code = world.code(&user, &client, "offline_access").await;
    let with_secret = world.redeem(&client, &code).await;
    assert_eq!((with_secret.status.as_u16(), &*with_secret.text("error")), (401, "invalid_client"));
    let answer = world.post("/oauth/token", &[], &form(&code, &[("client_id", &client)])).await;
    assert_eq!(answer.granted(), "automations offline_access");
    let refresh = answer.text("refresh_token");
    let form = [("grant_type", "refresh_token"), ("refresh_token", &*refresh), ("client_id", &*client)];
    assert_eq!(world.post("/oauth/token", &[], &form).await.status, 200);
    assert_eq!(world.post("/oauth/token", &[], &form).await.text("error"), "invalid_grant", "used before");
    let form = [("grant_type", "client_credentials"), ("client_id", &*client)];
    assert_eq!(world.post("/oauth/token", &[], &form).await.text("error"), "unauthorized_client");
}

#[tokio::test]
async fn rfc_6749_2_3_1_a_confidential_client_shows_its_secret_in_one_of_two_ways() {
    let (world, user, client) = world().await;
    let code = world.code(&user, &client, "").await;
    let post = |fields: Vec<(&'static str, String)>, more: Vec<(&'static str, &'static str)>| {
        let form = form(&code, &more).into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect::<Vec<_>>();
        let world = &world;
        async move {
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            world.post("/oauth/token", &fields, &form).await
        }
    };
    let basic = |secret: &str| vec![("authorization", super::testing::basic("app", secret))];
    for (name, fields, more, status, error) in [
        ("no secret", vec![], vec![("client_id", "app")], 401, "invalid_client"),
        ("wrong secret in the form", vec![], vec![("client_id", "app"), ("client_secret", "x")], 401, "invalid_client"),
        ("wrong secret in the field", basic("x"), vec![], 401, "invalid_client"),
        ("both ways", basic(SECRET), vec![("client_secret", SECRET)], 400, "invalid_request"),
        ("nobody", vec![], vec![], 401, "invalid_client"),
        ("unknown", vec![], vec![("client_id", "nobody"), ("client_secret", SECRET)], 401, "invalid_client"),
        ("an assertion", vec![], vec![("client_id", "app"), ("client_assertion", "a.b.c")], 401, "invalid_client"),
    ] {
        let answer = post(fields, more).await;
        assert_eq!((answer.status.as_u16(), &*answer.text("error")), (status, error), "{name}");
        assert_eq!(answer.field("www-authenticate").starts_with("Basic realm="), status == 401, "{name}");
    }
    assert_eq!(post(vec![], vec![("client_id", "app"), ("client_secret", SECRET)]).await.status, 200);
}

#[tokio::test]
async fn rfc_6749_3_2_a_request_is_a_form_with_each_parameter_once() {
    let (world, _, client) = world().await;
    let basic = super::testing::basic(&client, SECRET);
    let form = "application/x-www-form-urlencoded";
    let long = format!("grant_type=client_credentials&scope={}", "a".repeat(70_000));
    for (name, media_type, body, status) in [
        ("a form", form, "grant_type=client_credentials&scope=automations", 200),
        ("with a charset", "Application/X-WWW-Form-Urlencoded; charset=utf-8", "grant_type=client_credentials", 200),
        ("twice", form, "grant_type=client_credentials&scope=automations&scope=automations", 400),
        ("unknown and twice", form, "grant_type=client_credentials&x=1&x=2", 400),
        ("JSON", "application/json", "{\"grant_type\": \"client_credentials\"}", 400),
        ("no type", "", "grant_type=client_credentials", 400),
        ("too long", form, &long, 413),
    ] {
        let fields = [("authorization", basic.as_str()), ("content-type", media_type)];
        let answer = world.ask("POST", "/oauth/token", &fields, body).await;
        assert_eq!(answer.status.as_u16(), status, "{name}: {answer:?}");
        if status == 400 {
            assert_eq!(answer.text("error"), "invalid_request", "{name}");
        }
    }
    let fields = [("authorization", basic.as_str()), ("content-type", form)];
    let in_query = world.ask("POST", "/oauth/token?grant_type=client_credentials", &fields, "").await;
    assert_eq!(in_query.text("error"), "invalid_request", "nothing is read from the query");
    assert_eq!(world.ask("GET", "/oauth/token", &fields, "").await.status, 405);
}

#[tokio::test]
async fn no_answer_repeats_what_was_sent() {
    let (world, user, client) = world().await;
    let code = world.code(&user, &client, "").await;
    const MARK: &str = "m4rk<script>";
    for name in
        ["code", "redirect_uri", "code_verifier", "grant_type", "resource", "scope", "client_id", "client_secret"]
    {
        let answer = world.post("/oauth/token", &[], &form(&code, &[("client_id", &client), (name, MARK)])).await;
        assert!(!String::from_utf8_lossy(&answer.body).contains("m4rk"), "{name}: {answer:?}");
        assert!(answer.fields.values().all(|value| !value.to_str().unwrap().contains("m4rk")), "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn failures_are_slowed_down_and_honest_clients_are_not() {
    let (world, user, client) = world().await;
    let wrong = [("client_id", "app"), ("client_secret", "wrong"), ("grant_type", "client_credentials")];
    let mut statuses = Vec::new();
    for _ in 0..21 {
        statuses.push(world.post("/oauth/token", &[], &wrong).await.status.as_u16());
    }
    assert_eq!(statuses, [vec![401; 20], vec![429]].concat());
    let refused = world.post("/oauth/token", &[], &wrong).await;
    assert!((1..=6).contains(&refused.field("retry-after").parse::<u64>().unwrap()), "{refused:?}");
    let other = world.client("other", "automations").await;
    for _ in 0..150 {
        let answer = world.post_as(&other, "/oauth/token", &[("grant_type", "client_credentials")]).await;
        assert_eq!(answer.status, 200);
    }
    // Codes tried under the name of a public client count by address.
    let public = world.client_with("spa", "automations", |client| client.secret = None).await;
    world.approve(&user, &public, "automations").await;
    let mut tried = 0;
    while tried < 200 {
        let answer = world.post("/oauth/token", &[], &form("guessed", &[("client_id", &public)])).await;
        if answer.status == 429 {
            break;
        }
        assert_eq!(answer.text("error"), "invalid_grant");
        tried += 1;
    }
    assert!((70..=90).contains(&tried), "{tried} of 100 failures, 20 of which were another's");
    assert_eq!(world.tokens(&user, &client, "").await.status, 429, "the whole address waits");
}

#[tokio::test]
async fn nothing_is_signed_within_the_second_of_a_revocation() {
    let (world, user, client) = world().await;
    // Late in the second, so that waiting for the next one takes a millisecond.
    world.server.clock.set(Duration::from_millis(START.cast_unsigned() * 1_000 + 999));
    world.disapprove(&user, &client, "apps:read").await;
    let waiting = world.tokens(&user, &client, "").await;
    assert_eq!((waiting.status.as_u16(), waiting.field("retry-after")), (503, "1"), "the clock stands still");
    let code = world.code(&user, &client, "").await;
    world.server.clock.set(Duration::from_millis(START.cast_unsigned() * 1_000 + 500));
    let (answer, ()) = tokio::join!(world.redeem(&client, &code), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.pass(1);
    });
    assert_eq!(answer.claims()["iat"], START + 1, "{answer:?}");
    let feed = world.get("/oauth/revocations", Some(GATEWAY_TOKEN)).await.json();
    assert_eq!(feed["entries"][0]["issued_before"], START, "{feed}");
}
