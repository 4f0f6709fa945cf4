//! What becomes of tokens that their issuer takes back, and of everybody's tokens while nobody can know.
//!
//! `docs/tokens.md` has the table that these tests hold.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    Client, FeedServer, ForeignServer, Gateway, INTROSPECTION, Mood, POLICY, Setup, Upstream, eventually, now,
};

const ISSUER: &str = "https://idp.test/";

fn start(server: &FeedServer, more: &str) -> Gateway {
    start_with(server, more, "")
}

/// The same with further members of the issuer.
fn start_with(server: &FeedServer, more: &str, members: &str) -> Gateway {
    let keys = format!("{{file: jwks.json}}\n    revocations: {{{}{more}}}{members}", server.feed());
    let gateway = Setup { keys, more: "workers: 2".into(), ..Setup::default() }.start(&Upstream::echo());
    eventually("the admin listener answers", || (gateway.ask("GET", "/healthz").status == 200).then_some(()));
    gateway
}

fn ready(server: &FeedServer, more: &str) -> Gateway {
    let gateway = start(server, more);
    eventually("ready", || (gateway.ask("GET", "/readyz").status == 200).then_some(()));
    gateway
}

/// An entry for as long as a token of these tests may live.
fn entry(members: &Value) -> Value {
    let mut entry = json!({"iss": ISSUER, "exp": now() + 3600});
    entry.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    entry
}

/// Status and reason of a request with this token.
fn told(client: &mut Client, token: &str) -> (u16, String) {
    let response = client.get("/items/7", token);
    (response.status, if response.status == 200 { String::new() } else { response.reason() })
}

fn outcome(gateway: &Gateway, token: &str) -> (u16, String) {
    told(&mut gateway.client(), token)
}

fn good() -> (u16, String) {
    (200, String::new())
}

fn revoked() -> (u16, String) {
    (401, "revoked".into())
}

fn unavailable() -> (u16, String) {
    (503, "revocations_unavailable".into())
}

fn entries(gateway: &Gateway) -> f64 {
    gateway.metric("scopegate_revocations_entries", &[])
}

fn readings(gateway: &Gateway, result: &str) -> f64 {
    gateway.metric("scopegate_revocations_fetch_total", &[&format!("result=\"{result}\"")])
}

#[test]
fn a_remembered_token_is_refused_by_every_worker_within_the_interval() {
    let server = FeedServer::start();
    let gateway = ready(&server, "");
    let token = gateway.signer.token("items", &json!({"jti": "first"}));
    let other = gateway.signer.token("items", &json!({"jti": "second"}));
    // As many connections as leave neither worker without one.
    let mut clients: Vec<_> = (0..32).map(|_| gateway.client()).collect();
    for _ in 0..2 {
        clients.iter_mut().for_each(|client| assert_eq!(told(client, &token), good()));
    }
    server.revoke(entry(&json!({"jti": "first"})));
    let revoked_at = Instant::now();
    eventually("the entry is in force", || (entries(&gateway) == 1.0).then_some(()));
    clients.iter_mut().for_each(|client| assert_eq!(told(client, &token), revoked()));
    assert!(revoked_at.elapsed() < Duration::from_secs(5), "{:?}", revoked_at.elapsed());
    clients.iter_mut().for_each(|client| assert_eq!(told(client, &other), good()));
    let response = gateway.client().get("/items/7", &token);
    let challenge = response.field("www-authenticate").unwrap();
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
}

#[test]
fn a_token_that_is_no_jwt_is_refused_by_what_its_issuer_answered_about_it() {
    let (feed, issuer) = (FeedServer::start(), ForeignServer::start());
    let asked = format!("{{url: '{}', client_id: gateway, client_secret: s3cret}}", issuer.url(INTROSPECTION));
    let gateway = start_with(&feed, ", interval: 100ms", &format!("\n    introspection: {asked}"));
    eventually("ready", || (gateway.ask("GET", "/readyz").status == 200).then_some(()));
    for (token, id) in [("opaque-1", "first"), ("opaque-2", "second"), ("opaque-3", "third")] {
        issuer.issue(token, "items", &json!({"jti": id}));
    }
    for token in ["opaque-1", "opaque-3"] {
        assert_eq!(outcome(&gateway, token), good());
    }
    // The issuer goes on to call them active: its feed has the last word, on first use and on every other.
    feed.revoke(entry(&json!({"jti": "first"})));
    feed.revoke(entry(&json!({"jti": "second"})));
    eventually("the entries are in force", || (entries(&gateway) == 2.0).then_some(()));
    for _ in 0..2 {
        assert_eq!(outcome(&gateway, "opaque-1"), revoked(), "introspected before");
        assert_eq!(outcome(&gateway, "opaque-2"), revoked(), "introspected now");
        assert_eq!(outcome(&gateway, "opaque-3"), good(), "not named");
    }
    feed.be(Mood::Dead);
    issuer.revoke("opaque-3");
    eventually("the issuer is asked again", || {
        (outcome(&gateway, "opaque-3") == (401, "inactive".into())).then_some(())
    });
}

#[test]
fn tokens_are_named_by_subject_by_client_and_by_both_up_to_a_second() {
    let server = FeedServer::start();
    let gateway = ready(&server, ", interval: 100ms");
    let then = now() - 10;
    let token = |subject: &str, client: &str, iat: Value| {
        gateway.signer.token("items", &json!({"sub": subject, "client_id": client, "iat": iat}))
    };
    let mut expected = Vec::new();
    for (subject, client) in
        [("u1", "x"), ("u1", "y"), ("x", "c1"), ("y", "c1"), ("u2", "c2"), ("u2", "x"), ("x", "c2")]
    {
        let is_named = subject == "u1" || client == "c1" || (subject, client) == ("u2", "c2");
        for (iat, before) in
            [(json!(then - 1), true), (json!(then), true), (json!(then + 1), false), (Value::Null, true)]
        {
            let outcome = if is_named && before { revoked() } else { good() };
            expected.push((token(subject, client, iat.clone()), outcome, format!("{subject} {client} {iat}")));
        }
    }
    for (token, _, name) in &expected {
        assert_eq!(outcome(&gateway, token), good(), "{name}");
    }
    server.revoke(entry(&json!({"sub": "u1", "issued_before": then})));
    server.revoke(entry(&json!({"client_id": "c1", "issued_before": then})));
    server.revoke(entry(&json!({"sub": "u2", "client_id": "c2", "issued_before": then})));
    server.revoke(json!({"iss": "https://other.test/", "sub": "y", "issued_before": then, "exp": now() + 60}));
    eventually("the entries are in force", || (entries(&gateway) == 3.0).then_some(()));
    for (token, expected, name) in &expected {
        assert_eq!(outcome(&gateway, token), *expected, "{name}");
    }
    let about_others = |event: &Value| event["msg"].as_str().unwrap().contains("name another issuer");
    eventually("the stranger is told of", || gateway.log().iter().any(about_others).then_some(()));
}

#[test]
fn a_feed_that_was_never_read_refuses_and_holds_readiness() {
    let server = FeedServer::start();
    server.be(Mood::Dead);
    let gateway = start(&server, ", interval: 100ms");
    let token = gateway.signer.token("items", &json!({}));
    let response = gateway.client().get("/items/7", &token);
    assert_eq!((response.status, response.reason()), unavailable());
    assert_eq!(response.field("retry-after"), Some("1"));
    assert_eq!(gateway.client().request("GET", "/open/x", "").status, 200, "public routes ask for no token");
    let readyz = gateway.ask("GET", "/readyz");
    assert!(readyz.status == 503 && readyz.text().contains("has not been read yet"), "{}", readyz.text());
    server.be(Mood::Well);
    eventually("it recovers by itself", || (outcome(&gateway, &token) == good()).then_some(()));
    assert_eq!(gateway.ask("GET", "/readyz").status, 200);
}

#[test]
fn a_stale_feed_refuses_unless_it_is_told_to_serve() {
    for (when_stale, expected) in [("refuse", unavailable()), ("serve", good())] {
        let server = FeedServer::start();
        let gateway = ready(&server, &format!(", interval: 100ms, max_stale: 1s, when_stale: {when_stale}"));
        let (token, gone) =
            (gateway.signer.token("items", &json!({"jti": "a"})), gateway.signer.token("items", &json!({"jti": "b"})));
        server.revoke(entry(&json!({"jti": "b"})));
        eventually("the entry is in force", || (outcome(&gateway, &gone) == revoked()).then_some(()));
        assert_eq!(outcome(&gateway, &token), good());
        server.be(Mood::Dead);
        eventually("the feed is stale", || {
            (gateway.metric("scopegate_revocations_age_seconds", &[]) > 1.0).then_some(())
        });
        assert_eq!(outcome(&gateway, &token), expected, "{when_stale}");
        assert_eq!(outcome(&gateway, &gone), revoked(), "{when_stale}: what is known is known");
        let is_told = |event: &Value| event["msg"].as_str().unwrap().contains("was not read in time");
        eventually("the log tells", || gateway.log().iter().any(is_told).then_some(()));
        assert_eq!(gateway.ask("GET", "/readyz").status, 200, "readiness waits for the first reading only");
        server.be(Mood::Well);
        server.revoke(entry(&json!({"jti": "a"})));
        eventually("it is read on", || (outcome(&gateway, &token) == revoked()).then_some(()));
    }
}

#[test]
fn an_answer_that_is_no_feed_changes_nothing() {
    let server = FeedServer::start();
    let gateway = ready(&server, ", interval: 100ms");
    let token = gateway.signer.token("items", &json!({"jti": "a"}));
    assert_eq!(outcome(&gateway, &token), good());
    for (mood, result) in [
        (Mood::Status(500), "failed"),
        (Mood::Status(401), "failed"),
        (Mood::Status(302), "failed"),
        (Mood::Says("<html>"), "malformed"),
        (
            Mood::Says(
                r#"{"entries": [{"iss": "https://idp.test/", "jti": "a", "exp": 9007199254740991}, {"iss": "https://idp.test/"}], "cursor": "x", "more": false}"#,
            ),
            "malformed",
        ),
        (Mood::Says(r#"{"entries": [], "entries": [], "cursor": "x", "more": false}"#), "malformed"),
        (Mood::Says(r#"{"entries": [], "cursor": "x", "more": true}"#), "malformed"),
    ] {
        let before = readings(&gateway, result);
        server.be(mood);
        eventually(result, || (readings(&gateway, result) > before).then_some(()));
        assert_eq!((outcome(&gateway, &token), entries(&gateway)), (good(), 0.0), "{mood:?}");
    }
    server.be(Mood::Well);
    server.revoke(entry(&json!({"jti": "a"})));
    eventually("it goes on", || (outcome(&gateway, &token) == revoked()).then_some(()));
}

#[test]
fn one_reading_goes_on_as_long_as_there_is_more() {
    let server = FeedServer::start();
    server.set_page(1000);
    (0..2500).for_each(|number| server.revoke(entry(&json!({"jti": format!("t{number}")}))));
    let gateway = ready(&server, ", interval: 1h, max_stale: 1h");
    eventually("it is counted as one reading", || {
        ((entries(&gateway), readings(&gateway, "ok")) == (2500.0, 1.0)).then_some(())
    });
    assert_eq!(server.asked(), 3);
    for (number, expected) in [(0, revoked()), (999, revoked()), (1000, revoked()), (2499, revoked()), (2500, good())] {
        let token = gateway.signer.token("items", &json!({"jti": format!("t{number}")}));
        assert_eq!(outcome(&gateway, &token), expected, "{number}");
    }
}

#[test]
fn answers_without_entries_lead_on_to_those_that_have_some() {
    let server = FeedServer::start();
    server.set_page(10);
    server.revoke_ended(25);
    server.revoke(entry(&json!({"jti": "a"})));
    let gateway = ready(&server, ", interval: 1h, max_stale: 1h");
    assert_eq!((entries(&gateway), readings(&gateway, "malformed"), server.asked()), (1.0, 0.0, 3));
    assert_eq!(outcome(&gateway, &gateway.signer.token("items", &json!({"jti": "a"}))), revoked());
}

#[test]
fn what_a_long_reading_revokes_is_in_force_before_its_end() {
    let server = FeedServer::start();
    server.set_page(1);
    server.set_delay(Duration::from_millis(100));
    (0..200).for_each(|number| server.revoke(entry(&json!({"jti": format!("t{number}")}))));
    let gateway = start(&server, ", when_stale: serve");
    let token = gateway.signer.token("items", &json!({"jti": "t0"}));
    eventually("the first entry is in force", || (outcome(&gateway, &token) == revoked()).then_some(()));
    assert_eq!(readings(&gateway, "ok"), 0.0, "the reading goes on");
}

#[test]
fn a_revoked_token_stays_revoked_when_a_reload_changes_its_issuer_and_the_feed_is_down() {
    let server = FeedServer::start();
    server.revoke(entry(&json!({"jti": "a"})));
    let gateway = ready(&server, ", when_stale: serve");
    let token = gateway.signer.token("items", &json!({"jti": "a"}));
    eventually("the entry is in force", || (outcome(&gateway, &token) == revoked()).then_some(()));
    server.be(Mood::Dead);
    let file = std::fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    gateway.write("scopegate.yaml", &file.replace("when_stale: serve", "when_stale: serve, interval: 3s"));
    assert_eq!(gateway.ask("POST", "/reload").status, 200);
    assert_eq!(outcome(&gateway, &token), revoked());
}

#[test]
fn a_feed_whose_database_is_new_is_read_from_its_beginning() {
    let server = FeedServer::start();
    let gateway = ready(&server, ", interval: 100ms");
    server.revoke(entry(&json!({"jti": "a"})));
    eventually("the entry is in force", || (entries(&gateway) == 1.0).then_some(()));
    server.renew();
    server.revoke(entry(&json!({"jti": "b"})));
    eventually("the new entry is in force", || (entries(&gateway) == 2.0).then_some(()));
    for (id, expected) in [("a", revoked()), ("b", revoked()), ("c", good())] {
        assert_eq!(outcome(&gateway, &gateway.signer.token("items", &json!({"jti": id}))), expected, "{id}");
    }
}

#[test]
fn a_reload_keeps_what_was_read() {
    let server = FeedServer::start();
    let gateway = ready(&server, ", interval: 100ms");
    let (token, gone) =
        (gateway.signer.token("items", &json!({"jti": "a"})), gateway.signer.token("items", &json!({"jti": "b"})));
    server.revoke(entry(&json!({"jti": "b"})));
    eventually("the entry is in force", || (outcome(&gateway, &gone) == revoked()).then_some(()));
    server.be(Mood::Dead);
    gateway.write("routes.yaml", &format!("{POLICY}  - {{path: /new, upstream: api, methods: {{GET: public}}}}\n"));
    assert_eq!(gateway.ask("POST", "/reload").status, 200);
    assert_eq!(gateway.client().request("GET", "/new", "").status, 200);
    assert_eq!((outcome(&gateway, &token), outcome(&gateway, &gone)), (good(), revoked()));
    let file = std::fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    gateway.write("scopegate.yaml", &file.replace("interval: 100ms", "interval: 200ms"));
    assert_eq!(gateway.ask("POST", "/reload").status, 200);
    assert_eq!(outcome(&gateway, &token), unavailable(), "another feed begins anew");
    server.be(Mood::Well);
    eventually("it is read", || (outcome(&gateway, &token) == good()).then_some(()));
    assert_eq!(outcome(&gateway, &gone), revoked());
}

#[test]
fn entries_of_another_issuer_are_told_once() {
    let server = FeedServer::start();
    server.be(Mood::Says(
        r#"{"entries": [{"iss": "https://other.test/", "jti": "a", "exp": 1}], "cursor": "1", "more": false}"#,
    ));
    let gateway = start(&server, ", interval: 100ms");
    eventually("it is read again", || (readings(&gateway, "ok") >= 3.0).then_some(()));
    let is_told = |line: &&Value| line["msg"].as_str().is_some_and(|text| text.contains("name another issuer"));
    assert_eq!(gateway.log().iter().filter(is_told).count(), 1);
}

#[test]
fn the_feeds_token_is_shown_to_the_feed_and_to_nobody_else() {
    let server = FeedServer::start();
    let keys = format!(
        "{{file: jwks.json}}\n    revocations: {{url: 'http://{}/oauth/revocations', token: another-secret, interval: 100ms}}",
        server.address
    );
    let gateway = Setup { keys, more: "log: {level: trace}".into(), ..Setup::default() }.start(&Upstream::echo());
    eventually("it is refused", || (readings(&gateway, "failed") >= 2.0).then_some(()));
    let log = format!("{:?}", gateway.log());
    assert!(log.contains("revocation feed not read") && !log.contains("another-secret"), "{log}");
    assert!(!gateway.ask("GET", "/readyz").text().contains("another-secret"));
}
