//! What a peer does wrong, and what becomes of it: `docs/faults.md` has the tables that these faults make.

use std::time::{Duration, Instant};

use crate::support::{Fault, Outcome, Stage, eventually, good, hold_table, outcomes};

/// More than every buffer between two sockets holds.
const FLOOD: usize = 32 << 20;
const PART: usize = 1 << 20;

#[test]
fn a_peer_that_sends_no_head() {
    hold("### Heads that do not end", UNENDED);
}

#[test]
fn a_peer_whose_head_is_none() {
    hold("### Heads that are none", ODD);
}

#[test]
fn a_peer_whose_content_is_none() {
    hold("### Content that is none", CONTENT);
}

#[test]
fn a_peer_that_does_not_take_the_answer() {
    hold("### Answers that are not taken", TAKING);
}

fn hold(heading: &str, faults: &[Fault]) {
    let row = |(fault, outcome): (&Fault, Outcome)| {
        vec![
            format!("`{}`", fault.name),
            fault.says.to_owned(),
            outcome.peer_gets,
            outcome.peer_connection.to_owned(),
            outcome.upstream_gets.to_owned(),
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

const fn post(name: &'static str, says: &'static str, act: fn(&mut Stage)) -> Fault {
    Fault { name, says, bound: "", method: "POST", act }
}

/// Sends `part` again and again, until the gateway has closed the connection.
fn trickle(stage: &mut Stage, part: &str) {
    eventually("the gateway gives it up", || {
        stage.peer.write_some(part.as_bytes());
        stage.peer.read_some().then_some(())
    });
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
        trickle(stage, "\r\n")
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
        trickle(stage, &format!("X: {}\r\n", "y".repeat(8000)));
    }),
    fault("long-target", "sends a target beyond `limits.target_bytes`", |stage| {
        stage.peer.send(format!("GET /open/long-target?{} HTTP/1.1\r\nHost: api.test\r\n\r\n", "x".repeat(9 << 10)));
    }),
    fault("endless-target", "sends a target without end", |stage| {
        stage.peer.send("GET /");
        trickle(stage, &"x".repeat(8000));
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
    Fault {
        bound: "limits.body_idle",
        ..post("hangs-before-content", "announces content and sends none", |stage| {
            stage.ask("POST", LENGTH, "");
            stage.accept_head();
        })
    },
    Fault { bound: "limits.body_idle", ..post("hangs-in-content", "stops before the content has its length", length) },
    Fault { bound: "limits.body_idle", ..post("hangs-in-chunk", "stops in a chunk", |stage| chunks(stage, "5\r\nmo")) },
    Fault {
        bound: "limits.body_idle",
        ..post("hangs-between-chunks", "stops before the last chunk", |stage| chunks(stage, ""))
    },
    Fault {
        bound: "limits.body_idle",
        ..post("hangs-in-trailers", "stops in the trailers", |stage| chunks(stage, "0\r\nX-S"))
    },
    Fault {
        bound: "limits.body_idle",
        ..post("expects-and-hangs", "asks for 100 and sends nothing after it", |stage| {
            stage.ask("POST", "Expect: 100-continue\r\nContent-Length: 10\r\n", "");
            stage.accept_head();
            stage.peer.expect("HTTP/1.1 100");
        })
    },
    post("bad-chunk-size", "sends a chunk size that is no number", |stage| chunks(stage, "x\r\n")),
    post("huge-chunk-size", "sends a chunk size beyond 64 bits", |stage| chunks(stage, "10000000000000000\r\n")),
    post("no-crlf-after-chunk", "sends a chunk without CRLF behind it", |stage| chunks(stage, "2\r\nokXX")),
    post("endless-chunk-extension", "sends an extension of a chunk without end", |stage| {
        chunks(stage, "2;");
        trickle(stage, &"x".repeat(4096));
    }),
    post("endless-trailers", "sends trailers without end", |stage| {
        chunks(stage, "0\r\n");
        trickle(stage, &"X: y\r\n".repeat(500));
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
    Fault {
        method: "DELETE",
        ..fault(
            "refused-while-sending",
            "sends content to a route that refuses it, and takes the answer only then",
            |stage| {
                stage.ask("DELETE", &format!("Content-Length: {}\r\n", 1 << 20), "");
                stage.peer.send(vec![b'x'; 1 << 20]);
            },
        )
    },
    Fault {
        method: "DELETE",
        ..fault("refused-never-sending", "announces content to a route that refuses it, and sends none", |stage| {
            stage.ask("DELETE", LENGTH, "");
        })
    },
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
