//! What a peer does wrong that speaks HTTP/2: connections and frames.

use crate::faults::{bounded, fault, hold, post};
use crate::support::http2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use crate::support::{Fault, Scene, Spoken, Stage, eventually, good, literals, pseudo_fields};

const PUSH_PROMISE: u8 = 5;
const CANCEL: u32 = 8;
const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const ALONE: Scene = Scene { peer: Spoken::Http2, upstream: Spoken::Http1, beside: false };
const BESIDE: Scene = Scene { beside: true, ..ALONE };

#[test]
fn a_peer_whose_connection_does_not_begin_or_rests() {
    hold("### HTTP/2: connections that do not begin, or rest", ALONE, CONNECTIONS);
}

#[test]
fn a_peer_whose_frames_are_none() {
    hold("### HTTP/2: frames of a peer that are none", BESIDE, FRAMES);
}

#[test]
fn a_peer_that_breaks_off_or_stalls() {
    hold("### HTTP/2: requests that break off, answers that are not taken", BESIDE, STREAMS);
}

/// A new connection begins with these bytes.
fn says(stage: &mut Stage, bytes: impl AsRef<[u8]>) {
    stage.bare_peer().begin_http2_without_preface();
    stage.peer.send(bytes);
}

const CONNECTIONS: &[Fault] = &[
    fault("h2-closes-in-preface", "closes in the preface", |stage| {
        says(stage, &PREFACE[..10]);
        stage.peer.close();
    }),
    bounded("h2-hangs-in-preface", "limits.header_time", "stops in the preface", |stage| says(stage, &PREFACE[..10])),
    fault("h2-wrong-preface", "sends a preface that goes wrong", |stage| {
        says(stage, "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
    }),
    fault("h2-closes-after-preface", "closes after the preface", |stage| {
        says(stage, PREFACE);
        stage.peer.close();
    }),
    bounded("h2-no-settings", "limits.header_time", "sends the preface, and no settings", |stage| {
        says(stage, PREFACE);
        stage.peer.answer_nothing();
    }),
    fault("h2-other-frame-first", "sends another frame before its settings", |stage| {
        says(stage, PREFACE);
        stage.asked = Some(stage.peer.open_stream(&pseudo_fields("GET", "/open/h2-other-frame-first"), true));
        stage.answer_if_asked();
    }),
    bounded("h2-no-request", "limits.header_time", "sends its settings, and no request", |_| {}),
    bounded("h2-hangs-in-frame", "limits.header_time", "stops in the midst of its fields", |stage| {
        stage.peer.send([0, 0, 100, HEADERS, END_HEADERS, 0, 0, 0, 1, 0x82]);
    }),
    bounded("h2-hangs-in-fields", "limits.header_time", "stops between two frames of its fields", |stage| {
        stage.peer.answer_nothing();
        stage.peer.frame(HEADERS, END_STREAM, 1, &literals(&pseudo_fields("GET", "/open/x")));
    }),
    bounded("h2-says-nothing-more", "limits.keep_alive", "says nothing after an answer", |stage| {
        stage.warm_up();
        stage.asked = None;
        stage.peer.expect_end();
    }),
    fault("h2-goaway", "sends `GOAWAY`, and waits for the answer", |stage| {
        stage.get();
        stage.peer.go_away(0, 0);
        stage.upstream().send(good("ok"));
    }),
];

/// The request is at the upstream; the peer's stream.
fn asks(stage: &mut Stage) -> u32 {
    stage.get();
    stage.asked.expect("a stream")
}

const FRAMES: &[Fault] = &[
    fault("h2-unknown-frame", "sends a frame of a kind that nobody knows", |stage| {
        asks(stage);
        stage.peer.frame(0xBE, 0xFF, 0, b"who knows");
        stage.upstream().send(good("ok"));
    }),
    fault("h2-bad-compression", "sends fields that cannot be decompressed", |stage| {
        let stream = stage.peer.next_stream();
        stage.peer.frame(HEADERS, END_HEADERS | END_STREAM, stream, &[0xFF; 5]);
    }),
    fault("h2-fields-on-0", "sends fields on stream 0", |stage| {
        stage.peer.headers(0, &pseudo_fields("GET", "/open/x"), true);
    }),
    fault("h2-even-stream", "opens an even stream", |stage| {
        stage.peer.headers(2, &pseudo_fields("GET", "/open/x"), true);
    }),
    fault("h2-older-stream", "opens a stream with a lower number than one before", |stage| {
        stage.peer.headers(11, &pseudo_fields("GET", "/open/apart"), true);
        stage.peer.headers(5, &pseudo_fields("GET", "/open/x"), true);
    }),
    fault("h2-content-on-0", "sends content on stream 0", |stage| stage.peer.frame(DATA, 0, 0, b"x")),
    fault("h2-content-on-unopened", "sends content on a stream that it has not opened", |stage| {
        stage.peer.frame(DATA, 0, 99, b"x");
    }),
    fault("h2-reset-of-unopened", "resets a stream that it has not opened", |stage| {
        stage.peer.reset_stream(99, CANCEL);
    }),
    fault("h2-window-of-unopened", "opens the window of a stream that it has not opened", |stage| {
        stage.peer.frame(WINDOW_UPDATE, 0, 99, &[0, 0, 0, 1]);
    }),
    fault("h2-continuation-alone", "sends `CONTINUATION` without `HEADERS`", |stage| {
        stage.peer.frame(CONTINUATION, END_HEADERS, 1, &literals(&[("x", "y")]));
    }),
    fault("h2-continuation-elsewhere", "continues its fields on another stream", |stage| {
        let stream = stage.peer.next_stream();
        stage.peer.frame(HEADERS, END_STREAM, stream, &literals(&pseudo_fields("GET", "/open/x")));
        stage.peer.frame(CONTINUATION, END_HEADERS, stream + 2, &[]);
    }),
    fault("h2-frame-in-fields", "sends another frame between two of its fields", |stage| {
        let stream = stage.peer.next_stream();
        stage.peer.frame(HEADERS, END_STREAM, stream, &literals(&pseudo_fields("GET", "/open/x")));
        stage.peer.frame(PING, 0, 0, &[0; 8]);
    }),
    fault("h2-frame-too-large", "sends a frame of more than 16 KiB", |stage| {
        let stream = stage.peer.next_stream();
        stage.peer.headers(stream, &pseudo_fields("POST", "/open/x"), false);
        stage.peer.frame(DATA, 0, stream, &[b'x'; 20_000]);
    }),
    fault("h2-padding-too-long", "pads fields by more than they have", |stage| {
        let stream = stage.peer.next_stream();
        stage.peer.frame(HEADERS, END_HEADERS | END_STREAM | 0x8, stream, &[200, 0x82]);
    }),
    fault("h2-pushes", "pushes, which only servers may", |stage| {
        stage.peer.frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x88]);
    }),
    fault("h2-settings-length", "sends settings of a length that settings do not have", |stage| {
        stage.peer.frame(SETTINGS, 0, 0, &[0; 5]);
    }),
    fault("h2-settings-on-stream", "sends settings on a stream", |stage| stage.peer.frame(SETTINGS, 0, 1, &[])),
    fault("h2-acknowledgement-with-settings", "acknowledges settings by settings", |stage| {
        stage.peer.frame(SETTINGS, 1, 0, &[0; 6]);
    }),
    fault("h2-window-setting", "allows windows beyond 2³¹−1", |stage| {
        stage.peer.frame(SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0]);
    }),
    fault("h2-ping-length", "sends a `PING` of another length than 8", |stage| stage.peer.frame(PING, 0, 0, &[0])),
    fault("h2-reset-length", "sends an `RST_STREAM` of another length than 4", |stage| {
        stage.peer.frame(RST_STREAM, 0, 1, &[0]);
    }),
    fault("h2-goaway-on-stream", "sends `GOAWAY` on a stream", |stage| stage.peer.frame(7, 0, 1, &[0; 8])),
    fault("h2-window-overflows", "opens the connection's window beyond 2³¹−1", |stage| {
        stage.peer.frame(WINDOW_UPDATE, 0, 0, &0x7FFF_FFFF_u32.to_be_bytes());
    }),
    fault("h2-window-by-nothing", "opens the connection's window by nothing", |stage| {
        stage.peer.frame(WINDOW_UPDATE, 0, 0, &[0; 4]);
    }),
    fault("h2-stream-window-overflows", "opens a stream's window beyond 2³¹−1", |stage| {
        let stream = asks(stage);
        stage.peer.frame(WINDOW_UPDATE, 0, stream, &0x7FFF_FFFF_u32.to_be_bytes());
    }),
    fault("h2-stream-window-by-nothing", "opens a stream's window by nothing", |stage| {
        let stream = asks(stage);
        stage.peer.frame(WINDOW_UPDATE, 0, stream, &[0; 4]);
    }),
    fault("h2-depends-on-itself", "has a stream depend on itself", |stage| {
        let stream = asks(stage);
        stage.peer.frame(PRIORITY, 0, stream, &[&stream.to_be_bytes()[..], &[9]].concat());
    }),
    fault("h2-beyond-window", "sends more content than the window allows", |stage| {
        let stream = stage.peer.open_stream(&pseudo_fields("POST", "/open/h2-beyond-window"), false);
        stage.asked = Some(stream);
        stage.accept_head();
        floods(stage, DATA, stream, &[b'x'; 16_000]);
    })
    .of("POST"),
    fault("h2-floods-pings", "sends `PING` without end", |stage| floods(stage, PING, 0, &[0; 8])),
    fault("h2-floods-settings", "sends settings without end", |stage| floods(stage, SETTINGS, 0, &[])),
    fault("h2-floods-priorities", "sends `PRIORITY` without end", |stage| {
        floods(stage, PRIORITY, 1, &[0, 0, 0, 0, 9]);
    }),
    fault("h2-floods-unknown", "sends frames of an unknown kind without end", |stage| floods(stage, 0xBE, 0, &[0])),
    fault("h2-floods-empty-content", "sends empty content without end", |stage| {
        let stream = stage.peer.open_stream(&pseudo_fields("POST", "/open/x"), false);
        stage.accept_head();
        floods(stage, DATA, stream, &[]);
    }),
    fault("h2-floods-empty-continuations", "sends empty `CONTINUATION` without end", |stage| {
        let stream = stage.peer.next_stream();
        stage.peer.frame(HEADERS, END_STREAM, stream, &literals(&pseudo_fields("GET", "/open/x")));
        floods(stage, CONTINUATION, stream, &[]);
    }),
    fault("h2-floods-resets", "opens streams and resets them at once, without end", |stage| {
        eventually("the gateway gives it up", || {
            let stream = stage.peer.open_stream(&pseudo_fields("GET", "/open/apart"), true);
            stage.peer.reset_stream(stream, CANCEL);
            stage.peer.read_some().then_some(())
        });
    }),
];

/// The peer sends frames of one kind, until the gateway closes the connection or resets the stream.
fn floods(stage: &mut Stage, kind: u8, stream: u32, payload: &[u8]) {
    eventually("the gateway gives it up", || {
        for _ in 0..500 {
            stage.peer.frame(kind, 0, stream, payload);
        }
        let ended = stage.peer.read_some();
        (ended || (stream > 0 && stage.peer.stream(stream).reset.is_some())).then_some(())
    });
}

/// A `POST` whose content begins; the upstream has the first of it.
fn posts(stage: &mut Stage) -> u32 {
    stage.ask("POST", "Content-Length: 10\r\n", "half!");
    stage.accept_head().expect("half!");
    stage.asked.expect("a stream")
}

/// The same without a length.
fn flows(stage: &mut Stage) -> u32 {
    let path = stage.path();
    let stream = stage.peer.open_stream(&pseudo_fields("POST", &path), false);
    stage.asked = Some(stream);
    stage.peer.data(stream, "half!", false);
    stage.accept_head().expect("half!");
    stream
}

fn answer_begins(stage: &mut Stage) -> u32 {
    stage.get().send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf!");
    stage.peer.expect("half!");
    stage.asked.expect("a stream")
}

/// The peer resets its stream, and waits for nothing on it.
fn resets(stage: &mut Stage, stream: u32, code: u32) {
    stage.peer.reset_stream(stream, code);
    stage.peer.stream(stream).is_ended = true;
}

const STREAMS: &[Fault] = &[
    fault("h2-resets-before-answer", "resets the stream before the answer", |stage| {
        let stream = asks(stage);
        resets(stage, stream, CANCEL);
    }),
    fault("h2-resets-in-answer", "resets the stream in the midst of the answer", |stage| {
        let stream = answer_begins(stage);
        resets(stage, stream, CANCEL);
    }),
    post("h2-resets-in-content", "resets the stream before the content has its length", |stage| {
        let stream = posts(stage);
        resets(stage, stream, CANCEL);
    }),
    post("h2-resets-unlimited", "resets the stream with `NO_ERROR` where the content has no length", |stage| {
        let stream = flows(stage);
        resets(stage, stream, 0);
    }),
    post("h2-ends-before-length", "ends the stream before the content has its length", |stage| {
        let stream = posts(stage);
        stage.peer.data(stream, "", true);
    }),
    post("h2-more-than-length", "sends more content than its length", |stage| {
        let stream = posts(stage);
        stage.peer.data(stream, "much more", true);
    }),
    post("h2-hangs-before-content", "announces content and sends none", |stage| {
        stage.ask("POST", "Content-Length: 10\r\n", "");
        stage.accept_head();
    })
    .within("limits.body_idle"),
    post("h2-hangs-in-content", "stops before the content has its length", |stage| {
        posts(stage);
    })
    .within("limits.body_idle"),
    post("h2-hangs-in-unlimited", "stops where the content has no length", |stage| {
        flows(stage);
    })
    .within("limits.body_idle"),
    post("h2-content-after-end", "sends content after the end of the stream", |stage| {
        let stream = posts(stage);
        stage.peer.data(stream, "whole", true);
        stage.upstream().expect("whole");
        stage.peer.data(stream, "more", false);
    }),
    post("h2-trailers-go-on", "sends trailers that do not end the stream", |stage| {
        let stream = flows(stage);
        stage.peer.headers(stream, &[("x-sum", "5")], false);
    }),
    post("h2-trailer-pseudo-field", "sends a pseudo-field in its trailers", |stage| {
        let stream = flows(stage);
        stage.peer.headers(stream, &[(":path", "/other")], true);
        stage.answer_if_asked();
    }),
    post("h2-trailer-upper-case", "sends a name in capitals in its trailers", |stage| {
        let stream = flows(stage);
        stage.peer.headers(stream, &[("X-Sum", "5")], true);
    }),
    post("h2-refused-while-sending", "sends content to a route that refuses it, and no end", |stage| {
        let stream = stage.peer.open_stream(&pseudo_fields("DELETE", "/open/h2-refused-while-sending"), false);
        stage.asked = Some(stream);
        stage.peer.data(stream, "some", false);
    }),
    bounded("h2-takes-nothing", "limits.body_idle", "opens no window for the answer's content", |stage| {
        stage.peer.frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
        stage.get().send(good("nobody takes it"));
        let stream = stage.asked.expect("a stream");
        eventually("it is reset", || {
            stage.peer.read_some();
            stage.peer.stream(stream).reset
        });
        stage.peer.frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]);
    }),
];
