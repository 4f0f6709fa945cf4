//! Keys and the introspection endpoint, looked up in the issuer's own metadata (RFC 8414, OpenID Connect Discovery 1.0).

use serde_json::{Value, json};

use crate::support::{ForeignServer, Gateway, INTROSPECTION, Reply, Setup, Signer, Upstream, eventually};

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/keys";

/// A gateway that trusts the server itself, under this path, as an issuer.
fn start(server: &ForeignServer, path: &str, more: &str) -> Gateway {
    let gateway = Setup::default().start(&Upstream::echo());
    let file = std::fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    let issuer = format!(
        "issuers:\n  - issuer: {}\n    audience: ['https://api.test']\n    keys: {{discovery: true, timeout: 500ms, cooldown: 100ms, \
         refresh: 1s}}\n{more}upstreams:",
        server.url(path)
    );
    let (before, rest) = file.split_once("issuers:").unwrap();
    let (_, after) = rest.split_once("upstreams:").unwrap();
    gateway.write("scopegate.yaml", &format!("{before}{issuer}{after}"));
    assert_eq!(gateway.ask("POST", "/reload").status, 200, "{:?}", gateway.log());
    gateway
}

fn metadata(server: &ForeignServer, path: &str, more: &Value) -> Reply {
    let mut metadata = json!({"issuer": server.url(path), "jwks_uri": server.url(KEYS)});
    let members = metadata.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    Reply::json(&metadata)
}

fn token(server: &ForeignServer, path: &str, signer: &Signer) -> String {
    signer.token("items", &json!({"iss": server.url(path)}))
}

fn outcome(gateway: &Gateway, token: &str) -> (u16, String) {
    let response = gateway.client().get("/items/7", token);
    (response.status, if response.status == 200 { String::new() } else { response.reason() })
}

fn good() -> (u16, String) {
    (200, String::new())
}

fn fetches(gateway: &Gateway, result: &str) -> f64 {
    gateway.metric("scopegate_keys_fetch_total", &[&format!("result=\"{result}\"")])
}

fn ready(gateway: &Gateway) {
    eventually("ready", || (gateway.ask("GET", "/readyz").status == 200).then_some(()));
}

#[test]
fn both_forms_are_found_rfc_8414_first() {
    for (issuer, location, tried_first) in [
        ("", OAUTH.to_owned(), None),
        ("/", OAUTH.to_owned(), None),
        ("/tenant/1", format!("{OAUTH}/tenant/1"), None),
        ("", OPENID.to_owned(), Some(OAUTH.to_owned())),
        ("/tenant/1", format!("/tenant/1{OPENID}"), Some(format!("{OAUTH}/tenant/1"))),
    ] {
        let (server, signer) = (ForeignServer::start(), Signer::new("k"));
        server.reply(KEYS, Reply::Text(signer.jwks()));
        server.reply(&location, metadata(&server, issuer, &json!({})));
        let gateway = start(&server, issuer, "");
        ready(&gateway);
        assert_eq!(outcome(&gateway, &token(&server, issuer, &signer)), good(), "{location}");
        assert!(tried_first.is_none_or(|path| !server.asked(&path).is_empty()), "{location}");
    }
}

#[test]
fn rfc_8414_section_3_3_a_document_of_another_issuer_is_not_used() {
    let (server, signer) = (ForeignServer::start(), Signer::new("k"));
    server.reply(KEYS, Reply::Text(signer.jwks()));
    server.reply(OAUTH, metadata(&server, "/", &json!({})));
    server.reply(OPENID, metadata(&server, "", &json!({})));
    let gateway = start(&server, "", "");
    eventually("it is counted", || (fetches(&gateway, "untrusted") >= 1.0).then_some(()));
    assert_eq!(outcome(&gateway, &token(&server, "", &signer)), (503, "keys_unavailable".into()));
    assert!(server.asked(KEYS).is_empty(), "nothing that it names is followed");
    assert!(server.asked(OPENID).is_empty(), "and no other document excuses it");
    let ready = gateway.ask("GET", "/readyz");
    assert!(ready.status == 503 && ready.text().contains("has had no keys yet"), "{}", ready.text());
    eventually("it is logged", || {
        let is_told = |event: &Value| event["fault"] == "the document names another issuer";
        gateway.log().iter().any(is_told).then_some(())
    });
}

#[test]
fn addresses_that_may_not_be_used_are_not_followed() {
    for more in [
        json!({"jwks_uri": "http://keys.invalid/jwks"}),
        json!({"jwks_uri": "file:///etc/passwd"}),
        json!({"introspection_endpoint": "http://as.invalid/introspect"}),
    ] {
        let (server, signer) = (ForeignServer::start(), Signer::new("k"));
        server.reply(KEYS, Reply::Text(signer.jwks()));
        server.reply(OAUTH, metadata(&server, "", &more));
        let asked = "    introspection: {client_id: gateway, client_secret: s3cret}\n";
        let gateway = start(&server, "", asked);
        eventually("it is counted", || (fetches(&gateway, "untrusted") >= 1.0).then_some(()));
        assert_eq!(outcome(&gateway, &token(&server, "", &signer)), (503, "keys_unavailable".into()), "{more}");
        assert!(server.asked(KEYS).is_empty());
        server.reply(OAUTH, metadata(&server, "", &json!({})));
        ready(&gateway);
        assert_eq!(outcome(&gateway, &token(&server, "", &signer)), good(), "it recovers by itself");
    }
}

#[test]
fn a_failure_keeps_the_old_keys_and_a_new_address_is_followed() {
    let (server, old, new) = (ForeignServer::start(), Signer::new("old"), Signer::new("new"));
    server.reply(KEYS, Reply::Text(old.jwks()));
    server.reply(OAUTH, metadata(&server, "", &json!({})));
    let gateway = start(&server, "", "");
    ready(&gateway);
    let (old, new_token) = (token(&server, "", &old), token(&server, "", &new));
    for (reply, result) in [
        (Reply::Status(500), "failed"),
        (Reply::Text("<html>".into()), "failed"),
        (Reply::Hung, "timed_out"),
        (Reply::json(&json!({"issuer": "https://other.test", "jwks_uri": server.url(KEYS)})), "untrusted"),
    ] {
        let before = fetches(&gateway, result);
        server.reply(OAUTH, reply.clone());
        eventually("the failure is counted", || (fetches(&gateway, result) > before).then_some(()));
        assert_eq!(outcome(&gateway, &old), good(), "{reply:?}");
    }
    server.reply("/other-keys", Reply::Text(new.jwks()));
    server.reply(OAUTH, metadata(&server, "", &json!({"jwks_uri": server.url("/other-keys")})));
    eventually("the new keys", || (outcome(&gateway, &new_token) == good()).then_some(()));
    assert_eq!(outcome(&gateway, &old), (401, "unknown_key".into()));
}

#[test]
fn rotated_keys_are_fetched_when_they_are_first_met() {
    let (server, old, new) = (ForeignServer::start(), Signer::new("old"), Signer::new("new"));
    server.reply(KEYS, Reply::Text(old.jwks()));
    server.reply(OPENID, metadata(&server, "", &json!({})));
    let gateway = start(&server, "", "");
    ready(&gateway);
    assert_eq!(outcome(&gateway, &token(&server, "", &old)), good());
    server.reply(KEYS, Reply::json(&json!({"keys": [new.jwk(), old.jwk()]})));
    assert_eq!(outcome(&gateway, &token(&server, "", &new)), good(), "without waiting for the schedule");
    assert_eq!(outcome(&gateway, &token(&server, "", &old)), good());
}

#[test]
fn the_metadata_says_where_tokens_are_introspected() {
    let (server, signer) = (ForeignServer::start(), Signer::new("k"));
    server.reply(KEYS, Reply::Text(signer.jwks()));
    server.reply(OAUTH, metadata(&server, "", &json!({})));
    let asked = "    introspection: {client_id: gateway, client_secret: s3cret}\n";
    let gateway = start(&server, "", asked);
    ready(&gateway);
    server.issue("opaque-1", "items:read", &json!({"iss": server.url("")}));
    assert_eq!(outcome(&gateway, "opaque-1"), (503, "introspection_unavailable".into()), "it names no endpoint yet");
    server.reply(OAUTH, metadata(&server, "", &json!({"introspection_endpoint": server.url(INTROSPECTION)})));
    eventually("it is asked there", || (outcome(&gateway, "opaque-1") == good()).then_some(()));
    assert_eq!(outcome(&gateway, &token(&server, "", &signer)), good());
}
