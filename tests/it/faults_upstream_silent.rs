//! An upstream that is not there, says nothing, or does not take what it is sent.

use crate::faults::{bounded, fault, hold_upstream, post, trickle};
use crate::support::{Fault, Stage, eventually, good};

const FAILURES: &str = "scopegate_upstream_failures_total";
/// More than every buffer between two sockets holds.
const FLOOD: usize = 16 << 20;

#[test]
fn an_upstream_that_does_not_answer() {
    hold_upstream("### No connection, no answer", SILENT);
}

#[test]
fn an_upstream_that_does_not_take_the_request() {
    hold_upstream("### Requests that are not taken", TAKING);
}

const SILENT: &[Fault] = &[
    fault("refuses", "refuses the connection", |stage| {
        stage.stop_listening();
        stage.ask("GET", "", "");
        stage.until_answered();
        stage.listen_again();
    }),
    bounded("accepts-nobody", "timeouts.connect", "does not complete the handshake of TCP", |stage| {
        stage.accept_nobody();
        stage.ask("GET", "", "");
        stage.until_answered();
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
    fault("idle-closes-put", "does so as a `PUT` without content comes", |stage| {
        stage.warm_up();
        stage.ask("PUT", "Content-Length: 0\r\n", "");
        stage.upstream().expect("PUT ");
        stage.upstream().reset();
        stage.accept_head().send(good("again"));
    })
    .of("PUT"),
    fault("idle-closes-content", "does so as a `PUT` with content comes", |stage| {
        stage.warm_up();
        stage.ask("PUT", "Content-Length: 4\r\n", "some");
        stage.upstream().expect("PUT ");
        stage.upstream().close();
    })
    .of("PUT"),
    fault("idle-closes-post", "does so as a `POST` comes", |stage| {
        stage.warm_up();
        stage.ask("POST", "Content-Length: 0\r\n", "");
        stage.upstream().expect("POST ");
        stage.upstream().close();
    })
    .of("POST"),
    fault("idle-closes-answering", "does so after the first bytes of an answer", |stage| {
        stage.warm_up();
        stage.ask("GET", "", "");
        stage.upstream().expect("GET ");
        stage.upstream().send("HTTP/1.1 2");
        stage.upstream().close();
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
        stage.send_content(&[b'x'; 96]);
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
    post("takes-nothing", "reads the head, and no content", |stage| {
        stage.ask("POST", &format!("Content-Length: {FLOOD}\r\n"), "");
        stage.accept_head();
        flood(stage);
        stage.until_counted(FAILURES, "response_timeout");
    })
    .within("timeouts.response"),
    post("takes-all-says-nothing", "reads the whole content and says nothing", |stage| {
        stage.ask("POST", "Content-Length: 4\r\n", "some");
        stage.accept_head().expect("some");
    })
    .within("timeouts.response"),
];

/// The peer sends content until the gateway takes no more.
fn flood(stage: &mut Stage) {
    let part = vec![b'x'; 1 << 16];
    let mut held = 0;
    eventually("the peer is held back", || {
        held = if stage.offer_content(&part).is_some() { 0 } else { held + 1 };
        (held > 20).then_some(())
    });
}
