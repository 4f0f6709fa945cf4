//! WebSocket through the gateway: who may open a tunnel, what it carries, how it ends (RFC 6455, RFC 9110 §7.8).

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::support::{Answer, Client, DEADLINE, Gateway, Setup, Upstream, eventually};

const KEY: &str = "x3JJHMbDL1EzLkh9GBhXDw==";
const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \
                         x3JJHMbDL1EzLkh9GBhXDw==\r\n";

/// The 101 that RFC 6455 §4.2.2 wants, with more fields.
fn switching(key: &str, more: &str) -> String {
    let proof = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n{more}\r\n",
        BASE64_STANDARD.encode(proof)
    )
}

/// An upstream that accepts every handshake, and hands each tunnel to the test.
fn accepting() -> (Upstream, mpsc::Receiver<BufReader<TcpStream>>) {
    let (give, streams) = mpsc::channel();
    let give = std::sync::Mutex::new(give);
    let upstream = Upstream::answering(move |request| {
        let give = give.lock().unwrap().clone();
        let Some(key) = request.field("sec-websocket-key").map(str::to_owned) else { return Answer::ok("plain") };
        Answer::Take(Box::new(move |mut stream| {
            stream.get_mut().write_all(switching(&key, "").as_bytes()).unwrap();
            stream.get_ref().set_read_timeout(Some(DEADLINE)).unwrap();
            // A test that has ended takes no more.
            let _ = give.send(stream);
        }))
    });
    (upstream, streams)
}

/// Sends a handshake and reads the 101.
fn open(gateway: &Gateway, target: &str, fields: &str) -> Client {
    let mut client = gateway.client();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: api.test\r\n{HANDSHAKE}{fields}\r\n"));
    let head = client.try_head().unwrap().unwrap();
    assert_eq!(head.status, 101, "{:?}", head.message);
    client
}

fn read<const N: usize>(stream: &mut impl Read) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// The number of tunnels that the metrics show.
fn tunnels(gateway: &Gateway) -> f64 {
    gateway.metric("scopegate_connections", &["protocol=\"upgraded\""])
}

/// Waits for the end of one tunnel, for this reason.
fn ended(gateway: &Gateway, end: &str) {
    let label = format!("end=\"{end}\"");
    eventually(end, || (gateway.metric("scopegate_tunnels_ended_total", &[&label]) == 1.0).then_some(()));
    assert_eq!(gateway.metric("scopegate_tunnels_ended_total", &[]), 1.0);
    assert_eq!(tunnels(gateway), 0.0);
}

#[test]
fn a_tunnel_carries_bytes_both_ways_and_is_recorded_at_its_end() {
    let (upstream, streams) = accepting();
    let gateway = Setup { more: "log: {access: all}".into(), ..Setup::default() }.start(&upstream);
    let token = gateway.signer.token("items:read", &serde_json::json!({}));
    let fields = format!(
        "Authorization: Bearer {token}\r\nSec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\
         Origin: https://app.test\r\n"
    );
    let mut client = open(&gateway, "/items", &fields);
    let mut stream = streams.recv().unwrap();
    client.send("\x01\x02ping");
    assert_eq!(&read::<6>(&mut stream), b"\x01\x02ping");
    stream.get_mut().write_all(b"pong!").unwrap();
    assert_eq!(&read::<5>(client.reader()), b"pong!");

    assert_eq!((tunnels(&gateway), gateway.metric("scopegate_connections", &["protocol=\"http1\""])), (1.0, 0.0));
    assert_eq!(gateway.metric("scopegate_requests_in_flight", &[]), 0.0);
    assert_eq!(gateway.metric("scopegate_upstream_connections", &[]), 1.0);
    drop((client, stream));
    let record = eventually("the record", || gateway.log().into_iter().find(|line| line["path"] == "/items"));
    for (name, expected) in [("status", 101), ("bytes_in", 6), ("bytes_out", 5)] {
        assert_eq!(record[name], expected, "{record}");
    }
    assert_eq!((&record["access"], &record["source"]), (&"user".into(), &"upstream".into()));
    assert_eq!(gateway.metric("scopegate_requests_total", &["code=\"101\"", "method=\"GET\""]), 1.0);
    assert_eq!(gateway.metric("scopegate_upstream_connections", &[]), 0.0);

    let request = &upstream.taken()[0];
    for (name, expected) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat, superchat"),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("origin", "https://app.test"),
        ("scopegate-access", "user"),
    ] {
        assert_eq!(request.field(name), Some(expected), "{name}");
    }
}
