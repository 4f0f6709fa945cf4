//! What becomes of users whose roles the role directory knows: while it changes, fails, grows old.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{FeedServer, Gateway, Load, Mood, Setup, Upstream, Workplace, eventually};

const POLICY: &str = "scopes:
  items: {implies: [items:read], admin: admin.items}
  items:read: {admin: admin.items:read}
  admin.items: {implies: [admin.items:read]}
  admin.items:read: {}
roles:
  Reader: {scopes: [items:read]}
routes:
  - {path: '/items/{id}', upstream: api, methods: {GET: items:read, DELETE: items}}
  - {path: '/admin/{id}', upstream: api, methods: {GET: {admin: admin.items:read}}}
  - {path: '/open/{name}', upstream: api, methods: {GET: public}}
  - {path: /session, upstream: api, methods: {GET: authenticated}}
";

fn setup(server: &FeedServer, more: &str) -> Setup {
    let more = format!("ceilings: {{roles: on}}\nroles: {{directory: {{{}{more}}}}}\nworkers: 2", server.directory());
    Setup { policy: POLICY.into(), more, ..Setup::default() }
}

fn ready(server: &FeedServer, more: &str) -> Gateway {
    let gateway = setup(server, more).start(&Upstream::echo());
    eventually("ready", || (gateway.ask("GET", "/readyz").status == 200).then_some(()));
    gateway
}

fn token(gateway: &Gateway, scope: &str, roles: &[&str]) -> String {
    gateway.signer.token(scope, &json!({"roles": roles}))
}

/// What a request comes to: `allowed`, or the reason.
fn outcome(gateway: &Gateway, request: &str, token: &str) -> String {
    let (method, target) = request.split_once(' ').unwrap();
    let response = gateway.client().request(method, target, &format!("Authorization: Bearer {token}\r\n"));
    if response.status == 200 { "allowed".into() } else { response.reason() }
}

fn fetches(gateway: &Gateway, result: &str) -> f64 {
    gateway.metric("scopegate_role_directory_fetch_total", &[&format!("result=\"{result}\"")])
}

#[test]
fn what_a_role_permits_changes_without_a_new_token_and_without_a_lost_request() {
    let server = FeedServer::start();
    server.set_roles(&json!({"Editor": ["items:read"]}));
    let gateway = ready(&server, "");
    let editor = token(&gateway, "items admin.items:read", &["Editor"]);
    let request = format!("GET /items/7 HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer {editor}\r\n\r\n");
    let load = Load::start(gateway.address, 16, &request);
    assert_eq!(outcome(&gateway, "GET /items/7", &editor), "allowed");
    assert_eq!(outcome(&gateway, "DELETE /items/7", &editor), "role_ceiling");
    for (scopes, delete, admin) in [
        (json!(["items"]), "allowed", "role_ceiling"),
        (json!(["items:read", "admin.*"]), "role_ceiling", "allowed"),
        (json!(["*"]), "allowed", "allowed"),
        (json!(["items:read", "nosuch"]), "role_ceiling", "role_ceiling"),
    ] {
        server.set_roles(&json!({"Editor": scopes}));
        let changed = Instant::now();
        eventually("the change is seen", || {
            let told = (outcome(&gateway, "DELETE /items/7", &editor), outcome(&gateway, "GET /admin/7", &editor));
            (told == (delete.to_owned(), admin.to_owned())).then_some(())
        });
        assert!(changed.elapsed() < Duration::from_secs(5), "{:?}", changed.elapsed());
    }
    let tally = load.stop();
    assert_eq!((tally.bad.load(Ordering::Relaxed), tally.unread.load(Ordering::Relaxed)), (0, 0), "{tally:?}");
    assert!(tally.good.load(Ordering::Relaxed) > 100, "{tally:?}");
    eventually("what has not changed is not sent again", || (server.unchanged() > 0).then_some(()));
}

#[test]
fn every_worker_sees_a_change_at_once() {
    let server = FeedServer::start();
    server.set_roles(&json!({"Editor": ["items"]}));
    let gateway = ready(&server, ", interval: 100ms");
    let editor = token(&gateway, "items", &["Editor"]);
    let mut clients: Vec<_> = (0..32).map(|_| gateway.client()).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.get("/items/7", &editor).status, 200));
    server.set_roles(&json!({"Editor": [], "Other": []}));
    eventually("the change is in force", || {
        (gateway.metric("scopegate_role_directory_roles", &[]) == 2.0).then_some(())
    });
    for client in &mut clients {
        let response = client.get("/items/7", &editor);
        assert_eq!((response.status, response.reason()), (403, "role_ceiling".into()));
    }
}

#[test]
fn the_policy_file_wins_on_a_name_in_both() {
    let server = FeedServer::start();
    server.set_roles(&json!({"Reader": ["*"], "Editor": ["items"]}));
    let gateway = ready(&server, "");
    let reader = token(&gateway, "items admin.items", &["Reader"]);
    let both = token(&gateway, "items admin.items", &["Reader", "Editor"]);
    assert_eq!(outcome(&gateway, "GET /items/7", &reader), "allowed");
    assert_eq!(outcome(&gateway, "DELETE /items/7", &reader), "role_ceiling");
    assert_eq!(outcome(&gateway, "GET /admin/7", &reader), "role_ceiling");
    assert_eq!(outcome(&gateway, "DELETE /items/7", &both), "allowed");
    assert_eq!(outcome(&gateway, "GET /admin/7", &both), "role_ceiling");
    assert_eq!(outcome(&gateway, "GET /items/7", &token(&gateway, "items", &["Stranger"])), "role_ceiling");
}

/// Who needs the directory, and who does not, while there is none that is fresh.
fn without_directory(gateway: &Gateway) {
    for (request, scope, roles, expected) in [
        ("GET /items/7", "items:read", &["Reader"][..], "allowed"),
        ("DELETE /items/7", "items", &["Reader"], "role_ceiling"),
        ("DELETE /items/7", "items", &[], "role_ceiling"),
        ("DELETE /items/7", "items:read", &["Editor"], "insufficient_scope"),
        ("DELETE /items/7", "items", &["Editor"], "roles_unavailable"),
        ("DELETE /items/7", "items", &["Reader", "Editor"], "roles_unavailable"),
        ("GET /items/7", "items:read", &["Reader", "Editor"], "allowed"),
        // The user side alone would silently show less than what the user may see.
        ("GET /items/7", "items:read admin.items:read", &["Reader", "Editor"], "roles_unavailable"),
        ("GET /session", "", &["Editor"], "allowed"),
        ("GET /open/x", "items", &["Editor"], "allowed"),
    ] {
        let told = outcome(gateway, request, &token(gateway, scope, roles));
        assert_eq!(told, expected, "{request} scope {scope:?} roles {roles:?}");
    }
    let response = gateway.client().request(
        "DELETE",
        "/items/7",
        &format!("Authorization: Bearer {}\r\n", token(gateway, "items", &["Editor"])),
    );
    assert_eq!((response.status, response.field("retry-after")), (503, Some("1")));
    assert_eq!(response.field("www-authenticate"), None);
}

#[test]
fn a_directory_that_was_never_read_refuses_those_who_need_it_and_holds_readiness() {
    let server = FeedServer::start();
    server.set_roles(&json!({"Editor": ["items"]}));
    server.be(Mood::Dead);
    let gateway = setup(&server, ", interval: 100ms").start(&Upstream::echo());
    without_directory(&gateway);
    let readyz = gateway.ask("GET", "/readyz");
    assert!(readyz.status == 503 && readyz.text().contains("role directory has not been read"), "{}", readyz.text());
    server.be(Mood::Well);
    eventually("ready", || (gateway.ask("GET", "/readyz").status == 200).then_some(()));
    assert_eq!(outcome(&gateway, "DELETE /items/7", &token(&gateway, "items", &["Editor"])), "allowed");
}

#[test]
fn the_last_good_copy_serves_until_it_is_stale() {
    let server = FeedServer::start();
    server.set_roles(&json!({"Editor": ["items"]}));
    let gateway = ready(&server, ", interval: 100ms, max_stale: 2s");
    let editor = token(&gateway, "items", &["Editor"]);
    for (mood, result) in [
        (Mood::Status(500), "failed"),
        (Mood::Says("<html>"), "malformed"),
        (Mood::Says(r#"{"roles": {"A": {"scopes": []}, "A": {"scopes": []}}}"#), "malformed"),
    ] {
        let before = fetches(&gateway, result);
        server.be(mood);
        eventually(result, || (fetches(&gateway, result) > before).then_some(()));
        assert_eq!(outcome(&gateway, "DELETE /items/7", &editor), "allowed", "{mood:?}");
        server.be(Mood::Well);
        let before = fetches(&gateway, "ok");
        eventually("it is well", || (fetches(&gateway, "ok") > before).then_some(()));
    }
    server.be(Mood::Dead);
    eventually("it is stale", || (outcome(&gateway, "DELETE /items/7", &editor) == "roles_unavailable").then_some(()));
    assert!(gateway.metric("scopegate_role_directory_age_seconds", &[]) > 2.0);
    without_directory(&gateway);
    let readyz = gateway.ask("GET", "/readyz");
    assert_eq!((readyz.status, readyz.json()["detail"]["role_directory"]["fresh"].clone()), (200, json!(false)));
    server.be(Mood::Well);
    eventually("it is fresh again", || (outcome(&gateway, "DELETE /items/7", &editor) == "allowed").then_some(()));
}

#[test]
fn a_reload_with_another_catalogue_keeps_the_directory_without_a_gap() {
    let server = FeedServer::start();
    server.set_roles(&json!({"Editor": ["items", "extra0", "extra1"]}));
    let gateway = ready(&server, "");
    let editor = token(&gateway, "items", &["Editor"]);
    let request = format!("GET /items/7 HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer {editor}\r\n\r\n");
    let load = Load::start(gateway.address, 16, &request);
    server.be(Mood::Dead);
    for number in 0..10 {
        // New scopes in front move every other scope to another bit.
        let extra: String = (0..=number % 3).map(|extra| format!("  extra{extra}: {{}}\n")).collect();
        gateway.write("routes.yaml", &POLICY.replace("scopes:\n  items:", &format!("scopes:\n{extra}  items:")));
        assert_eq!(gateway.ask("POST", "/reload").status, 200);
        assert_eq!(outcome(&gateway, "DELETE /items/7", &editor), "allowed", "reload {number}");
        assert_eq!(outcome(&gateway, "GET /admin/7", &token(&gateway, "admin.items", &["Editor"])), "role_ceiling");
    }
    let tally = load.stop();
    assert_eq!((tally.bad.load(Ordering::Relaxed), tally.unread.load(Ordering::Relaxed)), (0, 0), "{tally:?}");
    // Without a directory in the file the ceiling is what the policy file says, and nothing is left of the directory.
    let file = std::fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    let without: String =
        file.lines().filter(|line| !line.starts_with("roles:")).map(|line| format!("{line}\n")).collect();
    gateway.write("scopegate.yaml", &without);
    assert_eq!(gateway.ask("POST", "/reload").status, 200);
    assert_eq!(outcome(&gateway, "DELETE /items/7", &editor), "role_ceiling");
    assert!(!gateway.ask("GET", "/metrics").text().contains("scopegate_role_directory_roles"));
}

#[test]
fn a_reload_that_changes_how_the_directory_is_asked_keeps_its_roles_while_it_is_down() {
    let server = FeedServer::start();
    server.set_roles(&json!({"Editor": ["items"]}));
    let gateway = ready(&server, ", interval: 100ms");
    let editor = token(&gateway, "items", &["Editor"]);
    assert_eq!(outcome(&gateway, "DELETE /items/7", &editor), "allowed");
    server.be(Mood::Dead);
    let file = std::fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    for change in ["interval: 200ms", "interval: 200ms, max_stale: 30m", "interval: 1h"] {
        gateway.write("scopegate.yaml", &file.replace("interval: 100ms", change));
        assert_eq!(gateway.ask("POST", "/reload").status, 200);
        assert_eq!(outcome(&gateway, "DELETE /items/7", &editor), "allowed", "{change}");
        assert_eq!(gateway.ask("GET", "/readyz").status, 200, "{change}");
    }
    gateway.write("scopegate.yaml", &file.replace("interval: 100ms", "interval: 100ms, max_stale: 1s"));
    assert_eq!(gateway.ask("POST", "/reload").status, 200);
    eventually("it is stale", || (outcome(&gateway, "DELETE /items/7", &editor) == "roles_unavailable").then_some(()));
}

#[test]
fn explain_says_where_the_scopes_of_a_role_come_from() {
    let server = FeedServer::start();
    server.set_roles(&json!({"Editor": ["items"]}));
    let gateway = ready(&server, ", interval: 100ms, max_stale: 1s");
    let question =
        json!({"method": "DELETE", "url": "/items/7", "scope": "items", "roles": ["Reader", "Editor", "Ghost"]});
    let ask = || -> Value {
        let mut client = crate::support::Client::connect(gateway.admin);
        let content = question.to_string();
        let (host, length) = (gateway.admin, content.len());
        client.send(format!(
            "POST /explain HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{content}"
        ));
        client.response_to("POST").json()
    };
    let sources = |answer: &Value| -> Vec<String> {
        let roles = answer["token"]["roles"].as_array().unwrap().iter();
        roles
            .map(|role| format!("{} {}", role["name"].as_str().unwrap(), role["scopes_from"].as_str().unwrap()))
            .collect()
    };
    let answer = ask();
    assert_eq!((&answer["decision"], &answer["role_directory"]), (&json!({"allow": "user"}), &json!("read")));
    assert_eq!(sources(&answer), ["Reader policy", "Editor directory", "Ghost unknown"]);
    server.be(Mood::Dead);
    let answer = eventually("it is stale", || Some(ask()).filter(|answer| answer["role_directory"] == "unavailable"));
    assert_eq!(answer["decision"]["deny"], "roles_unavailable");
    assert_eq!(sources(&answer), ["Reader policy", "Editor unavailable", "Ghost unavailable"]);
}

#[test]
fn commands_do_not_ask_the_directory_and_say_so() {
    let workplace = Workplace::new();
    let server = FeedServer::start();
    workplace.write("own.yaml", POLICY);
    workplace.write(
        "scopegate.yaml",
        &format!(
            "listeners: [{{address: '127.0.0.1:0'}}]\nissuers: [{{issuer: i, audience: [a], keys: {{url: 'http://127.0.0.1:1/'}}}}]\n\
             upstreams: {{api: {{endpoints: ['http://127.0.0.1:1']}}}}\nceilings: {{roles: on}}\n\
             roles: {{directory: {{{}}}}}\npolicy: [own.yaml]\n",
            server.directory()
        ),
    );
    let (status, stdout, stderr) = workplace.run(&["check", "scopegate.yaml"]);
    assert!(status == 0 && stdout.contains("the role directory is not asked here"), "{stdout}{stderr}");
    let (status, stdout, stderr) =
        workplace.run(&["explain", "DELETE", "/items/7", "--scope", "items", "--role", "Editor", "scopegate.yaml"]);
    assert_eq!(status, 1, "{stderr}");
    for line in ["deny roles_unavailable (503)", "Editor (left to the role directory)", "not available here"] {
        assert!(stdout.contains(line), "{stdout}");
    }
    assert_eq!(server.asked(), 0);
}
