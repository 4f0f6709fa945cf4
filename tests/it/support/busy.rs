//! Clients without pause, over TCP and unix sockets, who take nothing but a whole answer with 200.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::busy_http2::BusyHttp2;
use super::message::Message;
use super::tls::TlsClient;
use super::{DEADLINE, HANDSHAKE};

/// Where a server listens.
#[derive(Clone, Debug)]
pub enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
    Tls(SocketAddr, TlsClient),
}

/// Both directions of a connection.
pub trait Duplex: Read + Write + Send {}
impl<T: Read + Write + Send> Duplex for T {}

impl Place {
    pub fn connect(&self) -> io::Result<BufReader<Box<dyn Duplex>>> {
        let stream: Box<dyn Duplex> = match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_read_timeout(Some(DEADLINE))?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(DEADLINE))?;
                Box::new(stream)
            }
            Self::Tls(address, client) => Box::new(client.connect(*address, "api.test")?),
        };
        Ok(BufReader::new(stream))
    }

    /// One exchange on a connection of its own; `fields` are lines, each ended by CRLF.
    pub fn get(&self, target: &str, fields: &str) -> io::Result<Message> {
        let mut stream = self.connect()?;
        exchange(&mut stream, &format!("GET {target} HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n{fields}\r\n"))
    }
}

/// Clients who ask until they are stopped.
pub struct Busy {
    good: Arc<AtomicUsize>,
    bad: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Busy {
    /// Nobody yet.
    pub fn new() -> Self {
        Self { good: Arc::default(), bad: Arc::default(), stop: Arc::default(), threads: Vec::new() }
    }

    /// `clients` more, each on one connection for as long as the server keeps it.
    pub fn keep_alive(self, place: &Place, clients: usize) -> Self {
        self.asking(place, clients, "")
    }

    /// `clients` more, each on a new connection for each request.
    pub fn connecting(self, place: &Place, clients: usize) -> Self {
        self.asking(place, clients, "Connection: close\r\n")
    }

    /// `clients` more, each with one WebSocket after the other, which carries a few bytes to and fro.
    pub fn websocket(self, place: &Place, clients: usize) -> Self {
        self.with(&format!("WebSocket, {place:?}"), clients, || {
            let place = place.clone();
            move || echo(&place)
        })
    }

    /// `clients` more, each on one connection of HTTP/2 for as long as the server keeps it.
    pub fn http2(self, address: SocketAddr, tls: Option<&TlsClient>, clients: usize) -> Self {
        let kind = if tls.is_some() { "HTTP/2 over TLS" } else { "HTTP/2" };
        self.with(kind, clients, || {
            let mut client = BusyHttp2::new(address, tls.cloned());
            move || client.ask()
        })
    }

    fn asking(self, place: &Place, clients: usize, fields: &str) -> Self {
        self.with(&format!("{place:?}"), clients, || {
            let request = format!("GET /open/x HTTP/1.1\r\nHost: api.test\r\n{fields}\r\n");
            let (place, mut connection) = (place.clone(), None);
            move || ask(&place, &mut connection, &request)
        })
    }

    /// `clients` more, each of which does what `client` gives until it is stopped.
    fn with<F: FnMut() -> io::Result<()> + Send + 'static>(
        mut self,
        name: &str,
        clients: usize,
        client: impl Fn() -> F,
    ) -> Self {
        for _ in 0..clients {
            let (good, bad, stop) = (Arc::clone(&self.good), Arc::clone(&self.bad), Arc::clone(&self.stop));
            let (mut client, name) = (client(), name.to_owned());
            self.threads.push(thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    match client() {
                        Ok(()) => drop(good.fetch_add(1, Ordering::Relaxed)),
                        Err(fault) => bad.lock().expect("unpoisoned").push(format!("{name}: {fault}")),
                    }
                }
            }));
        }
        self
    }

    /// Requests that were answered so far.
    pub fn good(&self) -> usize {
        self.good.load(Ordering::Relaxed)
    }

    /// Stops, and gives what was answered and what was not.
    pub fn stop(self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a client");
        }
        let bad = std::mem::take(&mut *self.bad.lock().expect("unpoisoned"));
        (self.good.load(Ordering::Relaxed), bad)
    }
}

fn ask(place: &Place, connection: &mut Option<BufReader<Box<dyn Duplex>>>, request: &str) -> io::Result<()> {
    let mut stream = match connection.take() {
        Some(stream) => stream,
        None => place.connect()?,
    };
    let answer = exchange(&mut stream, request)?;
    if !answer.start_line.contains(" 200 ") {
        return Err(io::Error::other(answer.start_line));
    }
    if answer.field("connection") != Some("close") {
        *connection = Some(stream);
    }
    Ok(())
}

fn exchange(stream: &mut BufReader<Box<dyn Duplex>>, request: &str) -> io::Result<Message> {
    stream.get_mut().write_all(request.as_bytes())?;
    let mut answer = Message::read_head(stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    answer.read_content(stream)?;
    Ok(answer)
}

/// One WebSocket: the upstream is expected to give back what it is sent.
fn echo(place: &Place) -> io::Result<()> {
    let mut stream = place.connect()?;
    let answer = exchange(&mut stream, &format!("GET /open/x HTTP/1.1\r\nHost: api.test\r\n{HANDSHAKE}\r\n"))?;
    if !answer.start_line.contains(" 101 ") {
        return Err(io::Error::other(answer.start_line));
    }
    stream.get_mut().write_all(b"ping")?;
    let mut back = [0; 4];
    stream.read_exact(&mut back)?;
    if &back == b"ping" { Ok(()) } else { Err(io::Error::other("other bytes")) }
}
