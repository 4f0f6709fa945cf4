//! The commands as a shell sees them: what they print where, and how they end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Setup, Upstream, Workplace};

const ISSUER: [&str; 4] = ["--issuer", "https://idp.test/", "--audience", "https://api.test"];

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A gateway file that trusts `keys/jwks.json`, and a policy of one route.
fn with_gateway(workplace: &Workplace) {
    workplace.write("items.yaml", "scopes: {items: {admin: admin.items}, admin.items: {}}\nroles: {Owner: {scopes: [items]}}\nroutes:\n  - {path: /items, upstream: api, methods: {GET: items}}\n");
    workplace.write(
        "gateway.yaml",
        "listeners: [{address: '127.0.0.1:0'}]\nissuers:\n  - {issuer: 'https://idp.test/', audience: ['https://api.test'], keys: {file: keys/jwks.json}}\n\
         upstreams: {api: {endpoints: ['http://127.0.0.1:9']}}\nceilings: {roles: on}\npolicy: [items.yaml]\n",
    );
}

#[test]
fn version_and_revision_are_the_same_wherever_they_are_said() {
    let (status, stdout, _) = Workplace::new().run(&["--version"]);
    let gateway = Setup::default().start(&Upstream::echo());
    let said = gateway.ask("GET", "/version").json();
    let [version, revision] = ["version", "revision"].map(|member| said[member].as_str().expect("a text"));
    assert_eq!((status, stdout), (0, format!("scopegate {version} ({revision})\n")));
    let labels = [format!("version=\"{version}\""), format!("revision=\"{revision}\"")];
    assert_eq!(gateway.metric("scopegate_build_info", &labels.each_ref().map(String::as_str)).to_string(), "1");
    // Twelve digits of a commit, what the environment said, or `unknown`.
    assert!(revision.len() >= 7 && !revision.contains(char::is_whitespace), "{revision}");
}

#[test]
fn check_says_how_much_it_checked() {
    let workplace = Workplace::new();
    let (status, stdout, _) = workplace.run(&["check", "routes.yaml"]);
    assert_eq!(status, 0);
    let shown: Vec<_> = ["routes.yaml: ", " routes, ", " scopes, ", " tests passed"]
        .iter()
        .filter(|part| stdout.contains(**part))
        .collect();
    assert_eq!((shown.len(), stdout.lines().count()), (4, 1), "{stdout}");
    let (status, stdout, _) =
        workplace.run(&["check", "routes.yaml", "deploy/example/scopegate.yaml", "--format", "json"]);
    let reports = json(&stdout);
    assert_eq!((status, reports.as_array().map(Vec::len)), (0, Some(2)));
    assert!(
        reports
            .as_array()
            .expect("a list")
            .iter()
            .all(|report| report["ok"] == true && report["routes"] == reports[0]["routes"])
    );
}

#[test]
fn check_reports_every_fault_at_once_and_says_no() {
    let workplace = Workplace::new();
    workplace.write("bad.yaml", "scopes: {items: {}}\nroutes:\n  - {path: /a, upstream: api, methods: {GET: itmes}}\n  - {path: '/b/{', upstream: api, methods: {GET: items}}\n");
    let (status, stdout, stderr) = workplace.run(&["check", "bad.yaml"]);
    assert_eq!((status, stdout.as_str()), (1, "bad.yaml: 2 errors\n"), "{stderr}");
    for part in ["bad.yaml:3:", "bad.yaml:4:", "`itmes`", "items"] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    assert!(!stderr.contains('\u{1b}'), "colours on a pipe: {stderr:?}");
    let (status, stdout, stderr) = workplace.run(&["check", "bad.yaml", "--format", "json"]);
    assert_eq!((status, json(&stdout)[0]["diagnostics"].as_array().map(Vec::len), stderr.as_str()), (1, Some(2), ""));
}

#[test]
fn check_says_no_to_a_test_that_fails() {
    let workplace = Workplace::new();
    workplace.write("routes.yaml", "scopes: {items: {}}\nroutes:\n  - {path: /a, upstream: api, methods: {GET: items}}\ntests:\n  - {name: open, request: GET /a, expect: {allow: user}}\n  - {name: shut, request: GET /a, expect: {deny: no_token}}\n");
    let (status, stdout, stderr) = workplace.run(&["check", "routes.yaml"]);
    assert_eq!(status, 1, "{stdout}{stderr}");
    assert!(stdout.contains("1 test passed") && stdout.contains("1 failed"), "{stdout}");
    assert!(stderr.contains("open") && stderr.contains("no_token"), "{stderr}");
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault_of_the_call() {
    let workplace = Workplace::new();
    for command in [
        &["check", "none.yaml"][..],
        &["routes", "none.yaml"],
        &["explain", "GET", "/", "none.yaml"],
        &["serve", "--config", "none.yaml"],
    ] {
        let (status, stdout, stderr) = workplace.run(command);
        assert_eq!((status, stdout.as_str()), (2, ""), "{command:?}: {stderr}");
        assert!(stderr.contains("none.yaml"), "{command:?}: {stderr}");
    }
    assert!(workplace.run(&["serve", "--config", "none.yaml"]).2.starts_with("error:"));
}

#[test]
fn explain_shows_the_decision_and_ends_with_it() {
    let workplace = Workplace::new();
    let asked = |arguments: &[&str]| workplace.run(&[&["explain"], arguments, &["routes.yaml"]].concat());
    let (status, stdout, _) =
        asked(&["GET", "/api/v1/automations/7", "--scope", "automations", "--role", "TenantAdmin"]);
    assert!(status == 0 && stdout.contains("allow user"), "{stdout}");
    let (status, stdout, _) = asked(&["GET", "/api/v1/automations/7"]);
    assert!(status == 1 && stdout.contains("no_token"), "{stdout}");
    let (status, stdout, _) =
        asked(&["GET", "/api/v1/automations/USAGE", "--scope", "automations", "--role", "TenantAdmin"]);
    assert!(status == 1 && stdout.contains("ambiguous_path") && stdout.contains("disagrees"), "{stdout}");
    let alone = ["--scope", "admin.automation-runs", "--client", "reporting-job", "--subject", "reporting-job"];
    let (status, stdout, _) = asked(&[&["GET", "/api/v1/automations/7/runs", "--format", "json"], &alone[..]].concat());
    assert_eq!((status, &json(&stdout)["decision"]["allow"]), (0, &Value::from("admin")));
    let twice = ["--scope", "apps:export", "--scope", "apps.data:export", "--role", "Developer"];
    assert_eq!(asked(&[&["POST", "/api/v1/apps/7/export"], &twice[..]].concat()).0, 0);
}

#[test]
fn explain_verifies_a_token_where_it_can() {
    let workplace = Workplace::new();
    with_gateway(&workplace);
    let mint = |more: &[&str]| {
        let (status, stdout, stderr) = workplace.run(
            &[&["token", "mint"], more, &ISSUER, &["--subject", "nora", "--role", "Owner", "--scope", "items"]]
                .concat(),
        );
        assert_eq!(status, 0, "{stderr}");
        stdout.trim().to_owned()
    };
    let good = mint(&["--new-key", "keys"]);
    // With `=`, for a name may begin with `-`.
    let forged = mint(&["--new-key", "others", &format!("--kid={}", kid(&workplace))]);
    let explained = |token: &str, file: &str| {
        let (status, stdout, _) =
            workplace.run(&["explain", "GET", "/items", "--token", token, "--format", "json", file]);
        let report = json(&stdout);
        (status, report["token_verified"].clone(), report["token_refused"].clone(), report["decision"]["allow"].clone())
    };
    assert_eq!(explained(&good, "gateway.yaml"), (0, true.into(), Value::Null, "user".into()));
    assert_eq!(explained(&good, "items.yaml"), (0, false.into(), Value::Null, "user".into()));
    assert_eq!(explained(&forged, "gateway.yaml"), (1, false.into(), "bad_signature".into(), "user".into()));
    let (_, stdout, stderr) = workplace.run(&["explain", "GET", "/items", "--token", &good, "items.yaml"]);
    assert!(stderr.contains("not verified") && !stdout.contains(&good) && !stderr.contains(&good), "{stderr}");
    let (status, _, stderr) = workplace.run(&["explain", "GET", "/items", "--token", "no-token", "items.yaml"]);
    assert_eq!(status, 2, "{stderr}");
}

fn kid(workplace: &Workplace) -> String {
    let set = fs::read_to_string(workplace.path().join("keys/jwks.json")).expect("a key set");
    json(&set)["keys"][0]["kid"].as_str().expect("a name").to_owned()
}

#[test]
fn routes_expands_sides_and_answers_what_a_scope_reaches() {
    let workplace = Workplace::new();
    let (status, stdout, _) = workplace.run(&["routes", "routes.yaml"]);
    assert_eq!(status, 0);
    let line = |path: &str| {
        stdout.lines().find(|line| line.starts_with("GET") && line.split_whitespace().nth(1) == Some(path))
    };
    assert!(
        line("/api/v1/automation-connectors").is_some_and(|line| line.ends_with("admin.automations:read")),
        "{stdout}"
    );
    assert!(line("/health").is_some_and(|line| line.ends_with("public")), "{stdout}");
    let (_, stdout, _) = workplace.run(&["routes", "routes.yaml", "--scope", "spaces.data:read", "--format", "json"]);
    let rows = json(&stdout);
    let rows = rows.as_array().expect("a list");
    assert!(
        rows.iter()
            .any(|row| row["path"] == "/api/v1/spaces/{spaceId}" && row["method"] == "GET" && row["admin"].is_null())
    );
    assert!(rows.iter().all(|row| row["asks"] != "scopes" || row["method"] == "GET"), "{stdout}");
    let (_, stdout, _) = workplace.run(&["routes", "routes.yaml", "--markdown"]);
    assert!(stdout.starts_with("| method | path | user | admin |\n|---|---|---|---|\n"), "{stdout}");
    for name in ["automation", "admin.automations:strict"] {
        let (status, _, stderr) = workplace.run(&["routes", "routes.yaml", "--scope", name]);
        assert!(status == 2 && stderr.contains(name), "{stderr}");
    }
}

#[test]
fn mint_keeps_its_keys_to_itself_and_never_overwrites_one() {
    let workplace = Workplace::new();
    let new_key = |more: &[&str]| workplace.run(&[&["token", "mint", "--new-key", "keys"], &ISSUER[..], more].concat());
    let (status, stdout, stderr) = new_key(&["--format", "json"]);
    assert_eq!((status, &json(&stdout)["kid"]), (0, &Value::from(kid(&workplace))), "{stderr}");
    assert!(stderr.contains("never use it in production"), "{stderr}");
    let key = workplace.path().join("keys/key.pem");
    assert_eq!(fs::metadata(&key).expect("a key").permissions().mode() & 0o777, 0o600);
    let before = fs::read(&key).expect("a key");
    assert_eq!((new_key(&[]).0, fs::read(&key).expect("a key")), (2, before));
    assert_eq!(workplace.run(&[&["token", "mint"], &ISSUER[..]].concat()).0, 2);
    assert_eq!(workplace.run(&[&["token", "mint", "--key", "routes.yaml"], &ISSUER[..]].concat()).0, 2);
}

#[test]
fn schemas_and_completions_are_printed_whole() {
    let workplace = Workplace::new();
    for (file, property) in [("policy", "routes"), ("gateway", "upstreams")] {
        let (status, stdout, _) = workplace.run(&["schema", file]);
        let schema = json(&stdout);
        assert!(status == 0 && schema["properties"][property].is_object() && schema["$schema"].is_string(), "{stdout}");
        assert_eq!(schema["additionalProperties"], false);
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (status, stdout, _) = workplace.run(&["completions", shell]);
        assert!(status == 0 && stdout.contains("scopegate"), "{shell}");
    }
}

#[test]
fn help_is_an_answer_and_a_wrong_call_is_not() {
    let workplace = Workplace::new();
    for command in ["demo", "serve", "check", "explain", "routes", "token mint", "schema", "completions"] {
        let arguments: Vec<_> = command.split(' ').chain(["--help"]).collect();
        let (status, stdout, stderr) = workplace.run(&arguments);
        assert!(
            status == 0 && stdout.contains(&format!("scopegate {command}")) && stderr.is_empty(),
            "{command}: {stdout}{stderr}"
        );
    }
    for arguments in [
        &["chekc"][..],
        &["check"],
        &["demo", "--gateway", "0.0.0.0:8080"],
        &["routes", "routes.yaml", "--format", "xml"],
        &[],
    ] {
        let (status, stdout, _) = workplace.run(arguments);
        assert_eq!((status, stdout.as_str()), (2, ""), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_has_enough_is_no_fault() {
    let workplace = Workplace::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_scopegate"));
    command.current_dir(workplace.path()).args(["routes", "routes.yaml"]).stdout(writer).stderr(Stdio::piped());
    let output = command.spawn().expect("it runs").wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[test]
fn serve_takes_its_options_from_the_environment() {
    let workplace = Workplace::new();
    let output =
        workplace.scopegate().arg("serve").env("SCOPEGATE_CONFIG", "elsewhere.yaml").output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("elsewhere.yaml"));
}
