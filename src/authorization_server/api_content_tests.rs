//! The administration API over a real listener: what fits, that what is written is what is read, and its document.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::api_tests::{ALL, JSON, kind, operations, send, token_of};
use super::testing::{GATEWAY_TOKEN, World};

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
