//! What an authorization server tells the gateway: revocations by cursor, and roles with an entity tag.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::message::Message;
use super::upstream::{Answer, Upstream};

/// How the server answers, whatever it is asked.
#[derive(Clone, Copy, Debug)]
pub enum Mood {
    /// As it should.
    Well,
    /// Hangs up: as good as killed.
    Dead,
    /// With this status.
    Status(u16),
    /// With 200 and this content.
    Says(&'static str),
}

/// The server, on a port of its own. It asks for the bearer token `feed-token`.
#[derive(Clone)]
pub struct FeedServer {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    mood: Mood,
    /// `None` for one that has ended.
    entries: Vec<Option<Value>>,
    /// Cursors of another database are not known.
    database: usize,
    /// Entries of one answer.
    page: usize,
    /// Before each answer.
    delay: Duration,
    roles: Value,
    /// The latest entity tag.
    version: usize,
    asked: usize,
    unchanged: usize,
}

impl FeedServer {
    pub fn start() -> Self {
        let state = State {
            mood: Mood::Well,
            entries: Vec::new(),
            database: 1,
            page: 1000,
            delay: Duration::ZERO,
            roles: json!({}),
            version: 1,
            asked: 0,
            unchanged: 0,
        };
        let state = Arc::new(Mutex::new(state));
        let of_thread = Arc::clone(&state);
        let server = Upstream::answering(move |request| {
            let delay = of_thread.lock().expect("unpoisoned").delay;
            thread::park_timeout(delay);
            of_thread.lock().expect("unpoisoned").answer(request)
        });
        Self { address: server.address, state }
    }

    /// The flow members `url` and `token` of a revocation feed.
    pub fn feed(&self) -> String {
        format!("url: 'http://{}/oauth/revocations', token: feed-token", self.address)
    }

    /// The flow members `url` and `token` of a role directory.
    pub fn directory(&self) -> String {
        format!("url: 'http://{}/api/v1/role-directory', token: feed-token", self.address)
    }

    pub fn be(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// Adds an entry to the feed.
    pub fn revoke(&self, entry: Value) {
        self.state().entries.push(Some(entry));
    }

    /// Adds entries that have ended by now: cursors pass over them, and no answer holds them.
    pub fn revoke_ended(&self, count: usize) {
        self.state().entries.extend(std::iter::repeat_n(None, count));
    }

    /// How many entries one answer has at most.
    pub fn set_page(&self, page: usize) {
        self.state().page = page;
    }

    /// How long each answer takes.
    pub fn set_delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Begins a new database without entries: old cursors are not known any more.
    pub fn renew(&self) {
        let mut state = self.state();
        state.database += 1;
        state.entries.clear();
    }

    /// Says what the roles permit from now on: `{"Role": ["scope"]}`.
    pub fn set_roles(&self, roles: &Value) {
        let mut state = self.state();
        let listed = roles.as_object().expect("roles").iter();
        let roles = listed.map(|(name, scopes)| (name.clone(), json!({"level": "user", "scopes": scopes})));
        state.roles = Value::Object(roles.collect());
        state.version += 1;
    }

    /// Requests that reached it.
    pub fn asked(&self) -> usize {
        self.state().asked
    }

    /// Requests that it answered with 304.
    pub fn unchanged(&self) -> usize {
        self.state().unchanged
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("unpoisoned")
    }
}

impl State {
    fn answer(&mut self, request: &Message) -> Answer {
        self.asked += 1;
        match self.mood {
            Mood::Well if request.field("authorization") != Some("Bearer feed-token") => status(401),
            Mood::Well if request.target().starts_with("/oauth/revocations") => self.revocations(request.target()),
            Mood::Well => self.directory(request.field("if-none-match")),
            Mood::Dead => Answer::Close(Vec::new()),
            Mood::Status(code) => status(code),
            Mood::Says(content) => Answer::ok(content),
        }
    }

    fn revocations(&self, target: &str) -> Answer {
        let known = target.split_once("?cursor=").and_then(|(_, cursor)| {
            let (database, position) = cursor.split_once("%3A")?;
            (database.parse() == Ok(self.database)).then(|| position.parse::<usize>().ok())?
        });
        let from = known.unwrap_or(0);
        let to = self.entries.len().min(from + self.page);
        let cursor = format!("{}:{to}", self.database);
        let more = to < self.entries.len();
        let entries: Vec<_> = self.entries[from..to].iter().flatten().collect();
        Answer::ok(&json!({"entries": entries, "cursor": cursor, "more": more}).to_string())
    }

    fn directory(&mut self, condition: Option<&str>) -> Answer {
        let tag = format!("\"{}\"", self.version);
        if condition == Some(&tag) {
            self.unchanged += 1;
            return Answer::Bytes(format!("HTTP/1.1 304 Not Modified\r\nETag: {tag}\r\n\r\n").into_bytes());
        }
        let content = json!({"roles": self.roles}).to_string();
        let length = content.len();
        Answer::Bytes(
            format!("HTTP/1.1 200 OK\r\nETag: {tag}\r\nContent-Length: {length}\r\n\r\n{content}").into_bytes(),
        )
    }
}

fn status(code: u16) -> Answer {
    Answer::Bytes(format!("HTTP/1.1 {code} Odd\r\nContent-Length: 0\r\n\r\n").into_bytes())
}
