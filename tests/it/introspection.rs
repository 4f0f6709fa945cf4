//! Tokens that are no JWT: what the gateway asks, what it believes, what it remembers, what it does when nobody answers.
//!
//! `docs/tokens.md` has the tables that these tests hold.

use std::process::Command;
use std::thread;

use serde_json::json;

use crate::support::{ForeignServer, Gateway, INTROSPECTION, ISSUER, Reply, Setup, Upstream, eventually, form, now};

pub(super) const SECRET: &str = "client_id: gateway, client_secret: s3cret";

/// A gateway that asks `server`, with these further members of `introspection`.
pub(super) fn start(server: &ForeignServer, members: &str, more: &str) -> Gateway {
    let introspection = format!("{{url: '{}', {members}}}", server.url(INTROSPECTION));
    let keys = format!("{{file: jwks.json}}\n    introspection: {introspection}");
    Setup { keys, more: format!("workers: 1\n{more}"), ..Setup::default() }.start(&Upstream::echo())
}

/// Status and reason of a request with this token.
pub(super) fn outcome(gateway: &Gateway, token: &str) -> (u16, String) {
    let response = gateway.client().get("/items/7", token);
    (response.status, if response.status == 200 { String::new() } else { response.reason() })
}

pub(super) fn good() -> (u16, String) {
    (200, String::new())
}

pub(super) fn refused(reason: &str) -> (u16, String) {
    (401, reason.to_owned())
}

pub(super) fn unavailable() -> (u16, String) {
    (503, "introspection_unavailable".to_owned())
}

fn answers(gateway: &Gateway, result: &str) -> f64 {
    gateway.metric("scopegate_introspection_total", &[&format!("result=\"{result}\"")])
}

#[test]
fn an_active_token_opens_what_its_scopes_open() {
    let server = ForeignServer::start();
    let gateway = start(&server, SECRET, "");
    server.issue("opaque-1", "items:read", &json!({"roles": ["Editor"]}));
    let response = gateway.client().get("/items/7", "opaque-1");
    assert_eq!(response.status, 200);
    assert_eq!(gateway.client().get("/admin/7", "opaque-1").reason(), "insufficient_scope");
    assert_eq!(server.introspections(), 1, "the second request was answered from memory, on another route");
    assert_eq!(answers(&gateway, "active"), 1.0);
    assert_eq!(gateway.metric("scopegate_introspection_duration_seconds_count", &["result=\"active\""]), 1.0);
    for label in ["token=\"introspection\"", "token=\"cached\""] {
        assert_eq!(gateway.metric("scopegate_decision_duration_seconds_count", &[label]), 1.0);
    }
}

#[test]
fn rfc_7662_section_2_1_the_question() {
    let server = ForeignServer::start();
    let gateway = start(&server, SECRET, "");
    assert_eq!(outcome(&gateway, "opaque-1"), refused("inactive"));
    let question = server.asked(INTROSPECTION).remove(0);
    let asked = form(&question);
    assert_eq!(question.method(), "POST");
    assert_eq!(question.field("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(question.field("accept"), Some("application/json"));
    assert_eq!((asked["token"].as_str(), asked["token_type_hint"].as_str()), ("opaque-1", "access_token"));
    assert_eq!(asked.len(), 2, "and nothing else");
}

#[test]
fn what_the_answer_says_is_checked_as_strictly_as_a_token() {
    let server = ForeignServer::start();
    let gateway = start(&server, SECRET, "");
    let rows = [
        ("inactive", json!({"active": false})),
        ("inactive", json!({"active": "true"})),
        ("inactive", json!({"active": 1})),
        ("inactive", json!({"active": null})),
        ("unknown_issuer", json!({"iss": "https://other.test/"})),
        ("bad_audience", json!({"aud": "https://other.test"})),
        ("bad_audience", json!({"aud": null})),
        ("expired", json!({"exp": now() - 1})),
        ("not_yet_valid", json!({"nbf": now() + 60})),
        ("bad_claims", json!({"exp": "soon"})),
        ("bad_claims", json!({"client_id": null})),
        ("bad_claims", json!({"sub": ""})),
        ("bad_claims", json!({"scope": 7})),
        ("bad_claims", json!({"roles": {"Editor": true}})),
        ("bad_type", json!({"token_type": "refresh_token"})),
        ("sender_constraint", json!({"cnf": {"jkt": "x"}})),
        ("sender_constraint", json!({"token_type": "DPoP"})),
    ];
    for (number, (reason, more)) in rows.iter().enumerate() {
        let token = format!("opaque-{number}");
        server.issue(&token, "items:read", more);
        assert_eq!(outcome(&gateway, &token), refused(reason), "{more}");
    }
    for (number, more) in [json!({"iss": null}), json!({"exp": null}), json!({"token_type": null})].iter().enumerate() {
        let token = format!("good-{number}");
        server.issue(&token, "items:read", more);
        assert_eq!(outcome(&gateway, &token), good(), "{more}");
    }
    assert_eq!((answers(&gateway, "inactive"), answers(&gateway, "refused")), (4.0, 13.0));
    assert_eq!(outcome(&gateway, "nobody-issued-this"), refused("inactive"));
    let response = gateway.client().get("/items/7", "nobody-issued-this");
    let challenge = response.field("www-authenticate").unwrap();
    assert!(challenge.contains("error=\"invalid_token\"") && !challenge.contains("scope="), "{challenge}");
}

#[test]
fn an_answer_that_cannot_be_read_is_an_outage_and_never_opens() {
    let server = ForeignServer::start();
    let gateway = start(&server, &format!("{SECRET}, timeout: 1s"), "");
    let twice = format!(
        r#"{{"active": false, "active": true, "aud": "https://api.test", "client_id": "c", "sub": "u", "exp": {}, "scope": "items"}}"#,
        now() + 60
    );
    let huge = format!("{{\"active\": true, \"x\": \"{}\"}}", "x".repeat(2 << 20));
    for (number, (reply, result)) in [
        (Reply::Text(twice), "malformed"),
        (Reply::Text("<html>".into()), "malformed"),
        (Reply::Text("[]".into()), "malformed"),
        (Reply::Text(String::new()), "malformed"),
        (Reply::Text(huge), "too_large"),
        (Reply::Status(401), "failed"),
        (Reply::Status(302), "failed"),
        (Reply::Status(500), "failed"),
        (Reply::Dead, "failed"),
        (Reply::Hung, "timed_out"),
    ]
    .into_iter()
    .enumerate()
    {
        server.reply(INTROSPECTION, reply.clone());
        let before = answers(&gateway, result);
        let token = format!("opaque-{number}");
        assert_eq!(outcome(&gateway, &token), unavailable(), "{reply:?}");
        let response = gateway.client().get("/items/7", &token);
        assert_eq!((response.status, response.field("retry-after")), (503, Some("1")));
        assert_eq!(response.field("www-authenticate"), None);
        assert_eq!(answers(&gateway, result), before + 2.0, "{reply:?}: nothing is remembered of an outage");
    }
    let token = gateway.signer.token("items", &json!({}));
    assert_eq!(outcome(&gateway, &token), good(), "a JWT needs nobody");
    server.restore(INTROSPECTION);
    server.issue("opaque-0", "items:read", &json!({}));
    assert_eq!(outcome(&gateway, "opaque-0"), good(), "it recovers by itself");
    let said = |text: &str| gateway.log().iter().filter(|event| event["msg"] == text).count();
    eventually("the end is logged", || (said("tokens can be introspected again") == 1).then_some(()));
    assert_eq!(said("tokens cannot be introspected"), 1, "one line tells of the whole outage");
}

#[test]
fn fifty_requests_at_once_ask_once() {
    let server = ForeignServer::start();
    let gateway = start(&server, SECRET, "");
    server.issue("opaque-1", "items:read", &json!({}));
    server.hold_back(true);
    let clients: Vec<_> = (0..50)
        .map(|_| {
            let mut client = gateway.client();
            client.send("GET /items/7 HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer opaque-1\r\n\r\n");
            client
        })
        .collect();
    let under_way = || (gateway.metric("scopegate_requests_in_flight", &[]) == 50.0).then_some(());
    eventually("all are under way", under_way);
    server.hold_back(false);
    for mut client in clients {
        assert_eq!(client.response_to("GET").status, 200);
    }
    assert_eq!(server.introspections(), 1);
    assert_eq!(answers(&gateway, "active"), 1.0);
}

#[test]
fn who_hangs_up_takes_nobody_with_him() {
    let server = ForeignServer::start();
    let gateway = start(&server, SECRET, "");
    server.issue("opaque-1", "items:read", &json!({}));
    server.hold_back(true);
    let request = "GET /items/7 HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer opaque-1\r\n\r\n";
    let under_way = |count: f64| {
        eventually("under way", || (gateway.metric("scopegate_requests_in_flight", &[]) == count).then_some(()));
    };
    let mut first = gateway.client();
    first.send(request);
    under_way(1.0);
    let mut second = gateway.client();
    second.send(request);
    under_way(2.0);
    drop(first);
    under_way(1.0);
    server.hold_back(false);
    assert_eq!(second.response_to("GET").status, 200);
    assert_eq!(server.introspections(), 1);
}

#[test]
fn a_refused_token_costs_one_question_for_a_while() {
    let server = ForeignServer::start();
    let gateway = start(&server, SECRET, "");
    for _ in 0..100 {
        assert_eq!(outcome(&gateway, "garbage"), refused("inactive"));
    }
    // Two where the machine is so slow that the while ended on the way.
    assert!(server.introspections() <= 2, "{}", server.introspections());
}

#[test]
fn a_revoked_token_is_refused_within_seconds() {
    let server = ForeignServer::start();
    let gateway = start(&server, SECRET, "");
    server.issue("opaque-1", "items:read", &json!({}));
    assert_eq!(outcome(&gateway, "opaque-1"), good());
    server.revoke("opaque-1");
    eventually("it is refused", || (outcome(&gateway, "opaque-1") == refused("inactive")).then_some(()));
}

#[test]
fn in_an_outage_an_answer_serves_on_until_its_time_is_over() {
    let server = ForeignServer::start();
    let gateway = start(&server, &format!("{SECRET}, cache: 5s, timeout: 1s"), "");
    server.issue("opaque-1", "items:read", &json!({}));
    assert_eq!(outcome(&gateway, "opaque-1"), good());
    server.reply(INTROSPECTION, Reply::Hung);
    eventually("its answer is questioned", || {
        assert_eq!(outcome(&gateway, "opaque-1"), good());
        (answers(&gateway, "timed_out") >= 1.0).then_some(())
    });
    assert_eq!(outcome(&gateway, "opaque-1"), good(), "the answer is still believed");
    eventually("and then no more", || (outcome(&gateway, "opaque-1") == unavailable()).then_some(()));
    server.restore(INTROSPECTION);
    assert_eq!(outcome(&gateway, "opaque-1"), good());
}

#[test]
fn a_jwt_is_never_introspected() {
    let server = ForeignServer::start();
    let gateway = start(&server, SECRET, "");
    for token in ["a.b.c", "opq_a.b.c"] {
        server.issue(token, "items:read", &json!({}));
        assert_eq!(outcome(&gateway, token), refused("bad_token"));
    }
    assert_eq!(outcome(&gateway, &gateway.signer.token("items", &json!({}))), good());
    assert_eq!(outcome(&gateway, &gateway.signer.token("items", &json!({"exp": 1}))), refused("expired"));
    assert_eq!(server.introspections(), 0);
    for token in ["a.b", "a.b.c.d", "..", "a.b.c.d.e"] {
        server.issue(token, "items:read", &json!({}));
        let expected = if token == ".." { refused("bad_token") } else { good() };
        assert_eq!(outcome(&gateway, token), expected, "{token}");
    }
    assert_eq!(server.introspections(), 3);
}

#[test]
fn without_an_issuer_that_introspects_there_is_nobody_to_ask() {
    let gateway = Setup::default().start(&Upstream::echo());
    assert_eq!(outcome(&gateway, "opaque-1"), refused("unknown_issuer"));
}

#[test]
fn the_prefix_chooses_the_issuer() {
    let (one, two) = (ForeignServer::start(), ForeignServer::start());
    let gateway = start(&one, &format!("{SECRET}, prefix: one_"), "");
    let file = std::fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    let second = format!(
        "  - issuer: https://two.test/\n    audience: [https://api.test]\n    keys: {{file: jwks.json}}\n    introspection: \
         {{url: '{}', prefix: two_, {SECRET}}}\nupstreams:",
        two.url(INTROSPECTION)
    );
    gateway.write("scopegate.yaml", &file.replace("upstreams:", &second));
    assert_eq!(gateway.ask("POST", "/reload").status, 200);
    for server in [&one, &two] {
        server.issue("one_1", "items:read", &json!({}));
        server.issue("two_1", "items:read", &json!({"iss": "https://two.test/"}));
        server.issue("three_1", "items:read", &json!({}));
    }
    assert_eq!(outcome(&gateway, "one_1"), good());
    assert_eq!((one.introspections(), two.introspections()), (1, 0));
    assert_eq!(outcome(&gateway, "two_1"), good());
    assert_eq!((one.introspections(), two.introspections()), (1, 1));
    assert_eq!(outcome(&gateway, "three_1"), refused("unknown_issuer"));
    assert_eq!((one.introspections(), two.introspections()), (1, 1));
}

#[test]
fn a_reload_that_changes_the_issuer_drops_what_was_remembered() {
    let server = ForeignServer::start();
    let gateway = start(&server, SECRET, "");
    server.issue("opaque-1", "items:read", &json!({}));
    assert_eq!((outcome(&gateway, "opaque-1"), outcome(&gateway, "opaque-2")), (good(), refused("inactive")));
    let file = std::fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    gateway.write("scopegate.yaml", &file.replace("leeway: 5s", "").replace("https://api.test", "https://new.test"));
    assert_eq!(gateway.ask("POST", "/reload").status, 200);
    let asked = server.introspections();
    assert_eq!(outcome(&gateway, "opaque-1"), refused("bad_audience"));
    assert_eq!(outcome(&gateway, "opaque-2"), refused("inactive"));
    assert_eq!(server.introspections(), asked + 2, "nothing that was said before counts");
    gateway.write("scopegate.yaml", &file.replace("introspection:", "# introspection:"));
    assert_eq!(gateway.ask("POST", "/reload").status, 200);
    assert_eq!(outcome(&gateway, "opaque-1"), refused("unknown_issuer"));
}

#[test]
fn explain_says_that_such_a_token_cannot_be_read() {
    let server = ForeignServer::start();
    let gateway = start(&server, SECRET, "");
    let output = Command::new(env!("CARGO_BIN_EXE_scopegate"))
        .args(["explain", "GET", "/items/7", "--token", "opaque-1", "scopegate.yaml"])
        .current_dir(gateway.folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains(&format!("issuer `{ISSUER}` would be asked about it")) && !text.contains("opaque-1"),
        "{text}"
    );
    assert_eq!(server.introspections(), 0);
}

#[test]
fn questions_to_one_issuer_are_bounded_in_number() {
    let server = ForeignServer::start();
    let gateway = start(&server, &format!("{SECRET}, timeout: 10s"), "");
    server.hold_back(true);
    let clients: Vec<_> = (0..100)
        .map(|number| {
            let mut client = gateway.client();
            server.issue(&format!("opaque-{number}"), "items:read", &json!({}));
            client.send(format!(
                "GET /items/7 HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer opaque-{number}\r\n\r\n"
            ));
            client
        })
        .collect();
    eventually("all are under way", || (gateway.metric("scopegate_requests_in_flight", &[]) == 100.0).then_some(()));
    eventually("so many are asked", || (server.introspections() == 64).then_some(()));
    thread::yield_now();
    assert_eq!(server.introspections(), 64);
    server.hold_back(false);
    for mut client in clients {
        assert_eq!(client.response_to("GET").status, 200, "the others had their turn");
    }
    assert_eq!(server.introspections(), 100);
}
