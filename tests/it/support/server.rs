//! One of the command's servers as a child process.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::Value;

use super::eventually;
use super::log_schema::fault_of;

/// How many lines of one server are held to the schema of the log: all of them, but under load.
const HELD_TO_SCHEMA: usize = 1000;

/// A server that runs. Dropped, it is killed; what it has written is to have been of the schema of the log.
pub struct Server {
    child: Child,
    output: Arc<Output>,
}

/// What is read of its standard output.
#[derive(Default)]
struct Output {
    lines: Mutex<Vec<String>>,
    faults: Mutex<Vec<String>>,
    /// Nobody reads for a while.
    rests: Mutex<bool>,
    goes_on: Condvar,
}

impl Server {
    /// Runs `scopegate COMMAND --config FILE`, and waits until it serves: the event that says so comes with it.
    pub fn start(command: &str, file: &Path) -> (Self, Value) {
        Self::run(Command::new(env!("CARGO_BIN_EXE_scopegate")).args([command, "--config"]).arg(file))
    }

    /// Runs a command that comes to serve, and waits until it does.
    pub fn run(command: &mut Command) -> (Self, Value) {
        Self::run_with_errors(command, Stdio::piped())
    }

    /// The same with another standard error.
    pub fn run_with_errors(command: &mut Command, errors: Stdio) -> (Self, Value) {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|fault| panic!("`{command:?}` does not start: {fault}"));
        let output = collect(child.stdout.take().expect("its output"));
        let mut errors: Box<dyn Read + Send> = match child.stderr.take() {
            Some(errors) => Box::new(errors),
            None => Box::new(std::io::empty()),
        };
        let serving = eventually("the server serves", || {
            if child.try_wait().expect("a child").is_some() {
                let mut text = String::new();
                let _ = errors.read_to_string(&mut text);
                panic!("`{command:?}` did not start: {text}");
            }
            let lines = output.lines.lock().expect("unpoisoned");
            let events = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            events.into_iter().find(|event| event["msg"] == "serving")
        });
        thread::spawn(move || std::io::copy(&mut errors, &mut std::io::stderr()));
        (Self { child, output }, serving)
    }

    /// Everything that it has written to standard output so far, line by line.
    pub fn output(&self) -> Vec<String> {
        self.output.lines.lock().expect("unpoisoned").clone()
    }

    /// Nobody reads its standard output from now on, or somebody does again.
    pub fn leave_unread(&self, rests: bool) {
        *self.output.rests.lock().expect("unpoisoned") = rests;
        self.output.goes_on.notify_all();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal by `kill`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().expect("kill");
        assert!(status.success());
    }

    /// Kills it, and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its end.
    pub fn exit(&mut self) -> ExitStatus {
        eventually("the server ends", || self.child.try_wait().expect("a child"))
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let faults = self.output.faults.lock().map(|faults| faults.clone()).unwrap_or_default();
        assert!(thread::panicking() || faults.is_empty(), "not of docs/log.schema.json: {faults:#?}");
    }
}

fn collect(read: impl Read + Send + 'static) -> Arc<Output> {
    let output = Arc::new(Output::default());
    let kept = Arc::clone(&output);
    thread::spawn(move || {
        for (number, line) in BufReader::new(read).lines().map_while(Result::ok).enumerate() {
            let rests = kept.rests.lock().expect("unpoisoned");
            drop(kept.goes_on.wait_while(rests, |rests| *rests).expect("unpoisoned"));
            let fault = if number < HELD_TO_SCHEMA { fault_of(&line) } else { None };
            kept.faults.lock().expect("unpoisoned").extend(fault);
            kept.lines.lock().expect("unpoisoned").push(line);
        }
    });
    output
}
