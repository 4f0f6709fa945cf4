//! A stage for one fault: the gateway between a peer and an upstream whose every byte the test moves.
//!
//! A fault is played; then good requests are sent after it, from which its outcome is read: what the peer had of an answer, which
//! connections are still used, what was counted, what was recorded.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use super::gateway::{Gateway, Setup};
use super::wire::{Progress, Wire};
use super::{Message, eventually};

/// How many faults are played at one time: most of them wait for a short while.
const AT_A_TIME: usize = 6;
/// What the bound of a fault is set to; every other bound is longer than a test may wait.
const SHORT: &str = "500ms";
const LONG: &str = "60s";
const POLICY: &str = "routes:
  - {path: '/open/{name}', upstream: api, methods: {GET: public, PUT: public, POST: public}}
  - {path: /open/probe, upstream: api, timeout: 60s, methods: {GET: public}}
  - {path: /open/last, upstream: api, timeout: 60s, methods: {GET: public}}
";

/// Something that goes wrong.
pub struct Fault {
    /// The row of the table; also the last segment of the request's path.
    pub name: &'static str,
    /// What goes wrong, for people.
    pub says: &'static str,
    /// The key that bounds it, or nothing.
    pub bound: &'static str,
    /// The method of the request that it befalls.
    pub method: &'static str,
    pub act: fn(&mut Stage),
}

/// What became of it.
#[derive(Debug)]
pub struct Outcome {
    pub peer_gets: String,
    pub peer_connection: &'static str,
    pub upstream_gets: &'static str,
    pub upstream_connection: &'static str,
    pub counted: String,
    pub record: String,
}

/// The gateway with the ends of its connections.
pub struct Stage {
    pub gateway: Gateway,
    pub peer: Wire,
    /// In the order in which they were accepted; the fault's is the first.
    pub upstreams: Vec<Wire>,
    listener: TcpListener,
    name: &'static str,
}

/// Plays every fault, several at a time.
///
/// # Panics
///
/// When one of them comes to no end; all are named.
pub fn outcomes(faults: &[Fault]) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let played: Vec<Mutex<Option<Outcome>>> = faults.iter().map(|_| Mutex::default()).collect();
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                let take = || {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    faults.get(index).zip(played.get(index))
                };
                while let Some((fault, place)) = take() {
                    let outcome = catch_unwind(AssertUnwindSafe(|| play(fault))).ok();
                    *place.lock().expect("unpoisoned") = outcome;
                }
            });
        }
    });
    let is_endless = |place: &Mutex<Option<Outcome>>| place.lock().expect("unpoisoned").is_none();
    let endless = faults.iter().zip(&played).filter(|(_, place)| is_endless(place));
    let endless: Vec<_> = endless.map(|(fault, _)| fault.name).collect();
    assert!(endless.is_empty(), "no outcome: {endless:?}");
    played.into_iter().filter_map(|played| played.into_inner().expect("unpoisoned")).collect()
}

fn play(fault: &Fault) -> Outcome {
    let mut stage = Stage::new(fault);
    (fault.act)(&mut stage);
    stage.conclude(fault.method)
}

fn setup(bound: &str) -> Setup {
    let time = |key: &str| if key == bound { SHORT } else { LONG };
    Setup {
        policy: POLICY.into(),
        api: format!(
            "timeouts: {{connect: {}, response: {}, idle: {}}}, connections: {{idle: {LONG}}}",
            time("timeouts.connect"),
            time("timeouts.response"),
            time("timeouts.idle")
        ),
        more: format!(
            "workers: 1\nlog: {{access: all}}\nlimits: {{header_time: {}, body_idle: {}, keep_alive: {}}}\n",
            time("limits.header_time"),
            time("limits.body_idle"),
            time("limits.keep_alive")
        ),
        ..Setup::default()
    }
}

fn get(path: &str) -> String {
    format!("GET /open/{path} HTTP/1.1\r\nHost: api.test\r\n\r\n")
}

/// An answer without fault.
pub fn good(content: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{content}", content.len())
}

/// A listener that keeps its port when it is shut down: Linux lets go of one that was not asked for by its number.
fn listener() -> TcpListener {
    let bound = |port| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_port(true).expect("a socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into()).expect("a port");
        socket
    };
    let given = TcpListener::from(bound(0));
    let socket = bound(given.local_addr().expect("an address").port());
    drop(given);
    socket.listen(16).expect("a listener");
    socket.set_nonblocking(true).expect("a listener");
    socket.into()
}

impl Stage {
    fn new(fault: &Fault) -> Self {
        let listener = listener();
        let gateway =
            setup(fault.bound).start_before(&format!("http://{}", listener.local_addr().expect("an address")));
        let peer = Wire::new(TcpStream::connect(gateway.address).expect("a connection"));
        Self { gateway, peer, upstreams: Vec::new(), listener, name: fault.name }
    }

    /// The peer sends a request; `fields` are lines, each ended by CRLF.
    pub fn ask(&mut self, method: &str, fields: &str, content: &str) {
        let head = format!("{method} /open/{} HTTP/1.1\r\nHost: api.test\r\n{fields}\r\n{content}", self.name);
        self.peer.send(head);
    }

    /// The upstream accepts a connection.
    #[track_caller]
    pub fn accept(&mut self) -> &mut Wire {
        let stream = eventually("the gateway connects", || self.listener.accept().ok()).0;
        self.upstreams.push(Wire::new(stream));
        self.upstreams.last_mut().expect("the one just accepted")
    }

    /// The upstream accepts a connection, and reads the head that comes on it.
    #[track_caller]
    pub fn accept_head(&mut self) -> &mut Wire {
        let wire = self.accept();
        wire.expect("\r\n\r\n");
        wire
    }

    /// The peer asks by `GET`; the upstream reads that and does what it does.
    pub fn get(&mut self) -> &mut Wire {
        self.ask("GET", "", "");
        self.accept_head()
    }

    /// A whole exchange before the fault, on connections that are kept.
    pub fn warm_up(&mut self) {
        self.peer.send(get("before"));
        let upstream = self.accept_head();
        upstream.send(good("before"));
        upstream.clear();
        self.peer.expect("before");
        self.peer.clear();
        self.settle();
    }

    /// The first connection that the upstream accepted.
    pub fn upstream(&mut self) -> &mut Wire {
        self.upstreams.first_mut().expect("a connection")
    }

    /// From now on connections to the upstream's port are refused.
    pub fn stop_listening(&self) {
        SockRef::from(&self.listener).shutdown(Shutdown::Both).expect("a listener");
    }

    /// And now they are not.
    pub fn listen_again(&self) {
        SockRef::from(&self.listener).listen(16).expect("a listener");
    }

    /// From now on nobody's handshake with the upstream's port ends.
    pub fn accept_nobody(&self) {
        SockRef::from(&self.listener).listen(0).expect("a listener");
        let address = self.listener.local_addr().expect("an address");
        while TcpStream::connect_timeout(&address, Duration::from_millis(50)).is_ok() {}
    }

    /// And now it does.
    pub fn accept_again(&self) {
        while self.listener.accept().is_ok() {}
        SockRef::from(&self.listener).listen(16).expect("a listener");
    }

    /// The peer gives its connection up for a new one.
    pub fn another_peer(&mut self) {
        self.peer = Wire::new(TcpStream::connect(self.gateway.address).expect("a connection"));
    }

    /// Waits until a fault of this kind has been counted.
    #[track_caller]
    pub fn until_counted(&self, family: &str, kind: &str) {
        let label = format!("kind=\"{kind}\"");
        eventually(kind, || (self.gateway.metric(family, &[&label]) > 0.0).then_some(()));
    }

    /// Waits until no request is under way and the gateway knows of as many connections as there are.
    #[track_caller]
    fn settle(&mut self) {
        eventually("nothing is under way", || {
            let is_open = |wire: &mut Wire| !wire.read_some();
            let upstreams = self.upstreams.iter_mut().map(is_open).filter(|open| *open).count();
            let metric = |name| self.gateway.metric(name, &[]);
            let settled = metric("scopegate_requests_in_flight") == 0.0
                && metric("scopegate_upstream_connections") == upstreams as f64;
            settled.then_some(())
        });
    }

    fn conclude(mut self, method: &str) -> Outcome {
        let answer = self.peer.message_or_end(Some(method));
        if self.upstreams.iter().all(Wire::is_closed) {
            self.settle();
        }
        if let Progress::Whole(_, length) = answer {
            self.peer.forget(length);
        }
        let (peer_connection, upstream) = self.good_request("probe");
        let (upstream_gets, upstream_connection) = self.upstreams_part(upstream);
        self.answer(upstream, "probe");
        self.settle();
        let (_, last) = self.good_request("last");
        self.answer(last, "last");
        let record = self.record();
        eventually("no peer is left but the last", || {
            (self.gateway.metric("scopegate_connections", &[]) <= 1.0).then_some(())
        });
        let counted = self.counted();
        Outcome { peer_gets: peer_gets(&answer), peer_connection, upstream_gets, upstream_connection, counted, record }
    }

    /// Sends a good request, on the peer's connection if that is still one: whether it was, and on which connection to the upstream
    /// it came.
    #[track_caller]
    fn good_request(&mut self, path: &str) -> (&'static str, usize) {
        let mut kept = "kept";
        self.peer.send(get(path));
        let at = eventually("a good request arrives", || {
            let at = self.position_of(path);
            if at.is_none() && self.peer.read_some() {
                kept = "closed";
                self.another_peer();
                self.peer.send(get(path));
            }
            at
        });
        (kept, at)
    }

    /// What the upstream has had of the faulty request, and what became of its connection, when the good one has come at `probe`.
    fn upstreams_part(&mut self, probe: usize) -> (&'static str, &'static str) {
        let wire = self.upstreams.first_mut().expect("the good request's connection");
        match probe {
            0 if wire.begins_with(b"GET /open/probe ") => ("nothing", "–"),
            0 => (upstream_gets(&wire.message(None)), "reused"),
            _ => {
                wire.expect_end();
                (upstream_gets(&wire.message(None)), "closed")
            }
        }
    }

    /// The connection on which the good request has come.
    fn position_of(&mut self, path: &str) -> Option<usize> {
        while let Ok((stream, _)) = self.listener.accept() {
            self.upstreams.push(Wire::new(stream));
        }
        let start = format!("GET /open/{path} ");
        self.upstreams.iter_mut().position(|wire| (wire.read_some(), wire.has(start.as_bytes())).1)
    }

    fn answer(&mut self, upstream: usize, content: &str) {
        self.upstreams[upstream].send(good(content));
        self.upstreams[upstream].clear();
        let answered = self.peer.message_or_end(Some("GET"));
        let Progress::Whole(message, length) = answered else { panic!("a good request gets {answered:?}") };
        assert_eq!((status(&message), &*message.content), ("200", content.as_bytes()), "a good request");
        self.peer.forget(length);
    }

    fn counted(&self) -> String {
        let text = self.gateway.ask("GET", "/metrics").text();
        let families =
            [("scopegate_upstream_failures_total", "upstream"), ("scopegate_connection_errors_total", "peer")];
        let kinds = families.into_iter().flat_map(|(family, whose)| {
            let samples = text.lines().filter(move |line| line.split('{').next() == Some(family));
            samples.filter_map(move |line| {
                let kind = line.split_once("kind=\"")?.1.split('"').next()?;
                match line.rsplit(' ').next()? {
                    "0" => None,
                    "1" => Some(format!("{whose}: `{kind}`")),
                    count => Some(format!("{whose}: {count} × `{kind}`")),
                }
            })
        });
        let kinds: Vec<_> = kinds.collect();
        if kinds.is_empty() { "–".into() } else { kinds.join(", ") }
    }

    /// The record of the request, which is written before that of the last one.
    fn record(&self) -> String {
        let records = eventually("the last request has its record", || {
            let log = self.gateway.log();
            log.iter().any(|line| line["path"] == "/open/last").then_some(log)
        });
        let path = format!("/open/{}", self.name);
        let records: Vec<_> = records.iter().filter(|line| line["path"] == path.as_str()).collect();
        let texts: Vec<_> = records
            .iter()
            .map(|record| match record["reason"].as_str() {
                Some(reason) => format!("{} `{reason}`", record["status"]),
                None => match record["cut_off_by"].as_str() {
                    Some(by) => format!("{}, cut off by `{by}`", record["status"]),
                    None => record["status"].to_string(),
                },
            })
            .collect();
        if texts.is_empty() { "–".into() } else { texts.join(", ") }
    }
}

fn status(message: &Message) -> &str {
    message.start_line.split(' ').nth(1).unwrap_or_default()
}

fn peer_gets(answer: &Progress) -> String {
    match answer {
        Progress::Nothing => "nothing".into(),
        Progress::Part(None) => "part of a head".into(),
        Progress::Part(Some(head)) => format!("{}, cut off", status(head)),
        Progress::Whole(message, _) if message.field("content-type") == Some("application/problem+json") => {
            let problem: serde_json::Value = serde_json::from_slice(&message.content).expect("a problem document");
            format!("{} `{}`", status(message), problem["reason"].as_str().expect("a reason"))
        }
        Progress::Whole(message, _) if status(message) >= "400" && message.content.is_empty() => {
            format!("{}, empty", status(message))
        }
        Progress::Whole(message, _) => status(message).to_owned(),
    }
}

fn upstream_gets(request: &Progress) -> &'static str {
    match request {
        Progress::Nothing => "nothing",
        Progress::Part(None) => "part of a head",
        Progress::Part(Some(_)) => "a part, cut off",
        Progress::Whole(..) => "all of it",
    }
}
