//! What an upstream of HTTP/1.1 receives, byte by byte, of requests that came over HTTP/2 and try to become others on the way.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::http2_downgrade_rows::{Sent, broken_later, good, malformed, post};
use crate::support::http2::{
    DATA, END_HEADERS, END_STREAM, FrameClient, GOAWAY, HEADERS, Http2Client, RST_STREAM, literals, section,
};
use crate::support::{Gateway, Setup, Upstream};

/// Every byte that passes on its way to an upstream, of all connections.
struct Tap {
    address: SocketAddr,
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tap = Self { address: listener.local_addr().unwrap(), bytes: Arc::default() };
        let bytes = Arc::clone(&tap.bytes);
        thread::spawn(move || {
            for gateway in listener.incoming().map_while(Result::ok) {
                let (bytes, upstream) = (Arc::clone(&bytes), TcpStream::connect(upstream).unwrap());
                let (mut answers, mut back) = (upstream.try_clone().unwrap(), gateway.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut answers, &mut back));
                thread::spawn(move || pass(gateway, upstream, &bytes));
            }
        });
        tap
    }

    /// What has passed since the last call, but for the fields that differ from run to run.
    fn taken(&self) -> String {
        let text = String::from_utf8(std::mem::take(&mut *self.bytes.lock().unwrap())).unwrap();
        let lines = text.split_inclusive('\n').filter(|line| !line.starts_with("x-request-id: "));
        lines.collect()
    }
}

fn pass(mut gateway: TcpStream, mut upstream: TcpStream, bytes: &Mutex<Vec<u8>>) {
    let mut part = [0; 4096];
    while let Ok(count @ 1..) = gateway.read(&mut part) {
        bytes.lock().unwrap().extend(&part[..count]);
        upstream.write_all(&part[..count]).unwrap();
    }
    let _ = upstream.shutdown(Shutdown::Write);
}

fn send(address: SocketAddr, sent: &Sent) -> FrameClient {
    let mut client = FrameClient::connect(address, &[]);
    let rests = sent.content.len() + usize::from(!sent.trailers.is_empty());
    let end = |position| if position == rests { END_STREAM } else { 0 };
    client.send(HEADERS, END_HEADERS | end(0), 1, &literals(&sent.fields));
    for (position, part) in sent.content.iter().enumerate() {
        // Who has refused already need not take it.
        let _ = client.try_send(DATA, end(position + 1), 1, part.as_bytes());
    }
    if !sent.trailers.is_empty() {
        let _ = client.try_send(HEADERS, END_HEADERS | END_STREAM, 1, &literals(sent.trailers));
    }
    client
}

/// How a request ended: its status (of HPACK's static table, or a literal), `reset`, or `closed`.
fn outcome(client: &mut FrameClient) -> String {
    while let Some(frame) = client.next() {
        match (frame.kind, frame.payload.first()) {
            (HEADERS, Some(0x88)) => return "200".into(),
            (HEADERS, Some(0x8C)) => return "400".into(),
            (HEADERS, _) => return String::from_utf8_lossy(&frame.payload[..6]).into_owned(),
            (RST_STREAM, _) => return "reset".into(),
            (GOAWAY, _) => return "closed".into(),
            _ => {}
        }
    }
    "closed".into()
}

/// The upstream's bytes of one request after the other: what each left behind, and how it ended.
struct Stage {
    upstream: Upstream,
    tap: Tap,
    gateway: Gateway,
    probe: Http2Client,
}

impl Stage {
    fn start() -> Self {
        let upstream = Upstream::echo();
        let tap = Tap::before(upstream.address);
        let setup = Setup { more: "workers: 1".into(), ..Setup::default() };
        let gateway = setup.start_before(&format!("http://{}", tap.address));
        let probe = Http2Client::connect(gateway.address);
        Self { upstream, tap, gateway, probe }
    }

    /// Sends a request, and a good one behind it: how the first ended, and all that the upstream was sent.
    fn run(&self, sent: &Sent) -> (String, String) {
        let mut client = send(self.gateway.address, sent);
        let how = outcome(&mut client);
        drop(client);
        let answer = self.probe.request("GET", "/open/probe", &[]);
        assert_eq!(answer.text(), "GET /open/probe HTTP/1.1", "behind {}", sent.name);
        (how, self.tap.taken())
    }
}

/// A head as it is forwarded, from its first line to the content; `start` ends where the gateway's own fields begin.
fn forwarded(start: &str, content: &str) -> String {
    let host = if start.contains("API.test") { "API.test" } else { "api.test" };
    // What frames the content comes last.
    let is_framing = |line: &&str| line.starts_with("content-length") || line.starts_with("transfer-encoding");
    let (framing, start): (Vec<_>, Vec<_>) = start.split_inclusive("\r\n").partition(is_framing);
    let (framing, start) = (framing.concat(), start.concat());
    format!(
        "{start}x-forwarded-for: 127.0.0.1\r\nx-forwarded-proto: http\r\nx-forwarded-host: {host}\r\nvia: 2.0 scopegate\r\n\
         scopegate-access: public\r\nscopegate-route: /open/{{name}}\r\n{framing}\r\n{content}"
    )
}

fn probe() -> String {
    forwarded("GET /open/probe HTTP/1.1\r\nhost: api.test\r\n", "")
}

#[test]
fn rfc_9113_8_1_1_a_malformed_request_reaches_nobody() {
    let stage = Stage::start();
    for sent in malformed() {
        let (how, bytes) = stage.run(&sent);
        assert_ne!(how, "200", "{}", sent.name);
        assert_eq!(bytes, probe(), "{}", sent.name);
    }
}

#[test]
fn rfc_9113_8_1_1_content_that_is_not_what_was_said_completes_no_request() {
    let stage = Stage::start();
    for sent in broken_later() {
        let (how, bytes) = stage.run(&sent);
        assert_ne!(how, "200", "{}", sent.name);
        // The head may have gone ahead; what would end the request, or make another of it, has not.
        assert!(bytes.ends_with(&probe()) && !bytes.contains("admin"), "{}: {bytes:?}", sent.name);
        let whole: Vec<_> = stage.upstream.taken().iter().map(|message| message.target().to_owned()).collect();
        assert_eq!(whole, ["/open/probe"], "{}", sent.name);
    }
}

#[test]
fn content_behind_a_length_of_nothing_is_no_request() {
    let stage = Stage::start();
    let sent = post("", &[("content-length", "0")], &["GET /admin/1 HTTP/1.1\r\nHost: api.test\r\n\r\n"]);
    for _ in 0..20 {
        let (_, bytes) = stage.run(&sent);
        let bytes = bytes.strip_suffix(&probe()).unwrap();
        // The head is a whole request if it has gone ahead.
        let whole = forwarded("POST /open/1 HTTP/1.1\r\nhost: api.test\r\ncontent-length: 0\r\n", "");
        assert!(bytes.is_empty() || bytes == whole, "{bytes:?}");
    }
}

#[test]
fn what_is_forwarded_has_one_framing() {
    let stage = Stage::start();
    for (sent, start, content) in good() {
        let (how, bytes) = stage.run(&sent);
        assert_eq!(how, "200", "{}", sent.name);
        assert_eq!(bytes, forwarded(&start, content) + &probe(), "{}", sent.name);
    }
}

#[test]
fn rfc_9110_9_3_2_an_answer_to_head_has_no_content() {
    let stage = Stage::start();
    for (target, status) in [("/items", 401), ("/nowhere", 404), ("/open/1", 200)] {
        let mut plain = stage.gateway.client();
        plain.send(format!("HEAD {target} HTTP/1.1\r\nHost: api.test\r\n\r\n"));
        let expected = plain.response_to("HEAD");
        assert_eq!(expected.status, status, "{target}");
        let answer = stage.probe.request("HEAD", target, &[]);
        assert_eq!((answer.status.as_u16(), answer.content.len()), (status, 0), "{target}");
        assert_eq!(answer.field("content-length"), expected.field("content-length"), "{target}");
        assert!(expected.field("content-length").is_some_and(|length| length != "0"), "{target}");
        let mut client = FrameClient::connect(stage.gateway.address, &[]);
        client.send(HEADERS, END_HEADERS | END_STREAM, 1, &section("HEAD", target));
        let head = client.until(HEADERS, 1).expect("an answer");
        assert_eq!(head.flags & END_STREAM, END_STREAM, "{target}: nothing follows");
    }
}
