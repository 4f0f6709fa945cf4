//! The authorization server's own binary as a child process, with files of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use super::client::{Client, Response};
use super::eventually;

/// The `aud` of its tokens.
pub const API: &str = "https://api.example.com";

/// The scopes of the worked examples: both sides, one that only roles permit.
pub const SCOPES: &str = "scopes:
  automations:       {describe: Manage your automations, admin: admin.automations}
  apps:read:         {describe: See your apps}
  user_default:      {describe: Use the product}
  admin.automations: {describe: Manage all automations of the tenant}
  api-keys:          {describe: Manage API keys, uses: [role]}
";

/// What an authorization server is started with.
pub struct AuthorizationServerSetup {
    /// The policy file.
    pub policy: String,
    /// `issuer`; port 0 is any free one.
    pub issuer: String,
    /// `address`; port 0 is any free one.
    pub address: String,
    /// Further top-level keys.
    pub more: String,
}

impl Default for AuthorizationServerSetup {
    fn default() -> Self {
        Self {
            policy: SCOPES.into(),
            issuer: "http://127.0.0.1:0".into(),
            address: "127.0.0.1:0".into(),
            more: String::new(),
        }
    }
}

/// An authorization server that runs, and its files. Dropped, it is killed.
pub struct AuthorizationServer {
    pub folder: TempDir,
    pub address: SocketAddr,
    pub issuer: String,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl AuthorizationServerSetup {
    /// Writes the files and starts the server.
    pub fn start(&self) -> AuthorizationServer {
        let folder = self.write();
        let Started { child, lines, address, issuer } = start(folder.path().join(FILE));
        AuthorizationServer { folder, address, issuer, child, lines }
    }

    /// Writes the files: `authorization-server.yaml`, `policy.yaml`, and the gateway's token `gateway.token`.
    pub fn write(&self) -> TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let Self { policy, issuer, address, more } = self;
        let file = format!(
            "issuer: {issuer}\naddress: {address}\ndatabase: database.sqlite\naudience: [{API}]\npolicy: [policy.yaml]\n\
             gateway_token: {{file: gateway.token}}\n{more}\n"
        );
        for (name, text) in [(FILE, file.as_str()), ("policy.yaml", policy), ("gateway.token", GATEWAY_TOKEN)] {
            fs::write(folder.path().join(name), text).expect("written");
        }
        folder
    }
}

/// The file of [`AuthorizationServerSetup::write`].
const FILE: &str = "authorization-server.yaml";
/// What a gateway presents.
pub const GATEWAY_TOKEN: &str = "a-token-of-the-gateway";

impl AuthorizationServer {
    /// A connection to it.
    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// One answer. `head` holds further fields, each ending in CRLF; `body` may be empty.
    pub fn ask(&self, method: &str, target: &str, head: &str, body: &str) -> Response {
        let mut client = self.client();
        client.send(format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        ));
        client.response_to(method)
    }

    /// Runs `scopegate authorization-server …` against its database: what it prints, and how it ends.
    pub fn command(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_scopegate"))
            .arg("authorization-server")
            .args(arguments)
            .arg("--config")
            .arg(self.folder.path().join(FILE))
            .env_remove("SCOPEGATE_AUTHORIZATION_SERVER_CONFIG")
            .output()
            .expect("it runs")
    }

    /// The same, of a call that must go well, with `--format json`.
    #[track_caller]
    pub fn administer(&self, arguments: &[&str]) -> Value {
        let output = self.command(&[arguments, &["--format", "json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Everything that it has written to standard output so far, line by line.
    pub fn output(&self) -> Vec<String> {
        self.lines.lock().expect("unpoisoned").clone()
    }

    /// What it has written to its log so far: those lines that are JSON.
    pub fn log(&self) -> Vec<Value> {
        events(&self.lines)
    }

    /// The one-time password that the first start printed.
    pub fn first_password(&self) -> Option<String> {
        let lines = self.output();
        lines.iter().find_map(|line| Some(line.trim().strip_prefix("one-time password")?.trim().to_owned()))
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).expect("written");
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).expect("UTF-8")
    }

    /// Sends it a signal by `kill`.
    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(kill.expect("kill").success());
    }

    /// Waits for its end.
    pub fn exit(&mut self) -> ExitStatus {
        eventually("the authorization server ends", || self.child.try_wait().expect("a child"))
    }

    /// Kills it, and starts it anew with the same files at the same address.
    pub fn restart(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let file = self.read(FILE).replace("http://127.0.0.1:0", &self.issuer);
        self.write(FILE, &file.replace("address: 127.0.0.1:0", &format!("address: {}", self.address)));
        let Started { child, lines, .. } = start(self.folder.path().join(FILE));
        (self.child, self.lines) = (child, lines);
    }
}

impl Drop for AuthorizationServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Started {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    address: SocketAddr,
    issuer: String,
}

fn start(file: PathBuf) -> Started {
    let mut child = Command::new(env!("CARGO_BIN_EXE_scopegate"))
        .args(["authorization-server", "--config"])
        .arg(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the authorization server starts");
    let lines = collect(child.stdout.take().expect("its output"));
    let mut errors = child.stderr.take().expect("its errors");
    let serving = eventually("the authorization server serves", || {
        if child.try_wait().expect("a child").is_some() {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text);
            panic!("the authorization server did not start: {text}");
        }
        events(&lines).into_iter().find(|event| event["msg"] == "serving")
    });
    thread::spawn(move || std::io::copy(&mut errors, &mut std::io::stderr()));
    let text = |member: &str| serving[member].as_str().expect("a text").to_owned();
    Started { child, lines, address: text("listener").parse().expect("an address"), issuer: text("issuer") }
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
    lines.iter().filter(|line| line.starts_with('{')).filter_map(|line| serde_json::from_str(line).ok()).collect()
}
