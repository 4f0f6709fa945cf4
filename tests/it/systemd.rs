//! What systemd is told, and the sockets that it passes.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::support::{Busy, DEADLINE, Place, Server, Service, Upstream, eventually, is_alive, signal};

fn hear(socket: &UnixDatagram) -> String {
    let mut message = [0; 1024];
    let length = socket.recv(&mut message).expect("a message");
    String::from_utf8(message[..length].to_vec()).expect("text")
}

/// A socket for `NOTIFY_SOCKET`.
fn manager(folder: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(folder.join("notify")).expect("a socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    socket
}

#[test]
fn it_is_told_of_start_reload_hand_over_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(folder.path());
    let environment = [("NOTIFY_SOCKET", folder.path().join("notify"))];
    let mut service = Service::start_in(&Upstream::echo(), "", "{file: jwks.json}", &environment);
    assert_eq!(hear(&manager), "READY=1\nSTATUS=serving");
    service.signal("HUP");
    assert!(hear(&manager).starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(hear(&manager), "READY=1\nSTATUS=serving");
    let before = service.begin_hand_over();
    assert!(hear(&manager).starts_with("RELOADING=1\nMONOTONIC_USEC="));
    // The new process speaks too; systemd listens to it only where `NotifyAccess=all` is set, and needs nothing of it.
    let mut told = [hear(&manager), hear(&manager)];
    told.sort();
    assert_eq!(told, [format!("MAINPID={}\nREADY=1\nSTATUS=serving", service.pid), "READY=1\nSTATUS=serving".into()]);
    service.await_end(before);
    service.signal("TERM");
    assert_eq!(
        hear(&manager),
        "STOPPING=1\nSTATUS=draining",
        "and nothing of the old process, which is not the service any more"
    );
    service.await_end(service.pid);
}

#[test]
fn it_is_told_that_a_hand_over_failed() {
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(folder.path());
    let environment = [("NOTIFY_SOCKET", folder.path().join("notify"))];
    let service = Service::start_in(&Upstream::echo(), "", "{file: jwks.json}", &environment);
    assert_eq!(hear(&manager), "READY=1\nSTATUS=serving");
    service.change("policy: [routes.yaml]", "polixy: [routes.yaml]");
    service.signal("USR2");
    let last = std::iter::repeat_with(|| hear(&manager)).find(|message| message.contains("hand-over"));
    assert_eq!(last.as_deref(), Some("READY=1\nSTATUS=serving; the last hand-over failed"));
}

/// Runs the gateway as systemd would, with the two sockets as descriptors 3 and 4.
fn passed(folder: &Path, tcp: &TcpListener, unix: &UnixListener) -> Server {
    let descriptor = |fd: OwnedFd| Stdio::from(fd);
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "exec 3<&0 4<&2 2>/dev/null </dev/null; LISTEN_FDS=2 LISTEN_PID=$$ exec \"$0\" serve --config \"$1\"",
        ])
        .arg(env!("CARGO_BIN_EXE_scopegate"))
        .arg(folder.join("scopegate.yaml"))
        .stdin(descriptor(tcp.try_clone().unwrap().into()));
    Server::run_with_errors(&mut command, descriptor(unix.try_clone().unwrap().into())).0
}

#[test]
fn no_connection_is_lost_while_it_holds_the_sockets() {
    let template = Service::start(&Upstream::echo(), "");
    let (tcp, path) = (TcpListener::bind("127.0.0.1:0").unwrap(), template.path("held"));
    let unix = UnixListener::bind(&path).unwrap();
    let address = tcp.local_addr().unwrap();
    template.change("- address: 127.0.0.1:0", &format!("- address: {address}"));
    template.change(&template.path("socket").display().to_string(), &path.display().to_string());
    let mut server = passed(template.folder.path(), &tcp, &unix);
    let (over_tcp, over_unix) = (Place::Tcp(address), Place::Unix(path.clone()));
    let load = Busy::new().connecting(&over_tcp, 8).connecting(&over_unix, 8);
    for _ in 0..2 {
        let so_far = load.good();
        eventually("the load runs", || (load.good() > so_far + 100).then_some(()));
        server.signal("TERM");
        assert!(server.exit().success());
        assert!(path.exists(), "it is not the gateway's");
        server = passed(template.folder.path(), &tcp, &unix);
    }
    let so_far = load.good();
    eventually("the load runs", || (load.good() > so_far + 100).then_some(()));
    server.signal("USR2");
    assert!(server.exit().success(), "the next process has the sockets too");
    let so_far = load.good();
    eventually("the load runs", || (load.good() > so_far + 100).then_some(()));
    let (good, bad) = load.stop();
    let events = server.output().into_iter().filter_map(|line| serde_json::from_str::<serde_json::Value>(&line).ok());
    let heir = events.filter_map(|event| event["pid"].as_u64()).next_back().unwrap().try_into().unwrap();
    signal(heir, "TERM");
    eventually("it ends", || (!is_alive(heir)).then_some(()));
    assert!(path.exists());
    assert!(bad.is_empty(), "{} of {good} failed: {:?}", bad.len(), &bad[..bad.len().min(5)]);
}

#[test]
fn a_socket_that_no_listener_asks_for_is_a_mistake() {
    let template = Service::start(&Upstream::echo(), "");
    let output = Command::new("sh")
        .args(["-c", "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" serve --config \"$1\""])
        .arg(env!("CARGO_BIN_EXE_scopegate"))
        .arg(template.path("scopegate.yaml"))
        .stdin(Stdio::from(OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap())))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("nothing in the gateway file listens there"), "{said}");
}

#[test]
fn systemds_own_activation_starts_it_at_the_first_connection() {
    if !Path::new("/usr/bin/systemd-socket-activate").exists() {
        return;
    }
    let template = Service::start(&Upstream::echo(), "");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let path = template.path("activated");
    template.change("- address: 127.0.0.1:0", &format!("- address: {free}"));
    template.change(&template.path("socket").display().to_string(), &path.display().to_string());
    let mut activation = Command::new("systemd-socket-activate")
        .args(["-l", &free.to_string(), "-l"])
        .arg(&path)
        .arg(env!("CARGO_BIN_EXE_scopegate"))
        .args(["serve", "--config"])
        .arg(template.path("scopegate.yaml"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let over_tcp = Place::Tcp(free);
    let answer = eventually("the first connection is served", || over_tcp.get("/open/x", "").ok());
    assert!(answer.start_line.contains(" 200 "));
    assert!(Place::Unix(path.clone()).get("/open/x", "").unwrap().start_line.contains(" 200 "));
    assert!(activation.try_wait().unwrap().is_none(), "it has become the gateway");
    signal(activation.id(), "TERM");
    let ended = eventually("it ends", || activation.try_wait().unwrap());
    assert!(ended.success() && path.exists());
}

/// The gateway as systemd starts it with `WatchdogSec=`: the variables name the very process.
fn watched(folder: &Path) -> Service {
    let mut command = Command::new("sh");
    command
        .args(["-c", "WATCHDOG_PID=$$ exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_scopegate")])
        .env("NOTIFY_SOCKET", folder.join("notify"))
        .env("WATCHDOG_USEC", "200000");
    Service::start_by(command, &Upstream::echo(), "workers: 2", "{file: jwks.json}", "")
}

/// What a manager is told, read at once as systemd does: few messages find room in its socket, and what finds none is lost.
fn listen(folder: &Path) -> Receiver<String> {
    let (manager, (tell, told)) = (manager(folder), channel());
    manager.set_read_timeout(None).unwrap();
    std::thread::spawn(move || while tell.send(hear(&manager)).is_ok() {});
    told
}

/// Waits for a message that begins like this.
fn hear_of(told: &Receiver<String>, beginning: &str) -> String {
    let message = || told.recv_timeout(DEADLINE).ok().filter(|message| message.starts_with(beginning));
    eventually(beginning, message)
}

/// Waits for a sign of life that is told from now on.
fn hear_alive(told: &Receiver<String>) {
    while told.try_recv().is_ok() {}
    hear_of(told, "WATCHDOG=1");
}

/// Holds a thread up as a debugger does, until it is dropped; `None` where that is not allowed.
struct HeldUp(std::process::Child);

impl HeldUp {
    fn worker(pid: u32) -> Option<Self> {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
        let is_worker = |thread: &std::fs::DirEntry| {
            std::fs::read_to_string(thread.path().join("comm")).is_ok_and(|name| name.trim() == "worker-1")
        };
        let thread = threads.into_iter().find(is_worker).expect("a worker").file_name();
        // PTRACE_SEIZE and PTRACE_INTERRUPT; the thread goes on when its tracer has ended.
        let code = "import ctypes, os, sys\nlibc = ctypes.CDLL(None)\nlibc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, \
                    ctypes.c_void_p, ctypes.c_void_p]\nthread = int(sys.argv[1])\nheld = not libc.ptrace(0x4206, thread, 0, 0) and \
                    not libc.ptrace(0x4207, thread, 0, 0)\nheld and os.waitpid(thread, 0x40000000)\nprint('held' if held else 'not \
                    allowed', flush=True)\nsys.stdin.read()";
        let mut command = Command::new("python3");
        command.args(["-c", code]).arg(thread).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().ok()?;
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let held = Self(child);
        (said == "held\n").then_some(held)
    }
}

impl Drop for HeldUp {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const STUCK: &str = "a worker does not answer, and the service manager is not told that the process is alive";

#[test]
fn the_watchdog_hears_of_the_process_while_every_worker_answers() {
    let folder = tempfile::tempdir().unwrap();
    let told = listen(folder.path());
    let service = watched(folder.path());
    hear_alive(&told);
    let so_far = service.events(STUCK).len();
    let Some(held) = HeldUp::worker(service.pid) else { return };
    service.event(STUCK, so_far);
    // Five times what the watchdog waits.
    let silence = || told.recv_timeout(Duration::from_secs(1)).is_err().then_some(());
    eventually("one of two workers stands still, and nothing is told", silence);
    assert!(service.ask("/healthz").text().contains("ok"), "though the rest of the process lives");
    drop(held);
    hear_alive(&told);
}

#[test]
fn the_watchdog_hears_of_the_process_that_has_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let told = listen(folder.path());
    let mut service = watched(folder.path());
    hear_alive(&told);
    for _ in 0..2 {
        let before = service.begin_hand_over();
        let new = hear_of(&told, "MAINPID=");
        assert_eq!(new, format!("MAINPID={}\nREADY=1\nSTATUS=serving\nWATCHDOG=1", service.pid));
        service.await_end(before);
        hear_alive(&told);
    }
    service.signal("TERM");
    hear_of(&told, "STOPPING=1");
    service.await_end(service.pid);
}
