//! A stage for one fault: the gateway between a peer and an upstream whose every byte the test moves.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use super::fault::{Fault, Scene, Spoken};
use super::gateway::{Gateway, Setup};
use super::stage_tls::StageTls;
use super::wire::{Progress, Wire};
use super::{eventually, http2};

/// What the bound of a fault is set to; every other bound is longer than a test may wait.
const SHORT: &str = "500ms";
const LONG: &str = "60s";
/// `/open/apart` has an upstream of its own.
const POLICY: &str = "routes:
  - {path: '/open/{name}', upstream: api, methods: {GET: public, PUT: public, POST: public}}
  - {path: /open/probe, upstream: api, timeout: 60s, methods: {GET: public}}
  - {path: /open/last, upstream: api, timeout: 60s, methods: {GET: public}}
  - {path: /open/beside, upstream: api, timeout: 60s, methods: {GET: public}}
  - {path: /open/apart, upstream: apart, methods: {GET: public}}
";

/// The gateway with the ends of its connections.
pub struct Stage {
    pub gateway: Gateway,
    pub peer: Wire,
    /// In the order in which they were accepted; the fault's is the first.
    pub upstreams: Vec<Wire>,
    pub scene: Scene,
    /// The stream of the faulty request, over HTTP/2.
    pub asked: Option<u32>,
    pub(super) name: &'static str,
    pub(super) listener: TcpListener,
    pub tls: StageTls,
    /// The connection that the peer has given up for another.
    pub(super) former: Option<Wire>,
    pub(super) beside: Option<Beside>,
    apart: TcpListener,
    /// Bytes of content that were announced and not sent.
    unsent: usize,
}

/// Another exchange on the connection that the fault befalls.
pub(super) struct Beside {
    /// The end of it that has a connection of its own.
    pub other: Wire,
    /// Its stream on the connection that is shared.
    pub stream: u32,
}

fn setup(bound: &str, scene: Scene, tls: &StageTls, apart: SocketAddr) -> Setup {
    let time = |key: &str| if key == bound { SHORT } else { LONG };
    let protocol = if scene.upstream.is_http2() { "protocol: http2, " } else { "" };
    let upstream_tls = if scene.upstream.is_tls() { "tls: {ca: ca.pem}, " } else { "" };
    Setup {
        policy: POLICY.into(),
        api: format!(
            "{protocol}{upstream_tls}timeouts: {{connect: {}, response: {}, idle: {}}}, connections: {{idle: {LONG}}}",
            time("timeouts.connect"),
            time("timeouts.response"),
            time("timeouts.idle")
        ),
        upstreams: format!("apart: {{endpoints: ['http://{apart}']}}"),
        more: format!(
            "workers: 1\nlog: {{access: all}}\nlimits: {{header_time: {}, body_idle: {}, keep_alive: {}}}\n",
            time("limits.header_time"),
            time("limits.body_idle"),
            time("limits.keep_alive")
        ),
        tls: if scene.peer.is_tls() { "{certificates: [{chain: tls/api.pem, key: tls/api.key}]}" } else { "" }.into(),
        files: vec![("ca.pem", tls.authority.pem())],
        certificates: vec![("api", tls.issued.clone())],
        ..Setup::default()
    }
}

pub(super) fn get(path: &str) -> String {
    format!("GET /open/{path} HTTP/1.1\r\nHost: api.test\r\n\r\n")
}

/// An answer without fault.
pub fn good(content: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{content}", content.len())
}

/// The pseudo-fields of a request.
pub fn pseudo_fields<'a>(method: &'a str, path: &'a str) -> [(&'a str, &'a str); 4] {
    [(":method", method), (":scheme", "http"), (":authority", "api.test"), (":path", path)]
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
    pub(super) fn new(scene: Scene, fault: &Fault) -> Self {
        let (listener, apart) = (listener(), listener());
        let tls = StageTls::new();
        let scheme = if scene.upstream.is_tls() { "https" } else { "http" };
        let gateway = setup(fault.bound, scene, &tls, apart.local_addr().expect("an address"))
            .start_before(&format!("{scheme}://{}", listener.local_addr().expect("an address")));
        let peer = peer(scene.peer, &gateway, &tls);
        let upstreams = Vec::new();
        let (asked, former, beside) = (None, None, None);
        Self {
            gateway,
            peer,
            upstreams,
            scene,
            asked,
            name: fault.name,
            listener,
            tls,
            former,
            beside,
            apart,
            unsent: 0,
        }
    }

    /// The path of the faulty request.
    pub fn path(&self) -> String {
        format!("/open/{}", self.name)
    }

    /// The peer sends a request; `fields` are lines, each ended by CRLF.
    pub fn ask(&mut self, method: &str, fields: &str, content: &str) {
        let path = self.path();
        if !self.scene.peer.is_http2() {
            return self.peer.send(format!("{method} {path} HTTP/1.1\r\nHost: api.test\r\n{fields}\r\n{content}"));
        }
        let lines: Vec<_> = fields.lines().filter_map(|line| line.split_once(": ")).collect();
        let names: Vec<_> = lines.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        let more = names.iter().zip(&lines).map(|(name, (_, value))| (&**name, *value));
        let all: Vec<_> = pseudo_fields(method, &path).into_iter().chain(more).collect();
        let length = all.iter().find(|(name, _)| *name == "content-length");
        self.unsent = length.map_or(0, |(_, length)| length.parse().expect("a length"));
        self.asked = Some(self.peer.open_stream(&all, self.unsent == 0));
        self.send_content(content.as_bytes());
    }

    /// The peer sends content.
    #[track_caller]
    pub fn send_content(&mut self, content: &[u8]) {
        let mut rest = content;
        eventually("the content is taken", || {
            if !rest.is_empty() {
                rest = &rest[self.offer_content(rest).unwrap_or(0)..];
            }
            (rest.is_empty() || self.peer.is_closed() || self.is_reset()).then_some(())
        });
    }

    /// The peer sends as much content as is taken at once; `None` if nothing is.
    pub fn offer_content(&mut self, content: &[u8]) -> Option<usize> {
        let Some(stream) = self.asked else { return self.peer.write_some(content) };
        let taken = self.peer.data_within_window(stream, content, content.len() == self.unsent);
        self.unsent -= taken;
        (taken > 0).then_some(taken)
    }

    fn is_reset(&mut self) -> bool {
        self.asked.is_some_and(|stream| self.peer.stream(stream).reset.is_some())
    }

    /// Waits until the peer has the head of an answer.
    #[track_caller]
    pub fn until_answered(&mut self) {
        match self.asked {
            Some(stream) => eventually("an answer", || {
                self.peer.read_some();
                self.peer.stream(stream).status().map(drop)
            }),
            None => self.peer.expect("\r\n\r\n"),
        }
    }

    /// The upstream answers the request over HTTP/1.1, if the gateway lets that through.
    #[track_caller]
    pub fn answer_if_asked(&mut self) {
        let stream = self.asked.expect("a stream");
        eventually("it is refused or let through", || {
            if self.peer.read_some() || self.peer.stream(stream).is_over() {
                return Some(());
            }
            if self.upstreams.is_empty() {
                let (accepted, _) = self.listener.accept().ok()?;
                let wire = self.serve(accepted);
                self.push(wire);
            }
            let wire = self.upstream();
            wire.read_some();
            matches!(wire.message(None), Progress::Whole(..)).then(|| wire.send(good("ok")))
        });
    }

    /// The upstream accepts a connection, and speaks as it is expected to.
    #[track_caller]
    pub fn accept(&mut self) -> &mut Wire {
        let stream = self.accepted();
        let wire = self.serve(stream);
        self.push(wire)
    }

    /// The upstream accepts a connection, and speaks nothing of its own.
    #[track_caller]
    pub fn accept_bare(&mut self) -> &mut Wire {
        let stream = self.accepted();
        self.push(Wire::new(stream))
    }

    /// A connection to the upstream.
    #[track_caller]
    pub fn accepted(&mut self) -> TcpStream {
        eventually("the gateway connects", || self.listener.accept().ok()).0
    }

    /// Takes a connection for the upstream's latest.
    pub fn push(&mut self, wire: Wire) -> &mut Wire {
        self.upstreams.push(wire);
        self.upstreams.last_mut().expect("the one just accepted")
    }

    pub(super) fn serve(&self, stream: TcpStream) -> Wire {
        let mut wire = match self.scene.upstream.is_tls() {
            true => Wire::tls_server(stream, self.tls.serve(&self.tls.issued, &[self.scene.upstream.alpn()])),
            false => Wire::new(stream),
        };
        if self.scene.upstream.is_http2() {
            wire.serve_http2();
        }
        wire
    }

    /// The upstream accepts a connection, and reads the head that comes on it.
    #[track_caller]
    pub fn accept_head(&mut self) -> &mut Wire {
        let wire = self.accept();
        wire.expect("\r\n\r\n");
        wire
    }

    /// The peer asks by `GET`; the upstream reads that and does what it does.
    #[track_caller]
    pub fn get(&mut self) -> &mut Wire {
        self.ask("GET", "", "");
        self.accept_head()
    }

    /// A whole exchange before the fault, on connections that are kept.
    #[track_caller]
    pub fn warm_up(&mut self) {
        let name = std::mem::replace(&mut self.name, "before");
        self.ask("GET", "", "");
        match self.scene.upstream.is_http2() {
            true => {
                let upstream = self.accept();
                let stream = upstream.until_request("/open/before");
                upstream.answer_http2(stream, "before");
            }
            false => {
                let upstream = self.accept_head();
                upstream.send(good("before"));
                upstream.clear();
            }
        }
        self.peer.expect("before");
        self.peer.clear();
        self.name = name;
        self.settle();
    }

    /// Begins another exchange: on the peer's connection if that is HTTP/2, otherwise on the upstream's.
    #[track_caller]
    pub fn begin_beside(&mut self) {
        let beside = match self.scene.peer.is_http2() {
            true => {
                let stream = self.peer.open_stream(&pseudo_fields("GET", "/open/apart"), true);
                let mut other = Wire::new(eventually("the gateway connects", || self.apart.accept().ok()).0);
                other.expect("\r\n\r\n");
                other.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nother");
                self.peer.expect("other");
                Beside { other, stream }
            }
            false => {
                let mut other = peer(self.scene.peer, &self.gateway, &self.tls);
                other.send(get("beside"));
                let upstream = self.accept();
                let stream = upstream.until_request("/open/beside");
                upstream.headers(stream, &[(":status", "200"), ("content-length", "10")], false);
                upstream.data(stream, "other", false);
                other.expect("other");
                Beside { other, stream }
            }
        };
        self.beside = Some(beside);
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
        let another = peer(self.scene.peer, &self.gateway, &self.tls);
        let former = std::mem::replace(&mut self.peer, another);
        self.former.get_or_insert(former);
    }

    /// The peer gives its connection up for one on which nothing has been said.
    pub fn bare_peer(&mut self) -> &mut Wire {
        self.peer = Wire::new(TcpStream::connect(self.gateway.address).expect("a connection"));
        &mut self.peer
    }

    /// Waits until a fault of this kind has been counted.
    #[track_caller]
    pub fn until_counted(&self, family: &str, kind: &str) {
        let label = format!("kind=\"{kind}\"");
        eventually(kind, || (self.gateway.metric(family, &[&label]) > 0.0).then_some(()));
    }
}

fn peer(spoken: Spoken, gateway: &Gateway, tls: &StageTls) -> Wire {
    let stream = TcpStream::connect(gateway.address).expect("a connection");
    let mut wire = match spoken.is_tls() {
        true => Wire::tls_client(stream, tls.connect(&[spoken.alpn()])),
        false => Wire::new(stream),
    };
    if spoken.is_http2() {
        wire.begin_http2();
        wire.until_settled();
    }
    wire
}

impl Wire {
    /// A whole answer over HTTP/2.
    pub fn answer_http2(&mut self, stream: u32, content: &str) {
        self.headers(stream, &[(":status", "200")], false);
        self.frame(http2::DATA, http2::END_STREAM, stream, content.as_bytes());
    }
}
