//! A gateway over its hand-overs: one process after the other, with one standard output.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::busy::Place;
use super::client::{Client, Response};
use super::gateway::POLICY;
use super::server::Server;
use super::signer::{AUDIENCE, ISSUER, Signer};
use super::{Upstream, eventually};

/// A gateway that listens on a free port and on a unix socket. Dropped, every process of it is killed.
pub struct Service {
    pub folder: TempDir,
    pub signer: Signer,
    pub tcp: Place,
    pub unix: Place,
    pub admin: SocketAddr,
    /// Of the process that serves.
    pub pid: u32,
    server: Server,
}

impl Service {
    /// Starts it in front of `upstream`; `more` are further top-level keys of the gateway file.
    pub fn start(upstream: &Upstream, more: &str) -> Self {
        Self::start_with_keys(upstream, more, "{file: jwks.json}")
    }

    /// The same with another `issuers[0].keys`.
    pub fn start_with_keys(upstream: &Upstream, more: &str, keys: &str) -> Self {
        Self::start_in(upstream, more, keys, &[])
    }

    /// The same with an environment.
    pub fn start_in(upstream: &Upstream, more: &str, keys: &str, environment: &[(&str, PathBuf)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scopegate"));
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        Self::start_by(command, upstream, more, keys, "")
    }

    /// The same by a command that runs the gateway's program; `listeners` are further items of the gateway file's list.
    pub fn start_by(mut command: Command, upstream: &Upstream, more: &str, keys: &str, listeners: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let signer = Signer::new("key-1");
        fs::write(folder.path().join("jwks.json"), signer.jwks()).expect("written");
        fs::write(folder.path().join("routes.yaml"), POLICY).expect("written");
        let socket = folder.path().join("socket");
        let file = format!(
            "listeners:\n  - address: 127.0.0.1:0\n  - address: unix:{}\n{listeners}admin: {{address: 127.0.0.1:0}}\nissuers:\n  - issuer: \
             {ISSUER}\n    audience: [{AUDIENCE}]\n    keys: {keys}\nupstreams:\n  api: {{endpoints: ['http://{}']}}\npolicy: \
             [routes.yaml]\n{more}\n",
            socket.display(),
            upstream.address
        );
        fs::write(folder.path().join("scopegate.yaml"), file).expect("written");
        // Relative, as people start it.
        command.args(["serve", "--config", "scopegate.yaml"]).current_dir(folder.path());
        let (server, serving) = Server::run(&mut command);
        let address = |member: &str| serving[member].as_str().expect("an address").parse().expect("an address");
        let (tcp, admin) = (Place::Tcp(address("listener")), address("admin"));
        Self { folder, signer, tcp, unix: Place::Unix(socket), admin, pid: server.pid(), server }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Changes the gateway file.
    pub fn change(&self, from: &str, to: &str) {
        let path = self.path("scopegate.yaml");
        let file = fs::read_to_string(&path).expect("the file");
        assert!(file.contains(from), "no {from:?} in {file}");
        fs::write(path, file.replace(from, to)).expect("written");
    }

    pub fn signal(&self, name: &str) {
        signal(self.pid, name);
    }

    /// Has the process hand over, and waits until the next one serves and this one has ended.
    pub fn hand_over(&mut self) {
        let before = self.begin_hand_over();
        self.await_end(before);
    }

    /// Has the process hand over, and waits until the next one serves; gives the process before.
    pub fn begin_hand_over(&mut self) -> u32 {
        let before = self.pid;
        let so_far = self.events("handed over").len();
        self.signal("USR2");
        let handed_over = eventually("the hand-over", || {
            let failed = self.events("the hand-over failed, and this process goes on serving");
            assert!(failed.is_empty(), "{failed:?}");
            self.events("handed over").into_iter().nth(so_far)
        });
        self.pid = handed_over["pid"].as_u64().and_then(|pid| pid.try_into().ok()).expect("a process");
        assert!(self.pid != before && is_alive(self.pid));
        before
    }

    /// Waits until a process has ended, and if it was the first one, well.
    pub fn await_end(&mut self, pid: u32) {
        if pid == self.server.pid() {
            assert!(self.server.exit().success());
        } else {
            eventually("the process before ends", || (!is_alive(pid)).then_some(()));
        }
    }

    /// Waits for the first process' end; whether it was a good one.
    pub fn has_ended_well(&mut self) -> bool {
        self.server.exit().success()
    }

    /// Where the first process has bound a listener, by its position in the file.
    pub fn address(&self, position: usize) -> SocketAddr {
        self.event("serving", position)["listener"].as_str().and_then(|text| text.parse().ok()).expect("an address")
    }

    /// What the processes have logged with this message.
    pub fn events(&self, message: &str) -> Vec<Value> {
        let lines = self.server.output();
        let events = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| event["msg"] == message).collect()
    }

    /// Waits for the next event with this message after the first `so_far`.
    pub fn event(&self, message: &str, so_far: usize) -> Value {
        eventually(message, || self.events(message).into_iter().nth(so_far))
    }

    /// One answer of the admin listener.
    pub fn ask(&self, target: &str) -> Response {
        let mut client = Client::connect(self.admin);
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.admin));
        client.response_to("GET")
    }

    /// The value of one series, written as `/metrics` has it.
    pub fn metric(&self, series: &str) -> f64 {
        let text = self.ask("/metrics").text();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_else(|| panic!("no {series} in {text}"))
    }

    /// The processes that this one has started and that still run.
    pub fn children(&self) -> Vec<u32> {
        let processes = fs::read_dir("/proc").expect("processes").flatten();
        let ids = processes.filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok());
        ids.filter(|id| parent(*id) == Some(self.pid) && is_alive(*id)).collect()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let children = self.children();
        let serving = self.events("serving").into_iter().filter_map(|event| event["pid"].as_u64()?.try_into().ok());
        for pid in serving.chain(children).filter(|pid| *pid != self.server.pid() && is_ours(*pid)) {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        }
    }
}

/// Sends a signal by `kill`.
pub fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().expect("kill").success());
}

/// Whether a process is there and has not ended; one that has may wait for somebody to take note.
pub fn is_alive(pid: u32) -> bool {
    status(pid).is_some_and(|(state, _)| state != "Z" && state != "X")
}

fn parent(pid: u32) -> Option<u32> {
    status(pid).map(|(_, parent)| parent)
}

/// State and parent: what stands behind the name, which ends with the last bracket.
fn status(pid: u32) -> Option<(String, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut members = text.rsplit_once(") ")?.1.split(' ');
    Some((members.next()?.to_owned(), members.next()?.parse().ok()?))
}

/// A number may have become that of another program's process.
fn is_ours(pid: u32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| path.starts_with(env!("CARGO_BIN_EXE_scopegate")))
}
