//! Upstreams at unix sockets.

use std::io::{BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use tempfile::TempDir;

use crate::support::{Gateway, Http2Upstream, Message, Setup};

/// A socket on which each request is answered 200 and told on.
fn upstream() -> (TempDir, PathBuf, mpsc::Receiver<Message>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let tell = tell.clone();
            thread::spawn(move || {
                let mut stream: BufReader<UnixStream> = BufReader::new(stream);
                while let Ok(Some(mut message)) = Message::read_head(&mut stream) {
                    message.read_content(&mut stream).unwrap();
                    tell.send(message).unwrap();
                    stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
                }
            });
        }
    });
    (folder, path, told)
}

fn start(path: &std::path::Path, api: &str) -> Gateway {
    let setup = Setup { api: api.into(), more: "workers: 1".into(), ..Setup::default() };
    setup.start_before(&format!("unix:{}", path.display()))
}

#[test]
fn requests_are_forwarded_to_a_socket() {
    let (_folder, path, told) = upstream();
    for (rule, host) in [("keep", "api.test"), ("endpoint", "localhost"), ("www.test", "www.test")] {
        let gateway = start(&path, &format!("host: {rule}"));
        let mut client = gateway.client();
        for _ in 0..2 {
            client.send("POST /open/a?b HTTP/1.1\r\nHost: api.test\r\nContent-Length: 3\r\n\r\nabc");
            assert_eq!(client.response_to("POST").text(), "hi");
            let message = told.recv().unwrap();
            assert_eq!((message.target(), message.field("host")), ("/open/a?b", Some(host)));
            assert_eq!((&*message.content, message.field("x-forwarded-for")), (&b"abc"[..], Some("127.0.0.1")));
        }
        assert_eq!(gateway.metric("scopegate_upstream_connections", &[]), 1.0);
    }
}

#[test]
fn nobody_at_a_socket_is_502() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let gateway = start(&path, "");
    assert_eq!(gateway.client().request("GET", "/open/a", "").reason(), "upstream_unreachable");
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(gateway.client().request("GET", "/open/a", "").reason(), "upstream_unreachable");
    assert_eq!(gateway.metric("scopegate_upstream_failures_total", &["kind=\"connect\""]), 2.0);
}

#[test]
fn http2_is_spoken_to_a_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let upstream = Http2Upstream::at(&path);
    let gateway = start(&path, "protocol: http2, host: endpoint");
    assert_eq!(gateway.client().request("GET", "/open/a", "").text(), "/open/a");
    assert_eq!(upstream.taken().remove(0).uri(), "http://localhost/open/a");
}
