//! The gateway's own binary as a child process, with files of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus};

use serde_json::Value;
use tempfile::TempDir;

use super::Upstream;
use super::certificates::Issued;
use super::client::{Client, Response};
use super::server::Server;
use super::signer::{AUDIENCE, ISSUER, Signer};

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
    /// A further member of `upstreams`.
    pub upstreams: String,
    /// Further top-level keys.
    pub more: String,
    /// `listeners[0].tls`, as flow YAML; empty for clear text.
    pub tls: String,
    /// The scheme of the upstream's endpoint.
    pub scheme: &'static str,
    /// Certificates with their keys: `NAME.pem` and `NAME.key` in the folder `tls`.
    pub certificates: Vec<(&'static str, Issued)>,
    /// Further files.
    pub files: Vec<(&'static str, String)>,
    /// `issuers[0].keys`; the file `jwks.json` holds the signer's key.
    pub keys: String,
    /// How many descriptors the process may have, where that is bounded.
    pub descriptors: Option<usize>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            policy: POLICY.into(),
            api: String::new(),
            upstreams: String::new(),
            more: String::new(),
            tls: String::new(),
            scheme: "http",
            certificates: Vec::new(),
            files: Vec::new(),
            keys: "{file: jwks.json}".into(),
            descriptors: None,
        }
    }
}

/// A gateway that runs, and its files. Dropped, it is killed.
pub struct Gateway {
    pub folder: TempDir,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub signer: Signer,
    server: Server,
}

impl Setup {
    /// Writes the files and starts the gateway in front of `upstream`.
    pub fn start(&self, upstream: &Upstream) -> Gateway {
        self.start_before(&format!("{}://{}", self.scheme, upstream.address))
    }

    /// The same in front of whatever is at `endpoint`.
    pub fn start_before(&self, endpoint: &str) -> Gateway {
        self.start_at(endpoint, "")
    }

    /// The same in front of `upstream`; `listener` is a line more of the listener.
    pub fn start_with(&self, upstream: &Upstream, listener: &str) -> Gateway {
        self.start_at(&format!("{}://{}", self.scheme, upstream.address), listener)
    }

    fn start_at(&self, endpoint: &str, listener: &str) -> Gateway {
        let signer = Signer::new("key-1");
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), "jwks.json", &signer.jwks());
        write(folder.path(), "routes.yaml", &self.policy);
        write(folder.path(), "scopegate.yaml", &self.gateway_file(endpoint, listener));
        for (name, text) in &self.files {
            write(folder.path(), name, text);
        }
        for (name, issued) in &self.certificates {
            issued.write(&folder.path().join("tls"), name);
        }
        let file = folder.path().join("scopegate.yaml");
        let (server, serving) = match self.descriptors {
            None => Server::start("serve", &file),
            Some(most) => {
                let script = format!("ulimit -n {most}; exec \"$0\" serve --config \"$1\"");
                let mut command = Command::new("sh");
                Server::run(command.args(["-c", &script, env!("CARGO_BIN_EXE_scopegate")]).arg(file))
            }
        };
        let address = |member: &str| serving[member].as_str().expect("an address").parse().expect("an address");
        Gateway { address: address("listener"), admin: address("admin"), folder, signer, server }
    }

    fn gateway_file(&self, endpoint: &str, listener: &str) -> String {
        let listener = if listener.is_empty() { String::new() } else { format!("    {listener}\n") };
        let api = if self.api.is_empty() { String::new() } else { format!(", {}", self.api) };
        let upstreams = if self.upstreams.is_empty() { String::new() } else { format!("  {}\n", self.upstreams) };
        let tls = if self.tls.is_empty() { String::new() } else { format!("    tls: {}\n", self.tls) };
        format!(
            "listeners:\n  - address: 127.0.0.1:0\n{listener}{tls}admin:\n  address: 127.0.0.1:0\nissuers:\n  - issuer: {ISSUER}\n    audience: \
             [{AUDIENCE}]\n    keys: {}\nupstreams:\n  api: {{endpoints: ['{endpoint}']{api}}}\n{upstreams}policy: [routes.yaml]\n{}\n",
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

    /// What it has written to its log so far: every line is JSON.
    pub fn log(&self) -> Vec<Value> {
        let parse = |line: String| serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        self.server.output().into_iter().map(parse).collect()
    }

    /// Nobody reads its log from now on, or somebody does again.
    pub fn leave_log_unread(&self, rests: bool) {
        self.server.leave_unread(rests);
    }

    pub fn write(&self, name: &str, text: &str) {
        write(self.folder.path(), name, text);
    }

    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Sends it a signal by `kill`.
    pub fn signal(&self, name: &str) {
        self.server.signal(name);
    }

    /// Waits for its end.
    pub fn exit(&mut self) -> ExitStatus {
        self.server.exit()
    }

    pub fn has_ended(&mut self) -> bool {
        self.server.has_ended()
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("written");
}
