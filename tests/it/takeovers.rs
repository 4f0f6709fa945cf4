//! What becomes of a new process that was told to serve, and of an address that somebody else has.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{Place, Service, Upstream, eventually};

/// Says that it could serve, is told to, and never says that it does; it notes what it was told, and that it was asked to end.
const WEDGED: &str = "#!/bin/sh
trap 'echo asked >> \"$0.ended\"; exit 0' TERM
read -r offer
printf '{\"state\":\"ready\"}\\n' >&0
read -r told
echo told > \"$0.told\"
while :; do sleep 0.1; done
";

/// A service whose next process is such a one.
fn before_a_wedged_process() -> (Service, TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("scopegate");
    symlink(env!("CARGO_BIN_EXE_scopegate"), &program).unwrap();
    let command = Command::new(&program);
    let service = Service::start_by(command, &Upstream::echo(), "handover_timeout: 1s", "{file: jwks.json}", "");
    fs::remove_file(&program).unwrap();
    fs::write(&program, WEDGED).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    (service, folder, program)
}

fn note(program: &Path, what: &str) -> Option<String> {
    let note = fs::read_to_string(program.with_extension(what)).ok()?;
    note.ends_with('\n').then_some(note)
}

#[test]
fn a_process_that_was_told_to_serve_has_another_bound_and_is_asked_to_drain() {
    let (service, _folder, program) = before_a_wedged_process();
    let begun = Instant::now();
    service.signal("USR2");
    let failed = service.event("the hand-over failed, and this process goes on serving", 0);
    assert_eq!(failed["reason"], "the new process did not serve within 10 seconds of being told to");
    assert!(begun.elapsed() >= Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(note(&program, "ended").as_deref(), Some("asked\n"));
    assert!(service.tcp.get("/open/x", "").unwrap().start_line.contains(" 200 "));
}

#[test]
fn a_process_that_was_told_to_serve_drains_with_an_old_one_that_is_asked_to_end() {
    let (mut service, _folder, program) = before_a_wedged_process();
    service.signal("USR2");
    eventually("it is told to serve", || note(&program, "told"));
    service.signal("TERM");
    service.await_end(service.pid);
    let ended = eventually("it is asked to end", || note(&program, "ended"));
    assert_eq!(ended, "asked\n", "once, and not killed");
}

#[test]
fn an_address_at_which_another_process_listens_is_refused() {
    let service = Service::start(&Upstream::echo(), "");
    let Place::Tcp(taken) = service.tcp else { panic!("TCP") };
    let file = fs::read_to_string(service.path("scopegate.yaml")).unwrap();
    let unix = service.path("socket").display().to_string();
    for address in [taken.to_string(), format!("0.0.0.0:{}", taken.port())] {
        let second = file.replace("- address: 127.0.0.1:0", &format!("- address: {address}"));
        fs::write(service.path("second.yaml"), second.replace(&unix, &format!("{unix}2"))).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_scopegate"))
            .args(["serve", "--config"])
            .arg(service.path("second.yaml"))
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let expected = format!("cannot listen on `{address}`: another process listens there");
        assert!(output.status.code() == Some(2) && said.contains(&expected), "{said}");
    }
    assert!(service.tcp.get("/open/x", "").unwrap().start_line.contains(" 200 "));
}

#[test]
fn a_listener_of_the_old_process_hinders_no_other_address_of_its_port() {
    let mut service = Service::start(&Upstream::echo(), "");
    let Place::Tcp(address) = service.tcp else { panic!("TCP") };
    service.change("- address: 127.0.0.1:0", &format!("- address: 0.0.0.0:{}", address.port()));
    service.hand_over();
    assert!(service.tcp.get("/open/x", "").unwrap().start_line.contains(" 200 "));
}
