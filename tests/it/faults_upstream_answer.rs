//! An upstream whose answer breaks off, or is none.

use crate::faults::{bounded, fault, hold_upstream, trickle};
use crate::support::{Fault, Stage, good};

#[test]
fn an_upstream_whose_answer_breaks_off() {
    hold_upstream("### Answers that break off", BROKEN);
}

#[test]
fn an_upstream_whose_answer_is_none() {
    hold_upstream("### Answers that are none", ODD);
}

const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf!";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf!\r\n";
const TO_THE_END: &str = "HTTP/1.1 200 OK\r\n\r\nhalf!";

/// The answer begins, its content reaches the peer, and this follows.
fn begins(stage: &mut Stage, start: &str, more: &str) {
    stage.get().send(start);
    stage.peer.expect("half!");
    stage.upstream().send(more);
}

const BROKEN: &[Fault] = &[
    fault("closes-in-status-line", "closes in the status line", |stage| {
        stage.get().send("HTTP/1.1 20");
        stage.upstream().close();
    }),
    fault("closes-in-fields", "closes in the fields", |stage| {
        stage.get().send("HTTP/1.1 200 OK\r\nContent-Len");
        stage.upstream().close();
    }),
    fault("resets-in-fields", "resets in the fields", |stage| {
        stage.get().send("HTTP/1.1 200 OK\r\nContent-Len");
        stage.upstream().reset();
    }),
    fault("closes-in-content", "closes before the content has its length", |stage| {
        begins(stage, LENGTH, "");
        stage.upstream().close();
    }),
    fault("resets-in-content", "resets before the content has its length", |stage| {
        begins(stage, LENGTH, "");
        stage.upstream().reset();
    }),
    fault("closes-in-chunk-size", "closes in the size of a chunk", |stage| {
        begins(stage, CHUNKED, "1");
        stage.upstream().close();
    }),
    fault("closes-in-chunk", "closes in a chunk", |stage| {
        begins(stage, CHUNKED, "5\r\nmo");
        stage.upstream().close();
    }),
    fault("closes-between-chunks", "closes before the last chunk", |stage| {
        begins(stage, CHUNKED, "");
        stage.upstream().close();
    }),
    fault("closes-in-trailers", "closes in the trailers", |stage| {
        begins(stage, CHUNKED, "0\r\nX-Su");
        stage.upstream().close();
    }),
    fault("resets-between-chunks", "resets before the last chunk", |stage| {
        begins(stage, CHUNKED, "");
        stage.upstream().reset();
    }),
    fault("closes-to-end", "closes where the end of the connection ends the content", |stage| {
        begins(stage, TO_THE_END, "");
        stage.upstream().close();
    }),
    fault("resets-to-end", "resets where the end of the connection ends the content", |stage| {
        begins(stage, TO_THE_END, "");
        stage.upstream().reset();
    }),
    bounded("hangs-after-fields", "timeouts.idle", "stops after the fields", |stage| {
        stage.get().send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    }),
    bounded("hangs-in-content", "timeouts.idle", "stops before the content has its length", |stage| {
        begins(stage, LENGTH, "")
    }),
    bounded("hangs-in-chunk", "timeouts.idle", "stops in a chunk", |stage| begins(stage, CHUNKED, "5\r\nm")),
    bounded("hangs-between-chunks", "timeouts.idle", "stops before the last chunk", |stage| begins(stage, CHUNKED, "")),
    bounded("hangs-in-trailers", "timeouts.idle", "stops in the trailers", |stage| begins(stage, CHUNKED, "0\r\nX-Su")),
    bounded("hangs-to-end", "timeouts.idle", "stops where the end of the connection ends the content", |stage| {
        begins(stage, TO_THE_END, "");
    }),
];

/// The answer, whole or not, and the connection stays open.
fn answers(stage: &mut Stage, bytes: &str) {
    stage.get().send(bytes);
}

const ODD: &[Fault] = &[
    fault("garbage", "sends what is no HTTP", |stage| answers(stage, "SSH-2.0-OpenSSH_9.2\r\n")),
    fault("http-0.9", "sends content without a head", |stage| {
        answers(stage, "<html>hello</html>\n");
        stage.upstream().close();
    }),
    fault("http-2", "answers in HTTP/2", |stage| answers(stage, "\0\0\0\u{4}\0\0\0\0\0")),
    fault("http-1.0", "answers in HTTP/1.0", |stage| answers(stage, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")),
    fault("trailer-unnamed", "sends a trailer that `Trailer` does not name", |stage| {
        answers(stage, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 2\r\n\r\n");
    }),
    fault("too-many-fields", "sends 101 fields", |stage| {
        answers(stage, &format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(101)));
    }),
    fault("too-large-head", "sends a head beyond 400 KiB", |stage| {
        answers(stage, &format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(600 << 10)));
    }),
    fault("endless-fields", "sends fields without end", |stage| {
        stage.get().send("HTTP/1.1 200 OK\r\n");
        trickle(stage, &"X: y\r\n".repeat(1000));
    }),
    fault("two-lengths", "sends two `Content-Length` that differ", |stage| {
        answers(stage, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!");
    }),
    fault("same-length-twice", "sends the same `Content-Length` twice", |stage| {
        answers(stage, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok");
    }),
    fault("bad-length", "sends a `Content-Length` that is no number", |stage| {
        answers(stage, "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok");
    }),
    fault("length-and-chunked", "sends `Content-Length` and `Transfer-Encoding`", |stage| {
        answers(
            stage,
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        );
    }),
    fault("unknown-coding", "sends a `Transfer-Encoding` other than `chunked`", |stage| {
        answers(stage, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok");
        stage.upstream().close();
    }),
    fault("coding-and-chunked", "sends one more coding than `chunked`", |stage| {
        answers(stage, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    }),
    fault("chunked-and-more", "sends a `Transfer-Encoding` that does not end in `chunked`", |stage| {
        answers(stage, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n2\r\nok\r\n0\r\n\r\n");
        stage.upstream().close();
    }),
    fault("chunked-1.0", "sends `Transfer-Encoding` in HTTP/1.0", |stage| {
        answers(stage, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
        stage.upstream().close();
    }),
    fault("folded-field", "folds a field over two lines", |stage| {
        answers(stage, "HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 2\r\n\r\nok");
    }),
    fault("space-before-colon", "puts a space between a field's name and its colon", |stage| {
        answers(stage, "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok");
    }),
    fault("control-byte", "sends a control byte in a field", |stage| {
        answers(stage, "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok");
    }),
    fault("bare-cr", "sends a CR without LF in a field", |stage| {
        answers(stage, "HTTP/1.1 200 OK\r\nX: a\rY: b\r\nContent-Length: 2\r\n\r\nok");
    }),
    fault("status-out-of-range", "sends status 99", |stage| {
        answers(stage, "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n")
    }),
    fault("switches-unasked", "sends 101, for which nobody asked", |stage| {
        answers(stage, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nraw");
    }),
    fault("204-with-content", "sends content with 204", |stage| {
        answers(stage, "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok");
    }),
    fault("304-with-content", "sends content with 304", |stage| {
        answers(stage, "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok");
    }),
    fault("more-than-length", "sends more content than its length", |stage| {
        answers(stage, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more");
    }),
    fault("two-answers", "sends two answers to one request", |stage| {
        answers(stage, &[good("one"), good("two")].concat());
    }),
    fault("answer-unasked", "sends an answer on an idle connection", |stage| {
        stage.get().send(good("one"));
        stage.peer.expect("one");
        stage.upstream().send(good("two"));
        stage.upstream().expect_end();
    }),
    fault("bad-chunk-size", "sends a chunk size that is no number", |stage| begins(stage, CHUNKED, "x\r\n")),
    fault("huge-chunk-size", "sends a chunk size beyond 64 bits", |stage| {
        begins(stage, CHUNKED, "10000000000000000\r\n")
    }),
    fault("no-crlf-after-chunk", "sends a chunk without CRLF behind it", |stage| begins(stage, CHUNKED, "2\r\nokXX")),
    fault("endless-chunk-extension", "sends an extension of a chunk without end", |stage| {
        begins(stage, CHUNKED, "2;");
        trickle(stage, &"x".repeat(4096));
    }),
    fault("endless-trailers", "sends trailers without end", |stage| {
        begins(stage, CHUNKED, "0\r\n");
        trickle(stage, &"X: y\r\n".repeat(500));
    }),
    fault("too-many-trailers", "sends 2000 trailers", |stage| {
        begins(stage, CHUNKED, &format!("0\r\n{}\r\n", "X: y\r\n".repeat(2000)));
    }),
    fault("trailer-control-byte", "sends a control byte in a trailer", |stage| {
        begins(stage, CHUNKED, "0\r\nX: a\0b\r\n\r\n");
    }),
];
