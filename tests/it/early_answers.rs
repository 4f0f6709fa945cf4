//! Answers over HTTP/1.1 to requests whose content is still on its way (RFC 9112 §9.6): they arrive whatever the peer still sends.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::support::{Answer, Authority, DEADLINE, Place, Service, Setup, TlsClient, Upstream, eventually};

/// More than the buffers on the way hold, so that it must be read to be sent.
const UPLOAD: usize = 3 << 20;

fn upload(target: &str, length: usize) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: api.test\r\nContent-Length: {length}\r\n\r\n")
}

/// Sends a whole upload that is refused, and only then reads; what was answered.
fn sent_then_read(stream: &mut (impl Read + Write)) -> String {
    stream.write_all(upload("/items", UPLOAD).as_bytes()).expect("sent");
    for _ in 0..UPLOAD / 4096 {
        stream.write_all(&[b'x'; 4096]).expect("the content is taken");
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer, and an end that is no reset");
    answer
}

fn is_whole(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n") && answer.ends_with('}'), "{answer}");
}

#[test]
fn a_refusal_reaches_a_peer_that_sends_all_its_content_first() {
    let service = Service::start(&Upstream::echo(), "");
    let (Place::Tcp(address), Place::Unix(path)) = (&service.tcp, &service.unix) else { panic!("two places") };
    is_whole(&sent_then_read(&mut TcpStream::connect(address).unwrap()));
    is_whole(&sent_then_read(&mut UnixStream::connect(path).unwrap()));
}

#[test]
fn it_does_so_under_tls() {
    let authority = Authority::new("early answers");
    let tls = "{certificates: [{chain: tls/api.pem, key: tls/api.key}]}";
    let certificates = vec![("api", authority.issue(&["api.test"]))];
    let gateway = Setup { tls: tls.into(), certificates, ..Setup::default() }.start(&Upstream::echo());
    let mut stream = TlsClient::trusting(&authority).connect(gateway.address, "api.test").unwrap();
    is_whole(&sent_then_read(&mut stream));
}

#[test]
fn a_refused_head_is_answered_whatever_follows_it() {
    let gateway = Setup::default().start(&Upstream::echo());
    let mut stream = TcpStream::connect(gateway.address).unwrap();
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: a\r\nx-long: {}", "x".repeat(1 << 20)).as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[test]
fn a_refusal_of_content_that_is_there_leaves_the_connection_open() {
    let gateway = Setup::default().start(&Upstream::echo());
    let mut client = gateway.client();
    let chunked = "POST /items HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for request in [upload("/items", 5) + "hello", chunked.into(), upload("/items", 20_000) + &"x".repeat(20_000)] {
        client.send(request);
        let answer = client.response_to("POST");
        assert_eq!((answer.status, answer.field("connection")), (401, None));
    }
    let awaiting = upload("/items", 5).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    client.send(awaiting);
    let answer = client.try_head().unwrap().unwrap();
    assert_eq!((answer.status, answer.field("connection")), (401, Some("close")), "no leave is given");
}

#[test]
fn an_early_answer_of_the_upstream_says_that_it_is_the_last() {
    let upstream = Upstream::answering(|_| {
        Answer::Take(Box::new(|mut stream| {
            let _ = stream.get_mut().write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nmuch");
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }))
    });
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    client.send(upload("/open/1", 1 << 20));
    let answer = client.response_to("POST");
    assert_eq!((answer.status, answer.field("connection"), answer.text().as_str()), (413, Some("close"), "much"));
    assert!(client.is_closed());
}

#[test]
fn nobody_is_listened_to_for_long() {
    let gateway = Setup::default().start(&Upstream::echo());
    let open = || gateway.metric("scopegate_connections", &["protocol=\"http1\""]);
    let refused = || {
        let mut stream = TcpStream::connect(gateway.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(upload("/items", 1 << 30).as_bytes()).unwrap();
        let mut answer = [0; 16];
        stream.read_exact(&mut answer).unwrap();
        stream
    };
    let began = Instant::now();
    let silent = refused();
    eventually("a silent peer is closed", || (open() == 0.0).then_some(()));
    let mut endless = refused();
    eventually("one that never ends is closed", || endless.write_all(&[b'x'; 1 << 16]).is_err().then_some(()));
    assert!(began.elapsed() < Duration::from_secs(10));
    let leaving = refused();
    leaving.shutdown(Shutdown::Write).unwrap();
    eventually("one that leaves is closed", || (open() == 0.0).then_some(()));
    drop(silent);
}
