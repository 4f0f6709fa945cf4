//! What an upstream does wrong in TLS.

use std::io::Cursor;

use rcgen::ExtendedKeyUsagePurpose;

use crate::faults::{bounded, fault, hold};
use crate::support::{Authority, Fault, Issued, Scene, Spoken, Stage, Wire, good};

const TLS: Scene = Scene { peer: Spoken::Http1, upstream: Spoken::Http1Tls, beside: false };
const HTTP2: Scene = Scene { upstream: Spoken::Http2Tls, ..TLS };

#[test]
fn an_upstream_whose_handshake_fails() {
    hold("### TLS: handshakes that fail", TLS, HANDSHAKE);
}

#[test]
fn an_upstream_with_which_no_version_of_http_is_agreed_on() {
    hold("### TLS: versions of HTTP that are not agreed on", HTTP2, ALPN);
}

#[test]
fn an_upstream_that_breaks_off_in_tls() {
    hold("### TLS: connections that break off", TLS, ENDS);
}

/// The upstream shows a certificate.
fn shows(stage: &mut Stage, certificate: impl FnOnce(&Authority) -> Issued) {
    let issued = certificate(&stage.tls.authority);
    offers(stage, &issued, &[b"http/1.1"]);
}

fn offers(stage: &mut Stage, issued: &Issued, alpn: &[&[u8]]) {
    stage.ask("GET", "", "");
    let stream = stage.accepted();
    let tls = stage.tls.serve(issued, alpn);
    stage.push(Wire::tls_server(stream, tls)).shake_hands();
}

/// The gateway has begun the handshake, and the upstream says nothing of its own.
fn begins(stage: &mut Stage) -> &mut Wire {
    stage.ask("GET", "", "");
    let wire = stage.accept_bare();
    wire.expect([0x16, 0x03]);
    wire
}

/// The upstream's answer to the beginning of the handshake.
fn flight(stage: &mut Stage) -> Vec<u8> {
    let mut tls = stage.tls.serve(&stage.tls.issued, &[b"http/1.1"]);
    let mut flight = Vec::new();
    tls.read_tls(&mut Cursor::new(stage.upstream().received())).expect("a hello");
    tls.process_new_packets().expect("a hello");
    tls.write_tls(&mut flight).expect("an answer");
    flight
}

/// RFC 8446 §6: handshake_failure, in clear text.
const ALERT: &[u8] = b"\x15\x03\x03\x00\x02\x02\x28";

const HANDSHAKE: &[Fault] = &[
    fault("unknown-authority", "shows a certificate of an authority that is not trusted", |stage| {
        shows(stage, |_| Authority::new("others").issue(&["127.0.0.1"]));
    }),
    fault("wrong-name", "shows a certificate for another name", |stage| {
        shows(stage, |authority| authority.issue(&["api.internal"]));
    }),
    fault("expired", "shows a certificate that has expired", |stage| {
        shows(stage, |authority| authority.issue_expired(&["127.0.0.1"]));
    }),
    fault("not-yet-valid", "shows a certificate that is not valid yet", |stage| {
        shows(stage, |authority| {
            authority.issue_with(&["127.0.0.1"], |params| {
                params.not_before = rcgen::date_time_ymd(2400, 1, 1);
                params.not_after = rcgen::date_time_ymd(2400, 2, 1);
            })
        });
    }),
    fault("wrong-purpose", "shows a certificate that is for clients only", |stage| {
        shows(stage, |authority| {
            authority.issue_with(&["127.0.0.1"], |params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            })
        });
    }),
    fault("wants-certificate", "demands a certificate where none is configured", |stage| {
        stage.ask("GET", "", "");
        let stream = stage.accepted();
        let tls = stage.tls.serve_demanding();
        stage.push(Wire::tls_server(stream, tls)).shake_hands();
    }),
    fault("clear-text", "answers in clear text", |stage| {
        begins(stage).send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        stage.upstream().close();
    }),
    fault("garbage", "sends what is no TLS", |stage| begins(stage).send("\0\0\0\0\0\0\0\0")),
    fault("alert", "refuses the handshake", |stage| {
        begins(stage).send(ALERT);
        stage.upstream().close();
    }),
    fault("closes", "closes in the handshake", |stage| begins(stage).close()),
    fault("resets", "resets in the handshake", |stage| begins(stage).reset()),
    fault("closes-in-flight", "closes in the midst of its part of the handshake", |stage| {
        begins(stage);
        let flight = flight(stage);
        stage.upstream().send(&flight[..flight.len() / 2]);
        stage.upstream().close();
    }),
    bounded("hangs", "timeouts.connect", "says nothing in the handshake", |stage| {
        begins(stage);
    }),
    bounded("hangs-in-flight", "timeouts.connect", "stops in the midst of its part of the handshake", |stage| {
        begins(stage);
        let flight = flight(stage);
        stage.upstream().send(&flight[..flight.len() / 2]);
    }),
    fault("other-version", "offers by ALPN nothing but HTTP/2, which is not configured", |stage| {
        let issued = stage.tls.issued.clone();
        offers(stage, &issued, &[b"h2"]);
    }),
    fault("no-alpn", "does not speak ALPN", |stage| {
        let issued = stage.tls.issued.clone();
        offers(stage, &issued, &[]);
        stage.upstream().expect("\r\n\r\n");
        stage.upstream().send(good("ok"));
    }),
];

const ALPN: &[Fault] = &[
    fault("h2-no-alpn", "does not speak ALPN, where HTTP/2 is configured", |stage| {
        let issued = stage.tls.issued.clone();
        offers(stage, &issued, &[]);
    }),
    fault("h2-other-version", "offers by ALPN nothing but HTTP/1.1, where HTTP/2 is configured", |stage| {
        let issued = stage.tls.issued.clone();
        offers(stage, &issued, &[b"http/1.1"]);
    }),
];

const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf!";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf!\r\n";
const TO_THE_END: &str = "HTTP/1.1 200 OK\r\n\r\nhalf!";

/// The answer begins, and its content reaches the peer.
fn answers<'a>(stage: &'a mut Stage, start: &str) -> &'a mut Wire {
    stage.get().send(start);
    stage.peer.expect("half!");
    stage.upstream()
}

const ENDS: &[Fault] = &[
    fault("cuts-before-answer", "reads the request, and closes without `close_notify`", |stage| stage.get().cut()),
    fault("notifies-before-answer", "reads the request, and closes with `close_notify`", |stage| stage.get().close()),
    fault("alert-before-answer", "reads the request, and sends an alert", |stage| stage.get().send_alert()),
    fault("clear-text-after-handshake", "answers in clear text after the handshake", |stage| {
        stage.get().send_below_tls(good("clear").as_bytes());
    }),
    fault("cuts-in-fields", "closes in the fields without `close_notify`", |stage| {
        stage.get().send("HTTP/1.1 200 OK\r\nContent-Len");
        stage.upstream().cut();
    }),
    fault("cuts-in-content", "closes without `close_notify` before the content has its length", |stage| {
        answers(stage, LENGTH).cut();
    }),
    fault("notifies-in-content", "closes with `close_notify` before the content has its length", |stage| {
        answers(stage, LENGTH).close();
    }),
    fault("cuts-between-chunks", "closes without `close_notify` before the last chunk", |stage| {
        answers(stage, CHUNKED).cut();
    }),
    fault("notifies-between-chunks", "closes with `close_notify` before the last chunk", |stage| {
        answers(stage, CHUNKED).close();
    }),
    fault(
        "cuts-to-end",
        "closes without `close_notify` where the end ends the content, as a truncation does",
        |stage| {
            answers(stage, TO_THE_END).cut();
        },
    ),
    fault("notifies-to-end", "closes with `close_notify` where the end ends the content", |stage| {
        answers(stage, TO_THE_END).close();
    }),
    fault("notifies-and-stays", "sends `close_notify` there, and keeps the connection of TCP open", |stage| {
        answers(stage, TO_THE_END).half_close();
    }),
    fault("alert-to-end", "sends an alert where the end ends the content", |stage| {
        answers(stage, TO_THE_END).send_alert();
    }),
    fault("alert-in-content", "sends an alert before the content has its length", |stage| {
        answers(stage, LENGTH).send_alert();
    }),
    fault("garbage-in-content", "sends a record that cannot be read in the midst of content", |stage| {
        answers(stage, LENGTH).send_below_tls(b"\x17\x03\x03\x00\x20no record that anybody could read");
    }),
    fault("resets-in-content", "resets in the midst of content", |stage| answers(stage, LENGTH).reset()),
    bounded("hangs-in-record", "timeouts.idle", "stops in the midst of a record", |stage| {
        answers(stage, LENGTH).send_below_tls(b"\x17\x03\x03\x00\x20no");
    }),
    fault("cuts-after-answer", "closes without `close_notify` after a whole answer", |stage| {
        stage.get().send(good("whole"));
        stage.peer.expect("whole");
        stage.upstream().cut();
    }),
    fault("idle-cuts", "closes an idle connection without `close_notify` just as a `GET` comes on it", |stage| {
        stage.warm_up();
        stage.ask("GET", "", "");
        stage.upstream().expect("GET ");
        stage.upstream().cut();
        stage.accept_head().send(good("again"));
    }),
];
