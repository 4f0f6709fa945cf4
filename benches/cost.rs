//! What the parts of a checked request cost, and a whole one from end to end.
//!
//! `cargo bench` runs it; `cargo bench -- lookup` only what is named so. Times are of one thread, and of this machine: compare
//! them with each other, and over changes, rather than with figures from elsewhere.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark has no caller, and fails by panicking"
)]

mod subjects;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use tempfile::TempDir;

use subjects::{AUDIENCE, ISSUER, Key, policy};

fn parts(criterion: &mut Criterion) {
    for mut subject in subjects::all() {
        criterion.benchmark_group(subject.group).bench_function(subject.name, |bencher| bencher.iter(&mut subject.run));
    }
}

/// The gateway's binary before an upstream that answers everything with 128 bytes.
struct Served {
    _folder: TempDir,
    child: Child,
    address: SocketAddr,
    token: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn served() -> Served {
    let folder = TempDir::new().unwrap();
    let key = Key::rsa();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("jwks.json", &json!({"keys": [key.jwk]}).to_string());
    write("routes.yaml", &policy(1_000));
    let upstream = upstream();
    write(
        "scopegate.yaml",
        &format!(
            "listeners: [{{address: '127.0.0.1:0'}}]\nadmin: {{address: '127.0.0.1:0'}}\nworkers: 1\nissuers: [{{issuer: '{ISSUER}', \
             audience: ['{AUDIENCE}'], keys: {{file: jwks.json}}}}]\nupstreams: {{api: {{endpoints: ['http://{upstream}']}}}}\npolicy: \
             [routes.yaml]\n"
        ),
    );
    let mut child = Command::new(env!("CARGO_BIN_EXE_scopegate"))
        .args(["serve", "--config"])
        .arg(folder.path().join("scopegate.yaml"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let serving = lines.find(|line| line.contains("\"msg\":\"serving\"")).unwrap();
    let serving: serde_json::Value = serde_json::from_str(&serving).unwrap();
    std::thread::spawn(move || lines.for_each(drop));
    Served {
        address: serving["listener"].as_str().unwrap().parse().unwrap(),
        token: key.token(0),
        _folder: folder,
        child,
    }
}

fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = [&b"HTTP/1.1 200 OK\r\nContent-Length: 128\r\n\r\n"[..], &[b'x'; 128]].concat();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            std::thread::spawn(move || answer_all(stream, &answer));
        }
    });
    address
}

fn answer_all(mut stream: TcpStream, answer: &[u8]) {
    let mut buffer = [0; 8192];
    let mut length = 0;
    while let Ok(read @ 1..) = stream.read(&mut buffer[length..]) {
        length += read;
        if buffer[..length].ends_with(b"\r\n\r\n") {
            length = 0;
            if stream.write_all(answer).is_err() {
                return;
            }
        }
    }
}

fn request(criterion: &mut Criterion) {
    let served = served();
    let mut stream = TcpStream::connect(served.address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut group = criterion.benchmark_group("request");
    for (name, target, status) in
        [("forwarded", "/api/v1/groups0001/1", "200"), ("refused", "/api/v1/models0001/1", "403")]
    {
        let text = format!(
            "GET {target} HTTP/1.1\r\nHost: api.example.test\r\nAuthorization: Bearer {}\r\n\r\n",
            served.token
        );
        group.bench_function(name, |bencher| bencher.iter(|| exchange(&mut stream, &text, status)));
    }
    group.finish();
}

fn exchange(stream: &mut TcpStream, request: &str, status: &str) {
    stream.write_all(request.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).unwrap();
    assert!(line.contains(status), "{line}");
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
}

criterion_group! {
    name = all;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).without_plots();
    targets = parts, request
}
criterion_main!(all);
