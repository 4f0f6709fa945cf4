//! How a stream of HTTP/2 ends whose answer is whole before its peer has ended it (RFC 9113 §8.1).

use crate::support::http2::{DATA, END_HEADERS, END_STREAM, FrameClient, HEADERS, PING, RST_STREAM, section};
use crate::support::{Gateway, Setup, Upstream};

/// Answers when the content that was announced is there.
fn started() -> Gateway {
    Setup { more: "workers: 1".into(), ..Setup::default() }.start(&Upstream::echo())
}

/// A request whose content has this length, and nothing of it.
fn announced(client: &mut FrameClient, stream: u32, target: &str, length: &str) {
    let mut section = section("POST", target);
    section.push(0);
    for text in ["content-length", length] {
        section.push(u8::try_from(text.len()).unwrap());
        section.extend(text.as_bytes());
    }
    client.send(HEADERS, END_HEADERS, stream, &section);
}

fn answered(client: &mut FrameClient, stream: u32) {
    while !client.next().is_some_and(|frame| frame.stream == stream && frame.flags & END_STREAM != 0) {}
}

/// Whether a stream is reset before the answer to a ping.
fn is_reset(client: &mut FrameClient, stream: u32) -> bool {
    client.send(PING, 0, 0, b"12345678");
    let before = std::iter::from_fn(|| client.next()).take_while(|frame| (frame.kind, frame.flags) != (PING, 1));
    // Read to the pong, whatever comes.
    before.filter(|frame| (frame.kind, frame.stream) == (RST_STREAM, stream)).count() > 0
}

#[test]
fn nothing_is_reset_while_only_the_end_is_wanting() {
    let gateway = started();
    let mut client = FrameClient::connect(gateway.address, &[]);
    for (stream, target, content) in [(1, "/open/1", "hello"), (3, "/items", ""), (5, "/open/1", "")] {
        announced(&mut client, stream, target, &content.len().to_string());
        if !content.is_empty() {
            client.send(DATA, 0, stream, content.as_bytes());
        }
        answered(&mut client, stream);
        assert!(!is_reset(&mut client, stream), "{target}");
        client.send(DATA, END_STREAM, stream, b"");
        assert!(!is_reset(&mut client, stream), "{target}");
    }
}

#[test]
fn the_end_is_not_waited_for_without_end() {
    let gateway = started();
    let mut client = FrameClient::connect(gateway.address, &[]);
    announced(&mut client, 1, "/open/1", "5");
    client.send(DATA, 0, 1, b"hello");
    let reset = client.until(RST_STREAM, 1).expect("a reset");
    assert_eq!(reset.payload, [0; 4], "NO_ERROR");
}

#[test]
fn content_that_nobody_takes_is_refused_at_once() {
    let gateway = started();
    let mut client = FrameClient::connect(gateway.address, &[]);
    announced(&mut client, 1, "/items", "5");
    answered(&mut client, 1);
    assert!(is_reset(&mut client, 1));
}
