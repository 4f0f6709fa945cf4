//! The demo, followed word for word.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::support::{Client, Response, eventually};

/// A demo that runs on ports of its own, and what it said.
struct Demo {
    child: Child,
    text: String,
    _output: BufReader<ChildStdout>,
}

impl Demo {
    fn start() -> Self {
        let any = ["--gateway", "--admin", "--api"].into_iter().flat_map(|option| [option, "127.0.0.1:0"]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_scopegate"));
        let mut child = command.arg("demo").args(any).stdout(Stdio::piped()).spawn().expect("it runs");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let mut text = String::new();
        while !text.contains("Ctrl-C") {
            assert_ne!(output.read_line(&mut text).expect("UTF-8"), 0, "the demo ended: {text}");
        }
        Self { child, text, _output: output }
    }

    /// The requests that it says to try, each with its status.
    fn requests(&self) -> Vec<(u16, String)> {
        let mut requests = Vec::new();
        let mut status = None;
        for line in self.text.lines() {
            if let Some(curl) = line.trim().strip_prefix("curl -i ") {
                requests.push((status.take().expect("a status before its request"), curl.to_owned()));
            } else if let Some(number) = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()) {
                status = Some(number);
            }
        }
        requests
    }

    /// Does what curl would do with these arguments: a URL, and perhaps `-H 'name: value'`.
    fn curl(arguments: &str) -> Response {
        let (url, field) = arguments.split_once(' ').unwrap_or((arguments, ""));
        let (address, path) = address_and_path(url);
        let field =
            field.strip_prefix("-H '").and_then(|field| field.strip_suffix('\'')).map(|field| format!("{field}\r\n"));
        Client::connect(address).request("GET", &path, &field.unwrap_or_default())
    }

    fn folder(&self) -> PathBuf {
        let line = self.text.lines().find_map(|line| line.strip_prefix("Edit ")).expect("a file to edit");
        Path::new(line.split(": ").next().expect("a path")).parent().expect("a folder").to_owned()
    }

    /// What Ctrl-C does.
    fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Interrupted and not killed, so that it takes its folder away; it ends by its drain at the latest.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.interrupt();
            let _ = self.child.wait();
        }
    }
}

fn address_and_path(url: &str) -> (SocketAddr, String) {
    let (address, path) = url.strip_prefix("http://").and_then(|url| url.split_once('/')).expect("a URL");
    (address.parse().expect("an address"), format!("/{path}"))
}

#[test]
fn its_three_requests_give_what_it_promises() {
    let demo = Demo::start();
    let requests = demo.requests();
    assert_eq!(requests.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [401, 403, 200], "{}", demo.text);
    let answers: Vec<_> = requests.iter().map(|(_, curl)| Demo::curl(curl)).collect();
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [401, 403, 200]);
    assert_eq!((answers[0].reason(), answers[1].reason()), ("no_token".into(), "insufficient_scope".into()));
    let challenge = answers[0].field("www-authenticate").expect("a challenge");
    assert!(challenge.contains(r#"scope="admin.automations:read""#), "{challenge}");
    assert_eq!(answers[2].json()["from_the_gateway"]["scopegate-access"], "admin");
    let seen = |curl: &str| Demo::curl(&curl.replace("/usage", "")).json()["answer"].as_array().map(Vec::len);
    assert_eq!((seen(&requests[1].1), seen(&requests[2].1)), (Some(3), Some(4)));
}

#[test]
fn an_edit_is_in_force_without_a_restart_and_nothing_is_left_behind() {
    let mut demo = Demo::start();
    let folder = demo.folder();
    let routes = folder.join("routes.yaml");
    let (_, curl) = demo.requests().remove(1);
    let policy = std::fs::read_to_string(&routes).expect("the policy");
    let opened = policy.replace("methods: {GET: {admin: admin.automations:read}}", "methods: {GET: authenticated}");
    std::fs::write(&routes, opened).expect("written");
    eventually("the edit is in force", || (Demo::curl(&curl).status == 200).then_some(()));
    demo.interrupt();
    let status = eventually("the demo ends", || demo.child.try_wait().expect("a child"));
    assert!(status.success() && !folder.exists());
}
