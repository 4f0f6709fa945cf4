//! Content passes in both directions part by part, framed anew, and never held whole.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;

use serde_json::json;

use crate::support::{Answer, Chunk, Client, Gateway, Setup, Upstream, eventually, read_chunk};

/// More than every buffer between two sockets holds.
const FLOOD: usize = 64 << 20;

fn authorization(gateway: &Gateway) -> String {
    format!("Authorization: Bearer {}\r\n", gateway.signer.token("items", &json!({})))
}

fn post(client: &mut Client, gateway: &Gateway, fields: &str, content: &str) {
    let authorization = authorization(gateway);
    client.send(format!("POST /files/a HTTP/1.1\r\nHost: api.test\r\n{authorization}{fields}\r\n{content}"));
}

#[test]
fn fixed_and_chunked_content_are_framed_anew() {
    let upstream = Upstream::echo();
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    for (fields, content, length, coding) in [
        ("Content-Length: 5\r\n", "hello", Some("5"), None),
        ("Transfer-Encoding: chunked\r\n", "2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", None, Some("chunked")),
        ("Content-Length: 0\r\n", "", Some("0"), None),
        ("transfer-encoding: CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n", None, Some("chunked")),
    ] {
        post(&mut client, &gateway, fields, content);
        assert_eq!(client.response_to("POST").status, 200);
        let request = upstream.taken().remove(0);
        assert_eq!(request.content, if length == Some("0") { &b""[..] } else { b"hello" });
        assert_eq!((request.field("content-length"), request.field("transfer-encoding")), (length, coding));
    }
}

#[test]
fn both_framings_are_read_as_chunked_and_end_the_connection() {
    let upstream = Upstream::echo();
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    post(&mut client, &gateway, "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(client.response_to("POST").status, 200);
    let request = upstream.taken().remove(0);
    assert_eq!((&*request.content, request.field("content-length")), (&b"hello"[..], None));
    assert!(client.is_closed(), "RFC 9112 §6.1");
}

#[test]
fn get_may_have_content_of_unknown_length() {
    let upstream = Upstream::echo();
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    let authorization = authorization(&gateway);
    client.send(format!(
        "GET /items HTTP/1.1\r\nHost: api.test\r\n{authorization}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    ));
    assert_eq!(client.response_to("GET").status, 200);
    assert_eq!(upstream.taken().remove(0).content, b"hello");
}

#[test]
fn trailers_pass_but_those_that_may_not() {
    let upstream = Upstream::answering(|_| {
        Answer::Bytes(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Scopegate-Access\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 2\r\n\
              Scopegate-Access: admin\r\n\r\n"
                .to_vec(),
        )
    });
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    let fields =
        "TE: trailers\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Via, Authorization, Scopegate-Subject\r\n";
    let content = "2\r\nhi\r\n0\r\nX-Sum: 1\r\nAuthorization: Bearer x\r\nScopegate-Subject: root\r\nVia: 1.1 x\r\nX-Request-Id: forged\r\n\r\n";
    post(&mut client, &gateway, fields, content);
    let response = client.response_to("POST");
    assert_eq!(response.message.trailers, [("x-sum".to_owned(), "2".to_owned())]);
    let request = upstream.taken().remove(0);
    assert_eq!(request.trailers, [("x-sum".to_owned(), "1".to_owned())]);
    assert_eq!(request.field("trailer"), Some("x-sum"));
    assert_eq!(response.field("trailer"), Some("x-sum"));
    assert_eq!(request.field("te"), Some("trailers"));
}

#[test]
fn content_is_asked_for_only_once_it_is_wanted() {
    let upstream = Upstream::echo();
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    post(&mut client, &gateway, "Expect: 100-continue\r\nContent-Length: 5\r\n", "");
    assert_eq!(client.try_head().unwrap().unwrap().status, 100);
    client.send("hello");
    assert_eq!(client.response_to("POST").status, 200);
    let request = upstream.taken().remove(0);
    assert_eq!((&*request.content, request.field("expect")), (&b"hello"[..], None));

    let mut client = gateway.client();
    client.send("POST /files/a HTTP/1.1\r\nHost: api.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.try_head().unwrap().unwrap().status, 401, "a refusal comes instead of the invitation");
}

#[test]
fn an_answer_is_passed_on_before_it_is_complete() {
    let upstream = Upstream::answering(|_| {
        Answer::Take(Box::new(|mut stream: BufReader<TcpStream>| {
            let out = stream.get_mut();
            out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").unwrap();
            // The second part comes only when the peer, who has the first, sends something more.
            let mut byte = [0; 1];
            let _ = stream.get_ref().set_read_timeout(Some(std::time::Duration::from_millis(300)));
            let _ = stream.read(&mut byte);
            let _ = stream.get_mut().write_all(b"6\r\nsecond\r\n0\r\n\r\n");
        }))
    });
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    client.send("GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n");
    assert_eq!(client.try_head().unwrap().unwrap().status, 200);
    let reader = client.reader();
    let first = read_chunk(reader).unwrap();
    assert_eq!(first, Chunk::Data(b"first".to_vec()));
    assert_eq!(read_chunk(reader).unwrap(), Chunk::Data(b"second".to_vec()));
}

#[test]
fn a_slow_upstream_holds_the_peer_back() {
    let (give, stream) = mpsc::channel();
    let give = std::sync::Mutex::new(give);
    let upstream = Upstream::answering(move |_| {
        let give = give.lock().unwrap().clone();
        Answer::Take(Box::new(move |stream| give.send(stream).unwrap()))
    });
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    post(&mut client, &gateway, &format!("Content-Length: {FLOOD}\r\n"), "");
    let mut taken: BufReader<TcpStream> = stream.recv().unwrap();
    let writer = client.reader().get_mut().try_clone().unwrap();
    writer.set_nonblocking(true).unwrap();
    let (sent, resident) = flood_until_held(&writer, &gateway);
    assert!(sent < FLOOD / 2, "{sent} bytes were taken from the peer while the upstream took none");
    assert!(resident < 64 << 20, "{resident} bytes resident");

    writer.set_nonblocking(false).unwrap();
    let rest = std::thread::spawn(move || (&writer).write_all(&vec![b'x'; FLOOD - sent]));
    let mut content = vec![0; FLOOD];
    taken.read_exact(&mut content).unwrap();
    rest.join().unwrap().unwrap();
    taken.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_eq!(client.response_to("POST").status, 200);
}

/// Writes until no buffer takes more; the bytes written, and the gateway's resident bytes then.
fn flood_until_held(mut writer: &TcpStream, gateway: &Gateway) -> (usize, usize) {
    let (mut sent, mut held) = (0, 0);
    let part = vec![b'x'; 1 << 16];
    eventually("the peer is held back", || {
        match writer.write(&part[..part.len().min(FLOOD - sent)]) {
            Ok(written) if written > 0 => (sent, held) = (sent + written, 0),
            Ok(_) => return Some(()),
            Err(_) => held += 1,
        }
        (held > 20).then_some(())
    });
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    (sent, resident.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024)
}

#[test]
fn an_answer_that_breaks_off_is_not_made_to_look_whole() {
    let upstream = Upstream::answering(|request| match request.target() {
        "/open/length" => Answer::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec()),
        _ => Answer::Close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n".to_vec()),
    });
    let gateway = Setup::default().start(&upstream);
    for target in ["/open/length", "/open/chunked"] {
        let mut client = gateway.client();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: api.test\r\n\r\n"));
        assert_eq!(client.try_head().unwrap().unwrap().status, 200);
        let rest = String::from_utf8(client.rest()).unwrap();
        assert!(rest.contains("half") && !rest.contains("0\r\n\r\n"), "{target}: {rest:?}");
    }
    eventually("the upstream's failures are counted", || {
        (gateway.metric("scopegate_upstream_failures_total", &["kind=\"closed\""]) == 2.0).then_some(())
    });
    assert_eq!(gateway.client().request("GET", "/nowhere", "").status, 404, "others are not harmed");
}

#[test]
fn malformed_content_is_the_peers_fault() {
    let gateway = Setup::default().start(&Upstream::echo());
    for size in ["10000000000000002", "+2", "-2", "0_2", ""] {
        let mut client = gateway.client();
        post(&mut client, &gateway, "Transfer-Encoding: chunked\r\n", &format!("{size}\r\nxx\r\n0\r\n\r\n"));
        let response = client.response_to("POST");
        assert_eq!((response.status, response.reason()), (400, "bad_request".into()), "{size:?}");
        assert!(client.is_closed(), "{size:?}");
    }
    assert_eq!(gateway.metric("scopegate_upstream_failures_total", &[]), 0.0);
}

#[test]
fn an_early_answer_reaches_a_peer_that_still_sends() {
    let upstream = Upstream::answering(|_| {
        Answer::Take(Box::new(|mut stream: BufReader<TcpStream>| {
            stream
                .get_mut()
                .write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .unwrap();
        }))
    });
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    post(&mut client, &gateway, "Content-Length: 100\r\n", "some");
    assert_eq!(client.response_to("POST").status, 413);
}

#[test]
fn the_rest_of_a_request_that_was_answered_is_not_waited_for() {
    let upstream = Upstream::answering(|_| {
        Answer::Take(Box::new(|mut stream: BufReader<TcpStream>| {
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }))
    });
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    post(&mut client, &gateway, "Transfer-Encoding: chunked\r\n", "4\r\nsome\r\n");
    assert_eq!(client.response_to("POST").status, 200);
    eventually("the gateway lets go of both sides", || {
        let _ = client.try_send("1\r\nx\r\n");
        (gateway.metric("scopegate_upstream_connections", &[]) == 0.0).then_some(())
    });
    assert!(client.is_closed());
}

#[test]
fn an_answer_that_says_two_lengths_has_the_coded_one() {
    let upstream = Upstream::answering(|_| {
        Answer::Close(
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhelloworld\r\n0\r\n\r\n"
                .to_vec(),
        )
    });
    let gateway = Setup::default().start(&upstream);
    let response = gateway.client().request("GET", "/open/x", "");
    assert_eq!((response.status, &*response.text()), (200, "helloworld"), "RFC 9112 §6.3");
}
