//! The token endpoint over a real listener and a real database: what it issues, and what it withstands.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::testing::{
    API, Answer, CALLBACK, CHALLENGE, GATEWAY_TOKEN, ISSUER, OTHER_API, START, VERIFIER, World, claims, part,
};
use crate::store::UserChange;

const ALLOWED: &str = "automations apps:read offline_access openid profile";

/// A world with a user who approved everything for a client.
pub(super) async fn world() -> (World, String, String) {
    let world = World::new().await;
    let user = world.user("nora", &["TenantAdmin"]).await;
    let client = world.client("app", ALLOWED).await;
    world.approve(&user, &client, ALLOWED).await;
    (world, user, client)
}

/// The form of a code, with some parameters replaced; an empty value leaves one out.
pub(super) fn form<'a>(code: &'a str, with: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
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
