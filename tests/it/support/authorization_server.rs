//! The authorization server's own binary as a child process, with files of its own.

use std::fs;
use std::net::SocketAddr;
use std::process::{Command, ExitStatus, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::client::{Client, Response};
use super::server::Server;

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
    server: Server,
}

impl AuthorizationServerSetup {
    /// Writes the files and starts the server.
    pub fn start(&self) -> AuthorizationServer {
        let folder = self.write();
        let (server, serving) = Server::start("authorization-server", &folder.path().join(FILE));
        let text = |member: &str| serving[member].as_str().expect("a text").to_owned();
        let address = text("listener").parse().expect("an address");
        AuthorizationServer { folder, address, issuer: text("issuer"), server }
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
        self.server.output()
    }

    /// What it has written to its log so far: those lines that are JSON.
    pub fn log(&self) -> Vec<Value> {
        let lines = self.output().into_iter().filter(|line| line.starts_with('{'));
        lines.filter_map(|line| serde_json::from_str(&line).ok()).collect()
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
        self.server.signal(name);
    }

    /// Waits for its end.
    pub fn exit(&mut self) -> ExitStatus {
        self.server.exit()
    }

    /// Kills it, and starts it anew with the same files at the same address.
    pub fn restart(&mut self) {
        self.server.kill();
        let file = self.read(FILE).replace("http://127.0.0.1:0", &self.issuer);
        self.write(FILE, &file.replace("address: 127.0.0.1:0", &format!("address: {}", self.address)));
        (self.server, _) = Server::start("authorization-server", &self.folder.path().join(FILE));
    }
}
