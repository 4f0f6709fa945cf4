//! A peer whose head does not end, or is none.

use crate::faults::{HTTP1, bounded, fault, hold, post, trickle_from_peer};
use crate::support::{Fault, Stage, eventually, good};

#[test]
fn a_peer_that_sends_no_head() {
    hold("### Heads that do not end", HTTP1, UNENDED);
}

#[test]
fn a_peer_whose_head_is_none() {
    hold("### Heads that are none", HTTP1, ODD);
}

const HALF_A_HEAD: &str = "GET /open/x HTTP/1.1\r\nHost: api";

const UNENDED: &[Fault] = &[
    fault("closes-at-once", "connects and closes", |stage| stage.peer.close()),
    fault("resets-at-once", "connects and resets", |stage| stage.peer.reset()),
    bounded("says-nothing", "limits.keep_alive", "connects and says nothing", |stage| stage.peer.expect_end()),
    bounded("says-nothing-more", "limits.keep_alive", "says nothing after an answer", |stage| {
        stage.warm_up();
        stage.peer.expect_end();
    }),
    fault("closes-in-request-line", "closes in the request line", |stage| {
        stage.peer.send("GET /op");
        stage.peer.close();
    }),
    fault("closes-in-head", "closes in the fields", |stage| {
        stage.peer.send(HALF_A_HEAD);
        stage.peer.close();
    }),
    fault("half-closes-in-head", "says in the fields that nothing more comes, and waits", |stage| {
        stage.peer.send(HALF_A_HEAD);
        stage.peer.half_close();
    }),
    fault("resets-in-head", "resets in the fields", |stage| {
        stage.peer.send(HALF_A_HEAD);
        stage.peer.reset();
    }),
    bounded("hangs-in-head", "limits.header_time", "stops in the fields", |stage| stage.peer.send(HALF_A_HEAD)),
    bounded("trickles-head", "limits.header_time", "sends a field now and then, and never the last", |stage| {
        stage.peer.send("GET /open/x HTTP/1.1\r\nHost: api.test\r\n");
        let mut fields = 0;
        eventually("the gateway gives it up", || {
            fields += 1;
            if fields < 90 {
                stage.peer.write_some(b"X: y\r\n");
            }
            stage.peer.read_some().then_some(())
        });
    }),
    bounded("trickles-empty-lines", "limits.header_time", "sends empty lines and no request", |stage| {
        trickle_from_peer(stage, "\r\n")
    }),
];

/// A request's head without the line that ends it.
fn head(stage: &mut Stage, fields: &str) {
    stage.peer.send(format!("GET /open/x HTTP/1.1\r\nHost: api.test\r\n{fields}"));
}

const ODD: &[Fault] = &[
    fault("garbage", "sends what is no HTTP", |stage| stage.peer.send("SSH-2.0-OpenSSH_9.2\r\n")),
    fault("tls", "begins a TLS handshake where none is spoken", |stage| {
        stage.peer.send(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03");
    }),
    fault("http-0.9", "sends a request without a version", |stage| stage.peer.send("GET /open/x\r\n\r\n")),
    fault("http-3.0", "sends a version that is not spoken", |stage| {
        stage.peer.send("GET /open/x HTTP/3.0\r\nHost: api.test\r\n\r\n");
    }),
    fault("too-many-fields", "sends 101 fields", |stage| head(stage, &format!("{}\r\n", "X: y\r\n".repeat(100)))),
    fault("large-fields", "sends fields beyond `limits.header_bytes`", |stage| {
        stage.ask("GET", &format!("X: {}\r\n", "y".repeat(65 << 10)), "");
    }),
    fault("endless-fields", "sends fields without end", |stage| {
        head(stage, "");
        trickle_from_peer(stage, &format!("X: {}\r\n", "y".repeat(8000)));
    }),
    fault("long-target", "sends a target beyond `limits.target_bytes`", |stage| {
        stage.peer.send(format!("GET /open/long-target?{} HTTP/1.1\r\nHost: api.test\r\n\r\n", "x".repeat(9 << 10)));
    }),
    fault("endless-target", "sends a target without end", |stage| {
        stage.peer.send("GET /");
        trickle_from_peer(stage, &"x".repeat(8000));
    }),
    fault("no-host", "sends no `Host`", |stage| stage.peer.send("GET /open/no-host HTTP/1.1\r\n\r\n")),
    fault("two-hosts", "sends two `Host`", |stage| stage.ask("GET", "Host: api.test\r\n", "")),
    fault("two-lengths", "sends two `Content-Length` that differ", |stage| {
        stage.ask("GET", "Content-Length: 2\r\nContent-Length: 3\r\n", "ok!");
    }),
    fault("bad-length", "sends a `Content-Length` that is no number", |stage| {
        stage.ask("GET", "Content-Length: +2\r\n", "ok");
    }),
    post("length-and-chunked", "sends `Content-Length` and `Transfer-Encoding`", |stage| {
        stage.ask("POST", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "2\r\nok\r\n0\r\n\r\n");
        stage.accept_head().expect("0\r\n\r\n");
        stage.upstream().send(good("ok"));
    }),
    post("unknown-coding", "sends a `Transfer-Encoding` other than `chunked`", |stage| {
        stage.ask("POST", "Transfer-Encoding: gzip\r\n", "ok");
    }),
    post("coding-and-chunked", "sends one more coding than `chunked`", |stage| {
        stage.ask("POST", "Transfer-Encoding: gzip, chunked\r\n", "2\r\nok\r\n0\r\n\r\n");
    }),
    post("chunked-1.0", "sends `Transfer-Encoding` in HTTP/1.0", |stage| {
        stage
            .peer
            .send("POST /open/chunked-1.0 HTTP/1.0\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    }),
    fault("folded-field", "folds a field over two lines", |stage| head(stage, "X: y\r\n z\r\n\r\n")),
    fault("space-before-colon", "puts a space between a field's name and its colon", |stage| {
        head(stage, "X : y\r\n\r\n")
    }),
    fault("control-byte", "sends a control byte in a field", |stage| head(stage, "X: a\0b\r\n\r\n")),
    fault("bare-cr", "sends a CR without LF in a field", |stage| head(stage, "X: a\rY: b\r\n\r\n")),
    fault("upgrades-unasked", "asks for another protocol than is spoken", |stage| {
        stage.ask("GET", "Connection: upgrade\r\nUpgrade: x\r\n", "");
        stage.accept_head().send(good("ok"));
    }),
];
