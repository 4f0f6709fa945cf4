//! The sample API over real connections, asked as the gateway asks it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::{Rows, SpaceRole, serve};

const MARKETING: i64 = 1;
const FINANCE: i64 = 2;

/// An API with rows: ada owns 1 and 2, ben 3, 4 and 5; 2 and 3 lie in Marketing, 5 in Finance, where ada is nobody.
struct Api {
    runtime: Runtime,
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    served: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
    _folder: TempDir,
}

struct Answer {
    status: u16,
    head: String,
    content: String,
}

impl Api {
    fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let (end, ended) = oneshot::channel();
        let path = folder.path().join("rows.db");
        let (listener, rows) = runtime.block_on(async {
            let rows = Rows::open(&path).await.expect("a database");
            fill(&rows).await.expect("rows");
            (tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port"), rows)
        });
        let address = listener.local_addr().expect("an address");
        let served = runtime.spawn(serve(listener, rows, async move { drop(ended.await) }));
        Self { runtime, address, end: Some(end), served: Some(served), _folder: folder }
    }

    fn send(&self, request: &str, fields: &str, content: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        let length = content.len();
        let head =
            format!("{request} HTTP/1.1\r\nHost: api\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}");
        stream.write_all(format!("{head}\r\n{content}").as_bytes()).expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let (head, content) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.get(9..12).expect("a status").parse().expect("a number");
        Answer { status, head: head.to_ascii_lowercase(), content: content.to_owned() }
    }

    /// A request as the gateway forwards it: `caller` is `ada` or, for admin access, `admin ada`.
    fn ask(&self, caller: &str, request: &str, content: &Value) -> Answer {
        let (access, subject) = caller.split_once(' ').unwrap_or(("user", caller));
        let content = if content.is_null() { String::new() } else { content.to_string() };
        let fields =
            format!("Scopegate-Access: {access}\r\nScopegate-Subject: {subject}\r\nContent-Type: application/json\r\n");
        self.send(request, &fields, &content)
    }

    fn get(&self, caller: &str, path: &str) -> Answer {
        self.ask(caller, &format!("GET {path}"), &Value::Null)
    }

    fn post(&self, caller: &str, path: &str, content: impl Into<Value>) -> Answer {
        self.ask(caller, &format!("POST {path}"), &content.into())
    }

    /// The identifiers of the automations that `caller` is shown.
    fn seen(&self, caller: &str) -> Vec<i64> {
        let answer = self.get(caller, "/api/v1/automations").json();
        answer["automations"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|row| row["id"].as_i64().expect("a number"))
            .collect()
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.content).unwrap_or_else(|_| panic!("no JSON: {}", self.content))
    }
}

async fn fill(rows: &Rows) -> Result<(), super::RowsFault> {
    use SpaceRole::{Editor, Viewer};
    let marketing = rows.add_space("Marketing", &[("ada", Viewer), ("ben", Editor), ("eve", Editor)]).await?;
    let finance = rows.add_space("Finance", &[("ben", Editor), ("eve", Viewer)]).await?;
    assert_eq!((marketing, finance), (MARKETING, FINANCE));
    rows.add_automation("Nightly report", "ada", None).await?;
    rows.add_automation("Clean up", "ada", Some(marketing)).await?;
    rows.add_automation("Campaign mail", "ben", Some(marketing)).await?;
    rows.add_automation("Notes", "ben", None).await?;
    rows.add_automation("Payroll", "ben", Some(finance)).await?;
    Ok(())
}

#[test]
fn rows_follow_subject_spaces_and_access() {
    let api = Api::start();
    for (caller, expected) in [
        ("ada", &[1, 2, 3][..]),
        ("ben", &[2, 3, 4, 5]),
        ("eve", &[2, 3, 5]),
        ("nobody", &[]),
        ("ADA", &[]),
        ("admin ada", &[1, 2, 3, 4, 5]),
        ("admin nobody", &[1, 2, 3, 4, 5]),
    ] {
        assert_eq!(api.seen(caller), expected, "{caller}");
        for id in 1..=6 {
            let status = if expected.contains(&id) { 200 } else { 404 };
            for door in ["/api/v1/automations", "/api/workflows/automations"] {
                assert_eq!(api.get(caller, &format!("{door}/{id}")).status, status, "{caller} {door}/{id}");
            }
        }
    }
    let answer = api.get("admin ada", "/api/v1/automations").json();
    assert_eq!((&answer["access"], &answer["subject"]), (&json!("admin"), &json!("ada")));
    let answer = api.get("ada", "/api/v1/spaces").json();
    assert_eq!(answer["spaces"], json!([{"id": MARKETING, "name": "Marketing", "role": "viewer"}]));
    assert_eq!(api.get("ada", "/api/v1/spaces/2").status, 404);
    assert_eq!(api.get("ada", "/api/v1/spaces/2/assignments").status, 404);
    assert_eq!(api.get("admin ada", "/api/v1/spaces/2/assignments").json()["assignments"][0]["subject"], "ben");
}

#[test]
fn nobody_comes_past_the_gateway() {
    let api = Api::start();
    for (fields, path, status) in [
        ("", "/api/v1/automations", 403),
        ("", "/health", 403),
        ("", "/nowhere", 403),
        ("Scopegate-Subject: ada\r\n", "/api/v1/automations", 403),
        ("Scopegate-Access: admin\r\n", "/api/v1/automations", 403),
        ("Scopegate-Access: public\r\nScopegate-Subject: ada\r\n", "/api/v1/automations", 403),
        ("Scopegate-Access: authenticated\r\nScopegate-Subject: ada\r\n", "/api/v1/spaces", 403),
        ("Scopegate-Access: user\r\nScopegate-Access: admin\r\nScopegate-Subject: ada\r\n", "/health", 403),
        ("Scopegate-Access: public\r\n", "/health", 200),
    ] {
        let answer = api.send(&format!("GET {path}"), fields, "");
        assert_eq!(answer.status, status, "{fields}{path}");
        assert_eq!(answer.head.contains("application/problem+json"), status != 200, "{}", answer.head);
    }
}

#[test]
fn a_viewer_changes_nothing_and_an_editor_does() {
    let api = Api::start();
    let name = || json!({"name": "Renamed"});
    for (caller, id, expected) in [("ada", 3, 403), ("eve", 5, 403), ("ada", 4, 404), ("ada", 9, 404)] {
        let path = format!("/api/v1/automations/{id}");
        assert_eq!(api.ask(caller, &format!("PUT {path}"), &name()).status, expected, "{caller} {id}");
        assert_eq!(api.ask(caller, &format!("DELETE {path}"), &Value::Null).status, expected, "{caller} {id}");
        for action in ["actions/disable", "actions/enable", "runs"] {
            assert_eq!(
                api.post(caller, &format!("{path}/{action}"), Value::Null).status,
                expected,
                "{caller} {action}"
            );
        }
        let space = json!({"space": MARKETING});
        assert_eq!(api.post(caller, &format!("{path}/actions/change-space"), space).status, expected, "{caller} {id}");
    }
    for (caller, id) in [("ada", 2), ("eve", 3), ("admin ada", 5)] {
        let path = format!("/api/v1/automations/{id}");
        assert_eq!(api.ask(caller, &format!("PUT {path}"), &name()).json()["name"], "Renamed", "{caller} {id}");
        assert_eq!(api.post(caller, &format!("{path}/actions/disable"), Value::Null).json()["enabled"], false);
        assert_eq!(api.ask(caller, &format!("DELETE {path}"), &Value::Null).status, 204, "{caller} {id}");
        assert_eq!(api.get("admin ada", &path).status, 404, "{caller} {id}");
    }
}

#[test]
fn rows_are_made_and_copied() {
    let api = Api::start();
    let made = api.post("ada", "/api/v1/automations", json!({"name": "Mine"}));
    assert_eq!(made.status, 201);
    assert!(made.head.contains("location: /api/v1/automations/6"), "{}", made.head);
    assert_eq!(
        made.json(),
        json!({"id": 6, "name": "Mine", "owner": "ada", "space": null, "enabled": true, "editable": true})
    );
    for (caller, space, status) in [
        ("ada", MARKETING, 403),
        ("ada", FINANCE, 404),
        ("ada", 9, 404),
        ("ben", FINANCE, 201),
        ("admin ada", FINANCE, 201),
    ] {
        let new = json!({"name": "Shared", "space": space});
        assert_eq!(api.post(caller, "/api/v1/automations", new).status, status, "{caller} {space}");
    }
    let copy = api.post("ada", "/api/v1/automations/3/actions/copy", Value::Null).json();
    assert_eq!(
        (&copy["name"], &copy["owner"], &copy["space"]),
        (&json!("Copy of Campaign mail"), &json!("ada"), &Value::Null)
    );
}

#[test]
fn rows_are_moved_and_given_away() {
    let api = Api::start();
    let to = |space: Value| json!({"space": space});
    let moved = api.post("ben", "/api/v1/automations/4/actions/change-space", to(json!(MARKETING)));
    assert_eq!((moved.status, api.get("ada", "/api/v1/automations/4").status), (200, 200));
    // Eve edits the space, and the row is still Ben's.
    assert_eq!(api.post("eve", "/api/v1/automations/4/actions/change-space", to(Value::Null)).status, 403);
    assert_eq!(api.post("ben", "/api/v1/automations/4/actions/change-space", to(Value::Null)).status, 200);
    assert_eq!(api.post("ben", "/api/v1/automations/4/actions/move", to(json!(MARKETING))).status, 403);
    assert_eq!(api.post("admin ada", "/api/v1/automations/4/actions/move", to(json!(MARKETING))).status, 200);

    let owner = || json!({"owner": "eve"});
    assert_eq!(api.post("ada", "/api/v1/automations/1/actions/change-owner", owner()).status, 403);
    assert_eq!(api.post("admin ben", "/api/v1/automations/1/actions/change-owner", owner()).json()["owner"], "eve");
    assert_eq!(
        (api.get("ada", "/api/v1/automations/1").status, api.get("eve", "/api/v1/automations/1").status),
        (404, 200)
    );
}

#[test]
fn the_usage_of_the_tenant_is_for_administrators() {
    let api = Api::start();
    assert_eq!(api.get("ada", "/api/v1/automations/usage").status, 403);
    let usage = api.get("admin ada", "/api/v1/automations/usage").json();
    assert_eq!(usage["usage"], json!({"automations": 5, "enabled": 5, "owners": 2, "spaces": 2, "runs": 0}));
}

#[test]
fn runs_are_started_read_exported_stopped_and_retried() {
    let api = Api::start();
    let runs = "/api/v1/automations/3/runs";
    let run = api.post("ben", runs, Value::Null);
    assert_eq!(
        (run.status, &run.json()),
        (201, &json!({"id": 1, "automation": 3, "started_by": "ben", "state": "running"}))
    );
    assert_eq!(api.get("ada", runs).json()["runs"].as_array().map(Vec::len), Some(1));
    let export = api.post("ada", &format!("{runs}/1/actions/export"), Value::Null);
    assert!(export.status == 200 && export.head.contains("attachment"), "{}", export.head);
    assert_eq!(api.get("ada", &format!("{runs}/1/debug")).status, 200);
    for (caller, request, status) in [
        ("ben", "POST 3/runs/1/actions/retry", 409),
        ("ada", "POST 3/runs/1/actions/stop", 403),
        ("nobody", "POST 3/runs/1/actions/stop", 404),
        ("ben", "POST 2/runs/1/actions/stop", 404),
        ("ben", "POST 3/runs/2/actions/stop", 404),
        ("ben", "POST 3/runs/1/actions/stop", 200),
        ("ben", "POST 3/runs/1/actions/stop", 409),
        ("ben", "POST 3/runs/1/actions/retry", 201),
        ("ben", "POST 3/actions/disable", 200),
        ("ben", "POST 3/runs", 409),
    ] {
        let (method, path) = request.split_once(' ').expect("two words");
        let answer = api.ask(caller, &format!("{method} /api/v1/automations/{path}"), &Value::Null);
        assert_eq!(answer.status, status, "{caller} {request}: {}", answer.content);
    }
}

#[test]
fn pages_end_where_they_are_asked_to() {
    let api = Api::start();
    let page = |query: &str| {
        let answer = api.get("admin ada", &format!("/api/v1/automations?{query}"));
        (answer.status, answer.json()["automations"].as_array().map(Vec::len))
    };
    assert_eq!(page("limit=2"), (200, Some(2)));
    assert_eq!(page("after=3"), (200, Some(2)));
    for query in ["limit=0", "limit=101", "limit=-1", "limit=x", "after=", "limit=1&limit=2"] {
        assert_eq!(page(query), (400, None), "{query}");
    }
}

#[test]
fn what_is_no_request_of_this_api_is_told_what_is_wrong() {
    let api = Api::start();
    let long = "x".repeat(17 * 1024);
    let name = |name: &str| json!({"name": name}).to_string();
    let json = "Content-Type: application/json\r\n";
    for (request, fields, content, status) in [
        ("POST /api/v1/automations", "", name("a"), 415),
        ("POST /api/v1/automations", "Content-Type: text/plain\r\n", name("a"), 415),
        ("POST /api/v1/automations", "Content-Type: application/json; charset=utf-8\r\n", name("a"), 201),
        ("POST /api/v1/automations", json, String::new(), 400),
        ("POST /api/v1/automations", json, "[]".into(), 400),
        ("POST /api/v1/automations", json, r#"{"name": "a", "owner": "ben"}"#.into(), 400),
        ("POST /api/v1/automations", json, r#"{"name": 7}"#.into(), 400),
        ("POST /api/v1/automations", json, name(""), 400),
        ("POST /api/v1/automations", json, name(" a"), 400),
        ("POST /api/v1/automations", json, name("a\nb"), 400),
        ("POST /api/v1/automations", json, name(&"é".repeat(121)), 400),
        ("POST /api/v1/automations", json, name(&"é".repeat(120)), 201),
        ("POST /api/v1/automations", json, name("'); DROP TABLE automations; --"), 201),
        ("POST /api/v1/automations", json, name(&long), 413),
        ("GET /api/v1/automations/x", "", String::new(), 404),
        ("GET /api/v1/automations/99999999999999999999", "", String::new(), 404),
        ("GET /api/v1/automations/1/runs/x", "", String::new(), 404),
        ("GET /api/v1/apps", "", String::new(), 404),
        ("PATCH /api/v1/automations/1", "", String::new(), 405),
    ] {
        let fields = format!("Scopegate-Access: user\r\nScopegate-Subject: ada\r\n{fields}");
        let answer = api.send(request, &fields, &content);
        assert_eq!(answer.status, status, "{request} {fields} {}", answer.content);
        if status >= 400 {
            assert!(answer.head.contains("application/problem+json"), "{}", answer.head);
            assert_eq!(answer.json()["status"], status, "{request}");
        }
    }
    assert_eq!(api.seen("admin ada").len(), 8);
}

#[test]
fn it_ends_when_it_is_told_to() {
    let mut api = Api::start();
    assert_eq!(api.seen("ada"), [1, 2, 3]);
    drop(api.end.take());
    let served = api.served.take().expect("a server");
    api.runtime.block_on(served).expect("no panic").expect("a good end");
    assert!(TcpStream::connect(api.address).is_err());
}
