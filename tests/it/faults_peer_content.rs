//! A peer whose content does not end or is none, and one that does not take its answer.

use std::time::{Duration, Instant};

use crate::faults::{HTTP1, bounded, fault, hold, post, trickle_from_peer};
use crate::support::{Fault, Stage, eventually, good};

/// More than every buffer between two sockets holds.
const FLOOD: usize = 32 << 20;
const PART: usize = 1 << 20;

#[test]
fn a_peer_whose_content_is_none() {
    hold("### Content that is none", HTTP1, CONTENT);
}

#[test]
fn a_peer_that_does_not_take_the_answer() {
    hold("### Answers that are not taken", HTTP1, TAKING);
}

const LENGTH: &str = "Content-Length: 10\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// A request whose content begins; the upstream has the first of it.
fn begins(stage: &mut Stage, fields: &str, start: &str, more: &str) {
    stage.ask("POST", fields, start);
    stage.accept_head().expect("half!");
    stage.peer.send(more);
}

fn length(stage: &mut Stage) {
    begins(stage, LENGTH, "half!", "");
}

fn chunks(stage: &mut Stage, more: &str) {
    begins(stage, CHUNKED, "5\r\nhalf!\r\n", more);
}

const CONTENT: &[Fault] = &[
    post("closes-in-content", "closes before the content has its length", |stage| {
        length(stage);
        stage.peer.close();
    }),
    post("half-closes-in-content", "says that nothing more comes before the content has its length", |stage| {
        length(stage);
        stage.peer.half_close();
    }),
    post("resets-in-content", "resets before the content has its length", |stage| {
        length(stage);
        stage.peer.reset();
    }),
    post("closes-in-chunk-size", "closes in the size of a chunk", |stage| {
        chunks(stage, "1");
        stage.peer.close();
    }),
    post("closes-in-chunk", "closes in a chunk", |stage| {
        chunks(stage, "5\r\nmo");
        stage.peer.close();
    }),
    post("closes-between-chunks", "closes before the last chunk", |stage| {
        chunks(stage, "");
        stage.peer.close();
    }),
    post("half-closes-between-chunks", "says that nothing more comes before the last chunk", |stage| {
        chunks(stage, "");
        stage.peer.half_close();
    }),
    post("closes-in-trailers", "closes in the trailers", |stage| {
        chunks(stage, "0\r\nX-Su");
        stage.peer.close();
    }),
    post("hangs-before-content", "announces content and sends none", |stage| {
        stage.ask("POST", LENGTH, "");
        stage.accept_head();
    })
    .within("limits.body_idle"),
    post("hangs-in-content", "stops before the content has its length", length).within("limits.body_idle"),
    post("hangs-in-chunk", "stops in a chunk", |stage| chunks(stage, "5\r\nmo")).within("limits.body_idle"),
    post("hangs-between-chunks", "stops before the last chunk", |stage| chunks(stage, "")).within("limits.body_idle"),
    post("hangs-in-trailers", "stops in the trailers", |stage| chunks(stage, "0\r\nX-S")).within("limits.body_idle"),
    post("expects-and-hangs", "asks for 100 and sends nothing after it", |stage| {
        stage.ask("POST", "Expect: 100-continue\r\nContent-Length: 10\r\n", "");
        stage.accept_head();
        stage.peer.expect("HTTP/1.1 100");
    })
    .within("limits.body_idle"),
    post("bad-chunk-size", "sends a chunk size that is no number", |stage| chunks(stage, "x\r\n")),
    post("huge-chunk-size", "sends a chunk size beyond 64 bits", |stage| chunks(stage, "10000000000000000\r\n")),
    post("no-crlf-after-chunk", "sends a chunk without CRLF behind it", |stage| chunks(stage, "2\r\nokXX")),
    post("endless-chunk-extension", "sends an extension of a chunk without end", |stage| {
        chunks(stage, "2;");
        trickle_from_peer(stage, &"x".repeat(4096));
    }),
    post("endless-trailers", "sends trailers without end", |stage| {
        chunks(stage, "0\r\n");
        trickle_from_peer(stage, &"X: y\r\n".repeat(500));
    }),
    post("too-many-trailers", "sends 2000 trailers", |stage| {
        chunks(stage, &format!("0\r\n{}\r\n", "X: y\r\n".repeat(2000)));
    }),
    post("trailer-control-byte", "sends a control byte in a trailer", |stage| chunks(stage, "0\r\nX: a\0b\r\n\r\n")),
    post("trailer-unnamed", "sends a trailer that `Trailer` does not name", |stage| {
        chunks(stage, "0\r\nX-Sum: 1\r\n\r\n");
        stage.upstream().expect("\r\n0\r\n\r\n");
        stage.upstream().send(good("ok"));
    }),
    post("more-than-length", "sends more content than its length", |stage| {
        stage.ask("POST", "Content-Length: 2\r\n", "ok and more\r\n\r\n");
        stage.accept_head().expect("ok");
        stage.upstream().send(good("ok"));
    }),
    fault(
        "refused-while-sending",
        "sends content to a route that refuses it, and takes the answer only then",
        |stage| {
            stage.ask("DELETE", &format!("Content-Length: {}\r\n", 1 << 20), "");
            stage.peer.send(vec![b'x'; 1 << 20]);
        },
    )
    .of("DELETE"),
    fault("refused-never-sending", "announces content to a route that refuses it, and sends none", |stage| {
        stage.ask("DELETE", LENGTH, "");
    })
    .of("DELETE"),
];

const TAKING: &[Fault] = &[
    fault("pipelines", "sends the next request before the answer has come", |stage| {
        stage.ask("GET", "", "");
        stage.ask("GET", "", "");
        stage.accept_head().clear();
        stage.upstream().send(good("one"));
        stage.upstream().expect("\r\n\r\n");
        stage.peer.expect("one");
        stage.peer.clear();
        stage.upstream().send(good("two"));
    }),
    fault(
        "half-closes-after-request",
        "says after the request that nothing more comes, and waits for the answer",
        |stage| {
            stage.get();
            stage.peer.half_close();
        },
    ),
    fault("closes-before-answer", "closes before the answer", |stage| {
        stage.get();
        stage.peer.close();
    }),
    fault("resets-before-answer", "resets before the answer", |stage| {
        stage.get();
        stage.peer.reset();
    }),
    fault("closes-in-answer", "closes in the midst of the answer", |stage| {
        answer_begins(stage);
        stage.peer.close();
    }),
    fault("resets-in-answer", "resets in the midst of the answer", |stage| {
        answer_begins(stage);
        stage.peer.reset();
    }),
    fault("half-closes-in-answer", "says in the midst of the answer that nothing more comes", |stage| {
        answer_begins(stage);
        stage.peer.half_close();
    }),
    bounded("takes-nothing", "limits.body_idle", "takes nothing of an answer beyond what buffers hold", |stage| {
        answer_floods(stage);
    }),
    bounded("takes-slowly", "limits.body_idle", "takes such an answer slowly, and to its end", |stage| {
        takes_slowly(stage);
    }),
    post("sends-on-after-answer", "is answered before its content has ended, and sends on", |stage| {
        stage.ask("POST", &format!("Content-Length: {FLOOD}\r\n"), "half!");
        stage.accept_head().expect("half!");
        stage.upstream().send(good("early"));
        stage.peer.send(vec![b'x'; 1 << 20]);
    }),
];

fn answer_begins(stage: &mut Stage) {
    stage.get().send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf!");
    stage.peer.expect("half!");
}

/// The upstream sends of a long answer what the gateway takes, until it closes the connection.
fn answer_floods(stage: &mut Stage) {
    stage.get().send(format!("HTTP/1.1 200 OK\r\nContent-Length: {FLOOD}\r\n\r\n"));
    let part = vec![b'x'; PART];
    let mut left = FLOOD;
    eventually("the gateway gives it up", || {
        left -= stage.upstream().write_some(&part[..PART.min(left)]).unwrap_or(0);
        stage.upstream().read_some().then_some(())
    });
}

/// Takes a part of it now and then: for much longer as a whole than a peer has that takes nothing.
fn takes_slowly(stage: &mut Stage) {
    stage.get().send(format!("HTTP/1.1 200 OK\r\nContent-Length: {FLOOD}\r\n\r\n"));
    let part = vec![b'x'; PART];
    let (mut unsent, mut untaken, mut last) = (FLOOD, FLOOD, Instant::now());
    eventually("the whole answer is taken", || {
        unsent -= stage.upstream().write_some(&part[..PART.min(unsent)]).unwrap_or(0);
        if last.elapsed() > Duration::from_millis(30) {
            untaken = untaken.saturating_sub(stage.peer.read_at_most(PART));
            last = Instant::now();
        }
        (untaken == 0 || stage.peer.is_closed()).then_some(())
    });
}
