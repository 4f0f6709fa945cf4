//! What a peer does wrong in TLS.

use crate::faults::{bounded, fault, hold};
use crate::support::{Fault, Scene, Spoken, Stage, good};

const TLS: Scene = Scene { peer: Spoken::Http1Tls, upstream: Spoken::Http1, beside: false };

#[test]
fn a_peer_that_breaks_off_in_tls() {
    hold("### TLS: handshakes and connections of a peer", TLS, CONNECTIONS);
}

/// The first bytes of a hello.
const HELLO: &[u8] = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03";

fn says(stage: &mut Stage, bytes: &[u8]) {
    stage.bare_peer().send(bytes);
}

const CONNECTIONS: &[Fault] = &[
    fault("tls-clear-text", "speaks clear text", |stage| {
        says(stage, b"GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n")
    }),
    fault("tls-http2-clear-text", "speaks HTTP/2 in clear text", |stage| {
        says(stage, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    }),
    fault("tls-garbage", "sends what is no TLS", |stage| says(stage, b"\0\0\0\0\0\0\0\0\0\0")),
    fault("tls-closes-at-once", "connects and closes", |stage| stage.bare_peer().close()),
    fault("tls-closes-in-hello", "closes in its hello", |stage| {
        says(stage, HELLO);
        stage.peer.close();
    }),
    fault("tls-resets-in-hello", "resets in its hello", |stage| {
        says(stage, HELLO);
        stage.peer.reset();
    }),
    bounded("tls-says-nothing", "limits.header_time", "connects and says nothing", |stage| {
        stage.bare_peer();
    }),
    bounded("tls-hangs-in-hello", "limits.header_time", "stops in its hello", |stage| says(stage, HELLO)),
    bounded("tls-hangs-after-handshake", "limits.keep_alive", "sends no request after the handshake", |stage| {
        stage.peer.shake_hands();
    }),
    fault("tls-closes-after-handshake", "closes after the handshake without `close_notify`", |stage| {
        stage.peer.shake_hands();
        stage.peer.cut();
    }),
    fault("tls-garbage-after-handshake", "sends what is no record after the handshake", |stage| {
        stage.peer.shake_hands();
        stage.peer.send_below_tls(b"GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n");
    }),
    bounded("tls-hangs-in-record", "limits.header_time", "stops in a record of its head", |stage| {
        stage.peer.send("GET /open/x HTTP/1.1\r\nHost: api");
        stage.peer.send_below_tls(b"\x17\x03\x03\x00\x20no");
    }),
    fault("tls-cuts-before-answer", "closes without `close_notify` before the answer", |stage| {
        stage.get();
        stage.peer.cut();
    }),
    fault("tls-notifies-before-answer", "sends `close_notify` before the answer, and waits for it", |stage| {
        stage.get();
        stage.peer.half_close();
    }),
    fault("tls-cuts-after-answer", "closes without `close_notify` after the answer", |stage| {
        stage.get().send(good("ok"));
        stage.peer.expect("ok");
        stage.peer.cut();
    }),
];
