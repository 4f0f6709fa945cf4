//! A small authorization server over real sockets: metadata, keys, introspection; it can be told to misbehave, and remembers
//! what it was asked.

use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::message::Message;
use super::signer::{AUDIENCE, now};

/// What the server does with a request for one path.
#[derive(Clone, Debug)]
pub enum Reply {
    /// 200 with this content.
    Text(String),
    /// This status, and no content.
    Status(u16),
    /// Takes the request and says nothing.
    Hung,
    /// Closes the connection.
    Dead,
}

impl Reply {
    pub fn json(value: &Value) -> Self {
        Self::Text(value.to_string())
    }
}

/// The server, on a port of its own.
#[derive(Clone)]
pub struct ForeignServer {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// By path.
    replies: HashMap<String, Reply>,
    /// By token; any other is not active.
    tokens: HashMap<String, Value>,
    asked: Vec<Message>,
    /// Whether answers about tokens are held back.
    closed: bool,
}

pub const INTROSPECTION: &str = "/introspect";

impl ForeignServer {
    /// Starts a server with nothing but introspection.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = Self { address: listener.local_addr().expect("an address"), state: Arc::default() };
        let of_thread = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let server = of_thread.clone();
                thread::spawn(move || server.serve(stream));
            }
        });
        server
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What is answered under a path from now on.
    pub fn reply(&self, path: &str, reply: Reply) {
        self.state().replies.insert(path.to_owned(), reply);
    }

    /// Nothing special is answered under a path any more.
    pub fn restore(&self, path: &str) {
        self.state().replies.remove(path);
    }

    /// Holds answers about tokens back, or lets them go.
    pub fn hold_back(&self, closed: bool) {
        self.state().closed = closed;
    }

    /// Makes a token known: active, for this API, for an hour; `more` replaces members, and takes away those that are null.
    pub fn issue(&self, token: &str, scope: &str, more: &Value) {
        let mut answer = json!({
            "active": true, "iss": super::ISSUER, "aud": AUDIENCE, "sub": "user-1", "client_id": "client-1",
            "token_type": "Bearer", "iat": now() - 5, "exp": now() + 3600, "scope": scope
        });
        let members = answer.as_object_mut().expect("an object");
        for (name, value) in more.as_object().expect("an object") {
            members.remove(name);
            if !value.is_null() {
                members.insert(name.clone(), value.clone());
            }
        }
        self.state().tokens.insert(token.to_owned(), answer);
    }

    pub fn revoke(&self, token: &str) {
        self.state().tokens.remove(token);
    }

    /// Requests for a path so far.
    pub fn asked(&self, path: &str) -> Vec<Message> {
        self.state().asked.iter().filter(|message| message.target() == path).cloned().collect()
    }

    /// Questions about tokens so far.
    pub fn introspections(&self) -> usize {
        self.asked(INTROSPECTION).len()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("unpoisoned")
    }

    fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Ok(Some(mut message)) = Message::read_head(&mut stream) {
            if message.read_content(&mut stream).is_err() {
                return;
            }
            let (reply, gated) = self.reply_to(message);
            self.wait_until_open(gated);
            if !answer(stream.get_mut(), reply) {
                return;
            }
        }
    }

    fn wait_until_open(&self, gated: bool) {
        while gated && self.state().closed {
            thread::yield_now();
        }
    }

    /// The answer, and whether it has to wait for the gate.
    fn reply_to(&self, message: Message) -> (Reply, bool) {
        let mut state = self.state();
        let path = message.target().to_owned();
        let told = state.replies.get(&path).cloned();
        let token = form(&message).remove("token").unwrap_or_default();
        let reply = told.unwrap_or_else(|| match path.as_str() {
            INTROSPECTION => Reply::json(state.tokens.get(&token).unwrap_or(&json!({"active": false}))),
            _ => Reply::Status(404),
        });
        state.asked.push(message);
        (reply, path == INTROSPECTION)
    }
}

/// The members of a form, decoded.
pub fn form(message: &Message) -> HashMap<String, String> {
    let text = String::from_utf8(message.content.clone()).expect("a form is ASCII");
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (form_decoded(name), form_decoded(value))).collect()
}

/// Decodes a value of a form.
pub fn form_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (digits, more) = rest.split_at(2);
                let digits = std::str::from_utf8(digits).expect("ASCII");
                bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
                rest = more;
            }
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// Answers one request; whether the connection goes on.
fn answer(stream: &mut TcpStream, reply: Reply) -> bool {
    let bytes = match reply {
        Reply::Text(text) => {
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}", text.len())
        }
        Reply::Status(status) => format!("HTTP/1.1 {status} Odd\r\nContent-Length: 0\r\n\r\n"),
        Reply::Hung => {
            // Longer than any test: the gateway is to give up first.
            let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
            let _ = std::io::copy(stream, &mut std::io::sink());
            return false;
        }
        Reply::Dead => return false,
    };
    stream.write_all(bytes.as_bytes()).is_ok()
}
