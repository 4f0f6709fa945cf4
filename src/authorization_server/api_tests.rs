//! The administration API over a real listener: who may what, what stays, and that what is written is what is read.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::testing::{Answer, GATEWAY_TOKEN, World};
use crate::store::{GrantType, Level, NewClient, Role, ScopeNames, UserChange};

const JSON: &str = "application/json";
const ALL: &str = "admin.roles admin.users admin.oauth-clients";

/// A user with these roles, coming through a client that may have `scopes` and was approved for them: the access token.
async fn token_of(world: &World, login: &str, roles: &[&str], scopes: &str) -> String {
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

async fn send(world: &World, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
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
fn kind(answer: &Answer) -> String {
    assert_eq!(answer.field("content-type"), "application/problem+json", "{answer:?}");
    let document = answer.json();
    assert_eq!(document["status"], answer.status.as_u16());
    document["type"].as_str().unwrap().strip_prefix("urn:scopegate:problem:").unwrap().to_owned()
}

fn operations() -> [(&'static str, &'static str, Option<Value>, &'static str); 22] {
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

/// Users and roles that do not fit, and the word for it.
fn misfits() -> Vec<(&'static str, &'static str, Value, &'static str)> {
    vec![
        ("POST", "/users", json!({"login": "a b"}), "invalid"),
        ("POST", "/users", json!({"login": "x", "surprise": 1}), "invalid"),
        ("POST", "/users", json!({"login": "x", "roles": ["User", "User"]}), "invalid"),
        ("POST", "/users", json!({"login": "x", "roles": ["Nobody"]}), "unknown_role"),
        ("POST", "/users", json!({"login": "ADMIN"}), "exists"),
        ("POST", "/users", json!({"login": 7}), "invalid"),
        ("PATCH", "/users/usr_admin", json!({"name": null}), "invalid"),
        ("PATCH", "/users/usr_admin", json!({"login": "x"}), "invalid"),
        ("PATCH", "/users/usr_none", json!({}), "not_found"),
        ("POST", "/roles", json!({"name": "..", "level": "user", "scopes": []}), "invalid"),
        ("POST", "/roles", json!({"name": "X", "level": "owner", "scopes": []}), "invalid"),
        ("POST", "/roles", json!({"name": "X", "level": "user", "scopes": ["admin.users"]}), "contradiction"),
        ("POST", "/roles", json!({"name": "X", "level": "user", "scopes": ["nothing"]}), "unknown_scope"),
        ("POST", "/roles", json!({"name": "X", "level": "user", "scopes": ["a b"]}), "invalid"),
        ("POST", "/roles", json!({"name": "User", "level": "user", "scopes": []}), "exists"),
        ("PATCH", "/roles/User", json!({"scopes": []}), "default_role"),
    ]
}

/// Clients and requests that do not fit, and the word for it.
fn misfitting_clients() -> Vec<(&'static str, &'static str, Value, &'static str)> {
    let client = |with: Value| {
        let mut client = json!({"name": "x", "confidential": true, "grant_types": [], "allow_list": []});
        client.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        client
    };
    vec![
        ("POST", "/clients", client(json!({"id": "usr_x"})), "invalid"),
        ("POST", "/clients", client(json!({"id": "app"})), "exists"),
        ("POST", "/clients", client(json!({"redirect_uris": ["http://app.test/"]})), "invalid"),
        ("POST", "/clients", client(json!({"redirect_uris": ["javascript:alert(1)"]})), "invalid"),
        ("POST", "/clients", client(json!({"grant_types": ["password"]})), "invalid"),
        ("POST", "/clients", client(json!({"grant_types": ["authorization_code"]})), "contradiction"),
        ("POST", "/clients", client(json!({"grant_types": ["refresh_token"]})), "contradiction"),
        ("POST", "/clients", client(json!({"allow_list": ["api-keys"]})), "contradiction"),
        ("POST", "/clients", client(json!({"allow_list": ["nothing"]})), "unknown_scope"),
        ("POST", "/clients", client(json!({"confidential": false, "introspects": true})), "contradiction"),
        (
            "POST",
            "/clients",
            client(json!({"confidential": false, "grant_types": ["client_credentials"]})),
            "contradiction",
        ),
        ("POST", "/clients/public/secret", json!({}), "contradiction"),
        ("DELETE", "/roles/TenantAdmin", json!({}), "default_role"),
        ("DELETE", "/approvals/usr_admin/app", json!({}), "not_found"),
        ("GET", "/users?limit=0", json!({}), "bad_request"),
        ("GET", "/users?page=1", json!({}), "bad_request"),
        ("GET", "/users/%ff", json!({}), "bad_request"),
        ("GET", "/nothing", json!({}), "not_found"),
        ("PUT", "/users", json!({}), "method_not_allowed"),
    ]
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_named() {
    let world = World::new().await;
    let token = token_of(&world, "admin", &["TenantAdmin"], ALL).await;
    world.client("app", "automations").await;
    world.client_with("public", "automations", |client| client.secret = None).await;
    for (method, path, body, expected) in misfits().into_iter().chain(misfitting_clients()) {
        let answer = send(&world, &token, method, path, Some(&body)).await;
        assert_eq!(kind(&answer), expected, "{method} {path} {body}: {answer:?}");
    }
    let bearer = format!("Bearer {token}");
    for (content_type, body, expected) in [
        ("text/plain", "{}", "unsupported_media_type"),
        ("application/merge-patch+json", "{}", "unsupported_media_type"),
        (JSON, "{", "bad_request"),
        (JSON, "", "bad_request"),
        (JSON, "{\"login\":\"x\",\"login\":\"y\"}", "invalid"),
        (JSON, "[]", "invalid"),
    ] {
        let fields = [("authorization", bearer.as_str()), ("content-type", content_type)];
        let answer = world.ask("POST", "/api/v1/users", &fields, body).await;
        assert_eq!(kind(&answer), expected, "{content_type} {body}");
    }
}

#[tokio::test]
async fn whatever_is_written_comes_back_as_it_was() {
    let world = World::new().await;
    let token = token_of(&world, "admin", &["TenantAdmin"], ALL).await;
    for (number, text) in [
        "'; DROP TABLE users; --",
        "Robert'); DELETE FROM clients WHERE ('1'='1",
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "{{7*7}} ${7*7} <%= 7 %>",
        "%00 %27 \\u0027 \\",
        "Nóra 漢字 \u{1f511}",
    ]
    .into_iter()
    .enumerate()
    {
        let added =
            send(&world, &token, "POST", "/users", Some(&json!({"login": format!("u{number}"), "name": text}))).await;
        let user = added.json()["user"].clone();
        assert_eq!((&user["name"], added.field("content-type")), (&json!(text), JSON), "{added:?}");
        let place = added.field("location").strip_prefix("/api/v1").unwrap().to_owned();
        assert_eq!(send(&world, &token, "GET", &place, None).await.json(), user);
        let changed = send(&world, &token, "PATCH", &place, Some(&json!({"name": format!("{text}{text}")}))).await;
        assert_eq!(changed.json()["name"], format!("{text}{text}"));
        let client = json!({"id": format!("c{number}"), "name": text, "confidential": false, "grant_types": [], "allow_list": []});
        let added = send(&world, &token, "POST", "/clients", Some(&client)).await;
        assert_eq!(added.json()["client"]["name"], text, "{added:?}");
        let escaped: String = form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
        for path in ["/users/", "/roles/", "/clients/", "/scopes/"] {
            let answer = send(&world, &token, "GET", &format!("{path}{escaped}"), None).await;
            assert_eq!(kind(&answer), "not_found", "{path}{text}");
        }
        for query in ["/users?after=", "/approvals?user=", "/approvals?client=", "/approvals?after="] {
            let answer = send(&world, &token, "GET", &format!("{query}{escaped}"), None).await;
            assert_eq!(answer.status, StatusCode::OK, "{query}{text}: {answer:?}");
        }
    }
    assert_eq!(send(&world, &token, "GET", "/users", None).await.json()["items"].as_array().unwrap().len(), 8);
}

#[tokio::test]
async fn lists_are_read_page_by_page() {
    let world = World::new().await;
    let token = token_of(&world, "admin", &["TenantAdmin"], ALL).await;
    for number in 0..5 {
        world.user(&format!("u{number}"), &[]).await;
        world.client(&format!("c{number}"), "automations apps:read").await;
    }
    for number in 0..5 {
        world.approve("usr_u1", &format!("c{number}"), "automations apps:read").await;
    }
    for (path, expected) in
        [("/users?", 6), ("/clients?", 6), ("/approvals?user=usr_u1&", 10), ("/roles?", 2), ("/scopes?", 11)]
    {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let part = send(&world, &token, "GET", &format!("{path}limit=2&after={after}"), None).await.json();
            let items = part["items"].as_array().unwrap();
            assert!(items.len() <= 2);
            seen.extend(items.iter().map(Value::to_string));
            match part["next"].as_str() {
                Some(next) => after = next.replace(' ', "+"),
                None => break,
            }
        }
        let once: std::collections::BTreeSet<_> = seen.iter().collect();
        assert_eq!((seen.len(), once.len()), (expected, expected), "{path}");
    }
}

#[tokio::test]
async fn secrets_are_shown_once_and_work() {
    let world = World::new().await;
    let token = token_of(&world, "admin", &["TenantAdmin"], ALL).await;
    let client = json!({"id": "job", "name": "Job", "confidential": true, "grant_types": ["client_credentials"],
        "allow_list": ["automations"]});
    let added = send(&world, &token, "POST", "/clients", Some(&client)).await.json();
    let first = added["client_secret"].as_str().unwrap().to_owned();
    let tried = async |secret: &str| {
        let form = [("grant_type", "client_credentials"), ("client_id", "job"), ("client_secret", secret)];
        world.post("/oauth/token", &[], &form).await.status
    };
    assert_eq!(tried(&first).await, StatusCode::OK);
    let shown = send(&world, &token, "GET", "/clients/job", None).await;
    assert!(!String::from_utf8_lossy(&shown.body).contains("secret"), "{shown:?}");
    let second = send(&world, &token, "POST", "/clients/job/secret", None).await.text("client_secret");
    assert_eq!((tried(&first).await, tried(&second).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    let user = send(&world, &token, "POST", "/users", Some(&json!({"login": "nora"}))).await.json();
    let (_, kept) = world.server.store.user_by_login("nora").await.unwrap().unwrap();
    let password = user["one_time_password"].as_str().unwrap();
    assert!(kept.one_time && world.server.passwords.verify(password, Some(&kept.hash)).await);
}

#[tokio::test]
async fn rfc_9110_13_the_role_directory_is_read_by_its_tag() {
    let world = World::new().await;
    let token = token_of(&world, "admin", &["TenantAdmin"], ALL).await;
    let refused = send(&world, &token, "GET", "/role-directory", None).await;
    assert_eq!((refused.status, kind(&refused).as_str()), (StatusCode::UNAUTHORIZED, "invalid_token"));
    let first = send(&world, GATEWAY_TOKEN, "GET", "/role-directory", None).await;
    assert_eq!(first.json()["roles"]["User"]["level"], "user");
    assert!(first.json()["roles"]["TenantAdmin"]["scopes"].as_array().unwrap().contains(&json!("admin.automations")));
    let bearer = format!("Bearer {GATEWAY_TOKEN}");
    let known = async |tag: &str| {
        let fields = [("authorization", bearer.as_str()), ("if-none-match", tag)];
        world.ask("GET", "/api/v1/role-directory", &fields, "").await
    };
    let same = known(first.field("etag")).await;
    assert_eq!((same.status, same.body.len(), same.field("etag")), (StatusCode::NOT_MODIFIED, 0, first.field("etag")));
    let role = json!({"name": "Analyst", "level": "user", "scopes": ["apps:read"]});
    assert_eq!(send(&world, &token, "POST", "/roles", Some(&role)).await.status, StatusCode::CREATED);
    let changed = known(first.field("etag")).await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_eq!(changed.json()["roles"]["Analyst"], json!({"level": "user", "scopes": ["apps:read"]}));
    assert_ne!(changed.field("etag"), first.field("etag"));
}

#[tokio::test]
async fn the_document_describes_every_operation_and_is_open() {
    let world = World::new().await;
    let document = world.get("/api/v1/openapi.json", None).await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let described = document["paths"].as_object().unwrap().values().map(|item| item.as_object().unwrap().len());
    // The role directory besides.
    assert_eq!(described.sum::<usize>(), operations().len() + 1);
}
