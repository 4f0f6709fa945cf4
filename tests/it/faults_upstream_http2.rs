//! What an upstream does wrong that speaks HTTP/2: connections, and requests that are not taken.

use crate::faults::{bounded, fault, hold, post};
use crate::support::http2::{END_HEADERS, HEADERS, PING, SETTINGS, WINDOW_UPDATE};
use crate::support::{Fault, Scene, Spoken, Stage, Wire, eventually};

/// RFC 9113 §7.
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;

const ALONE: Scene = Scene { peer: Spoken::Http1, upstream: Spoken::Http2, beside: false };
const BESIDE: Scene = Scene { beside: true, ..ALONE };

#[test]
fn an_upstream_whose_connection_does_not_come_to_be_or_dies() {
    hold("### HTTP/2: connections", ALONE, CONNECTIONS);
}

#[test]
fn an_upstream_that_gives_requests_back() {
    hold("### HTTP/2: requests that are not taken", BESIDE, REFUSALS);
}

/// The upstream accepts a connection, and speaks as much HTTP/2 as these bytes.
fn says<'a>(stage: &'a mut Stage, bytes: &[u8]) -> &'a mut Wire {
    stage.ask("GET", "", "");
    let wire = stage.accept_bare();
    wire.serve_http2_without_settings();
    wire.send(bytes);
    wire
}

fn with_settings(stage: &mut Stage, id: u16, value: u32) {
    stage.ask("GET", "", "");
    let wire = stage.accept_bare();
    wire.serve_http2_with(&[(id, value)]);
}

/// An exchange has been on the connection, and another request comes on it.
fn asks_again<'a>(stage: &'a mut Stage, method: &str) -> &'a mut Wire {
    stage.warm_up();
    stage.ask(method, if method == "GET" { "" } else { "Content-Length: 0\r\n" }, "");
    let path = stage.path();
    stage.upstream().until_request(&path);
    stage.upstream()
}

/// The upstream accepts another connection, and answers the request there.
fn answers_anew(stage: &mut Stage) {
    let path = stage.path();
    let wire = stage.accept();
    let stream = wire.until_request(&path);
    wire.answer_http2(stream, "again");
}

/// A request whose content finds no window.
fn finds_no_window(stage: &mut Stage, length: usize) {
    stage.ask("POST", &format!("Content-Length: {length}\r\n"), &"x".repeat(length));
    let path = stage.path();
    let wire = stage.accept_bare();
    // What comes behind the request is a sign of life, and so the settings are acknowledged before.
    wire.serve_http2_settled(&[(4, 0)]);
    wire.until_request(&path);
}

/// The upstream stops within a frame or between two, and so for every stream. Of two requests the second finds it silent.
fn hangs(stage: &mut Stage, stop: fn(&mut Wire, u32)) {
    stage.ask("GET", "", "");
    let path = stage.path();
    let wire = stage.accept();
    let stream = wire.until_request(&path);
    stop(wire, stream);
    stage.peer.message_or_end(Some("GET"));
    stage.peer.clear();
    stage.ask("GET", "", "");
}

const CONNECTIONS: &[Fault] = &[
    bounded("h2-says-nothing", "timeouts.connect", "accepts, and never sends its settings", |stage| {
        says(stage, b"");
    }),
    bounded("h2-no-streams", "timeouts.connect", "allows no streams in its settings", |stage| {
        with_settings(stage, 3, 0)
    }),
    fault("h2-closes-at-once", "accepts, and closes", |stage| says(stage, b"").close()),
    fault("h2-resets-at-once", "accepts, and resets", |stage| says(stage, b"").reset()),
    fault("h2-speaks-http1", "answers the preface in HTTP/1.1", |stage| {
        says(stage, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    }),
    fault("h2-garbage", "sends what is no HTTP", |stage| {
        says(stage, b"SSH-2.0-OpenSSH_9.2\r\n");
    }),
    bounded("h2-other-frame-first", "timeouts.connect", "begins with another frame than its settings", |stage| {
        says(stage, b"").frame(PING, 0, 0, &[0; 8]);
    }),
    fault("h2-window-setting", "allows windows beyond 2³¹−1", |stage| with_settings(stage, 4, 1 << 31)),
    fault("h2-frame-size-setting", "allows frames of less than 16 KiB", |stage| with_settings(stage, 5, 1)),
    fault("h2-push-setting", "allows itself to push", |stage| {
        with_settings(stage, 2, 1);
        let path = stage.path();
        let stream = stage.upstream().until_request(&path);
        stage.upstream().answer_http2(stream, "ok");
    }),
    fault("h2-settings-length", "sends settings of a length that settings do not have", |stage| {
        says(stage, b"").frame(SETTINGS, 0, 0, &[0; 5]);
    }),
    fault("h2-no-acknowledgement", "never acknowledges the settings that it gets", |stage| {
        stage.ask("GET", "", "");
        let path = stage.path();
        stage.accept_bare().serve_http2();
        stage.upstream().answer_nothing();
        let stream = stage.upstream().until_request(&path);
        stage.upstream().answer_http2(stream, "ok");
    }),
    bounded(
        "h2-window-never-opens",
        "timeouts.response",
        "never opens the window for the request's content",
        |stage| {
            finds_no_window(stage, 100);
        },
    )
    .of("POST"),
    fault("h2-window-overflows", "opens a window beyond 2³¹−1", |stage| {
        stage.ask("GET", "", "");
        let path = stage.path();
        let wire = stage.accept();
        wire.until_request(&path);
        wire.frame(WINDOW_UPDATE, 0, 0, &0x7FFF_FFFF_u32.to_be_bytes());
    }),
    bounded(
        "h2-hangs-in-frame",
        "timeouts.response",
        "stops in the midst of a frame, and two requests come",
        |stage| {
            hangs(stage, |wire, stream| {
                wire.send([&[0, 0, 100, HEADERS, END_HEADERS][..], &stream.to_be_bytes(), &[0x88]].concat());
            });
        },
    ),
    bounded(
        "h2-hangs-in-fields",
        "timeouts.response",
        "stops between two frames of its fields, and two come",
        |stage| {
            hangs(stage, |wire, stream| wire.frame(HEADERS, 0, stream, &[0x88]));
        },
    ),
    fault("h2-idle-goaway", "sends `GOAWAY` on an idle connection", |stage| {
        stage.warm_up();
        stage.upstream().go_away(1, NO_ERROR);
        stage.upstream().expect_end();
        stage.ask("GET", "", "");
        answers_anew(stage);
    }),
    fault("h2-idle-closes", "closes an idle connection just as a `GET` comes on it", |stage| {
        asks_again(stage, "GET").close();
        answers_anew(stage);
    }),
    fault("h2-idle-closes-twice", "does so, and closes the new connection too", |stage| {
        asks_again(stage, "GET").close();
        let path = stage.path();
        let wire = stage.accept();
        wire.until_request(&path);
        wire.close();
    }),
    fault("h2-idle-closes-put", "does so as a `PUT` without content comes", |stage| {
        asks_again(stage, "PUT").reset();
        answers_anew(stage);
    })
    .of("PUT"),
    post("h2-idle-closes-post", "does so as a `POST` comes", |stage| asks_again(stage, "POST").close()),
];

/// The peer asks by `GET`; the request is at the upstream, on this stream.
fn asks(stage: &mut Stage) -> u32 {
    stage.ask("GET", "", "");
    let path = stage.path();
    stage.upstream().until_request(&path)
}

/// A `POST` whose content is not at its end.
fn posts(stage: &mut Stage) -> u32 {
    stage.ask("POST", "Content-Length: 100\r\n", "some");
    let path = stage.path();
    let stream = stage.upstream().until_request(&path);
    stage.upstream().expect("some");
    stream
}

fn resets(stage: &mut Stage, code: u32) {
    let stream = asks(stage);
    stage.upstream().reset_stream(stream, code);
}

fn answers_once_more(stage: &mut Stage, first: u32) {
    let path = stage.path();
    let stream = eventually("the request comes once more", || {
        let wire = stage.upstream();
        wire.read_some();
        wire.request_at(&path).filter(|stream| *stream != first)
    });
    stage.upstream().answer_http2(stream, "again");
}

const REFUSALS: &[Fault] = &[
    fault("h2-refuses-stream", "refuses the stream (`REFUSED_STREAM`): it did nothing with it", |stage| {
        let stream = asks(stage);
        stage.upstream().reset_stream(stream, REFUSED_STREAM);
        answers_once_more(stage, stream);
    }),
    fault("h2-refuses-twice", "refuses it, and refuses it once more", |stage| {
        let stream = asks(stage);
        stage.upstream().reset_stream(stream, REFUSED_STREAM);
        let path = stage.path();
        let again = eventually("the request comes once more", || {
            let wire = stage.upstream();
            wire.read_some();
            wire.request_at(&path).filter(|again| *again != stream)
        });
        stage.upstream().reset_stream(again, REFUSED_STREAM);
    }),
    post("h2-refuses-post", "refuses a `POST` without content", |stage| {
        stage.ask("POST", "Content-Length: 0\r\n", "");
        let path = stage.path();
        let stream = stage.upstream().until_request(&path);
        stage.upstream().reset_stream(stream, REFUSED_STREAM);
        answers_once_more(stage, stream);
    }),
    post("h2-refuses-content", "refuses a `POST` of which content has come", |stage| {
        let stream = posts(stage);
        stage.upstream().reset_stream(stream, REFUSED_STREAM);
    }),
    fault("h2-goaway-below", "sends `GOAWAY` that leaves the stream out: it did nothing with it", |stage| {
        asks(stage);
        stage.upstream().go_away(1, NO_ERROR);
        answers_anew(stage);
    }),
    post("h2-goaway-below-content", "does so when content has come", |stage| {
        posts(stage);
        stage.upstream().go_away(1, NO_ERROR);
    }),
    fault("h2-goaway-above", "sends `GOAWAY` that includes the stream, and answers", |stage| {
        let stream = asks(stage);
        stage.upstream().go_away(stream, NO_ERROR);
        stage.upstream().answer_http2(stream, "ok");
    }),
    fault("h2-goaway-in-content", "sends `GOAWAY` in the midst of its answer, and ends that", |stage| {
        let stream = asks(stage);
        stage.upstream().headers(stream, &[(":status", "200")], false);
        stage.upstream().data(stream, "half!", false);
        stage.peer.expect("half!");
        stage.upstream().go_away(stream, NO_ERROR);
        stage.upstream().data(stream, "whole", true);
    }),
    fault("h2-goaway-error", "sends `GOAWAY` with an error that includes the stream, and closes", |stage| {
        let stream = asks(stage);
        stage.upstream().go_away(stream, INTERNAL_ERROR);
        stage.upstream().close();
        answers_anew(stage);
    }),
    fault("h2-closes-before-answer", "closes before the answer", |stage| {
        asks(stage);
        stage.upstream().close();
        answers_anew(stage);
    }),
    fault("h2-reset-no-error", "resets the stream with `NO_ERROR` before any answer", |stage| resets(stage, NO_ERROR)),
    fault("h2-reset-protocol-error", "does so with `PROTOCOL_ERROR`", |stage| resets(stage, 1)),
    fault("h2-reset-internal-error", "does so with `INTERNAL_ERROR`", |stage| resets(stage, INTERNAL_ERROR)),
    fault("h2-reset-flow-control", "does so with `FLOW_CONTROL_ERROR`", |stage| resets(stage, 3)),
    fault("h2-reset-cancel", "does so with `CANCEL`", |stage| resets(stage, CANCEL)),
    fault("h2-reset-calm", "does so with `ENHANCE_YOUR_CALM`", |stage| resets(stage, 11)),
    fault("h2-reset-http1", "does so with `HTTP_1_1_REQUIRED`", |stage| resets(stage, 13)),
    fault("h2-reset-unknown", "does so with a code that nobody knows", |stage| resets(stage, 0xBEEF)),
    post("h2-resets-in-request", "resets the stream before the request's content has ended", |stage| {
        let stream = posts(stage);
        stage.upstream().reset_stream(stream, INTERNAL_ERROR);
    }),
    post("h2-answers-early", "answers before the request's content has ended", |stage| {
        let stream = posts(stage);
        stage.upstream().answer_http2(stream, "early");
    }),
    post("h2-answers-early-resets", "does so, and resets the stream with `NO_ERROR` (RFC 9113 §8.1)", |stage| {
        let stream = posts(stage);
        stage.upstream().answer_http2(stream, "early");
        stage.upstream().reset_stream(stream, NO_ERROR);
    }),
    bounded("h2-hangs-before-answer", "timeouts.response", "reads the request and says nothing", |stage| {
        asks(stage);
    }),
    bounded("h2-floods-interim-answers", "timeouts.response", "sends 103 without end", |stage| {
        let stream = asks(stage);
        eventually("the gateway gives it up", || {
            let wire = stage.upstream();
            wire.read_some();
            wire.headers(stream, &[(":status", "103"), ("link", "</a>")], false);
            (wire.is_closed() || wire.stream(stream).reset.is_some()).then_some(())
        });
    }),
];
