//! What the authorization server publishes over a real listener: metadata, keys, the feed of revocations.

use serde_json::{Value, json};

use super::endpoint_tests::{Scene, scene};
use super::signing_keys::{rotate_signing_key, rotate_when_due, withdraw_signing_key};
use super::testing::{GATEWAY_TOKEN, ISSUER, START, World, part};
use crate::store::{AccessToken, ScopeNames};

#[tokio::test]
async fn the_feed_is_read_on_and_on_by_the_gateway_alone() {
    let Scene { world, user, client, .. } = scene().await;
    for (token, status) in [(None, 401), (Some("wrong"), 401), (Some("a b"), 400)] {
        assert_eq!(world.get("/oauth/revocations", token).await.status.as_u16(), status, "{token:?}");
    }
    let read = async |query: &str| {
        let answer = world.get(&format!("/oauth/revocations{query}"), Some(GATEWAY_TOKEN)).await;
        assert_eq!((answer.status.as_u16(), answer.field("cache-control")), (200, "no-store"));
        answer.json()
    };
    let empty = read("").await;
    assert_eq!((&empty["entries"], &empty["more"]), (&json!([]), &json!(false)));
    world.disapprove(&user, &client, "openid").await;
    let entry = json!({
        "iss": ISSUER, "issued_before": START, "exp": START + 300, "sub": user, "client_id": client,
    });
    let since = |answer: &Value| format!("?cursor={}", answer["cursor"].as_str().unwrap());
    let first = read(&since(&empty)).await;
    assert_eq!(first["entries"], json!([entry]));
    let second = read(&since(&first)).await;
    assert_eq!((&second["entries"], &second["cursor"]), (&json!([]), &first["cursor"]));
    let own = [("grant_type", "client_credentials"), ("scope", "automations")];
    let own = world.post_as("other", "/oauth/token", &own).await;
    world.post_as("other", "/oauth/revoke", &[("token", &own.text("access_token"))]).await;
    let third = read(&since(&second)).await;
    assert_eq!(third["entries"], json!([{"iss": ISSUER, "jti": own.claims()["jti"], "exp": START + 300}]));
    let number = third["cursor"].as_str().unwrap().rsplit_once('.').unwrap().0;
    for unknown in ["", "?cursor=", "?cursor=another.7", "?cursor=%00", &format!("?cursor={number}.99999")] {
        assert_eq!(read(unknown).await["entries"].as_array().unwrap().len(), 2, "`{unknown}`: from the beginning");
    }
    world.pass(300);
    assert_eq!(read("").await["entries"], json!([]), "what has ended says nothing");
}

#[tokio::test]
async fn the_feed_comes_in_pages() {
    let world = World::new().await;
    world.client("app", "automations").await;
    let mut change = world.server.store.change().await.unwrap();
    for number in 0..1_001 {
        let token = AccessToken {
            jti: format!("token-{number}"),
            family: None,
            subject: "app".into(),
            client: "app".into(),
            scope: ScopeNames::parse("automations"),
            issued_at: START,
            expires_at: START + 300,
        };
        change.add_access_token(&token).await.unwrap();
        assert!(change.revoke_access_token(&token.jti, "app", START).await.unwrap());
    }
    change.commit().await.unwrap();
    let first = world.get("/oauth/revocations", Some(GATEWAY_TOKEN)).await.json();
    let count = |answer: &Value| answer["entries"].as_array().unwrap().len();
    let path = format!("/oauth/revocations?cursor={}", first["cursor"].as_str().unwrap());
    let second = world.get(&path, Some(GATEWAY_TOKEN)).await.json();
    assert_eq!(
        (count(&first), &first["more"], count(&second), &second["more"]),
        (1_000, &json!(true), 1, &json!(false))
    );
}

#[tokio::test]
async fn rfc_8414_3_2_the_metadata_says_what_the_server_does() {
    let world = World::new().await;
    let oauth = world.get("/.well-known/oauth-authorization-server", None).await;
    let openid = world.get("/.well-known/openid-configuration", None).await;
    assert_eq!(oauth.json(), openid.json());
    assert_eq!(oauth.field("cache-control"), "public, max-age=300");
    let metadata = oauth.json();
    assert_eq!(metadata["issuer"], ISSUER);
    for member in [
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "revocation_endpoint",
        "introspection_endpoint",
        "userinfo_endpoint",
    ] {
        let path = metadata[member].as_str().unwrap().strip_prefix(ISSUER).unwrap();
        let answer = world.get(path, None).await;
        // Each is served, some of them by another method or to others.
        assert!(
            [200, 400, 401, 405].contains(&answer.status.as_u16()) || member == "authorization_endpoint",
            "{member}"
        );
    }
    for (member, expected) in abilities() {
        assert_eq!(metadata[member], expected, "{member}");
    }
}

fn abilities() -> impl Iterator<Item = (&'static str, Value)> {
    [
        (
            "scopes_supported",
            json!([
                "admin.automations",
                "admin.oauth-clients",
                "admin.roles",
                "admin.users",
                "apps:read",
                "automations",
                "offline_access",
                "openid",
                "profile",
                "user_default",
            ]),
        ),
        ("response_types_supported", json!(["code"])),
        ("code_challenge_methods_supported", json!(["S256"])),
        ("grant_types_supported", json!(["authorization_code", "refresh_token", "client_credentials"])),
        ("token_endpoint_auth_methods_supported", json!(["client_secret_basic", "client_secret_post", "none"])),
        ("introspection_endpoint_auth_methods_supported", json!(["client_secret_basic", "client_secret_post"])),
        ("authorization_response_iss_parameter_supported", json!(true)),
        ("id_token_signing_alg_values_supported", json!(["ES256"])),
        ("subject_types_supported", json!(["public"])),
        ("request_uri_parameter_supported", json!(false)),
    ]
    .into_iter()
}

async fn published(world: &World) -> Vec<String> {
    let answer = world.get("/.well-known/jwks.json", None).await;
    assert_eq!(answer.field("cache-control"), "public, max-age=300");
    answer.json()["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_key_is_published_before_it_signs_and_until_its_last_token_has_ended() {
    let Scene { world, user, client, access, .. } = scene().await;
    let signed_by = |token: &str| part(token, 0)["kid"].as_str().unwrap().to_owned();
    let old = signed_by(&access);
    let store = &world.server.store;
    let new = rotate_signing_key(store, &world.server.settings.lifetimes, world.now()).await.unwrap().kid;
    assert_eq!(published(&world).await, [&*old, &*new]);
    world.pass(599);
    let last_of_old = world.tokens(&user, &client, "").await.text("access_token");
    assert_eq!(signed_by(&last_of_old), old);
    world.pass(1);
    let first_of_new = world.tokens(&user, &client, "").await.text("access_token");
    assert_eq!(signed_by(&first_of_new), new);
    store.purge(world.now()).await.unwrap();
    assert_eq!(published(&world).await, [&*old, &*new]);
    for token in [&last_of_old, &first_of_new] {
        assert_eq!(world.introspect("gateway", token).await["active"], true);
    }
    world.pass(301);
    store.purge(world.now()).await.unwrap();
    assert_eq!(published(&world).await, [&*new]);
}

#[tokio::test]
async fn a_withdrawn_key_is_worth_nothing_at_once_and_another_signs() {
    let Scene { world, user, client, access, refresh, .. } = scene().await;
    let (store, lifetimes) = (&world.server.store, &world.server.settings.lifetimes);
    let leaked = part(&access, 0)["kid"].as_str().unwrap().to_owned();
    assert_eq!(world.introspect("gateway", &access).await["active"], true);
    let next = rotate_signing_key(store, lifetimes, world.now()).await.unwrap().kid;
    let follows = withdraw_signing_key(store, &leaked, world.now()).await.unwrap().unwrap().kid;
    assert_eq!(published(&world).await, [&*follows, &*next], "the next one waits for its time");
    assert_eq!(world.introspect("gateway", &access).await["active"], false);
    let renewed = world.refresh(&client, &refresh).await.text("access_token");
    assert_eq!(part(&renewed, 0)["kid"], follows, "who has a refresh token goes on");
    assert_eq!(world.introspect("gateway", &renewed).await["active"], true);
    assert!(withdraw_signing_key(store, &leaked, world.now()).await.is_err(), "it is not there any more");
    assert_eq!(withdraw_signing_key(store, &next, world.now()).await.unwrap(), None, "another one signs");
    assert_eq!(published(&world).await, [&*follows]);
    let third = rotate_signing_key(store, lifetimes, world.now()).await.unwrap().kid;
    world.pass(600);
    assert_eq!(withdraw_signing_key(store, &follows, world.now()).await.unwrap(), None, "it has signed its last");
    assert_eq!(published(&world).await, [&*third]);
    let last = world.tokens(&user, &client, "").await.text("access_token");
    assert_eq!(part(&last, 0)["kid"], third);
}

#[tokio::test]
async fn the_next_key_follows_by_itself() {
    let Scene { world, user, client, access, .. } = scene().await;
    let lifetime = world.server.settings.lifetimes.signing_key.as_secs();
    assert!(!rotate_when_due(&world.server).await.unwrap(), "the first has just begun");
    world.pass(lifetime - 601);
    assert!(!rotate_when_due(&world.server).await.unwrap());
    world.pass(1);
    assert!(rotate_when_due(&world.server).await.unwrap(), "ten minutes ahead");
    assert!(!rotate_when_due(&world.server).await.unwrap(), "once");
    assert_eq!(published(&world).await.len(), 2);
    world.pass(599);
    let before = world.tokens(&user, &client, "").await.text("access_token");
    assert_eq!(part(&before, 0)["kid"], part(&access, 0)["kid"]);
    world.pass(1);
    let after = world.tokens(&user, &client, "").await.text("access_token");
    assert_ne!(part(&after, 0)["kid"], part(&access, 0)["kid"]);
}
