//! What HTTP/2 says of a request's target (RFC 9113 §8.3.1).

use crate::support::http2::{END_HEADERS, END_STREAM, FrameClient, HEADERS, RST_STREAM, section};
use crate::support::{Setup, Upstream};

/// RFC 9113 §7.
const PROTOCOL_ERROR: u32 = 1;

/// A section whose `:path`, by its index in the static table, is given as a string of RFC 7541 §5.2.
fn with_path(string: &[u8]) -> Vec<u8> {
    let mut section = section("GET", "/");
    section.truncate(section.len() - ":path".len() - "/".len() - 3);
    section.push(0x44);
    section.extend(string);
    section
}

#[test]
fn a_target_with_a_fragment_is_malformed() {
    let upstream = Upstream::echo();
    let gateway = Setup::default().start(&upstream);
    let mut client = FrameClient::connect(gateway.address, &[]);
    let cases = [
        section("GET", "/open/1#/x"),
        section("GET", "/open/1?a=1#b"),
        section("GET", "/open/1#"),
        with_path(b"\x0a/open/1#/x"),
        // The same in Huffman's code.
        with_path(b"\x88\x60\xf5\x96\xa6\x03\xff\x4c\x79"),
    ];
    for (stream, section) in (1..).step_by(2).zip(cases) {
        client.send(HEADERS, END_HEADERS | END_STREAM, stream, &section);
        let reset = client.until(RST_STREAM, stream).expect("a reset");
        assert_eq!(reset.payload, PROTOCOL_ERROR.to_be_bytes(), "{section:?}");
    }
    client.send(HEADERS, END_HEADERS | END_STREAM, 101, &with_path(b"\x07/open/1"));
    assert!(client.until(HEADERS, 101).is_some(), "the connection goes on");
    assert_eq!(upstream.taken().len(), 1, "nothing of the others got anywhere");
}
