//! Answers without an end: each part arrives when it is sent, and both sides hear of the other's end.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;

use crate::support::{Answer, Chunk, DEADLINE, Http2Streams, Setup, Upstream, read_chunk};

/// An upstream that begins an endless answer to each request, and hands it to the test.
fn streaming() -> (Upstream, mpsc::Receiver<BufReader<TcpStream>>) {
    let (give, streams) = mpsc::channel();
    let give = std::sync::Mutex::new(give);
    let upstream = Upstream::answering(move |_| {
        let give = give.lock().unwrap().clone();
        Answer::Take(Box::new(move |mut stream| {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.get_mut().write_all(head.as_bytes()).unwrap();
            stream.get_ref().set_read_timeout(Some(DEADLINE)).unwrap();
            give.send(stream).unwrap();
        }))
    });
    (upstream, streams)
}

fn event(number: usize) -> String {
    format!("id: {number}\ndata: event {number}\n\n")
}

fn tell(stream: &mut BufReader<TcpStream>, event: &str) {
    stream.get_mut().write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).unwrap();
}

#[test]
fn each_event_arrives_before_the_next_is_sent() {
    let (upstream, streams) = streaming();
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    client.send("GET /open/events HTTP/1.1\r\nHost: api.test\r\nAccept: text/event-stream\r\n\r\n");
    let head = client.try_head().unwrap().unwrap();
    assert_eq!((head.status, head.field("content-type")), (200, Some("text/event-stream")));
    let mut stream = streams.recv().unwrap();
    for number in 0..100 {
        tell(&mut stream, &event(number));
        assert_eq!(read_chunk(client.reader()).unwrap(), Chunk::Data(event(number).into_bytes()));
    }
    stream.get_mut().write_all(b"0\r\n\r\n").unwrap();
    assert_eq!(read_chunk(client.reader()).unwrap(), Chunk::End(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_arrives_before_the_next_is_sent_over_http2() {
    let (upstream, streams) = streaming();
    let gateway = Setup::default().start(&upstream);
    let mut client = Http2Streams::connect(gateway.address).await;
    let mut answer = client.get("/open/events").await;
    let mut stream = streams.recv().unwrap();
    for number in 0..100 {
        tell(&mut stream, &event(number));
        assert_eq!(answer.part().await.unwrap(), event(number));
    }
    // The stream alone is left: the upstream hears of it, and the connection goes on.
    answer.sent.send_reset(h2::Reason::CANCEL);
    drop(answer);
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    assert_eq!(client.get("/open/events").await.status(), 200);
}

#[test]
fn a_client_that_leaves_ends_the_upstreams_answer() {
    let (upstream, streams) = streaming();
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    client.send("GET /open/events HTTP/1.1\r\nHost: api.test\r\n\r\n");
    let mut stream = streams.recv().unwrap();
    tell(&mut stream, &event(0));
    assert_eq!(client.try_head().unwrap().unwrap().status, 200);
    drop(client);
    // Nothing is sent: it is told so while it is silent.
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn a_long_poll_waits_for_its_answer_and_a_client_that_leaves_ends_it() {
    let (give, streams) = mpsc::channel();
    let give = std::sync::Mutex::new(give);
    let upstream = Upstream::answering(move |_| {
        let give = give.lock().unwrap().clone();
        Answer::Take(Box::new(move |stream| {
            stream.get_ref().set_read_timeout(Some(DEADLINE)).unwrap();
            give.send(stream).unwrap();
        }))
    });
    let gateway = Setup::default().start(&upstream);
    let mut client = gateway.client();
    client.send("GET /open/poll HTTP/1.1\r\nHost: api.test\r\n\r\n");
    let mut stream = streams.recv().unwrap();
    stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnews").unwrap();
    assert_eq!(client.response_to("GET").text(), "news");
    client.send("GET /open/poll HTTP/1.1\r\nHost: api.test\r\n\r\n");
    drop(stream);
    let mut stream = streams.recv().unwrap();
    drop(client);
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
}
