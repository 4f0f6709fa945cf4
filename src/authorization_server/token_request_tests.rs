//! Who asks the token endpoint, and how: grant types of a client, its authentication, its form, its failures.

use super::testing::{SECRET, World};
use super::token_tests::{form, world};
use crate::store::GrantType;

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
