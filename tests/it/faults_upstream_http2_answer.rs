//! What an upstream does wrong in an answer over HTTP/2.

use crate::faults::{bounded, fault, hold};
use crate::support::http2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use crate::support::{Fault, Scene, Spoken, Stage, Wire, literals};

const PUSH_PROMISE: u8 = 5;
const PADDED: u8 = 0x8;
const CANCEL: u32 = 8;
/// More than every buffer between two sockets holds.
const FLOOD: usize = 32 << 20;

const BESIDE: Scene = Scene { peer: Spoken::Http1, upstream: Spoken::Http2, beside: true };

#[test]
fn an_upstream_whose_stream_breaks_off() {
    hold("### HTTP/2: answers that break off", BESIDE, BROKEN);
}

#[test]
fn an_upstream_whose_stream_stops() {
    hold("### HTTP/2: answers that stop", Scene { beside: false, ..BESIDE }, STOPPING);
}

#[test]
fn an_upstream_whose_message_is_malformed() {
    hold("### HTTP/2: answers that are malformed", BESIDE, MALFORMED);
}

#[test]
fn an_upstream_whose_frames_are_none() {
    hold("### HTTP/2: frames that are none", BESIDE, FRAMES);
}

/// The peer asks by `GET`; the request is at the upstream, on this stream.
fn asks(stage: &mut Stage) -> (&mut Wire, u32) {
    stage.ask("GET", "", "");
    let path = stage.path();
    if stage.upstreams.is_empty() {
        stage.accept();
    }
    let stream = stage.upstream().until_request(&path);
    (stage.upstream(), stream)
}

/// An answer of ten bytes begins, and its content reaches the peer.
fn begins(stage: &mut Stage) -> (&mut Wire, u32) {
    let (wire, stream) = asks(stage);
    wire.headers(stream, &[(":status", "200"), ("content-length", "10")], false);
    wire.data(stream, "half!", false);
    stage.peer.expect("half!");
    (stage.upstream(), stream)
}

/// The same without a length.
fn flows(stage: &mut Stage) -> (&mut Wire, u32) {
    let (wire, stream) = asks(stage);
    wire.headers(stream, &[(":status", "200")], false);
    wire.data(stream, "half!", false);
    stage.peer.expect("half!");
    (stage.upstream(), stream)
}

fn resets(stage: &mut Stage, code: u32) {
    let (wire, stream) = begins(stage);
    wire.reset_stream(stream, code);
}

const BROKEN: &[Fault] = &[
    fault("h2-resets-after-fields", "resets the stream after its fields", |stage| {
        let (wire, stream) = asks(stage);
        wire.headers(stream, &[(":status", "200"), ("content-length", "10")], false);
        stage.until_answered();
        stage.upstream().reset_stream(stream, CANCEL);
    }),
    fault("h2-resets-in-content", "resets the stream in its content with `INTERNAL_ERROR`", |stage| resets(stage, 2)),
    fault("h2-resets-in-content-cancel", "does so with `CANCEL`", |stage| resets(stage, CANCEL)),
    fault("h2-resets-in-content-refused", "does so with `REFUSED_STREAM`", |stage| resets(stage, 7)),
    fault("h2-resets-in-content-no-error", "does so with `NO_ERROR`", |stage| resets(stage, 0)),
    fault("h2-resets-unlimited", "does so with `NO_ERROR` where there is no `content-length`", |stage| {
        let (wire, stream) = flows(stage);
        wire.reset_stream(stream, 0);
    }),
    fault("h2-resets-after-answer", "resets the stream after the whole answer", |stage| {
        let (wire, stream) = asks(stage);
        wire.answer_http2(stream, "whole");
        wire.reset_stream(stream, CANCEL);
    }),
    fault("h2-closes-in-content", "closes in its content", |stage| begins(stage).0.close()),
    fault("h2-closes-unlimited", "does so where there is no `content-length`", |stage| flows(stage).0.close()),
    fault("h2-connection-reset-in-content", "resets the connection in its content", |stage| begins(stage).0.reset()),
    fault("h2-goaway-error-in-content", "sends `GOAWAY` with an error in its content, and closes", |stage| {
        let (wire, stream) = begins(stage);
        wire.go_away(stream, 2);
        wire.close();
    }),
    fault("h2-ends-before-length", "ends the stream before the content has its length", |stage| {
        let (wire, stream) = begins(stage);
        wire.data(stream, "", true);
    }),
    fault("h2-ends-with-fields", "ends the stream with fields that announce content", |stage| {
        let (wire, stream) = asks(stage);
        wire.headers(stream, &[(":status", "200"), ("content-length", "10")], true);
    }),
    fault("h2-ends-with-trailers", "ends the stream by trailers before the content has its length", |stage| {
        let (wire, stream) = begins(stage);
        wire.headers(stream, &[("x-sum", "5")], true);
    }),
    fault("h2-more-than-length", "sends more content than its length", |stage| {
        let (wire, stream) = begins(stage);
        wire.data(stream, "much more", true);
    }),
];

const STOPPING: &[Fault] = &[
    bounded("h2-hangs-after-fields", "timeouts.idle", "stops after its fields", |stage| {
        let (wire, stream) = asks(stage);
        wire.headers(stream, &[(":status", "200")], false);
    }),
    bounded("h2-hangs-in-content", "timeouts.idle", "stops in its content", |stage| {
        begins(stage);
    }),
    bounded(
        "h2-hangs-in-trailers",
        "timeouts.idle",
        "stops between two frames of its trailers, and sends the second too late",
        |stage| {
            let (wire, stream) = flows(stage);
            wire.frame(HEADERS, END_STREAM, stream, &literals(&[("x-sum", "5")]));
            stage.peer.expect_end();
            stage.upstream().frame(CONTINUATION, END_HEADERS, stream, &[]);
        },
    ),
];

/// An answer whose fields are these, and some content.
fn answers(stage: &mut Stage, fields: &[(&str, &str)]) {
    let (wire, stream) = asks(stage);
    wire.answer(stream, fields, "ok");
}

fn ends_with(stage: &mut Stage, trailers: &[(&str, &str)]) {
    let (wire, stream) = flows(stage);
    wire.headers(stream, trailers, true);
}

const STATUS: (&str, &str) = (":status", "200");

const MALFORMED: &[Fault] = &[
    fault("h2-no-status", "sends no `:status`", |stage| answers(stage, &[("x", "y")])),
    fault("h2-two-statuses", "sends two `:status`", |stage| answers(stage, &[STATUS, STATUS])),
    fault("h2-status-out-of-range", "sends status 99", |stage| answers(stage, &[(":status", "099")])),
    fault("h2-status-no-number", "sends a status that is no number", |stage| answers(stage, &[(":status", "ok")])),
    fault("h2-switches", "sends 101, which HTTP/2 does not have", |stage| answers(stage, &[(":status", "101")])),
    fault("h2-late-status", "sends `:status` after other fields", |stage| answers(stage, &[("x", "y"), STATUS])),
    fault("h2-unknown-pseudo-field", "sends a pseudo-field that nobody knows", |stage| {
        answers(stage, &[STATUS, (":x", "y")]);
    }),
    fault("h2-request-pseudo-field", "sends a pseudo-field of requests", |stage| {
        answers(stage, &[STATUS, (":path", "/")]);
    }),
    fault("h2-upper-case", "sends a field's name in capitals", |stage| answers(stage, &[STATUS, ("X-Upper", "y")])),
    fault("h2-connection-field", "sends `connection`", |stage| answers(stage, &[STATUS, ("connection", "close")])),
    fault("h2-transfer-encoding", "sends `transfer-encoding`", |stage| {
        answers(stage, &[STATUS, ("transfer-encoding", "chunked")]);
    }),
    fault("h2-empty-name", "sends a field without a name", |stage| answers(stage, &[STATUS, ("", "y")])),
    fault("h2-name-with-space", "sends a space in a field's name", |stage| answers(stage, &[STATUS, ("x y", "z")])),
    fault("h2-control-byte", "sends NUL in a field", |stage| answers(stage, &[STATUS, ("x", "a\0b")])),
    fault("h2-line-break", "sends CR LF in a field", |stage| answers(stage, &[STATUS, ("x", "a\r\nset-cookie: b")])),
    fault("h2-spaces-around", "sends spaces around a field's value", |stage| answers(stage, &[STATUS, ("x", " y ")])),
    fault("h2-two-lengths", "sends two `content-length` that differ", |stage| {
        answers(stage, &[STATUS, ("content-length", "2"), ("content-length", "3")]);
    }),
    fault("h2-same-length-twice", "sends the same `content-length` twice", |stage| {
        answers(stage, &[STATUS, ("content-length", "2"), ("content-length", "2")]);
    }),
    fault("h2-bad-length", "sends a `content-length` that is no number", |stage| {
        answers(stage, &[STATUS, ("content-length", "+2")]);
    }),
    fault("h2-204-with-content", "sends content with 204", |stage| answers(stage, &[(":status", "204")])),
    fault("h2-304-with-content", "sends content with 304", |stage| answers(stage, &[(":status", "304")])),
    fault("h2-many-fields", "sends 1000 fields", |stage| {
        answers(stage, &[&[STATUS][..], &[("x", "y"); 1000]].concat());
    }),
    fault("h2-too-large-fields", "sends fields beyond 64 KiB", |stage| {
        let (wire, stream) = asks(stage);
        large(wire, stream, &[STATUS], 100 << 10);
    }),
    fault("h2-endless-fields", "sends fields without end", |stage| {
        let (wire, stream) = asks(stage);
        wire.frame(HEADERS, 0, stream, &literals(&[STATUS]));
        endless(wire, stream);
    }),
    fault("h2-content-first", "sends content before any fields", |stage| {
        let (wire, stream) = asks(stage);
        wire.data(stream, "ok", true);
    }),
    fault("h2-interim-ends", "ends the stream with an interim answer", |stage| {
        let (wire, stream) = asks(stage);
        wire.headers(stream, &[(":status", "103")], true);
    }),
    fault("h2-interim", "sends 100 and 103 before its answer", |stage| {
        let (wire, stream) = asks(stage);
        wire.headers(stream, &[(":status", "100")], false);
        wire.headers(stream, &[(":status", "103"), ("link", "</a>")], false);
        wire.answer_http2(stream, "ok");
    }),
    fault("h2-trailers-go-on", "sends trailers that do not end the stream", |stage| {
        let (wire, stream) = flows(stage);
        wire.headers(stream, &[("x-sum", "5")], false);
    }),
    fault("h2-trailer-pseudo-field", "sends a pseudo-field in its trailers", |stage| ends_with(stage, &[STATUS])),
    fault("h2-trailer-upper-case", "sends a name in capitals in its trailers", |stage| {
        ends_with(stage, &[("X-Sum", "5")]);
    }),
    fault("h2-trailer-connection", "sends `connection` in its trailers", |stage| {
        ends_with(stage, &[("connection", "close")]);
    }),
    fault("h2-trailer-control-byte", "sends NUL in a trailer", |stage| ends_with(stage, &[("x", "a\0b")])),
    fault("h2-trailer-length", "sends another `content-length` in its trailers", |stage| {
        ends_with(stage, &[("content-length", "99")]);
    }),
    fault("h2-too-large-trailers", "sends trailers beyond 64 KiB", |stage| {
        let (wire, stream) = flows(stage);
        large(wire, stream, &[], 100 << 10);
    }),
];

/// A field section of this length, in frames as large as they may be.
fn large(wire: &mut Wire, stream: u32, fields: &[(&str, &str)], length: usize) {
    let value = "y".repeat(1000);
    let many = vec![("x-large", &*value); length / 1000];
    let section = [literals(fields), literals(&many)].concat();
    let parts: Vec<_> = section.chunks(16_000).collect();
    for (at, part) in parts.iter().enumerate() {
        let kind = if at == 0 { HEADERS } else { CONTINUATION };
        let ends = if at == 0 { END_STREAM } else { 0 };
        wire.frame(kind, ends | if at + 1 == parts.len() { END_HEADERS } else { 0 }, stream, part);
    }
}

fn endless(wire: &mut Wire, stream: u32) {
    let part = literals(&[("x-large", &"y".repeat(10_000))]);
    for _ in 0..10_000 {
        if wire.read_some() {
            return;
        }
        wire.frame(CONTINUATION, 0, stream, &part);
    }
}

const FRAMES: &[Fault] = &[
    fault("h2-unknown-frame", "sends a frame of a kind that nobody knows, and answers", |stage| {
        let (wire, stream) = asks(stage);
        wire.frame(0xBE, 0xFF, stream, b"who knows");
        wire.answer_http2(stream, "ok");
    }),
    fault("h2-priority", "sends `PRIORITY`, and answers", |stage| {
        let (wire, stream) = asks(stage);
        wire.frame(PRIORITY, 0, stream, &[0, 0, 0, 0, 9]);
        wire.answer_http2(stream, "ok");
    }),
    fault("h2-bad-compression", "sends fields that cannot be decompressed", |stage| {
        let (wire, stream) = asks(stage);
        wire.frame(HEADERS, END_HEADERS, stream, &[0xFF; 5]);
    }),
    fault("h2-table-too-large", "sets the compression's table larger than allowed", |stage| {
        let (wire, stream) = asks(stage);
        wire.frame(HEADERS, END_HEADERS, stream, &[0x3F, 0xE1, 0xFF, 0x03, 0x88]);
    }),
    fault("h2-frame-too-large", "sends a frame of more than 16 KiB", |stage| {
        let (wire, stream) = asks(stage);
        wire.frame(DATA, 0, stream, &[b'x'; 20_000]);
    }),
    fault("h2-padding-too-long", "pads a frame by more than it has", |stage| {
        let (wire, stream) = begins(stage);
        wire.frame(DATA, PADDED, stream, &[200, b'x']);
    }),
    fault("h2-content-on-0", "sends content on stream 0", |stage| asks(stage).0.frame(DATA, 0, 0, b"x")),
    fault("h2-fields-on-0", "sends fields on stream 0", |stage| asks(stage).0.headers(0, &[STATUS], true)),
    fault("h2-settings-on-stream", "sends settings on a stream", |stage| {
        let (wire, stream) = asks(stage);
        wire.frame(SETTINGS, 0, stream, &[]);
    }),
    fault("h2-fields-on-unasked-stream", "answers on a stream that nobody has opened", |stage| {
        asks(stage).0.headers(99, &[STATUS], true);
    }),
    fault("h2-fields-on-even-stream", "answers on a stream of its own", |stage| {
        asks(stage).0.headers(2, &[STATUS], true);
    }),
    fault("h2-reset-of-unasked-stream", "resets a stream that nobody has opened", |stage| {
        asks(stage).0.reset_stream(99, CANCEL);
    }),
    fault("h2-pushes", "pushes, which it was not allowed", |stage| {
        let (wire, stream) = asks(stage);
        let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "api.test"), (":path", "/pushed")];
        wire.frame(PUSH_PROMISE, END_HEADERS, stream, &[&[0, 0, 0, 2][..], &literals(&fields)].concat());
    }),
    fault("h2-continuation-alone", "sends `CONTINUATION` without `HEADERS`", |stage| {
        let (wire, stream) = asks(stage);
        wire.frame(CONTINUATION, END_HEADERS, stream, &literals(&[STATUS]));
    }),
    fault("h2-frame-in-fields", "sends another frame between two of its fields", |stage| {
        let (wire, stream) = asks(stage);
        wire.frame(HEADERS, 0, stream, &literals(&[STATUS]));
        wire.frame(PING, 0, 0, &[0; 8]);
    }),
    fault("h2-content-after-end", "sends content after the end of the stream", |stage| {
        let (wire, stream) = asks(stage);
        wire.answer_http2(stream, "ok");
        wire.data(stream, "more", false);
    }),
    fault("h2-fields-after-end", "sends fields after the end of the stream", |stage| {
        let (wire, stream) = asks(stage);
        wire.answer_http2(stream, "ok");
        wire.headers(stream, &[STATUS], true);
    }),
    fault("h2-no-window-update", "opens a window by nothing", |stage| {
        let (wire, stream) = asks(stage);
        wire.frame(WINDOW_UPDATE, 0, stream, &[0; 4]);
    }),
    fault("h2-stream-window-overflows", "opens the stream's window beyond 2³¹−1", |stage| {
        stage.ask("POST", "Content-Length: 100\r\n", "some");
        let path = stage.path();
        let stream = stage.upstream().until_request(&path);
        stage.upstream().frame(WINDOW_UPDATE, 0, stream, &0x7FFF_FFFF_u32.to_be_bytes());
    })
    .of("POST"),
    fault("h2-beyond-window", "sends more content than the window allows", |stage| {
        let (wire, stream) = asks(stage);
        wire.headers(stream, &[STATUS], false);
        let part = "x".repeat(16_000);
        for _ in 0..FLOOD / part.len() {
            if wire.read_some() || wire.stream(stream).reset.is_some() {
                break;
            }
            wire.data(stream, &part, false);
        }
    }),
    fault("h2-ping-length", "sends a `PING` of another length than 8", |stage| asks(stage).0.frame(PING, 0, 0, &[0])),
    fault("h2-reset-length", "sends an `RST_STREAM` of another length than 4", |stage| {
        let (wire, stream) = asks(stage);
        wire.frame(RST_STREAM, 0, stream, &[0]);
    }),
];
