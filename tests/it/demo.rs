//! The demo, followed word for word, and its page, clicked through.

use std::process::Command;

use crate::support::{Browser, Client, Demo, Response, eventually};

/// Does what curl would do with these arguments: a URL, and perhaps `-H 'name: value'`.
fn curl(arguments: &str) -> Response {
    let (url, field) = arguments.split_once(' ').unwrap_or((arguments, ""));
    let (address, path) = url.strip_prefix("http://").and_then(|url| url.split_once('/')).expect("a URL");
    let field =
        field.strip_prefix("-H '").and_then(|field| field.strip_suffix('\'')).map(|field| format!("{field}\r\n"));
    let mut client = Client::connect(address.parse().expect("an address"));
    client.request("GET", &format!("/{path}"), &field.unwrap_or_default())
}

#[test]
fn its_three_requests_give_what_it_promises() {
    let demo = Demo::start();
    let requests = demo.requests();
    assert_eq!(requests.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [401, 403, 200], "{}", demo.text);
    let answers: Vec<_> = requests.iter().map(|(_, line)| curl(line)).collect();
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [401, 403, 200]);
    assert_eq!((answers[0].reason(), answers[1].reason()), ("no_token".into(), "insufficient_scope".into()));
    let challenge = answers[0].field("www-authenticate").expect("a challenge");
    assert!(challenge.contains(r#"scope="admin.automations:read""#), "{challenge}");
    assert_eq!(answers[2].json()["access"], "admin");
    let seen = |line: &str| curl(&line.replace("/usage", "")).json()["automations"].as_array().map(Vec::len);
    assert_eq!((seen(&requests[1].1), seen(&requests[2].1)), (Some(3), Some(5)));
}

#[test]
fn an_edit_is_in_force_without_a_restart_and_nothing_is_left_behind() {
    let mut demo = Demo::start();
    let folder = demo.folder();
    let routes = folder.join("routes.yaml");
    let (_, line) = demo.requests().remove(1);
    let policy = std::fs::read_to_string(&routes).expect("the policy");
    let opened = policy.replace("methods: {GET: {admin: admin.automations:read}}", "methods: {GET: automations:read}");
    std::fs::write(&routes, opened).expect("written");
    // The gateway lets it through from then on, and a rule of the API's own refuses it.
    eventually("the edit is in force", || curl(&line).json()["reason"].is_null().then_some(()));
    demo.interrupt();
    let status = eventually("the demo ends", || demo.child.try_wait().expect("a child"));
    assert!(status.success() && !folder.exists());
}

#[test]
fn an_interruption_at_any_moment_leaves_nothing_behind() {
    for moment in ["", "scopegate.yaml", "authorization-server.sqlite", "sample-api.sqlite"] {
        let place = tempfile::tempdir().expect("a folder");
        let mut child = Demo::command().env("TMPDIR", place.path()).spawn().expect("it runs");
        let folder = || std::fs::read_dir(place.path()).expect("a folder").flatten().next().map(|entry| entry.path());
        eventually(moment, || folder().filter(|folder| folder.join(moment).exists()));
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill").success());
        eventually("the demo ends", || child.try_wait().expect("a child"));
        assert_eq!(folder(), None, "{moment}");
    }
}

#[test]
fn every_secret_is_made_anew_and_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (first, second) = (Demo::start(), Demo::start());
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&first.folder()), 0o700);
    for name in ["gateway.token", "authorization-server.sqlite", "scopegate.yaml"] {
        assert_eq!(mode(&first.folder().join(name)), 0o600, "{name}");
    }
    let secret = |demo: &Demo| std::fs::read_to_string(demo.folder().join("gateway.token")).expect("a secret");
    assert_ne!(secret(&first), secret(&second));
    let passwords = |demo: &Demo| Browser::new(demo.address("open this")).get("/").text();
    let password = |text: &str| text.split("</code></th><td><code>").nth(1).map(|rest| rest[..14].to_owned());
    assert_ne!(password(&passwords(&first)), password(&passwords(&second)));
}

#[test]
fn it_refuses_any_address_but_loopback() {
    for option in ["--page", "--gateway", "--admin", "--authorization-server", "--api"] {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let output = Command::new(env!("CARGO_BIN_EXE_scopegate")).args(["demo", option, address]).output();
            let output = output.expect("it runs");
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{option} {address}: {told}");
            assert!(told.contains("loopback only"), "{told}");
        }
    }
}

#[test]
fn the_page_logs_in_shows_the_token_and_explains_the_answers() {
    let demo = Demo::start();
    let mut ada = demo.visitor("ada");
    let page = ada.ask_for(&["automations"]).text();
    assert_eq!(ada.asked, ["login", "consent"]);
    assert!(page.contains("Its scope is “automations”") && page.contains("Token 1: Ada"), "{page}");
    assert!(page.contains("<code>TenantAdmin</code>"), "{page}");

    let page = ada.call("list").text();
    assert!(page.contains("“Scopegate-Access: user”"), "{page}");
    let page = ada.call("colleagues").text();
    assert!(page.contains(">404</strong>") && page.contains("a rule of the API’s own"), "{page}");
    let page = ada.call("usage").text();
    assert!(page.contains(">403</strong>") && page.contains("<code>insufficient_scope</code>"), "{page}");
    assert!(page.contains("scope=&#34;admin.automations:read&#34;"), "the challenge: {page}");
}

#[test]
fn the_page_is_given_more_and_less_as_approvals_come_and_go() {
    let demo = Demo::start();
    let mut ada = demo.visitor("ada");
    ada.ask_for(&["automations"]);
    let page = ada.ask_for(&["admin.automations"]).text();
    assert_eq!(ada.asked, ["consent"], "a person who is logged in is asked for what is new alone");
    assert!(page.contains("Its scope is “admin.automations automations”"), "{page}");
    for (name, expected) in [("colleagues", "Payroll"), ("rename", "renamed"), ("usage", "“Scopegate-Access: admin”")]
    {
        let page = ada.call(name).text();
        assert!(page.contains(">200</strong>") && page.contains(expected), "{name}: {page}");
    }
    ada.take_back("admin.automations");
    let page = ada.ask_for(&[]).text();
    assert_eq!(ada.asked, [] as [&str; 0], "nothing new is asked for");
    assert!(page.contains("Its scope is “automations”") && page.contains("Token 3"), "{page}");
}

#[test]
fn an_answer_that_no_request_waits_for_gives_no_token() {
    let demo = Demo::start();
    let issuer = format!("http://{}", demo.address("authorization server"));
    let mut browser = Browser::new(demo.address("open this"));
    let page = browser.get("/");
    let begun = browser.submit(&page.form("/log-in").with("ask", "these"));
    let state = begun.parameter("state").expect("a state");
    assert_eq!(begun.parameter("code_challenge_method").as_deref(), Some("S256"));
    assert!(begun.parameter("code_challenge").is_some_and(|challenge| challenge.len() == 43));
    let encoded = issuer.replace(':', "%3A").replace('/', "%2F");
    for (query, expected) in [
        (format!("code=c&state=x&iss={encoded}"), "belongs to no request"),
        // The request is spent by the first answer, whatever that was.
        (format!("code=c&state={state}&iss={encoded}"), "belongs to no request"),
        (format!("code=c&state={state}"), "belongs to no request"),
        (format!("error=access_denied&iss={encoded}"), "belongs to no request"),
    ] {
        assert_eq!(browser.get(&format!("/callback?{query}")).location(), Some("/#token"));
        let text = browser.get("/").text();
        assert!(text.contains("No token: ") && text.contains(expected), "{query}: {text}");
    }
    let begin = |browser: &mut Browser| {
        let page = browser.get("/");
        browser.submit(&page.form("/log-in").with("ask", "these")).parameter("state").expect("a state")
    };
    let state = begin(&mut browser);
    browser.get(&format!("/callback?code=c&state={state}&iss=http%3A%2F%2F127.0.0.1%3A1"));
    assert!(browser.get("/").text().contains("another authorization server"), "mixed up");
    let state = begin(&mut browser);
    browser.get(&format!("/callback?code=nobodys&state={state}&iss={encoded}"));
    assert!(browser.get("/").text().contains("invalid_grant"), "a code that was never issued");
}

#[test]
fn the_page_is_reached_by_its_own_address_and_its_own_forms_alone() {
    let demo = Demo::start();
    let page = demo.address("open this");
    let ask = |request: &str, host: &str, fields: &str| {
        let mut client = Client::connect(page);
        client.send(format!("{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n"));
        client.response_to("GET")
    };
    let (own, port) = (page.to_string(), page.port());
    assert_eq!(ask("GET /", &own, "").status, 200);
    let policy = ask("GET /", &own, "");
    assert!(policy.field("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'")));
    assert_eq!(policy.field("cache-control"), Some("no-store"));
    for host in [format!("rebound.example:{port}"), "127.0.0.1".into(), format!("127.0.0.2:{port}"), String::new()] {
        assert_eq!(ask("GET /", &host, "").status, 421, "{host}");
    }
    assert_eq!(ask("GET /", &format!("localhost:{port}"), "").field("location"), Some(&*format!("http://{own}")));
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n";
    for origin in ["", "Origin: null\r\n", "Origin: http://evil.example\r\n", "Origin: http://127.0.0.1:1\r\n"] {
        for path in ["/log-in", "/call", "/role"] {
            assert_eq!(ask(&format!("POST {path}"), &own, &format!("{origin}{form}")).status, 403, "{origin}{path}");
        }
    }
}
