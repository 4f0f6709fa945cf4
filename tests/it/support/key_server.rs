//! A server of key sets that can be told to misbehave.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::message::Message;

/// What the server does with a request.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Answers with this key set, and this `Cache-Control`.
    Keys(String, &'static str),
    /// Closes every connection at once: as good as killed.
    Dead,
    /// Takes the request and says nothing.
    Hung,
    /// Answers 200 with what is no key set.
    Garbage,
    /// Answers with 10 MiB.
    Huge,
    /// Answers with this status.
    Status(u16),
    /// Answers with a redirect to a good key set elsewhere.
    Redirect(SocketAddr),
}

/// A key set server on a port of its own.
#[derive(Clone)]
pub struct KeyServer {
    pub address: SocketAddr,
    behaviour: Arc<Mutex<Behaviour>>,
    asked: Arc<Mutex<usize>>,
}

impl KeyServer {
    pub fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = Self {
            address: listener.local_addr().expect("an address"),
            behaviour: Arc::new(Mutex::new(behaviour)),
            asked: Arc::default(),
        };
        let of_thread = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let server = of_thread.clone();
                thread::spawn(move || server.serve(stream));
            }
        });
        server
    }

    pub fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock().expect("unpoisoned") = behaviour;
    }

    /// Requests that reached it.
    pub fn asked(&self) -> usize {
        *self.asked.lock().expect("unpoisoned")
    }

    fn serve(&self, stream: TcpStream) {
        let behaviour = self.behaviour.lock().expect("unpoisoned").clone();
        if matches!(behaviour, Behaviour::Dead) {
            *self.asked.lock().expect("unpoisoned") += 1;
            return;
        }
        let mut stream = BufReader::new(stream);
        while let Ok(Some(_)) = Message::read_head(&mut stream) {
            *self.asked.lock().expect("unpoisoned") += 1;
            if !answer(stream.get_mut(), &behaviour) {
                return;
            }
        }
    }
}

/// Answers one request; whether the connection goes on.
fn answer(stream: &mut TcpStream, behaviour: &Behaviour) -> bool {
    let ok = |content: &[u8], fields: &str| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{fields}Content-Length: {}\r\n\r\n",
            content.len()
        );
        [head.as_bytes(), content].concat()
    };
    let bytes = match behaviour {
        Behaviour::Keys(keys, "") => ok(keys.as_bytes(), ""),
        Behaviour::Keys(keys, cache) => ok(keys.as_bytes(), &format!("Cache-Control: {cache}\r\n")),
        Behaviour::Garbage => ok(b"<html>an error page</html>", ""),
        Behaviour::Huge => ok(&vec![b' '; 10 << 20], ""),
        Behaviour::Status(status) => format!("HTTP/1.1 {status} Odd\r\nContent-Length: 0\r\n\r\n").into_bytes(),
        Behaviour::Redirect(address) => {
            format!("HTTP/1.1 302 Found\r\nLocation: http://{address}/keys\r\nContent-Length: 0\r\n\r\n").into_bytes()
        }
        Behaviour::Hung => {
            // Longer than any test: the gateway is to give up first.
            let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
            let _ = std::io::copy(stream, &mut std::io::sink());
            return false;
        }
        Behaviour::Dead => return false,
    };
    stream.write_all(&bytes).is_ok()
}
