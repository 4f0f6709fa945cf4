//! What reaches the upstream is what was decided on, and what comes back is what it answered.

use serde_json::json;

use crate::support::{Answer, Setup, Upstream};

/// Lines of a request's fields, each with its end.
fn lines(fields: &[&str]) -> String {
    fields.iter().map(|field| format!("{field}\r\n")).collect()
}

#[test]
fn the_upstream_is_told_who_was_granted_what() {
    let upstream = Upstream::echo();
    let gateway = Setup::default().start(&upstream);
    let token = gateway.signer.token("admin.items items:read unknown:scope", &json!({}));
    let response = gateway.client().get("/items/7?x=%2F#cut", &token);
    assert_eq!(response.status, 200);
    let request = upstream.taken().remove(0);
    assert_eq!(request.start_line, "GET /items/7?x=%2F HTTP/1.1");
    for (name, value) in [
        ("host", "api.test"),
        ("scopegate-access", "admin"),
        ("scopegate-subject", "user-1"),
        ("scopegate-client", "client-1"),
        ("scopegate-scope", "items:read admin.items admin.items:read"),
        ("scopegate-issuer", "https://idp.test/"),
        ("scopegate-route", "/items/{id}"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "api.test"),
        ("via", "1.1 scopegate"),
    ] {
        assert_eq!(request.field(name), Some(value), "{name}");
    }
    assert_eq!(request.field("authorization"), Some(&*format!("Bearer {token}")));
    assert_eq!(request.field("x-request-id"), response.field("x-request-id"));
}

#[test]
fn the_side_that_is_granted_is_the_widest_that_the_token_opens() {
    let upstream = Upstream::echo();
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    for (scope, target, access) in [
        ("items", "/items/7", "user"),
        ("admin.items:read", "/items/7", "admin"),
        ("items:read admin.items", "/items/7", "admin"),
        ("", "/session", "authenticated"),
    ] {
        assert_eq!(client.get(target, &gateway.signer.token(scope, &json!({}))).status, 200, "{scope}");
        assert_eq!(upstream.taken().remove(0).field("scopegate-access"), Some(access), "{scope}");
    }
    assert_eq!(client.request("GET", "/open/x", "").status, 200);
    let request = upstream.taken().remove(0);
    assert_eq!(request.field("scopegate-access"), Some("public"));
    assert_eq!(request.field("scopegate-subject"), None);
}

#[test]
fn what_a_peer_says_in_the_gateways_name_never_arrives() {
    let upstream = Upstream::echo();
    let gateway = Setup::default().start(&upstream);
    let token = gateway.signer.token("items:read", &json!({}));
    let fields = lines(&[
        &format!("Authorization: Bearer {token}"),
        "Scopegate-Access: admin",
        "Scopegate_Subject: root",
        "SCOPEGATE-ANYTHING: x",
        "X-Forwarded-For: 203.0.113.66",
        "X_Forwarded_For: 203.0.113.66",
        "Forwarded: for=203.0.113.66",
        "X-Http-Method-Override: DELETE",
        "X_Original_URL: /admin/1",
        "X-Forwarded-User: root",
        "X_Forwarded_User: root",
        "X-Forwarded-Port: 666",
        "Keep-Alive: timeout=5",
        "Proxy-Authorization: Basic eDp5",
        "Connection: X-Hop, Authorization, Scopegate-Access, Host",
        "X-Hop: 1",
        "X-Kept: yes",
    ]);
    assert_eq!(gateway.client().request("GET", "/items/7", &fields).status, 200);
    let request = upstream.taken().remove(0);
    let text = format!("{:?}", request.fields);
    for gone in
        ["root", "666", "203.0.113.66", "DELETE", "/admin/1", "anything", "x-hop", "keep-alive", "proxy-authorization"]
    {
        assert!(!text.contains(gone), "{gone} in {text}");
    }
    assert_eq!(request.field("scopegate-access"), Some("user"));
    assert_eq!(request.field("x-kept"), Some("yes"));
    assert!(request.field("authorization").is_some() && request.field("host").is_some());
}

#[test]
fn credentials_that_nobody_checked_are_taken_off_public_requests() {
    let upstream = Upstream::echo();
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    for (credentials, arrives) in
        [("Bearer garbage", false), ("bearer  a.b.c", false), ("DPoP x", false), ("Basic eDp5", true)]
    {
        let response = client.request("GET", "/open/x", &format!("Authorization: {credentials}\r\n"));
        assert_eq!(response.status, 200);
        assert_eq!(upstream.taken().remove(0).field("authorization").is_some(), arrives, "{credentials}");
    }
}

#[test]
fn an_upstreams_settings_say_what_it_is_told() {
    let upstream = Upstream::echo();
    let setup = Setup {
        api: "forward_token: false, host: fixed.internal, forwarded: forwarded, remove: [X-Tenant], base_path: /v2"
            .into(),
        ..Setup::default()
    };
    let gateway = setup.start(&upstream);
    let fields = format!(
        "Authorization: Bearer {}\r\nX-Tenant: t1\r\nX_Tenant: t1\r\n",
        gateway.signer.token("items", &json!({}))
    );
    assert_eq!(gateway.client().request("GET", "/items/7", &fields).status, 200);
    let request = upstream.taken().remove(0);
    assert_eq!(request.target(), "/v2/items/7");
    assert_eq!(request.field("host"), Some("fixed.internal"));
    assert_eq!(request.field("authorization"), None);
    assert_eq!(request.field("forwarded"), Some("for=127.0.0.1;host=\"api.test\";proto=http"));
    assert_eq!(request.field("x-forwarded-for"), None);
    assert!(!format!("{request:?}").contains("t1"));
}

#[test]
fn a_listed_peers_story_is_kept() {
    let upstream = Upstream::echo();
    let gateway = Setup::default().start(&upstream);
    let file = std::fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    let file = file.replace("127.0.0.1:0\nadmin", "127.0.0.1:0\n    trusted_peers: [127.0.0.0/8]\nadmin");
    gateway.write("scopegate.yaml", &file);
    assert_eq!(gateway.ask("POST", "/reload").status, 200);
    let fields = "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n";
    assert_eq!(gateway.client().request("GET", "/open/x", fields).status, 200);
    let request = upstream.taken().remove(0);
    assert_eq!(request.field("x-forwarded-for"), Some("198.51.100.7, 127.0.0.1"));
    assert_eq!(request.field("x-forwarded-proto"), Some("https"));
}

#[test]
fn answers_arrive_as_they_were_given() {
    let upstream = Upstream::answering(|request| {
        let bytes: &[u8] = match request.target() {
            "/open/204" => b"HTTP/1.1 204 No Content\r\nX: 1\r\n\r\n",
            "/open/304" => b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 99\r\n\r\n",
            "/open/401" => b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno",
            "/open/hop" => {
                b"HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nScopegate-Access: admin\r\nContent-Length: 0\r\n\r\n"
            }
            _ => b"HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n",
        };
        Answer::Bytes(bytes.to_vec())
    });
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    assert_eq!(client.request("GET", "/open/204", "").status, 204);
    let response = client.request("GET", "/open/304", "");
    assert_eq!((response.status, response.field("etag")), (304, Some("\"a\"")));
    let response = client.request("GET", "/open/401", "");
    assert_eq!((response.status, response.field("www-authenticate"), &*response.text()), (401, Some("Basic"), "no"));
    let response = client.request("GET", "/open/hop", "");
    assert_eq!(
        (response.field("x-hop"), response.field("keep-alive"), response.field("scopegate-access")),
        (None, None, None)
    );
    assert_eq!(client.request("GET", "/open/odd", "").status, 599);
    assert_eq!(gateway.metric("scopegate_denials_total", &[]), 0.0, "an upstream's 401 is not the gateway's");
}

#[test]
fn head_is_decided_as_get_and_keeps_its_length() {
    let upstream = Upstream::echo();
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    let fields = format!("Authorization: Bearer {}\r\n", gateway.signer.token("items:read", &json!({})));
    let response = client.request("HEAD", "/items/7", &fields);
    assert_eq!((response.status, response.field("content-length")), (200, Some("7")));
    assert_eq!(upstream.taken().remove(0).method(), "HEAD");
    assert_eq!(
        client.request("GET", "/items/8", &fields).text(),
        "GET /items/8 HTTP/1.1",
        "the connection is still in step"
    );
}
