//! Clients without pause, over TCP and unix sockets, who take nothing but a whole answer with 200.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::DEADLINE;
use super::message::Message;

/// Where a server listens.
#[derive(Clone, Debug)]
pub enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
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
        self.start(place, clients, "")
    }

    /// `clients` more, each on a new connection for each request.
    pub fn connecting(self, place: &Place, clients: usize) -> Self {
        self.start(place, clients, "Connection: close\r\n")
    }

    fn start(mut self, place: &Place, clients: usize, fields: &str) -> Self {
        for _ in 0..clients {
            let (good, bad, stop) = (Arc::clone(&self.good), Arc::clone(&self.bad), Arc::clone(&self.stop));
            let request = format!("GET /open/x HTTP/1.1\r\nHost: api.test\r\n{fields}\r\n");
            let place = place.clone();
            self.threads.push(thread::spawn(move || {
                let mut connection = None;
                while !stop.load(Ordering::Relaxed) {
                    match ask(&place, &mut connection, &request) {
                        Ok(()) => drop(good.fetch_add(1, Ordering::Relaxed)),
                        Err(fault) => {
                            connection = None;
                            bad.lock().expect("unpoisoned").push(format!("{place:?}: {fault}"));
                        }
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
