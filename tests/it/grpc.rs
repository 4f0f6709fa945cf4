//! gRPC through the gateway: what passes, and how a call is refused.

use std::fmt::Write as _;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderValue, Response};
use serde_json::json;

use crate::support::{Answered, Gateway, Http2Client, Http2Upstream, Setup, eventually, golden};

const POLICY: &str = "scopes:
  echo: {admin: admin.echo}
  admin.echo: {}
routes:
  - {path: '/echo.Echo/{method}', upstream: api, methods: {POST: echo}}
  - {path: '/echo.Open/{method}', upstream: api, methods: {POST: public}}
  - {path: '/echo.Admin/{method}', upstream: api, methods: {POST: {admin: admin.echo}}}
  - {path: '/files/{name}', upstream: api, methods: {GET: public}}
";
const CALL: [(&str, &str); 2] = [("content-type", "application/grpc"), ("te", "trailers")];

fn start(upstream: &Http2Upstream, api: &str, more: &str) -> Gateway {
    let setup = Setup {
        policy: POLICY.into(),
        api: format!("protocol: http2{api}"),
        more: format!("workers: 1\n{more}"),
        ..Setup::default()
    };
    setup.start_before(&upstream.endpoint())
}

fn status(code: &'static str) -> HeaderMap {
    HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static(code))])
}

#[test]
fn a_call_passes_with_its_deadline_its_messages_and_its_status() {
    let upstream = Http2Upstream::answering(|mut call| async move {
        let (content, _) = call.read().await;
        let mut response = Response::new(());
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        let mut stream = call.answer(response);
        stream.send_data(Bytes::from(content), false).unwrap();
        stream.send_trailers(status("0")).unwrap();
    });
    let gateway = start(&upstream, "", "");
    let token = format!("Bearer {}", gateway.signer.token("echo", &json!({})));
    let mut client = Http2Client::connect(gateway.address);
    let fields = [CALL[0], CALL[1], ("grpc-timeout", "5S"), ("authorization", &token)];
    let mut asked = client.begin("POST", "/echo.Echo/Unary", &fields, false);
    asked.content.send_data(Bytes::from_static(b"\0\0\0\0\x02hi"), true).unwrap();
    let answered = client.answer(asked).unwrap();
    assert_eq!(answered.content, b"\0\0\0\0\x02hi");
    assert_eq!(answered.trailers, status("0"));
    let request = upstream.taken().remove(0);
    for (name, value) in [("te", "trailers"), ("grpc-timeout", "5S"), ("content-type", "application/grpc")] {
        assert_eq!(request.headers()[name], value);
    }
}

#[test]
fn an_answer_of_trailers_only_stays_one() {
    let upstream = Http2Upstream::answering(|mut call| async move {
        let mut response = Response::new(());
        *response.headers_mut() = status("5");
        call.respond.send_response(response, true).unwrap();
    });
    let gateway = start(&upstream, "", "");
    let answered = Http2Client::connect(gateway.address).ask("POST", "/echo.Open/Unary", &CALL).unwrap();
    assert_eq!((answered.ends_with_fields, answered.field("grpc-status")), (true, Some("5")));
}

#[test]
fn messages_flow_both_ways_while_the_call_is_open() {
    let upstream = Http2Upstream::answering(|mut call| async move {
        let mut stream = call.answer(Response::new(()));
        while let Some(Ok(part)) = call.content.data().await {
            let _ = call.content.flow_control().release_capacity(part.len());
            stream.send_data(part, false).unwrap();
        }
        stream.send_trailers(status("0")).unwrap();
    });
    let gateway = start(&upstream, "", "");
    let mut client = Http2Client::connect(gateway.address);
    let asked = client.begin("POST", "/echo.Open/Each", &CALL, false);
    let (response, mut content) = client.head(asked).unwrap();
    let (head, mut stream) = response.into_parts();
    for message in ["one", "two", "three"] {
        content.send_data(Bytes::from(message), false).unwrap();
        assert_eq!(client.wait(stream.data()).unwrap().unwrap(), message);
    }
    content.send_data(Bytes::new(), true).unwrap();
    let rest = client.rest(Response::from_parts(head, stream)).unwrap();
    assert_eq!(rest.trailers, status("0"));
}

fn shown(text: &mut String, request: &str, answered: &Answered) {
    writeln!(text, "{request}\n  {}", answered.head.status().as_u16()).unwrap();
    assert!(answered.ends_with_fields, "{request}: nothing follows the fields");
    assert!(answered.field("x-request-id").is_some(), "{request}");
    for name in
        ["content-type", "grpc-status", "grpc-message", "cache-control", "www-authenticate", "allow", "retry-after"]
    {
        if let Some(value) = answered.field(name) {
            writeln!(text, "  {name}: {value}").unwrap();
        }
    }
    text.push('\n');
}

#[test]
fn a_refused_call_is_told_in_the_terms_of_grpc() {
    let upstream = Http2Upstream::answering(|mut call| async move {
        match call.request.uri().path() {
            "/echo.Open/Reset" => call.respond.send_reset(Reason::INTERNAL_ERROR),
            _ => std::future::pending().await,
        }
    });
    let gateway = start(
        &upstream,
        ", timeouts: {response: 300ms}, connections: {max: 1, queue: 0}",
        "limits: {token_bytes: 1500B, target_bytes: 256B, header_bytes: 2500B}",
    );
    let mut client = Http2Client::connect(gateway.address);
    let mut text = String::new();
    let token = format!("Bearer {}", gateway.signer.token("echo", &json!({})));
    let long = format!("/echo.Open/{}", "x".repeat(300));
    let wide = "x".repeat(3000);
    for (shown_as, target, field) in [
        ("/echo.Open/%zz", "/echo.Open/%zz", None),
        ("/echo.Open/x…  a path of 311 bytes", &*long, None),
        ("/echo.Open/Unary  a field of 3,000 bytes", "/echo.Open/Unary", Some(("x-long", &*wide))),
        ("/echo.Unrouted/Unary", "/echo.Unrouted/Unary", None),
        ("/files/a", "/files/a", None),
        ("/echo.Echo/Unary", "/echo.Echo/Unary", None),
        ("/echo.Echo/Unary  authorization: Bearer a b", "/echo.Echo/Unary", Some(("authorization", "Bearer a b"))),
        ("/echo.Echo/Unary  authorization: Bearer a.b.c", "/echo.Echo/Unary", Some(("authorization", "Bearer a.b.c"))),
        ("/echo.Admin/Unary  a token with the scope echo", "/echo.Admin/Unary", Some(("authorization", &*token))),
        ("/echo.Open/Reset", "/echo.Open/Reset", None),
        ("/echo.Open/Silent", "/echo.Open/Silent", None),
    ] {
        let fields: Vec<_> = CALL.into_iter().chain(field).collect();
        shown(&mut text, shown_as, &client.ask("POST", target, &fields).unwrap());
    }
    golden("grpc_refusals.txt", &text);
    assert_eq!(gateway.metric("scopegate_requests_total", &["code=\"403\""]), 1.0, "counted by the status of HTTP");
    eventually("the record is written", || gateway.log().into_iter().find(|line| line["status"] == 403));
}

#[test]
fn what_is_no_call_gets_a_document() {
    let upstream = Http2Upstream::echo();
    let gateway = start(&upstream, "", "");
    let mut client = Http2Client::connect(gateway.address);
    let answered = client.ask("POST", "/echo.Echo/Unary", &[("content-type", "application/grpc-web")]).unwrap();
    assert_eq!(
        (answered.head.status().as_u16(), answered.field("content-type")),
        (401, Some("application/problem+json"))
    );
    let response = gateway.client().request("POST", "/echo.Echo/Unary", "Content-Type: application/grpc\r\n");
    assert_eq!((response.status, response.field("content-type")), (401, Some("application/problem+json")));
}

#[test]
fn a_call_that_is_refused_while_its_messages_come_ends_without_an_error() {
    let upstream = Http2Upstream::echo();
    let gateway = start(&upstream, "", "");
    let mut client = Http2Client::connect(gateway.address);
    let mut asked = client.begin("POST", "/echo.Echo/Total", &CALL, false);
    asked.content.send_data(Bytes::from_static(b"first"), false).unwrap();
    let (response, mut content) = client.head(asked).unwrap();
    assert_eq!(response.headers()["grpc-status"], "16");
    assert!(response.body().is_end_stream());
    assert_eq!(client.reset_of(&mut content), Reason::NO_ERROR);
    assert!(upstream.taken().is_empty());
}
