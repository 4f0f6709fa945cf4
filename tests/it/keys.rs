//! What becomes of requests while a key set server is killed, hangs, answers garbage, rotates its keys.
//!
//! `docs/tokens.md` has the table that these tests hold.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Behaviour, Gateway, KeyServer, Setup, Signer, Upstream, eventually};

/// The longest that a request may wait for keys: the fetch's own time, and room for a busy machine.
const BOUND: Duration = Duration::from_secs(3);

fn start(server: &KeyServer, more: &str) -> Gateway {
    let keys = format!("{{url: 'http://{}/keys', timeout: 500ms, cooldown: 100ms{more}}}", server.address);
    Setup { keys, ..Setup::default() }.start(&Upstream::echo())
}

fn with_keys(signer: &Signer, more: &str) -> (KeyServer, Gateway) {
    let server = KeyServer::start(Behaviour::Keys(signer.jwks(), ""));
    let gateway = start(&server, more);
    eventually("ready", || (gateway.ask("GET", "/readyz").status == 200).then_some(()));
    (server, gateway)
}

/// Status and reason of a request with this token, within the bound.
fn outcome(gateway: &Gateway, token: &str) -> (u16, String) {
    let started = Instant::now();
    let response = gateway.client().get("/items/7", token);
    assert!(started.elapsed() < BOUND, "{:?}", started.elapsed());
    (response.status, if response.status == 200 { String::new() } else { response.reason() })
}

fn good() -> (u16, String) {
    (200, String::new())
}

fn fetches(gateway: &Gateway, result: &str) -> f64 {
    gateway.metric("scopegate_keys_fetch_total", &[&format!("result=\"{result}\"")])
}

#[test]
fn no_server_ever_refuses_with_503_and_shows_in_readyz() {
    for (behaviour, result) in [
        (Behaviour::Dead, "failed"),
        (Behaviour::Hung, "timed_out"),
        (Behaviour::Garbage, "malformed"),
        (Behaviour::Huge, "too_large"),
        (Behaviour::Status(500), "failed"),
        (Behaviour::Keys("{\"keys\": []}".into(), ""), "malformed"),
    ] {
        let server = KeyServer::start(behaviour.clone());
        let gateway = start(&server, "");
        let token = Signer::new("k").token("items", &json!({}));
        assert_eq!(outcome(&gateway, &token), (503, "keys_unavailable".into()), "{behaviour:?}");
        let ready = gateway.ask("GET", "/readyz");
        assert!(ready.status == 503 && ready.text().contains("has had no keys yet"), "{}", ready.text());
        eventually(result, || (fetches(&gateway, result) >= 1.0).then_some(()));
        assert_eq!(gateway.client().request("GET", "/open/x", "").status, 200, "public routes do not ask for keys");
        let signer = Signer::new("k");
        server.behave(Behaviour::Keys(signer.jwks(), ""));
        eventually("it recovers by itself", || {
            (outcome(&gateway, &signer.token("items", &json!({}))) == good()).then_some(())
        });
        assert_eq!(gateway.ask("GET", "/readyz").status, 200);
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let signer = Signer::new("k");
    let elsewhere = KeyServer::start(Behaviour::Keys(signer.jwks(), ""));
    let gateway = start(&KeyServer::start(Behaviour::Redirect(elsewhere.address)), "");
    assert_eq!(outcome(&gateway, &signer.token("items", &json!({}))), (503, "keys_unavailable".into()));
    eventually("it is counted", || (fetches(&gateway, "failed") >= 1.0).then_some(()));
    assert_eq!(elsewhere.asked(), 0);
}

#[test]
fn old_keys_serve_on_through_an_outage() {
    let elsewhere = KeyServer::start(Behaviour::Keys(Signer::new("k").jwks(), ""));
    for (behaviour, result) in [
        (Behaviour::Dead, "failed"),
        (Behaviour::Hung, "timed_out"),
        (Behaviour::Garbage, "malformed"),
        (Behaviour::Huge, "too_large"),
        (Behaviour::Status(500), "failed"),
        (Behaviour::Redirect(elsewhere.address), "failed"),
        (Behaviour::Keys("{\"keys\": []}".into(), ""), "malformed"),
    ] {
        let signer = Signer::new("k");
        let (server, gateway) = with_keys(&signer, ", refresh: 1s");
        let before = fetches(&gateway, result);
        server.behave(behaviour.clone());
        eventually(result, || (fetches(&gateway, result) > before).then_some(()));
        assert_eq!(outcome(&gateway, &signer.token("items", &json!({"jti": "new"}))), good(), "{behaviour:?}");
        let unknown = Signer::new("unknown").token("items", &json!({}));
        assert_eq!(outcome(&gateway, &unknown), (401, "unknown_key".into()), "{behaviour:?}");
        assert_eq!(gateway.ask("GET", "/readyz").status, 200);
        assert_eq!(gateway.metric("scopegate_keys", &[]), 1.0);
    }
    assert_eq!(elsewhere.asked(), 0);
}

#[test]
fn keys_beyond_max_stale_are_not_believed() {
    let signer = Signer::new("k");
    let (server, gateway) = with_keys(&signer, ", refresh: 1s, max_stale: 2s");
    let token = signer.token("items", &json!({}));
    assert_eq!(outcome(&gateway, &token), good());
    server.behave(Behaviour::Dead);
    eventually("the keys grow too old", || {
        (outcome(&gateway, &token) == (503, "keys_unavailable".into())).then_some(())
    });
    server.behave(Behaviour::Keys(signer.jwks(), ""));
    eventually("they are fresh again", || (outcome(&gateway, &token) == good()).then_some(()));
}

#[test]
fn rotated_keys_are_fetched_when_they_are_first_met() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let (server, gateway) = with_keys(&old, "");
    let token = old.token("items", &json!({}));
    assert_eq!(outcome(&gateway, &token), good());
    server.behave(Behaviour::Keys(json!({"keys": [old.jwk(), new.jwk()]}).to_string(), ""));
    eventually("the new key", || (outcome(&gateway, &new.token("items", &json!({}))) == good()).then_some(()));
    server.behave(Behaviour::Keys(new.jwks(), "max-age=1"));
    let met = Signer::new("unknown").token("items", &json!({}));
    eventually("the old key is gone, remembered tokens with it", || {
        outcome(&gateway, &met);
        (outcome(&gateway, &token) == (401, "unknown_key".into())).then_some(())
    });
}

#[test]
fn unknown_key_names_cost_the_issuer_little() {
    let signer = Signer::new("k");
    let keys = |server: &KeyServer| format!("{{url: 'http://{}/keys', timeout: 500ms, cooldown: 30s}}", server.address);
    let server = KeyServer::start(Behaviour::Keys(signer.jwks(), ""));
    let gateway = Setup { keys: keys(&server), ..Setup::default() }.start(&Upstream::echo());
    eventually("ready", || (gateway.ask("GET", "/readyz").status == 200).then_some(()));
    let before = server.asked();
    for number in 0..50 {
        let token = Signer::new(&format!("nobody-{number}")).token("items", &json!({}));
        assert_eq!(outcome(&gateway, &token), (401, "unknown_key".into()));
    }
    assert!(server.asked() - before <= 1, "{} requests in one cooldown", server.asked() - before);
    assert_eq!(outcome(&gateway, &signer.token("items", &json!({}))), good());
}

#[test]
fn the_schedule_honours_cache_control() {
    let signer = Signer::new("k");
    let server = KeyServer::start(Behaviour::Keys(signer.jwks(), "public, max-age=1"));
    let gateway = start(&server, ", refresh: 1h");
    eventually("a refresh long before the hour", || (server.asked() >= 3).then_some(()));
    assert_eq!(outcome(&gateway, &signer.token("items", &json!({}))), good());
}

#[test]
fn one_issuer_without_keys_does_not_hurt_another() {
    let (server, signer) = (KeyServer::start(Behaviour::Hung), Signer::new("k"));
    let gateway = start(&server, "");
    let file = std::fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    let second =
        "  - {issuer: https://second.test/, audience: [https://api.test], keys: {file: jwks.json}}\nupstreams:";
    gateway.write("jwks.json", &signer.jwks());
    gateway.write("scopegate.yaml", &file.replace("upstreams:", second));
    assert_eq!(gateway.ask("POST", "/reload").status, 200);
    let started = Instant::now();
    assert_eq!(outcome(&gateway, &signer.token("items", &json!({"iss": "https://second.test/"}))), good());
    assert!(started.elapsed() < Duration::from_millis(400), "{:?}", started.elapsed());
}

#[test]
fn a_reload_reads_key_files_again() {
    let gateway = Setup::default().start(&Upstream::echo());
    let token = gateway.signer.token("items", &json!({}));
    assert_eq!(outcome(&gateway, &token), good());
    let other = Signer::new("key-2");
    gateway.write("jwks.json", &other.jwks());
    eventually("the new file", || (outcome(&gateway, &other.token("items", &json!({}))) == good()).then_some(()));
    assert_eq!(outcome(&gateway, &token), (401, "unknown_key".into()));
}
