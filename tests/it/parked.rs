//! A connection that rests gives back what it holds, and is as good as it was.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{Answer, Authority, Client, Message, Setup, TlsClient, Upstream, eventually};

/// Longer than a connection rests before it is parked.
const REST: Duration = Duration::from_millis(800);

/// Nothing comes on a connection for as long as it takes to be parked.
fn rest(client: &mut Client) {
    let stream = client.reader().get_mut();
    stream.set_read_timeout(Some(REST)).unwrap();
    let fault = stream.read(&mut [0]).expect_err("nothing comes, and the connection stays");
    assert!(matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{fault}");
    stream.set_read_timeout(Some(crate::support::DEADLINE)).unwrap();
}

#[test]
fn a_connection_that_rested_is_served_again() {
    let upstream = Upstream::echo();
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    for round in 0..2 {
        client.send(format!("POST /open/{round} HTTP/1.1\r\nHost: api.test\r\nContent-Length: 4\r\n\r\nbody"));
        assert_eq!(client.response_to("POST").status, 200);
        rest(&mut client);
    }
    // The preface of HTTP/2 is no request of a connection that speaks HTTP/1.1.
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(!client.rest().starts_with(&[0]));
    assert_eq!(upstream.taken().len(), 2);
}

#[test]
fn what_is_left_of_a_request_is_never_taken_for_the_next() {
    // Answers before the content has come, and goes on reading.
    let upstream = Upstream::answering(|_| {
        Answer::Take(Box::new(|mut stream: BufReader<TcpStream>| {
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }))
    });
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    let hidden = "GET /open/hidden HTTP/1.1\r\nHost: api.test\r\n\r\n";
    client.send(format!("POST /open/1 HTTP/1.1\r\nHost: api.test\r\nContent-Length: {}\r\n\r\n1234", hidden.len() + 4));
    assert_eq!(client.response_to("POST").status, 200);
    let stream = client.reader().get_mut();
    stream.set_read_timeout(Some(REST)).unwrap();
    let _ = stream.read(&mut [0]);
    let _ = client.try_send(hidden);
    let _ = client.rest();
    let targets: Vec<_> = upstream.taken().iter().map(|request| request.target().to_owned()).collect();
    assert_eq!(targets, ["/open/1"]);
}

#[test]
fn half_a_head_that_came_with_the_exchange_before_has_the_time_of_a_head() {
    let gateway = Setup { more: "limits: {header_time: 300ms}".into(), ..Setup::default() }.start(&Upstream::echo());
    let mut client = gateway.client();
    client.send("GET /open/1 HTTP/1.1\r\nHost: api.test\r\n\r\nGET /open/2 HTT");
    assert_eq!(client.response_to("GET").status, 200);
    assert!(client.is_closed(), "long before `keep_alive`");
    eventually("counted", || {
        (gateway.metric("scopegate_connection_errors_total", &["kind=\"header_timeout\""]) == 1.0).then_some(())
    });
}

#[test]
fn a_tls_client_that_leaves_without_a_word_between_requests_is_nobodys_fault() {
    let authority = Authority::new("rest");
    let setup = Setup {
        tls: "{certificates: [{chain: tls/api.pem, key: tls/api.key}]}".into(),
        certificates: vec![("api", authority.issue(&["api.test"]))],
        ..Setup::default()
    };
    let gateway = setup.start(&Upstream::echo());
    let mut stream = TlsClient::trusting(&authority).connect(gateway.address, "api.test").unwrap();
    stream.write_all(b"GET /open/x HTTP/1.1\r\nHost: api.test\r\n\r\n").unwrap();
    let mut reader = BufReader::new(&mut stream);
    assert!(Message::read_head(&mut reader).unwrap().unwrap().start_line.contains(" 200 "));
    stream.sock.set_read_timeout(Some(REST)).unwrap();
    while stream.read(&mut [0; 64]).is_ok() {}
    // No close_notify (RFC 8446 §6.1) goes before the end of the connection.
    drop(stream);
    eventually("it has gone", || (gateway.metric("scopegate_connections", &[]) == 0.0).then_some(()));
    assert_eq!(gateway.metric("scopegate_connection_errors_total", &[]), 0.0);
}
