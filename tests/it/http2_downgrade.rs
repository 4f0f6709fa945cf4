//! What an upstream of HTTP/1.1 receives, byte by byte, of requests that came over HTTP/2 and try to become others on the way.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::http2::{
    DATA, END_HEADERS, END_STREAM, FrameClient, GOAWAY, HEADERS, Http2Client, RST_STREAM, literals,
};
use crate::support::{Setup, Upstream};

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

/// A request as its frames have it.
struct Sent {
    name: &'static str,
    fields: Vec<(&'static str, &'static str)>,
    /// Payloads of `DATA`; nothing follows the last, unless there are trailers.
    content: &'static [&'static str],
    trailers: &'static [(&'static str, &'static str)],
}

type Field = (&'static str, &'static str);

const GOOD: [Field; 4] = [(":method", "GET"), (":scheme", "http"), (":authority", "api.test"), (":path", "/open/1")];

fn sent(name: &'static str, fields: Vec<Field>) -> Sent {
    Sent { name, fields, content: &[], trailers: &[] }
}

/// A good request in which one pseudo-header field has another value.
fn with(pseudo: &'static str, value: &'static str) -> Vec<Field> {
    GOOD.iter().map(|&(name, own)| (name, if name == pseudo { value } else { own })).collect()
}

/// A good request with more fields.
fn and(fields: &[Field]) -> Vec<Field> {
    [&GOOD, fields].concat()
}

/// A `POST` with more fields and content.
fn post(name: &'static str, fields: &[Field], content: &'static [&'static str]) -> Sent {
    Sent { name, fields: [&with(":method", "POST"), fields].concat(), content, trailers: &[] }
}

/// The same with trailers.
fn trailing(name: &'static str, trailers: &'static [Field]) -> Sent {
    Sent { trailers, ..post(name, &[], &["abc"]) }
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

#[test]
fn dump() {
    let upstream = Upstream::echo();
    let tap = Tap::before(upstream.address);
    let gateway =
        Setup { more: "workers: 1".into(), ..Setup::default() }.start_before(&format!("http://{}", tap.address));
    for row in malformed().into_iter().chain(good()) {
        let mut client = send(gateway.address, &row);
        let how = outcome(&mut client);
        drop(client);
        let _ = Http2Client::connect(gateway.address).request("GET", "/open/probe", &[]);
        println!("{:40} {how:8} {:?}", row.name, tap.taken());
    }
}

fn malformed() -> Vec<Sent> {
    vec![
        sent("CRLF and a request in :path", with(":path", "/open/1 HTTP/1.1\r\nHost: api.test\r\n\r\nGET /admin/1")),
        sent("space in :path", with(":path", "/open/1 HTTP/1.1")),
        sent("tab in :path", with(":path", "/open/1\t")),
        sent("LF in :path", with(":path", "/open/1\n")),
        sent("CR in :path", with(":path", "/open/1\r")),
        sent("NUL in :path", with(":path", "/open/1\0")),
        sent("DEL in :path", with(":path", "/open/1\x7F")),
        sent(":path without a slash", with(":path", "open/1")),
        sent(":path absolute", with(":path", "http://api.test/open/1")),
        sent(":path with an authority", with(":path", "@evil.test/open/1")),
        sent(":path with two slashes", with(":path", "//evil.test/open/1")),
        sent(":path with a query alone", with(":path", "?/open/1")),
        sent(":path of an asterisk", with(":path", "*")),
        sent("empty :path", with(":path", "")),
        sent("CRLF and a request in :method", with(":method", "GET /admin/1 HTTP/1.1\r\nHost: api.test\r\n\r\nGET")),
        sent("space in :method", with(":method", "GET /admin/1")),
        sent("space before :method", with(":method", " GET")),
        sent("NUL in :method", with(":method", "GET\0")),
        sent("colon in :method", with(":method", "GET:")),
        sent("small letters in :method", with(":method", "get")),
        sent("empty :method", with(":method", "")),
        sent("CRLF in :authority", with(":authority", "api.test\r\nx: y")),
        sent("space in :authority", with(":authority", "api.test evil.test")),
        sent("path in :authority", with(":authority", "api.test/admin/1?")),
        sent("user information in :authority", with(":authority", "evil@api.test")),
        sent("several in :authority", with(":authority", "api.test,evil.test")),
        sent("NUL in :authority", with(":authority", "api.test\0")),
        sent("empty :authority", with(":authority", "")),
        sent("no port in :authority", with(":authority", "api.test:x")),
        sent("CRLF in :scheme", with(":scheme", "http\r\nx: y")),
        sent("space in :scheme", with(":scheme", "http x")),
        sent("an address in :scheme", with(":scheme", "http://evil.test/?")),
        sent("empty :scheme", with(":scheme", "")),
        sent("two :method", [&[(":method", "POST")], &GOOD[..]].concat()),
        sent("two equal :method", [&[GOOD[0]], &GOOD[..]].concat()),
        sent("two :path", [&[(":path", "/admin/1")], &GOOD[..]].concat()),
        sent("two equal :path", [&[GOOD[3]], &GOOD[..]].concat()),
        sent("two :authority", [&[(":authority", "evil.test")], &GOOD[..]].concat()),
        sent("two equal :authority", [&[GOOD[2]], &GOOD[..]].concat()),
        sent("two :scheme", [&[(":scheme", "https")], &GOOD[..]].concat()),
        sent("no :method", GOOD[1..].to_vec()),
        sent("no :path", GOOD[..3].to_vec()),
        sent("no :scheme", [&GOOD[..1], &GOOD[2..]].concat()),
        sent("no :authority and no host", [&GOOD[..2], &GOOD[3..]].concat()),
        sent("a pseudo-field behind a field", [&GOOD[..3], &[("x-a", "1"), GOOD[3]]].concat()),
        sent("a pseudo-field in capitals", and(&[(":Path", "/admin/1")])),
        sent("a pseudo-field of answers", and(&[(":status", "200")])),
        sent("an unknown pseudo-field", and(&[(":x", "1")])),
        sent(":protocol without CONNECT", and(&[(":protocol", "websocket")])),
        sent("CONNECT with :path", with(":method", "CONNECT")),
        sent("CONNECT", vec![(":method", "CONNECT"), (":authority", "api.test:80")]),
        sent("CRLF in a value", and(&[("x-a", "1\r\nscopegate-access: admin")])),
        sent(
            "CRLF and a request in a value",
            and(&[("x-a", "1\r\n\r\nGET /admin/1 HTTP/1.1\r\nHost: api.test\r\n\r\n")]),
        ),
        sent("CR in a value", and(&[("x-a", "1\r2")])),
        sent("LF in a value", and(&[("x-a", "1\n2")])),
        sent("NUL in a value", and(&[("x-a", "1\x002")])),
        sent("DEL in a value", and(&[("x-a", "1\x7F2")])),
        sent("escape in a value", and(&[("x-a", "1\x1B2")])),
        sent("value that ends with CRLF", and(&[("x-a", "1\r\n")])),
        sent("value that begins with LF", and(&[("x-a", "\n1")])),
        sent("value that begins with a space", and(&[("x-a", " 1")])),
        sent("value that ends with a tab", and(&[("x-a", "1\t")])),
        sent("CRLF in a crumb of cookie", and(&[("cookie", "a=1"), ("cookie", "b=2\r\nx: y")])),
        sent("CRLF in a name", and(&[("x-a: 1\r\nx-b", "1")])),
        sent("LF behind a name", and(&[("x-a\n", "1")])),
        sent("NUL in a name", and(&[("x\0a", "1")])),
        sent("colon in a name", and(&[("x:a", "1")])),
        sent("colon behind a name", and(&[("content-length:", "1")])),
        sent("space in a name", and(&[("x a", "1")])),
        sent("space behind a name", and(&[("transfer-encoding ", "chunked")])),
        sent("space before a name", and(&[(" x-a", "1")])),
        sent("slash in a name", and(&[("x/a", "1")])),
        sent("capitals in a name", and(&[("X-A", "1")])),
        sent("letters beyond ASCII in a name", and(&[("x-\u{E4}", "1")])),
        sent("a request as a name", and(&[("get /admin/1 http/1.1\r\nhost", "api.test")])),
        sent("empty name", and(&[("", "1")])),
        post("transfer-encoding", &[("transfer-encoding", "chunked")], &["0\r\n\r\nGET /admin/1 HTTP/1.1\r\n\r\n"]),
        post("transfer-encoding in capitals", &[("Transfer-Encoding", "chunked")], &["0\r\n\r\n"]),
        post("transfer-encoding of gzip", &[("transfer-encoding", "gzip, chunked")], &["0\r\n\r\n"]),
        post("transfer_encoding", &[("transfer_encoding", "chunked")], &["0\r\n\r\n"]),
        post(
            "transfer-encoding and content-length",
            &[("transfer-encoding", "chunked"), ("content-length", "3")],
            &["abc"],
        ),
        sent("connection that names a field", and(&[("connection", "authorization")])),
        sent("connection", and(&[("connection", "close")])),
        sent("proxy-connection", and(&[("proxy-connection", "keep-alive")])),
        sent("keep-alive", and(&[("keep-alive", "timeout=5")])),
        sent("upgrade", and(&[("upgrade", "websocket")])),
        sent("upgrade to h2c", and(&[("upgrade", "h2c"), ("http2-settings", "AAMAAABkAAQAAP__")])),
        sent("te of more than trailers", and(&[("te", "trailers, chunked")])),
        sent("te of gzip", and(&[("te", "gzip")])),
        sent("host that differs", and(&[("host", "evil.test")])),
        sent("two hosts", and(&[("host", "api.test"), ("host", "evil.test")])),
        sent("two hosts that agree", and(&[("host", "api.test"), ("host", "api.test")])),
        sent(
            "content-length of too much",
            with(":method", "POST").into_iter().chain([("content-length", "5")]).collect(),
        ),
        post("content-length too small", &[("content-length", "1")], &["abc"]),
        post(
            "content-length of nothing",
            &[("content-length", "0")],
            &["GET /admin/1 HTTP/1.1\r\nHost: api.test\r\n\r\n"],
        ),
        post("two content-lengths", &[("content-length", "3"), ("content-length", "2")], &["abc"]),
        post("two equal content-lengths", &[("content-length", "3"), ("content-length", "3")], &["abc"]),
        post("content-length as a list", &[("content-length", "3, 3")], &["abc"]),
        post("content-length with a sign", &[("content-length", "+3")], &["abc"]),
        post("content-length in hexadecimal", &[("content-length", "0x3")], &["abc"]),
        post("content-length with a space", &[("content-length", "3 ")], &["abc"]),
        post("empty content-length", &[("content-length", "")], &["abc"]),
        post("content-length beyond any number", &[("content-length", "18446744073709551619")], &["abc"]),
        post("content_length", &[("content_length", "1")], &["abc"]),
        post("content-length too large", &[("content-length", "10")], &["abc"]),
        post("content-length too small, in parts", &[("content-length", "3")], &["ab", "cd"]),
        trailing("a pseudo-field among trailers", &[(":path", "/admin/1")]),
        trailing("CRLF in a trailer", &[("x-a", "1\r\n\r\nGET /admin/1 HTTP/1.1\r\n\r\n")]),
        trailing("colon in a trailer's name", &[("x:a", "1")]),
        trailing("capitals in a trailer's name", &[("X-A", "1")]),
        trailing("connection among trailers", &[("connection", "close")]),
        trailing("transfer-encoding among trailers", &[("transfer-encoding", "chunked")]),
        trailing("content-length among trailers", &[("content-length", "3")]),
        trailing("host among trailers", &[("host", "evil.test")]),
        trailing("authorization among trailers", &[("authorization", "Bearer x")]),
        trailing("scopegate-access among trailers", &[("scopegate-access", "admin"), ("x-sum", "7")]),
    ]
}

fn good() -> Vec<Sent> {
    vec![
        sent("nothing more", GOOD.to_vec()),
        sent("host alone", [&GOOD[..2], &GOOD[3..], &[("host", "api.test")]].concat()),
        sent("host as well", and(&[("host", "API.test")])),
        sent("obs-text", and(&[("x-a", "\u{E4}")])),
        sent("empty value", and(&[("x-a", "")])),
        sent("tab in a value", and(&[("x-a", "1\t2")])),
        sent("colon in a value", and(&[("x-a", "b: c")])),
        sent("fields of one name in their order", and(&[("x-a", "1"), ("x-b", "2"), ("x-a", "3")])),
        sent("crumbs of cookie", and(&[("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2; c=3")])),
        sent("te", and(&[("te", "trailers")])),
        sent("expect", and(&[("expect", "100-continue")])),
        sent("scheme https", with(":scheme", "https")),
        sent("content-length of nothing, with nothing", and(&[("content-length", "0")])),
        Sent { content: &[""], ..sent("GET with empty content", GOOD.to_vec()) },
        Sent { content: &["GET /admin/1 HTTP/1.1\r\n\r\n"], ..sent("GET with content", GOOD.to_vec()) },
        post("content that looks like chunks", &[], &["0\r\n\r\nGET /admin/1 HTTP/1.1\r\n\r\n"]),
        post("content with a length", &[("content-length", "5")], &["0\r\n\r\n"]),
        post("content with a length, with zeros", &[("content-length", "005")], &["0\r\n\r\n"]),
        post("content in parts", &[], &["abc", "", "d"]),
        post("no content", &[], &[]),
        trailing("trailers", &[("x-sum", "7")]),
    ]
}
