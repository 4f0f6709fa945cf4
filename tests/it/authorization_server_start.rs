//! The authorization server's first start, its files, its end, and what outlives it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::{
    API, AuthorizationServer, AuthorizationServerSetup, Browser, Client, GATEWAY_TOKEN, Response, SCOPES, eventually,
};

const CALLBACK: &str = "https://web.example/callback";
/// The verifier of RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn directory(server: &AuthorizationServer) -> Value {
    let head = format!("Authorization: Bearer {GATEWAY_TOKEN}\r\n");
    server.ask("GET", "/api/v1/role-directory", &head, "").json()["roles"].clone()
}

fn logins(server: &AuthorizationServer) -> Vec<String> {
    let users = server.administer(&["user", "list"]);
    users.as_array().unwrap().iter().map(|user| user["login"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_new_database_gets_an_administrator_a_key_and_the_default_roles() {
    let mut server = AuthorizationServerSetup::default().start();
    let password = server.first_password().expect("it is printed");
    assert_eq!(password.split('-').map(str::len).collect::<Vec<_>>(), [5, 5, 5, 5], "{password}");
    let users = server.administer(&["user", "list"]);
    assert_eq!((&users[0]["login"], &users[0]["roles"]), (&json!("admin"), &json!(["TenantAdmin"])));
    assert_eq!(server.administer(&["key", "list"]).as_array().unwrap().len(), 1);
    let roles = directory(&server);
    assert_eq!((&roles["TenantAdmin"]["level"], &roles["User"]["level"]), (&json!("admin"), &json!("user")));
    let user_scopes = roles["User"]["scopes"].as_array().unwrap();
    assert!(user_scopes.contains(&json!("automations")) && !user_scopes.contains(&json!("admin.automations")));
    for file in ["database.sqlite", "database.sqlite-wal", "database.sqlite-shm"] {
        let mode = fs::metadata(server.folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    server.restart();
    assert_eq!(server.first_password(), None, "it is printed once");
    let log: Vec<_> = server.log().iter().map(Value::to_string).collect();
    assert!(!log.iter().any(|line| line.contains(&password)), "{log:?}");
}

#[test]
fn the_log_tells_whom_an_attempt_was_aimed_at_and_nothing_that_was_typed() {
    let server = AuthorizationServerSetup::default().start();
    server.administer(&["client", "add", "job", "--name", "Job", "--scope", "apps:read"]);
    for client in ["job", "typed-in-the-wrong-place"] {
        let head = "Content-Type: application/x-www-form-urlencoded\r\n";
        let body = format!("grant_type=client_credentials&client_id={client}&client_secret=typed-badly");
        assert_eq!(server.ask("POST", "/oauth/token", head, &body).status, 401);
    }
    for login in ["Admin", "typed-in-the-wrong-place"] {
        let mut browser = Browser::new(server.address);
        let form = browser.get("/login").form("/login").with("login", login).with("password", "typed-badly");
        assert_eq!(browser.submit(&form).status(), 403);
    }
    let user = server.administer(&["user", "list"])[0]["id"].clone();
    let log = eventually("four attempts are told", || {
        let log = server.log();
        (log.iter().filter(|event| event["level"] == "warn").count() == 4).then_some(log)
    });
    let told = |msg: &str, member: &str| -> Vec<Value> {
        log.iter().filter(|event| event["msg"] == msg).map(|event| event[member].clone()).collect()
    };
    assert_eq!(told("a client did not authenticate", "client_id"), [json!("job"), Value::Null]);
    assert_eq!(told("a login failed", "subject"), [user, Value::Null]);
    assert!(!format!("{log:?}").contains("typed"), "{log:?}");
}

#[test]
fn neither_the_log_nor_the_database_holds_what_opens_a_door() {
    const PASSWORD: &str = "four words for one test";
    let server = AuthorizationServerSetup::default().start();
    let one_time = server.first_password().expect("it is printed");
    let add = ["client", "add", "web", "--name", "Web", "--redirect-uri", CALLBACK, "--scope", "offline_access"];
    let added = server.administer(&add);
    let secret = added["client_secret"].as_str().expect("a secret").to_owned();
    let mut doors = vec![one_time.clone(), PASSWORD.to_owned(), secret.clone(), GATEWAY_TOKEN.to_owned()];

    let (mut browser, cookies) = logged_in(&server, &one_time, PASSWORD);
    doors.extend(cookies);
    let asked = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("response_type", "code"), ("client_id", "web"), ("redirect_uri", CALLBACK)])
        .extend_pairs([("scope", "offline_access"), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")])
        .finish();
    let form = browser.get(&format!("/oauth/authorize?{asked}")).form("/consent");
    let codes = [browser.submit(&form.with("decision", "allow")), browser.get(&format!("/oauth/authorize?{asked}"))];
    let codes = codes.map(|page| page.parameter("code").expect("a code"));
    let token = |form: &[(&str, &str)]| {
        let client = [("client_id", "web"), ("client_secret", &*secret)];
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).extend_pairs(client).finish();
        server.ask("POST", "/oauth/token", "Content-Type: application/x-www-form-urlencoded\r\n", &body)
    };
    doors.extend(codes.iter().cloned().chain([VERIFIER.to_owned()]));
    doors.extend(tokens(&codes[1], token));
    let head = format!("Authorization: Bearer {GATEWAY_TOKEN}\r\n");
    assert_eq!(server.ask("GET", "/oauth/revocations", &head, "").status, 200);

    let log = eventually("the replay is told", || {
        let log = server.log();
        log.iter()
            .any(|event| event["msg"] == "a refresh token was shown twice, and its grant is revoked")
            .then_some(log)
    });
    let mut kept: Vec<u8> = log.iter().flat_map(|event| event.to_string().into_bytes()).collect();
    for file in ["database.sqlite", "database.sqlite-wal"] {
        kept.extend(fs::read(server.folder.path().join(file)).expect("the file"));
    }
    let holds = |text: &str| kept.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("usr_") && holds(CHALLENGE), "this is where it would stand");
    for door in doors {
        assert!(door.len() >= 20 && !holds(&door), "{door}");
    }
}

/// The administrator's browser after the first login, and the values of the cookies that it was given.
fn logged_in(server: &AuthorizationServer, one_time: &str, password: &str) -> (Browser, [String; 2]) {
    let mut browser = Browser::new(server.address);
    let form = browser.get("/login").form("/login").with("login", "admin");
    let first = browser.submit(&form.with("password", one_time));
    let form = browser.get("/password").form("/password").with("new", password);
    let second = browser.submit(&form.with("again", password));
    let cookies = [first, second].map(|page| {
        let cookie = page.response.field("set-cookie").expect("a cookie");
        cookie.split(['=', ';']).nth(1).expect("a value").to_owned()
    });
    (browser, cookies)
}

/// Redeems a code and uses the refresh token twice: what it gave, and the signature of the access token by itself.
fn tokens(code: &str, token: impl Fn(&[(&str, &str)]) -> Response) -> Vec<String> {
    let form = [("grant_type", "authorization_code"), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
    let redeemed = token(&[form.as_slice(), &[("code", code)]].concat()).json();
    let text = |answer: &Value, member: &str| answer[member].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    let (access, first) = (text(&redeemed, "access_token"), text(&redeemed, "refresh_token"));
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", &*first)];
    let second = text(&token(&refresh).json(), "refresh_token");
    assert_eq!(token(&refresh).status, 400, "it was used");
    let signature = access.rsplit('.').next().expect("a signature").to_owned();
    vec![access, signature, first, second]
}

#[test]
fn killed_and_started_again_it_has_everything_that_was_confirmed() {
    let mut server = AuthorizationServerSetup::default().start();
    for round in 0..5 {
        server.administer(&["user", "add", &format!("user{round}")]);
        server.restart();
        assert_eq!(logins(&server).len(), round + 2);
    }
    let keys = server.administer(&["key", "list"]);
    server.administer(&["key", "rotate"]);
    server.restart();
    let after = server.administer(&["key", "list"]);
    assert_eq!((&after[0], after.as_array().unwrap().len()), (&keys[0], 2), "no key is lost or made twice");
}

#[test]
fn an_edit_of_the_policy_takes_effect_without_a_restart_and_a_broken_one_changes_nothing() {
    let server = AuthorizationServerSetup::default().start();
    server.write("policy.yaml", &format!("{SCOPES}  reports: {{describe: See reports}}\n"));
    let has = |name: &str| directory(&server)["User"]["scopes"].as_array().unwrap().contains(&json!(name));
    eventually("the default role follows", || has("reports").then_some(()));
    server.write("policy.yaml", "scopes: {reports: [}\n");
    eventually("the log tells of it", || server.log().iter().any(|event| event["level"] == "error").then_some(()));
    assert!(has("reports") && has("automations"), "what was there stays");
    server.write("policy.yaml", SCOPES);
    server.signal("HUP");
    eventually("the mend is seen", || (!has("reports")).then_some(()));
    let output = server.command(&["role", "add", "R", "--level", "user", "--scope", "reports"]);
    assert_eq!(output.status.code(), Some(2), "the command line reads the same files");
}

#[test]
fn a_signal_lets_it_end_well() {
    for signal in ["TERM", "INT"] {
        let mut server = AuthorizationServerSetup::default().start();
        let mut idle = server.client();
        assert_eq!(idle.request("GET", "/healthz", "").text(), "ok\n");
        server.signal(signal);
        assert!(server.exit().success(), "{signal}");
        assert!(idle.is_closed());
        assert!(Client::try_connect(server.address).is_err());
        assert!(!server.folder.path().join("database.sqlite-wal").exists(), "the log is written back");
    }
}

#[test]
fn what_a_peer_sends_is_bounded() {
    let server = AuthorizationServerSetup::default().start();
    let big = "x".repeat(70_000);
    assert_eq!(server.ask("POST", "/oauth/token", "", &big).status, 413);
    let mut client = server.client();
    client.send(format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Big: {big}\r\n\r\n"));
    assert_eq!(client.response_to("GET").status, 431);
    let mut client = server.client();
    client.send("nonsense\r\n\r\n");
    assert_eq!(client.response_to("GET").status, 400);
    assert_eq!(server.ask("GET", "/healthz", "", "").status, 200);
}

#[test]
fn many_processes_share_one_database() {
    let server = AuthorizationServerSetup::default().start();
    // Each command is a process of its own, beside the one that serves.
    let commands: Vec<_> = (0..8).map(|number| format!("user{number}")).collect();
    std::thread::scope(|scope| {
        for login in &commands {
            scope.spawn(|| server.administer(&["user", "add", login]));
        }
    });
    assert_eq!(logins(&server).len(), 9);
}

#[test]
fn what_cannot_work_is_said_before_anything_is_made() {
    let cases = [
        (AuthorizationServerSetup { issuer: "http://login.example.com".into(), ..Default::default() }, "loopback"),
        (AuthorizationServerSetup { address: "192.0.2.1:0".into(), ..Default::default() }, "192.0.2.1:0"),
        (AuthorizationServerSetup { policy: "scopes: {x: {side: nobody}}\n".into(), ..Default::default() }, "side"),
    ];
    for (setup, part) in cases {
        let folder = setup.write();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_scopegate"))
            .args(["authorization-server", "--config"])
            .arg(folder.path().join("authorization-server.yaml"))
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && stderr.contains(part), "{part}: {stderr}");
        assert!(!folder.path().join("database.sqlite").exists() && !stderr.contains(API), "{part}");
    }
}
