//! What an upstream does wrong, and what becomes of it: `docs/faults.md` has the table that these faults make.

use crate::support::{Fault, Outcome, Stage, eventually, good, hold_table, outcomes};

const FAILURES: &str = "scopegate_upstream_failures_total";
/// More than every buffer between two sockets holds.
const FLOOD: usize = 16 << 20;

#[test]
fn an_upstream_that_does_not_answer() {
    hold("### No connection, no answer", SILENT);
}

#[test]
fn an_upstream_whose_answer_breaks_off() {
    hold("### Answers that break off", BROKEN);
}

#[test]
fn an_upstream_whose_answer_is_none() {
    hold("### Answers that are none", ODD);
}

#[test]
fn an_upstream_that_does_not_take_the_request() {
    hold("### Requests that are not taken", TAKING);
}

fn hold(heading: &str, faults: &[Fault]) {
    let row = |(fault, outcome): (&Fault, Outcome)| {
        vec![
            format!("`{}`", fault.name),
            fault.says.to_owned(),
            outcome.peer_gets,
            outcome.peer_connection.to_owned(),
            outcome.upstream_connection.to_owned(),
            outcome.counted,
            if fault.bound.is_empty() { "–".to_owned() } else { format!("`{}`", fault.bound) },
            outcome.record,
        ]
    };
    let rows: Vec<_> = faults.iter().zip(outcomes(faults)).map(row).collect();
    hold_table("docs/faults.md", heading, &rows);
}

const fn fault(name: &'static str, says: &'static str, act: fn(&mut Stage)) -> Fault {
    Fault { name, says, bound: "", method: "GET", act }
}

const fn bounded(name: &'static str, bound: &'static str, says: &'static str, act: fn(&mut Stage)) -> Fault {
    Fault { name, says, bound, method: "GET", act }
}

const SILENT: &[Fault] = &[
    fault("refuses", "refuses the connection", |stage| {
        stage.stop_listening();
        stage.ask("GET", "", "");
        stage.peer.expect("\r\n\r\n");
        stage.listen_again();
    }),
    bounded("accepts-nobody", "timeouts.connect", "does not complete the handshake of TCP", |stage| {
        stage.accept_nobody();
        stage.ask("GET", "", "");
        stage.peer.expect("\r\n\r\n");
        stage.accept_again();
    }),
    fault("closes-at-once", "accepts and closes", |stage| {
        stage.ask("GET", "", "");
        stage.accept().close();
    }),
    fault("resets-at-once", "accepts and resets", |stage| {
        stage.ask("GET", "", "");
        stage.accept().reset();
    }),
    fault("closes-before-answer", "reads the request and closes", |stage| stage.get().close()),
    fault("resets-before-answer", "reads the request and resets", |stage| stage.get().reset()),
    bounded("hangs-before-answer", "timeouts.response", "reads the request and says nothing", |stage| {
        stage.get();
    }),
    bounded("hangs-in-status-line", "timeouts.response", "stops in the status line", |stage| {
        stage.get().send("HTTP/1.1 20")
    }),
    bounded("hangs-in-fields", "timeouts.response", "stops in the fields", |stage| {
        stage.get().send("HTTP/1.1 200 OK\r\nContent-Len");
    }),
    bounded("trickles-fields", "timeouts.response", "sends a field now and then, and never the last", |stage| {
        stage.get().send("HTTP/1.1 200 OK\r\n");
        trickle(stage, "X: y\r\n");
    }),
    bounded("floods-interim-answers", "timeouts.response", "sends 103 without end", |stage| {
        stage.get();
        trickle(stage, &"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(500));
    }),
    fault("idle-closes", "closes an idle connection just as a `GET` comes on it", |stage| {
        stage.warm_up();
        stage.ask("GET", "", "");
        stage.upstream().expect("GET ");
        stage.upstream().close();
        stage.accept_head().send(good("again"));
    }),
    fault("idle-closes-twice", "does so, and closes the new connection too", |stage| {
        stage.warm_up();
        stage.ask("GET", "", "");
        stage.upstream().expect("GET ");
        stage.upstream().close();
        stage.accept_head().close();
    }),
    Fault {
        method: "PUT",
        ..fault("idle-closes-put", "does so as a `PUT` without content comes", |stage| {
            stage.warm_up();
            stage.ask("PUT", "Content-Length: 0\r\n", "");
            stage.upstream().expect("PUT ");
            stage.upstream().reset();
            stage.accept_head().send(good("again"));
        })
    },
    Fault {
        method: "PUT",
        ..fault("idle-closes-content", "does so as a `PUT` with content comes", |stage| {
            stage.warm_up();
            stage.ask("PUT", "Content-Length: 4\r\n", "some");
            stage.upstream().expect("PUT ");
            stage.upstream().close();
        })
    },
    Fault {
        method: "POST",
        ..fault("idle-closes-post", "does so as a `POST` comes", |stage| {
            stage.warm_up();
            stage.ask("POST", "Content-Length: 0\r\n", "");
            stage.upstream().expect("POST ");
            stage.upstream().close();
        })
    },
    fault("idle-closes-answering", "does so after the first bytes of an answer", |stage| {
        stage.warm_up();
        stage.ask("GET", "", "");
        stage.upstream().expect("GET ");
        stage.upstream().send("HTTP/1.1 2");
        stage.upstream().close();
    }),
];

/// Sends `part` again and again, until the gateway has closed the connection.
fn trickle(stage: &mut Stage, part: &str) {
    let upstream = stage.upstream();
    eventually("the gateway gives it up", || {
        upstream.write_some(part.as_bytes());
        upstream.read_some().then_some(())
    });
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

/// A `POST` whose content is announced; the upstream has its head and the first of its content.
fn posts(stage: &mut Stage) {
    stage.ask("POST", "Content-Length: 100\r\n", "some");
    stage.accept_head().expect("some");
}

const TAKING: &[Fault] = &[
    post("answers-early", "answers before the request's content has ended, and keeps the connection", |stage| {
        posts(stage);
        stage.upstream().send(good("early"));
    }),
    post("answers-early-ends", "does so; the peer sends the rest then", |stage| {
        posts(stage);
        stage.upstream().send(good("early"));
        stage.peer.expect("early");
        stage.peer.send("x".repeat(96));
    }),
    post("answers-early-closes", "answers before the request's content has ended, and closes", |stage| {
        posts(stage);
        stage.upstream().send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
        stage.upstream().close();
    }),
    post("answers-early-resets", "answers while more content comes than it takes, and resets", |stage| {
        stage.ask("POST", &format!("Content-Length: {FLOOD}\r\n"), "");
        stage.accept_head();
        flood(stage);
        stage.upstream().send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
        stage.upstream().reset_unread();
    }),
    post("answers-early-reads-nothing", "answers while more content comes than it takes, and reads no more", |stage| {
        stage.ask("POST", &format!("Content-Length: {FLOOD}\r\n"), "");
        stage.accept_head();
        flood(stage);
        stage.upstream().send(good("early"));
    }),
    post("closes-in-request", "closes before the request's content has ended", |stage| {
        posts(stage);
        stage.upstream().close();
    }),
    post("resets-in-request", "resets before the request's content has ended", |stage| {
        posts(stage);
        stage.upstream().reset();
    }),
    Fault {
        bound: "timeouts.response",
        ..post("takes-nothing", "reads the head, and no content", |stage| {
            stage.ask("POST", &format!("Content-Length: {FLOOD}\r\n"), "");
            stage.accept_head();
            flood(stage);
            stage.until_counted(FAILURES, "response_timeout");
        })
    },
    Fault {
        bound: "timeouts.response",
        ..post("takes-all-says-nothing", "reads the whole content and says nothing", |stage| {
            stage.ask("POST", "Content-Length: 4\r\n", "some");
            stage.accept_head().expect("some");
        })
    },
];

const fn post(name: &'static str, says: &'static str, act: fn(&mut Stage)) -> Fault {
    Fault { name, says, bound: "", method: "POST", act }
}

/// The peer sends content until the gateway takes no more.
fn flood(stage: &mut Stage) {
    let part = vec![b'x'; 1 << 16];
    let mut held = 0;
    eventually("the peer is held back", || {
        held = if stage.peer.write_some(&part).is_some() { 0 } else { held + 1 };
        (held > 20).then_some(())
    });
}
