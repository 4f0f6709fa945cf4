//! What a peer does wrong in the fields of a request over HTTP/2.

use crate::faults::{fault, hold};
use crate::support::http2::{CONTINUATION, END_HEADERS, END_STREAM, HEADERS};
use crate::support::{Fault, Scene, Spoken, Stage, literals, pseudo_fields};

const BESIDE: Scene = Scene { peer: Spoken::Http2, upstream: Spoken::Http1, beside: true };

#[test]
fn a_peer_whose_fields_are_none() {
    hold("### HTTP/2: fields of a peer that are none", BESIDE, FIELDS);
}

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const AUTHORITY: (&str, &str) = (":authority", "api.test");

/// The peer asks with these fields; `:path` stands for the path of the case.
fn asks(stage: &mut Stage, fields: &[(&str, &str)]) {
    let path = stage.path();
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| (*name, if *value == "PATH" { &*path } else { *value })).collect();
    stage.asked = Some(stage.peer.open_stream(&fields, true));
    stage.answer_if_asked();
}

const PATH: (&str, &str) = (":path", "PATH");

fn asks_with(stage: &mut Stage, more: &[(&str, &str)]) {
    asks(stage, &[&[METHOD, SCHEME, AUTHORITY, PATH][..], more].concat());
}

const FIELDS: &[Fault] = &[
    fault("h2-no-method", "sends no `:method`", |stage| asks(stage, &[SCHEME, AUTHORITY, PATH])),
    fault("h2-no-scheme", "sends no `:scheme`", |stage| asks(stage, &[METHOD, AUTHORITY, PATH])),
    fault("h2-no-path", "sends no `:path`", |stage| asks(stage, &[METHOD, SCHEME, AUTHORITY])),
    fault("h2-no-authority", "sends neither `:authority` nor `host`", |stage| asks(stage, &[METHOD, SCHEME, PATH])),
    fault("h2-empty-path", "sends an empty `:path`", |stage| {
        asks(stage, &[METHOD, SCHEME, AUTHORITY, (":path", "")]);
    }),
    fault("h2-two-paths", "sends two `:path`", |stage| asks_with(stage, &[(":path", "/open/x")])),
    fault("h2-late-path", "sends `:path` after other fields", |stage| {
        asks(stage, &[METHOD, SCHEME, AUTHORITY, ("x", "y"), PATH]);
    }),
    fault("h2-unknown-pseudo-field", "sends a pseudo-field that nobody knows", |stage| {
        asks_with(stage, &[(":x", "y")]);
    }),
    fault("h2-status", "sends `:status`, which answers have", |stage| asks_with(stage, &[(":status", "200")])),
    fault("h2-other-host", "sends another `host` than `:authority`", |stage| {
        asks_with(stage, &[("host", "other.test")]);
    }),
    fault("h2-connect", "sends `CONNECT`", |stage| asks(stage, &[(":method", "CONNECT"), AUTHORITY])),
    fault("h2-upper-case", "sends a field's name in capitals", |stage| asks_with(stage, &[("X-Upper", "y")])),
    fault("h2-connection-field", "sends `connection`", |stage| asks_with(stage, &[("connection", "close")])),
    fault("h2-keep-alive", "sends `keep-alive`", |stage| asks_with(stage, &[("keep-alive", "timeout=5")])),
    fault("h2-proxy-connection", "sends `proxy-connection`", |stage| {
        asks_with(stage, &[("proxy-connection", "close")]);
    }),
    fault("h2-transfer-encoding", "sends `transfer-encoding`", |stage| {
        asks_with(stage, &[("transfer-encoding", "chunked")]);
    }),
    fault("h2-upgrade", "sends `upgrade`", |stage| asks_with(stage, &[("upgrade", "websocket")])),
    fault("h2-te", "sends a `te` other than `trailers`", |stage| asks_with(stage, &[("te", "gzip")])),
    fault("h2-empty-name", "sends a field without a name", |stage| asks_with(stage, &[("", "y")])),
    fault("h2-name-with-space", "sends a space in a field's name", |stage| asks_with(stage, &[("x y", "z")])),
    fault("h2-control-byte", "sends NUL in a field", |stage| asks_with(stage, &[("x", "a\0b")])),
    fault("h2-line-break", "sends CR LF in a field", |stage| asks_with(stage, &[("x", "a\r\nhost: b")])),
    fault("h2-spaces-around", "sends spaces around a field's value", |stage| asks_with(stage, &[("x", " y ")])),
    fault("h2-two-lengths", "sends two `content-length` that differ", |stage| {
        asks_with(stage, &[("content-length", "0"), ("content-length", "1")]);
    }),
    fault("h2-bad-length", "sends a `content-length` that is no number", |stage| {
        asks_with(stage, &[("content-length", "+0")]);
    }),
    fault("h2-length-without-content", "announces content, and ends the stream with its fields", |stage| {
        asks_with(stage, &[("content-length", "10")]);
    }),
    fault("h2-too-many-fields", "sends 101 fields", |stage| asks_with(stage, &[("x", "y"); 101])),
    fault("h2-large-fields", "sends fields beyond `limits.header_bytes`", |stage| large(stage, 70)),
    fault("h2-too-large-fields", "sends fields far beyond it", |stage| large(stage, 300)),
    fault("h2-endless-fields", "sends fields without end", |stage| large(stage, 100_000)),
    fault("h2-long-target", "sends a target beyond `limits.target_bytes`", |stage| {
        let target = format!("/open/h2-long-target?{}", "x".repeat(9 << 10));
        asks(stage, &[METHOD, SCHEME, AUTHORITY, (":path", &target)]);
    }),
];

/// The peer asks with so many fields of a KiB each, in frames as large as they may be.
fn large(stage: &mut Stage, fields: usize) {
    let path = stage.path();
    let value = "y".repeat(1000);
    let stream = stage.peer.next_stream();
    stage.asked = Some(stream);
    stage.peer.frame(HEADERS, END_STREAM, stream, &literals(&pseudo_fields("GET", &path)));
    for sent in (0..fields).step_by(10) {
        if stage.peer.read_some() || stage.peer.stream(stream).is_over() {
            return;
        }
        let flags = if sent + 10 >= fields { END_HEADERS } else { 0 };
        stage.peer.frame(CONTINUATION, flags, stream, &literals(&[("x-large", &*value); 10]));
    }
}
