//! The administration API over a real listener: who may what, and what nobody may.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::testing::{Answer, World};
use crate::store::{GrantType, Level, NewClient, Role, ScopeNames, UserChange};

pub(super) const JSON: &str = "application/json";
pub(super) const ALL: &str = "admin.roles admin.users admin.oauth-clients";

/// A user with these roles, coming through a client that may have `scopes` and was approved for them: the access token.
pub(super) async fn token_of(world: &World, login: &str, roles: &[&str], scopes: &str) -> String {
    let user = world.user(login, roles).await;
    let client = world.client(&format!("app-of-{login}"), scopes).await;
    world.approve(&user, &client, scopes).await;
    world.tokens(&user, &client, scopes).await.text("access_token")
}

/// A client that acts alone: the access token.
async fn token_alone(world: &World, id: &str, allow_list: &str) -> String {
    world.client(id, allow_list).await;
    world.post_as(id, "/oauth/token", &[("grant_type", "client_credentials")]).await.text("access_token")
}

pub(super) async fn send(world: &World, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut fields = vec![("authorization", bearer.as_str())];
    if body.is_some() {
        fields.push(("content-type", JSON));
    }
    let body = body.map(Value::to_string).unwrap_or_default();
    world.ask(method, &format!("/api/v1{path}"), &fields, &body).await
}

/// The last word of a problem's `type`.
#[track_caller]
pub(super) fn kind(answer: &Answer) -> String {
    assert_eq!(answer.field("content-type"), "application/problem+json", "{answer:?}");
    let document = answer.json();
    assert_eq!(document["status"], answer.status.as_u16());
    document["type"].as_str().unwrap().strip_prefix("urn:scopegate:problem:").unwrap().to_owned()
}

pub(super) fn operations() -> [(&'static str, &'static str, Option<Value>, &'static str); 22] {
    let empty = || Some(json!({}));
    [
        ("GET", "/users", None, "admin.users"),
        ("POST", "/users", empty(), "admin.users"),
        ("GET", "/users/usr_x", None, "admin.users"),
        ("PATCH", "/users/usr_x", empty(), "admin.users"),
        ("DELETE", "/users/usr_x", None, "admin.users"),
        ("POST", "/users/usr_x/password", None, "admin.users"),
        ("GET", "/approvals", None, "admin.users"),
        ("DELETE", "/approvals/usr_x/app", None, "admin.users"),
        ("DELETE", "/approvals/usr_x/app/automations", None, "admin.users"),
        ("GET", "/roles", None, "admin.roles"),
        ("POST", "/roles", empty(), "admin.roles"),
        ("GET", "/roles/Analyst", None, "admin.roles"),
        ("PATCH", "/roles/Analyst", empty(), "admin.roles"),
        ("DELETE", "/roles/Analyst", None, "admin.roles"),
        ("GET", "/clients", None, "admin.oauth-clients"),
        ("POST", "/clients", empty(), "admin.oauth-clients"),
        ("GET", "/clients/none", None, "admin.oauth-clients"),
        ("PATCH", "/clients/none", empty(), "admin.oauth-clients"),
        ("DELETE", "/clients/none", None, "admin.oauth-clients"),
        ("POST", "/clients/none/secret", None, "admin.oauth-clients"),
        ("GET", "/scopes", None, "any"),
        ("GET", "/scopes/nothing", None, "any"),
    ]
}

#[tokio::test]
async fn every_operation_asks_for_its_scope_in_the_token_and_in_a_role() {
    let world = World::new().await;
    let names = ["admin.roles", "admin.users", "admin.oauth-clients"];
    let mut tokens = Vec::new();
    for (number, name) in names.into_iter().enumerate() {
        tokens.push((name, token_of(&world, &format!("admin{number}"), &["TenantAdmin"], name).await));
    }
    let without_role = token_of(&world, "nora", &["User"], ALL).await;
    for (method, path, body, scope) in operations() {
        let place = format!("{method} {path}");
        let anonymous = world.ask(method, &format!("/api/v1{path}"), &[], "").await;
        assert_eq!((anonymous.status, kind(&anonymous).as_str()), (StatusCode::UNAUTHORIZED, "no_token"), "{place}");
        assert_eq!(anonymous.field("www-authenticate"), "Bearer realm=\"scopegate\"", "{place}");
        let forged = send(&world, "a.b.c", method, path, body.as_ref()).await;
        assert_eq!((forged.status, kind(&forged).as_str()), (StatusCode::UNAUTHORIZED, "invalid_token"), "{place}");
        let powerless = send(&world, &without_role, method, path, body.as_ref()).await;
        assert_eq!((powerless.status, kind(&powerless).as_str()), (StatusCode::FORBIDDEN, "not_permitted"), "{place}");
        assert!(!powerless.field("www-authenticate").contains("scope="), "{place}: more scope would not help");
        for (held, token) in &tokens {
            let answer = send(&world, token, method, path, body.as_ref()).await;
            if scope == *held || scope == "any" {
                let admitted = ![StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&answer.status);
                assert!(admitted, "{place} with {held}: {answer:?}");
            } else {
                assert_eq!(kind(&answer), "insufficient_scope", "{place} with {held}");
                let challenge = answer.field("www-authenticate");
                assert!(challenge.contains("insufficient_scope") && challenge.contains(&format!("scope=\"{scope}\"")));
            }
            assert!(answer.field("cache-control").contains("no-store"), "{place}");
        }
    }
}

#[tokio::test]
async fn roles_count_as_they_stand_now_not_as_the_token_says() {
    let world = World::new().await;
    token_of(&world, "keeper", &["TenantAdmin"], "admin.users").await;
    let first = token_of(&world, "admin", &["TenantAdmin"], "admin.users").await;
    assert_eq!(send(&world, &first, "GET", "/users", None).await.status, StatusCode::OK);
    let demoted = send(&world, &first, "PATCH", "/users/usr_admin", Some(&json!({"roles": ["User"]}))).await;
    assert_eq!(demoted.status, StatusCode::OK, "{demoted:?}");
    let after = send(&world, &first, "GET", "/users", None).await;
    assert_eq!((after.status, kind(&after).as_str()), (StatusCode::UNAUTHORIZED, "invalid_token"));
    world.pass(1);
    let again = world.tokens("usr_admin", "app-of-admin", "admin.users").await.text("access_token");
    assert_eq!(kind(&send(&world, &again, "GET", "/users", None).await), "not_permitted");
}

#[tokio::test]
async fn nobody_locks_everybody_out() {
    let world = World::new().await;
    let token = token_of(&world, "admin", &["TenantAdmin"], "admin.users").await;
    world.user("sleeper", &["TenantAdmin"]).await;
    let asleep = send(&world, &token, "PATCH", "/users/usr_sleeper", Some(&json!({"disabled": true}))).await;
    assert_eq!(asleep.status, StatusCode::OK, "another one is left");
    for (method, body) in [
        ("DELETE", None),
        ("PATCH", Some(json!({"disabled": true}))),
        ("PATCH", Some(json!({"roles": ["User"]}))),
        ("PATCH", Some(json!({"roles": [], "disabled": true}))),
    ] {
        let refused = send(&world, &token, method, "/users/usr_admin", body.as_ref()).await;
        assert_eq!((refused.status, kind(&refused).as_str()), (StatusCode::CONFLICT, "last_administrator"), "{body:?}");
    }
    let kept =
        send(&world, &token, "PATCH", "/users/usr_admin", Some(&json!({"roles": ["TenantAdmin", "User"]}))).await;
    assert_eq!(kept.status, StatusCode::OK, "a role more locks nobody out");
    let awake = send(&world, &token, "PATCH", "/users/usr_sleeper", Some(&json!({"disabled": false}))).await;
    assert_eq!(awake.status, StatusCode::OK);
    assert_eq!(send(&world, &token, "DELETE", "/users/usr_admin", None).await.status, StatusCode::NO_CONTENT);
}

/// A client that uses one grant type.
fn client(id: &str, grant_type: &str, allow: &str) -> Value {
    json!({"id": id, "name": "x", "confidential": true, "redirect_uris": ["https://app.test/"],
        "grant_types": [grant_type], "allow_list": [allow]})
}

/// A client that asks nobody.
fn trusting(allow: &str) -> Value {
    json!({"name": "x", "confidential": false, "redirect_uris": ["https://elsewhere.test/"],
        "grant_types": ["authorization_code"], "allow_list": [allow], "trusted": true})
}

/// What somebody with the role `Desk` would gain by.
fn excesses() -> Vec<(&'static str, &'static str, &'static str, Option<Value>)> {
    let elsewhere = json!({"redirect_uris": ["https://app.test/callback", "https://elsewhere.test/"]});
    vec![
        ("the strongest role to herself", "PATCH", "/users/usr_desk", Some(json!({"roles": ["Desk", "TenantAdmin"]}))),
        ("the strongest role to another", "PATCH", "/users/usr_nora", Some(json!({"roles": ["TenantAdmin"]}))),
        ("a user made with it", "POST", "/users", Some(json!({"login": "new", "roles": ["TenantAdmin"]}))),
        ("the password of a stronger user", "POST", "/users/usr_boss/password", None),
        ("a stronger user shut out", "PATCH", "/users/usr_boss", Some(json!({"disabled": true}))),
        ("a stronger user removed", "DELETE", "/users/usr_boss", None),
        ("a scope added to her own role", "PATCH", "/roles/Desk", Some(json!({"scopes": ["admin.users", "api-keys"]}))),
        ("a stronger role", "POST", "/roles", Some(json!({"name": "X", "level": "user", "scopes": ["apps:read"]}))),
        ("a stronger client that acts alone", "POST", "/clients", Some(client("x", "client_credentials", "apps:read"))),
        ("the secret of one", "POST", "/clients/robot/secret", None),
        ("another stronger client's scopes", "PATCH", "/clients/robot", Some(json!({"allow_list": []}))),
        ("a stronger client removed", "DELETE", "/clients/robot", None),
        ("a client that gets more without asking", "POST", "/clients", Some(trusting("apps:read"))),
        ("trust in one", "PATCH", "/clients/approved", Some(json!({"trusted": true}))),
        ("where a trusted client is answered", "PATCH", "/clients/trusted", Some(elsewhere.clone())),
        ("where one is answered that users approved for more", "PATCH", "/clients/approved", Some(elsewhere)),
    ]
}

#[tokio::test]
async fn nobody_gives_or_commands_more_than_is_permitted_to_himself() {
    let world = World::new().await;
    let root = token_of(&world, "admin", &["TenantAdmin"], ALL).await;
    let desk = json!({"name": "Desk", "level": "admin", "scopes": [
        "admin.users", "admin.roles", "admin.oauth-clients", "automations"]});
    assert_eq!(send(&world, &root, "POST", "/roles", Some(&desk)).await.status, StatusCode::CREATED);
    let token = token_of(&world, "desk", &["Desk"], ALL).await;
    world.user("nora", &[]).await;
    world.user("boss", &["TenantAdmin"]).await;
    world.client("robot", "admin.automations").await;
    for (id, trusted) in [("trusted", true), ("approved", false)] {
        let kind = |client: &mut NewClient| {
            (client.trusted, client.grant_types) = (trusted, [GrantType::AuthorizationCode].into());
        };
        world.client_with(id, "admin.users apps:read", kind).await;
        world.approve("usr_boss", id, "admin.users apps:read").await;
    }
    for (name, method, path, body) in excesses() {
        let refused = send(&world, &token, method, path, body.as_ref()).await;
        assert_eq!((refused.status, kind(&refused).as_str()), (StatusCode::FORBIDDEN, "exceeds_caller"), "{name}");
    }
    for (name, method, path, body, expected) in [
        ("a client that asks nobody for what is hers", "POST", "/clients", Some(trusting("automations")), 201),
        ("the name of a client that asks", "PATCH", "/clients/approved", Some(json!({"name": "y"})), 200),
        ("her own role", "PATCH", "/users/usr_nora", Some(json!({"roles": ["Desk"]})), 200),
        (
            "a weaker role",
            "POST",
            "/roles",
            Some(json!({"name": "W", "level": "user", "scopes": ["automations"]})),
            201,
        ),
        ("a client that only limits", "POST", "/clients", Some(client("y", "authorization_code", "apps:read")), 201),
        ("the password of an equal", "POST", "/users/usr_nora/password", None, 200),
    ] {
        let answer = send(&world, &token, method, path, body.as_ref()).await;
        assert_eq!(answer.status.as_u16(), expected, "{name}: {answer:?}");
    }
    let alone = token_alone(&world, "job", "admin.users").await;
    let refused = send(&world, &alone, "PATCH", "/users/usr_nora", Some(&json!({"roles": ["User"]}))).await;
    assert_eq!(kind(&refused), "exceeds_caller", "a client that acts alone is permitted its allow list");
}

#[tokio::test]
async fn nobody_takes_back_what_is_being_taken_from_him() {
    let world = World::new().await;
    let desk = Role { name: "Desk".into(), level: Level::Admin, scopes: ScopeNames::parse(ALL), is_default: false };
    world.change(async |change| change.add_role(&desk).await.unwrap()).await;
    let no_roles = UserChange { roles: Some([].into()), ..UserChange::default() };
    let less = Role { scopes: ScopeNames::parse("admin.roles"), ..desk.clone() };
    for (login, path, again) in [
        ("first", "/users/usr_first", json!({"roles": ["Desk"]})),
        ("second", "/roles/Desk", json!({"scopes": ["admin.roles", "admin.users", "admin.oauth-clients"]})),
    ] {
        let token = token_of(&world, login, &["Desk"], ALL).await;
        let mut change = world.server.store.change().await.unwrap();
        let ask = async { send(&world, &token, "PATCH", path, Some(&again)).await };
        let take = async {
            // It has been let in, and waits for this change to end.
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            match login {
                "first" => drop(change.change_user("usr_first", &no_roles, world.now()).await.unwrap()),
                _ => change.change_role(&less).await.unwrap(),
            }
            change.commit().await.unwrap();
        };
        let (refused, ()) = tokio::join!(ask, take);
        assert_eq!((refused.status, kind(&refused).as_str()), (StatusCode::FORBIDDEN, "not_permitted"), "{login}");
    }
    assert!(world.server.store.user("usr_first").await.unwrap().unwrap().roles.is_empty());
    assert_eq!(world.server.store.role("Desk").await.unwrap(), Some(less));
}
