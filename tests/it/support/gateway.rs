//! The gateway's own binary as a child process, with files of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use super::client::{Client, Response};
use super::signer::{AUDIENCE, ISSUER, Signer};
use super::{Upstream, eventually};

/// A policy with a user side, an admin side, both, neither.
pub const POLICY: &str = "scopes:
  items: {implies: [items:read], admin: admin.items}
  items:read: {admin: admin.items:read}
  admin.items: {implies: [admin.items:read]}
  admin.items:read: {}
routes:
  - {path: /items, upstream: api, methods: {GET: items:read, POST: items}}
  - {path: '/items/{id}', upstream: api, methods: {GET: items:read, PUT: items, DELETE: items}}
  - {path: '/files/{rest=**}', upstream: api, methods: {GET: items:read, POST: items, PUT: items}}
  - {path: '/admin/{id}', upstream: api, methods: {GET: {admin: admin.items:read}}}
  - {path: '/open/{name}', upstream: api, methods: {GET: public, POST: public}}
  - {path: /session, upstream: api, methods: {GET: authenticated}}
";

/// What a gateway is started with.
pub struct Setup {
    /// The policy file.
    pub policy: String,
    /// The value of `upstreams.api` besides `endpoints`, as flow YAML members: `timeouts: {response: 1s}`.
    pub api: String,
    /// Further top-level keys.
    pub more: String,
    /// `issuers[0].keys`; the file `jwks.json` holds the signer's key.
    pub keys: String,
}

impl Default for Setup {
    fn default() -> Self {
        Self { policy: POLICY.into(), api: String::new(), more: String::new(), keys: "{file: jwks.json}".into() }
    }
}

/// A gateway that runs, and its files. Dropped, it is killed.
pub struct Gateway {
    pub folder: TempDir,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub signer: Signer,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Setup {
    /// Writes the files and starts the gateway in front of `upstream`.
    pub fn start(&self, upstream: &Upstream) -> Gateway {
        let signer = Signer::new("key-1");
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), "jwks.json", &signer.jwks());
        write(folder.path(), "routes.yaml", &self.policy);
        write(folder.path(), "scopegate.yaml", &self.gateway_file(upstream.address));
        let mut child = Command::new(env!("CARGO_BIN_EXE_scopegate"))
            .args(["serve", "--config"])
            .arg(folder.path().join("scopegate.yaml"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the gateway starts");
        let lines = collect(child.stdout.take().expect("its output"));
        let mut errors = child.stderr.take().expect("its errors");
        let serving = eventually("the gateway serves", || {
            if child.try_wait().expect("a child").is_some() {
                let mut text = String::new();
                let _ = errors.read_to_string(&mut text);
                panic!("the gateway did not start: {text}");
            }
            events(&lines).into_iter().find(|event| event["msg"] == "serving")
        });
        thread::spawn(move || std::io::copy(&mut errors, &mut std::io::stderr()));
        let address = |member: &str| serving[member].as_str().expect("an address").parse().expect("an address");
        Gateway { address: address("listener"), admin: address("admin"), folder, signer, child, lines }
    }

    fn gateway_file(&self, upstream: SocketAddr) -> String {
        let api = if self.api.is_empty() { String::new() } else { format!(", {}", self.api) };
        format!(
            "listeners:\n  - address: 127.0.0.1:0\nadmin:\n  address: 127.0.0.1:0\nissuers:\n  - issuer: {ISSUER}\n    audience: \
             [{AUDIENCE}]\n    keys: {}\nupstreams:\n  api: {{endpoints: ['http://{upstream}']{api}}}\npolicy: [routes.yaml]\n{}\n",
            self.keys, self.more
        )
    }
}

impl Gateway {
    /// A connection to it.
    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// One answer of the admin listener.
    pub fn ask(&self, method: &str, target: &str) -> Response {
        let mut client = Client::connect(self.admin);
        client.send(format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            self.admin
        ));
        client.response_to(method)
    }

    /// The sum of all samples of a metric whose labels contain each of `labels` (such as `reason="no_token"`).
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.ask("GET", "/metrics").text();
        let samples = text.lines().filter(|line| {
            let series = line.split([' ', '{']).next().unwrap_or_default();
            series == name && labels.iter().all(|label| line.contains(label))
        });
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// What it has written to its log so far.
    pub fn log(&self) -> Vec<Value> {
        events(&self.lines)
    }

    pub fn write(&self, name: &str, text: &str) {
        write(self.folder.path(), name, text);
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal by `kill`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().expect("kill");
        assert!(status.success());
    }

    /// Waits for its end.
    pub fn exit(&mut self) -> ExitStatus {
        eventually("the gateway ends", || self.child.try_wait().expect("a child"))
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("written");
}

fn collect(output: impl Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&lines);
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            kept.lock().expect("unpoisoned").push(line);
        }
    });
    lines
}

fn events(lines: &Mutex<Vec<String>>) -> Vec<Value> {
    let lines = lines.lock().expect("unpoisoned");
    lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("a log line that is no JSON: {line}")))
        .collect()
}
