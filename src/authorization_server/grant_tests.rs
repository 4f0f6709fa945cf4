//! The rules of grants, each at the real token endpoint over a real database, and each by its name.

use axum::http::StatusCode;
use serde_json::json;

use super::catalogue::{DEFAULT_ADMIN_ROLE, DEFAULT_USER_ROLE};
use super::grant::{grantable, to_ask};
use super::testing::{START, World};
use crate::store::{ClientChange, ScopeNames, UserChange};

const ALLOWED: &str = "automations apps:read offline_access";

/// Who is asked for what, and what the token then holds. The last member says whether a refresh token comes with it.
struct Row {
    name: &'static str,
    allow_list: &'static str,
    approved_before: &'static str,
    removed_again: &'static str,
    requested: &'static str,
    /// What the user ticks of what she is asked.
    accepts: &'static str,
    /// What she is asked at all.
    asked: &'static str,
    granted: &'static str,
    refresh_token: bool,
}

const ROW: Row = Row {
    name: "",
    allow_list: ALLOWED,
    approved_before: "",
    removed_again: "",
    requested: "",
    accepts: "",
    asked: "",
    granted: "",
    refresh_token: false,
};

const TABLE: &[Row] = &[
    Row { name: "nothing asked, nothing approved", granted: "invalid_scope", ..ROW },
    Row { name: "nothing asked, one approved before", approved_before: "automations", granted: "automations", ..ROW },
    Row {
        name: "earlier approvals persist",
        approved_before: "automations apps:read",
        requested: "automations",
        granted: "apps:read automations",
        ..ROW
    },
    Row {
        name: "what is not in the allow list is neither asked nor granted",
        approved_before: "automations",
        requested: "automations admin.automations",
        granted: "automations",
        ..ROW
    },
    Row {
        name: "offline_access is not granted implicitly",
        approved_before: "automations offline_access",
        requested: "automations",
        granted: "automations",
        ..ROW
    },
    Row {
        name: "offline_access that is asked for",
        approved_before: "automations offline_access",
        requested: "automations offline_access",
        granted: "automations offline_access",
        refresh_token: true,
        ..ROW
    },
    Row {
        name: "a removed approval is gone",
        approved_before: "automations apps:read",
        removed_again: "apps:read",
        requested: "automations",
        granted: "automations",
        ..ROW
    },
    Row {
        name: "spaces and repetition mean nothing",
        allow_list: "automations",
        requested: "automations  automations",
        asked: "automations",
        accepts: "automations",
        granted: "automations",
        ..ROW
    },
    Row {
        name: "an unknown scope alone",
        allow_list: "automations",
        requested: "nosuch:scope",
        granted: "invalid_scope",
        ..ROW
    },
    Row {
        name: "a scope that the client may not have, beside an approval",
        allow_list: "user_default",
        approved_before: "user_default",
        requested: "apps:read",
        granted: "user_default",
        ..ROW
    },
];

#[tokio::test]
async fn the_table_of_grants() {
    for row in TABLE {
        let world = World::new().await;
        let user = world.user("nora", &[DEFAULT_USER_ROLE]).await;
        let client = world.client("app", row.allow_list).await;
        world.approve(&user, &client, row.approved_before).await;
        for scope in ScopeNames::parse(row.removed_again).iter() {
            world.disapprove(&user, &client, scope).await;
            world.pass(1);
        }
        let (grantable, approved) = standing(&world, &user, &client).await;
        let asked = to_ask(&grantable, &approved, &ScopeNames::parse(row.requested));
        assert_eq!(asked.to_string(), row.asked, "{}: asked", row.name);
        world.approve(&user, &client, row.accepts).await;
        let answer = world.tokens(&user, &client, row.requested).await;
        assert_eq!(answer.granted(), row.granted, "{}", row.name);
        assert_eq!(answer.has("refresh_token"), row.refresh_token, "{}", row.name);
        if answer.status == StatusCode::OK {
            assert_eq!(answer.claims()["scope"], row.granted, "{}: in the token", row.name);
        }
    }
}

async fn standing(world: &World, user: &str, client: &str) -> (ScopeNames, ScopeNames) {
    let client = world.server.store.client(client).await.unwrap().unwrap();
    let approved = world.server.store.approved(user, &client.id).await.unwrap();
    (grantable(&client, &world.server.catalogue.load()), approved)
}

#[tokio::test]
async fn rule_1_granted_is_what_the_allow_list_and_the_approvals_share() {
    let world = World::new().await;
    let user = world.user("nora", &[]).await;
    let client = world.client("app", "automations apps:read").await;
    world.approve(&user, &client, "automations admin.automations user_default").await;
    let answer = world.tokens(&user, &client, "automations admin.automations apps:read user_default").await;
    assert_eq!(answer.granted(), "automations");
    let allow_list = Some(ScopeNames::parse("apps:read user_default"));
    let change = ClientChange { allow_list, ..ClientChange::default() };
    world.change(async |held| held.change_client(&client, &change, START).await.unwrap()).await;
    world.pass(1);
    let answer = world.tokens(&user, &client, "automations").await;
    assert_eq!(answer.granted(), "user_default", "the allow list as it stands now");
}

#[tokio::test]
async fn rule_2_an_empty_scope_parameter_means_what_was_approved_earlier() {
    let world = World::new().await;
    let user = world.user("nora", &[]).await;
    let client = world.client("app", "automations apps:read user_default").await;
    world.approve(&user, &client, "automations apps:read").await;
    assert_eq!(world.tokens(&user, &client, "").await.granted(), "apps:read automations");
}

#[tokio::test]
async fn rule_3_only_what_is_named_and_not_approved_yet_is_asked() {
    let world = World::new().await;
    let user = world.user("nora", &[]).await;
    let client = world.client("app", "automations apps:read user_default").await;
    world.approve(&user, &client, "automations").await;
    let (grantable, approved) = standing(&world, &user, &client).await;
    for (requested, asked) in [
        ("", ""),
        ("automations", ""),
        ("automations apps:read", "apps:read"),
        ("apps:read admin.automations nosuch", "apps:read"),
    ] {
        let found = to_ask(&grantable, &approved, &ScopeNames::parse(requested));
        assert_eq!(found.to_string(), asked, "`{requested}`");
    }
}

#[tokio::test]
async fn rule_4_a_token_may_hold_more_than_was_named_and_every_response_says_so() {
    let world = World::new().await;
    let user = world.user("nora", &[]).await;
    let client = world.client("app", &format!("{ALLOWED} admin.automations")).await;
    world.approve(&user, &client, "automations apps:read offline_access").await;
    let answer = world.tokens(&user, &client, "automations offline_access").await;
    assert_eq!(answer.granted(), "apps:read automations offline_access");
    let refreshed = world.refresh(&client, &answer.text("refresh_token")).await;
    assert_eq!(refreshed.granted(), "apps:read automations offline_access");
    let own = world.post_as(&client, "/oauth/token", &[("grant_type", "client_credentials")]).await;
    assert_eq!(own.granted(), "admin.automations apps:read automations");
}

#[tokio::test]
async fn rule_5_offline_access_takes_request_allow_list_and_approval() {
    for (allow_list, approved, requested, refresh_token) in [
        (ALLOWED, "automations offline_access", "offline_access", true),
        (ALLOWED, "automations offline_access", "", false),
        (ALLOWED, "automations offline_access", "automations", false),
        (ALLOWED, "automations", "automations offline_access", false),
        ("automations", "automations offline_access", "automations offline_access", false),
    ] {
        let world = World::new().await;
        let user = world.user("nora", &[]).await;
        let client = world.client("app", allow_list).await;
        world.approve(&user, &client, approved).await;
        let answer = world.tokens(&user, &client, requested).await;
        let case = format!("{allow_list} / {approved} / {requested}");
        assert_eq!(answer.has("refresh_token"), refresh_token, "{case}");
        assert_eq!(answer.granted().contains("offline_access"), refresh_token, "{case}");
    }
}

#[tokio::test]
async fn rule_6_a_removed_approval_is_missing_from_the_next_token_and_narrows_refresh_tokens() {
    let world = World::new().await;
    let user = world.user("nora", &[]).await;
    let client = world.client("app", ALLOWED).await;
    world.approve(&user, &client, ALLOWED).await;
    let first = world.tokens(&user, &client, "automations offline_access").await;
    assert_eq!(first.granted(), "apps:read automations offline_access");
    world.disapprove(&user, &client, "apps:read").await;
    assert_eq!(world.introspect(&client, &first.text("access_token")).await, json!({"active": false}));
    let renews = world.introspect(&client, &first.text("refresh_token")).await;
    assert_eq!(renews["scope"], "automations offline_access", "{renews}");
    world.pass(1);
    let second = world.refresh(&client, &first.text("refresh_token")).await;
    assert_eq!(second.granted(), "automations offline_access");
    assert_eq!(world.tokens(&user, &client, "").await.granted(), "automations");
    world.approve(&user, &client, "apps:read").await;
    let third = world.refresh(&client, &second.text("refresh_token")).await;
    assert_eq!(third.granted(), "automations offline_access", "a narrowed refresh token stays narrow");
    world.disapprove(&user, &client, "offline_access").await;
    world.pass(1);
    assert_eq!(world.refresh(&client, &third.text("refresh_token")).await.granted(), "invalid_grant");
}

#[tokio::test]
async fn rule_7_what_cannot_be_granted_is_dropped_and_nothing_at_all_is_invalid_scope() {
    let world = World::new().await;
    let user = world.user("nora", &[]).await;
    let client = world.client("app", "automations api-keys").await;
    world.approve(&user, &client, "automations api-keys").await;
    for (requested, granted) in [
        ("automations nosuch:scope", "automations"),
        ("automations apps:read", "automations"),
        ("automations api-keys", "automations"),
        ("nosuch:scope", "automations"),
    ] {
        assert_eq!(world.tokens(&user, &client, requested).await.granted(), granted, "`{requested}`");
    }
    let other = world.client("other", "automations").await;
    for requested in ["nosuch:scope", "apps:read", "api-keys", ""] {
        assert_eq!(world.tokens(&user, &other, requested).await.granted(), "invalid_scope", "`{requested}`");
    }
}

#[tokio::test]
async fn rule_8_an_administrator_scope_is_granted_whatever_the_roles() {
    let world = World::new().await;
    let client = world.client("app", "admin.automations").await;
    for (login, roles) in [("nora", &[DEFAULT_ADMIN_ROLE][..]), ("adam", &[DEFAULT_USER_ROLE]), ("eve", &[])] {
        let user = world.user(login, roles).await;
        world.approve(&user, &client, "admin.automations").await;
        let answer = world.tokens(&user, &client, "admin.automations").await;
        assert_eq!(answer.granted(), "admin.automations", "{login}");
        // What it opens is decided by these, elsewhere.
        assert_eq!(answer.claims()["roles"], json!(roles), "{login}");
    }
}

#[tokio::test]
async fn rule_9_client_credentials_have_no_user_no_approval_and_no_refresh_token() {
    let world = World::new().await;
    let client = world.client("job", "automations admin.automations api-keys offline_access").await;
    for (requested, granted) in [
        ("", "admin.automations automations"),
        ("automations", "automations"),
        ("automations offline_access api-keys apps:read nosuch", "automations"),
        ("offline_access", "invalid_scope"),
        ("api-keys", "invalid_scope"),
        ("apps:read", "invalid_scope"),
    ] {
        let form = [("grant_type", "client_credentials"), ("scope", requested)];
        let answer = world.post_as(&client, "/oauth/token", &form).await;
        assert_eq!(answer.granted(), granted, "`{requested}`");
        assert!(!answer.has("refresh_token") && !answer.has("id_token"), "`{requested}`");
    }
}

#[tokio::test]
async fn rule_10_a_role_shows_in_the_next_token_and_one_taken_away_is_revoked() {
    let world = World::new().await;
    let user = world.user("nora", &[DEFAULT_USER_ROLE]).await;
    let client = world.client("app", "automations").await;
    world.approve(&user, &client, "automations").await;
    assert_eq!(world.tokens(&user, &client, "").await.claims()["roles"], json!([DEFAULT_USER_ROLE]));
    let set = async |roles: &[&str]| {
        let roles = Some(roles.iter().map(|role| (*role).to_owned()).collect());
        let change = UserChange { roles, ..UserChange::default() };
        let now = world.now();
        world.change(async |held| held.change_user(&user, &change, now).await.unwrap()).await;
    };
    set(&[DEFAULT_ADMIN_ROLE, DEFAULT_USER_ROLE]).await;
    let with_both = world.tokens(&user, &client, "").await;
    assert_eq!(with_both.claims()["roles"], json!([DEFAULT_ADMIN_ROLE, DEFAULT_USER_ROLE]));
    assert_eq!(world.introspect(&client, &with_both.text("access_token")).await["active"], true);
    set(&[DEFAULT_USER_ROLE]).await;
    let feed = world.get("/oauth/revocations", Some(super::testing::GATEWAY_TOKEN)).await.json();
    let entry = feed["entries"].as_array().unwrap().last().unwrap();
    assert_eq!((&entry["sub"], &entry["issued_before"]), (&json!(user), &json!(world.now())), "{feed}");
    world.pass(1);
    assert_eq!(world.tokens(&user, &client, "").await.claims()["roles"], json!([DEFAULT_USER_ROLE]));
}

#[tokio::test]
async fn rule_11_a_trusted_client_asks_nobody_and_offline_access_is_still_requested() {
    let world = World::new().await;
    let user = world.user("nora", &[]).await;
    let client = world.client_with("own", ALLOWED, |client| client.trusted = true).await;
    let without = world.tokens(&user, &client, "").await;
    assert_eq!(without.granted(), "apps:read automations");
    assert!(!without.has("refresh_token"));
    let with = world.tokens(&user, &client, "offline_access").await;
    assert_eq!(with.granted(), "apps:read automations offline_access");
    let refreshed = world.refresh(&client, &with.text("refresh_token")).await;
    assert_eq!(refreshed.granted(), "apps:read automations offline_access");
}

#[tokio::test]
async fn rule_12_a_subject_is_a_user_or_the_client_and_never_ambiguous() {
    let world = World::new().await;
    let user = world.user("nora", &[]).await;
    let client = world.client("app", "automations").await;
    world.approve(&user, &client, "automations").await;
    let claims = world.tokens(&user, &client, "").await.claims();
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!(user), &json!(client)));
    assert!(user.starts_with("usr_"));
    let own = world.post_as(&client, "/oauth/token", &[("grant_type", "client_credentials")]).await.claims();
    // RFC 9068 §2.2: the client's own token.
    assert_eq!((&own["sub"], &own["client_id"]), (&json!(client), &json!(client)));
    assert_eq!((own.get("roles"), own.get("auth_time")), (None, None), "{own}");
}
