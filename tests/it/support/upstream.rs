//! An upstream that records what reaches it, read strictly, and answers as the test says.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::message::Message;

/// What the upstream does with one request.
pub enum Answer {
    /// Writes these bytes and keeps the connection.
    Bytes(Vec<u8>),
    /// Writes these bytes and closes it.
    Close(Vec<u8>),
    /// Takes the connection over, before the content is read.
    Take(Box<dyn FnOnce(BufReader<TcpStream>) + Send>),
}

impl Answer {
    /// A small answer with this content.
    pub fn ok(content: &str) -> Self {
        Self::Bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{content}", content.len()).into_bytes())
    }
}

/// An upstream on a port of its own, a thread for each connection.
#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Message>>>,
    connections: Arc<Mutex<usize>>,
}

impl Upstream {
    /// Answers everything with 200 and the request line it received.
    pub fn echo() -> Self {
        Self::answering(|request| match request.method() {
            "HEAD" => Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n".to_vec()),
            _ => Answer::ok(&request.start_line),
        })
    }

    /// Answers by `answer`, which sees the head; the content has been read unless it takes the connection over.
    pub fn answering(answer: impl Fn(&Message) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let upstream = Self {
            address: listener.local_addr().expect("an address"),
            seen: Arc::default(),
            connections: Arc::default(),
        };
        let (upstream_of_thread, answer) = (upstream.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (upstream, answer) = (upstream_of_thread.clone(), Arc::clone(&answer));
                *upstream.connections.lock().expect("unpoisoned") += 1;
                thread::spawn(move || upstream.serve(stream, &*answer));
            }
        });
        upstream
    }

    fn serve(&self, stream: TcpStream, answer: &(dyn Fn(&Message) -> Answer + Send + Sync)) {
        let mut stream = BufReader::new(stream);
        while let Ok(Some(mut message)) = Message::read_head(&mut stream) {
            let decided = answer(&message);
            if let Answer::Take(take) = decided {
                self.seen.lock().expect("unpoisoned").push(message);
                take(stream);
                return;
            }
            if message.read_content(&mut stream).is_err() {
                return;
            }
            self.seen.lock().expect("unpoisoned").push(message);
            let (bytes, close) = match decided {
                Answer::Bytes(bytes) => (bytes, false),
                Answer::Close(bytes) => (bytes, true),
                Answer::Take(_) => return,
            };
            if stream.get_mut().write_all(&bytes).is_err() || close {
                return;
            }
        }
    }

    /// The requests since the last call.
    pub fn taken(&self) -> Vec<Message> {
        std::mem::take(&mut *self.seen.lock().expect("unpoisoned"))
    }

    /// Connections that were ever accepted.
    pub fn connections(&self) -> usize {
        *self.connections.lock().expect("unpoisoned")
    }
}
