//! Refusals, from the peer's side: status, challenge, document, record and count agree.

use serde_json::json;

use crate::support::{Gateway, Response, Setup, Signer, Upstream, eventually};

/// A gateway that has refused one `DELETE` for want of scope, and the refusal.
fn refused() -> (Upstream, Gateway, Response) {
    let upstream = Upstream::echo();
    let gateway = Setup::default().start(&upstream);
    let token = gateway.signer.token("items:read", &json!({}));
    let fields = format!("Authorization: Bearer {token}\r\nX-Request-Id: abc-1\r\n");
    let response = gateway.client().request("DELETE", "/items/7", &fields);
    assert_eq!(response.status, 403);
    (upstream, gateway, response)
}

#[test]
fn a_refusal_names_its_reason_in_challenge_and_document() {
    let (upstream, _gateway, response) = refused();
    assert_eq!(response.field("content-type"), Some("application/problem+json"));
    assert_eq!(response.field("cache-control"), Some("no-store"));
    assert_eq!(response.field("x-request-id"), Some("abc-1"));
    let challenge = response.field("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer realm=\"api\", error=\"insufficient_scope\""), "{challenge}");
    assert!(challenge.ends_with("scope=\"items\""), "{challenge}");
    let problem = response.json();
    for (member, value) in [
        ("type", json!("urn:scopegate:reason:insufficient_scope")),
        ("status", json!(403)),
        ("instance", json!("urn:scopegate:request:abc-1")),
        ("reason", json!("insufficient_scope")),
        ("scope", json!("items")),
        ("missing", json!("items")),
    ] {
        assert_eq!(problem[member], value, "{member}");
    }
    assert!(upstream.taken().is_empty(), "nothing reached the upstream");
}

#[test]
fn a_refusal_is_recorded_and_counted_with_the_same_reason() {
    let (_upstream, gateway, _) = refused();
    let record = eventually("its record", || gateway.log().into_iter().find(|line| line["request_id"] == "abc-1"));
    for (member, value) in [
        ("reason", json!("insufficient_scope")),
        ("status", json!(403)),
        ("method", json!("DELETE")),
        ("path", json!("/items/7")),
        ("route", json!("/items/{id}")),
        ("source", json!("gateway")),
        ("scope", json!("items:read")),
        ("missing", json!("items")),
        ("issuer", json!("https://idp.test/")),
        ("subject", json!("user-1")),
        ("client_id", json!("client-1")),
    ] {
        assert_eq!(record[member], value, "{member}");
    }
    assert!(!record.to_string().contains("eyJ"), "a token never stands in a log");
    assert_eq!(record["token_id"].as_str().unwrap().len(), 16);
    let labels = ["route=\"/items/{id}\"", "method=\"DELETE\"", "reason=\"insufficient_scope\""];
    assert_eq!(gateway.metric("scopegate_denials_total", &labels), 1.0);
    assert_eq!(gateway.metric("scopegate_requests_total", &["code=\"403\"", "source=\"gateway\""]), 1.0);
}

#[test]
fn a_token_opens_one_route_and_not_the_next() {
    let gateway = Setup::default().start(&Upstream::echo());
    let token = gateway.signer.token("items:read", &json!({}));
    let mut client = gateway.client();
    for _ in 0..2 {
        assert_eq!(client.get("/items/7", &token).status, 200);
        assert_eq!(client.get("/admin/7", &token).status, 403, "what is remembered is no verdict");
    }
    assert!(gateway.metric("scopegate_token_cache_lookups_total", &["result=\"hit\""]) >= 1.0);
}

#[test]
fn routes_can_be_hidden_from_those_without_a_token() {
    let gateway = Setup { more: "reveal_routes: authenticated".into(), ..Setup::default() }.start(&Upstream::echo());
    let mut client = gateway.client();
    for (method, target) in [("GET", "/items/7"), ("GET", "/nowhere"), ("PATCH", "/items/7")] {
        let response = client.request(method, target, "");
        assert_eq!(
            (response.status, response.field("www-authenticate")),
            (401, Some("Bearer realm=\"api\"")),
            "{target}"
        );
    }
    assert_eq!(client.request("GET", "/open/x", "").status, 200);
    let token = gateway.signer.token("items:read", &json!({}));
    assert_eq!(client.get("/nowhere", &token).status, 404);
}

#[test]
fn limits_on_a_head_have_their_own_answers() {
    let more = "limits: {fields: 20, header_bytes: 2KiB, target_bytes: 256B, token_bytes: 512B}";
    let gateway = Setup { more: more.into(), ..Setup::default() }.start(&Upstream::echo());
    let many: String = (0..20).map(|number| format!("X-{number}: 1\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "x".repeat(2048));
    for (target, fields, status, reason) in [
        ("/open/x".to_owned(), many, 431, "too_large"),
        ("/open/x".to_owned(), long, 431, "too_large"),
        (format!("/open/{}", "x".repeat(256)), String::new(), 414, "too_large"),
        ("/items/7".to_owned(), format!("Authorization: Bearer {}\r\n", "x".repeat(513)), 400, "token_too_large"),
    ] {
        let response = gateway.client().request("GET", &target, &fields);
        assert_eq!((response.status, &*response.reason()), (status, reason));
    }
}

#[test]
fn too_many_requests_at_once_are_refused_and_the_rest_are_served() {
    let gateway = Setup { more: "limits: {requests_in_flight: 1}\nworkers: 1".into(), ..Setup::default() }.start(
        &Upstream::answering(|_| {
            crate::support::Answer::Take(Box::new(|stream| {
                let mut stream = stream;
                let _ = std::io::copy(&mut stream, &mut std::io::sink());
            }))
        }),
    );
    let mut first = gateway.client();
    first.send("GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n");
    eventually("the first is under way", || (gateway.metric("scopegate_requests_in_flight", &[]) == 1.0).then_some(()));
    let refused = gateway.client().request("GET", "/open/x", "");
    assert_eq!((refused.status, refused.reason()), (503, "overloaded".into()));
    drop(first);
    eventually("the first has left", || (gateway.metric("scopegate_requests_in_flight", &[]) == 0.0).then_some(()));
    assert_eq!(gateway.client().request("GET", "/nowhere", "").status, 404);
}

#[test]
fn a_connection_beyond_the_limit_is_answered_closed_and_counted() {
    let gateway = Setup { more: "limits: {connections: 2}".into(), ..Setup::default() }.start(&Upstream::echo());
    let (mut first, mut second) = (gateway.client(), gateway.client());
    assert_eq!(first.request("GET", "/open/x", "").status, 200);
    assert_eq!(second.request("GET", "/open/x", "").status, 200);
    let mut third = gateway.client();
    let refused = third.get("/open/x", "");
    assert_eq!((refused.status, refused.reason()), (503, "overloaded".into()));
    assert_eq!(refused.field("retry-after"), Some("1"));
    assert!(third.is_closed());
    let mut fourth = gateway.client();
    fourth.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let goaway = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b";
    assert_eq!(fourth.rest(), goaway, "nothing was processed, and may be sent again elsewhere");
    assert_eq!(gateway.metric("scopegate_connection_errors_total", &["kind=\"too_many\""]), 2.0);
    drop(first);
    eventually("there is a place again", || {
        let mut client = gateway.client();
        client.try_send("GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n").ok()?;
        (client.try_response_to("GET").ok()??.status == 200).then_some(())
    });
}

#[test]
fn what_the_parser_refuses_by_itself_is_counted() {
    let gateway = Setup::default().start(&Upstream::echo());
    let mut client = gateway.client();
    client.send("GET / HTTP/1.1\r\nbad field\r\n\r\n");
    assert_eq!(client.try_head().unwrap().unwrap().status, 400);
    eventually("it is counted", || {
        (gateway.metric("scopegate_connection_errors_total", &["kind=\"parse\""]) == 1.0).then_some(())
    });
}

#[test]
fn a_subject_that_a_field_cannot_carry_is_refused() {
    let upstream = Upstream::echo();
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    for subject in ["a\r\nScopegate-Access: admin", " user-1", "user-1 "] {
        let response = client.get("/items/7", &gateway.signer.token("items", &json!({"sub": subject})));
        assert_eq!((response.status, response.reason()), (401, "bad_claims".into()), "{subject:?}");
    }
    assert_eq!(client.get("/items/7", &gateway.signer.token("items", &json!({"sub": "jürgen"}))).status, 200);
    assert!(upstream.taken().len() == 1);
}

#[test]
fn no_secret_is_repeated_anywhere() {
    let gateway =
        Setup { more: "log: {access: all, level: debug}".into(), ..Setup::default() }.start(&Upstream::echo());
    let good = gateway.signer.token("items", &json!({"jti": "planted-claim"}));
    let bound = gateway.signer.token("items", &json!({"cnf": {"jkt": "planted-claim"}}));
    let forged = Signer::new("key-1").token("items", &json!({}));
    let mut answers = String::new();
    for credentials in [
        &*format!("Bearer {good}"),
        &format!("Bearer {bound}"),
        &format!("Bearer {forged}"),
        "Bearer planted.planted.planted",
        "Bearer planted planted",
        "Basic planted",
    ] {
        for target in ["/items/7?key=planted", "/admin/7", "/nowhere", "/open/x"] {
            let fields = format!("Authorization: {credentials}\r\nCookie: planted\r\nX-Request-Id: last\r\n");
            let response = gateway.client().request("GET", target, &fields);
            answers +=
                &format!("{:?}{}\n", response.message.fields, response.text().replace("/items/7?key=planted", ""));
        }
    }
    eventually("all is written", || {
        (gateway.log().iter().filter(|line| line["request_id"] == "last").count() == 24).then_some(())
    });
    let log = serde_json::to_string(&gateway.log()).unwrap();
    let admin = ["/metrics", "/readyz", "/routes"].map(|target| gateway.ask("GET", target).text()).concat();
    for (place, text) in [("answers", answers), ("log", log), ("admin", admin)] {
        let parts = [&good, &bound, &forged].into_iter().flat_map(|token| token.split('.'));
        for secret in parts.chain(["planted"]) {
            assert!(!text.contains(secret), "{place}: {secret}");
        }
    }
}
