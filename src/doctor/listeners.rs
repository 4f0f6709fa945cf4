//! Addresses that the gateway listens on: whether they can be had, and if not, who has them.

use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Access, access};

use super::finding::{Check, Finding};
use super::holders::{Holder, holders};
use super::running::{Running, find};
use crate::config::Gateway;
use crate::net::{ListenAddress, Listener};

/// How an address is.
enum State {
    /// It can be listened on.
    Free,
    /// Somebody listens there.
    Taken(Vec<Holder>),
    /// It cannot be listened on for another reason.
    Refused(io::Error),
}

/// Looks at the admin listener's address and at every listener's.
pub(super) async fn examine(gateway: &Gateway, timeout: Duration) -> Vec<Finding> {
    let address = ListenAddress::Tcp(gateway.admin.address);
    let admin = state_of(&address).await;
    let mut running = None;
    if let State::Taken(_) = &admin {
        running = Some(find(gateway.admin.address, timeout).await);
    }
    let mut findings = vec![of_admin(&address, &admin, running.as_ref())];
    let is_gateway = matches!(running, Some(Running::Ready | Running::NotReady(_)));
    let gateways: Option<Vec<Holder>> = match admin {
        State::Taken(holders) if is_gateway => Some(holders),
        State::Taken(_) | State::Free | State::Refused(_) => None,
    };
    for listener in &gateway.listeners {
        findings.push(of_listener(&listener.address, gateways.as_deref()).await);
    }
    findings
}

async fn state_of(address: &ListenAddress) -> State {
    match Listener::ensure_free(address).and_then(|()| folder_of(address)) {
        Ok(()) => State::Free,
        Err(fault) if fault.kind() == ErrorKind::AddrInUse && !is_other_file(address) => {
            let address = address.clone();
            // All processes are looked at.
            State::Taken(tokio::task::spawn_blocking(move || holders(&address)).await.unwrap_or_default())
        }
        Err(fault) => State::Refused(fault),
    }
}

/// What is no socket is nobody's to listen on, and is never replaced.
fn is_other_file(address: &ListenAddress) -> bool {
    let ListenAddress::Unix(path) = address else { return false };
    std::fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket())
}

/// The file of a unix socket is made anew at each start.
fn folder_of(address: &ListenAddress) -> io::Result<()> {
    let ListenAddress::Unix(path) = address else { return Ok(()) };
    let folder = path.parent().unwrap_or(Path::new("/"));
    access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(io::Error::from)
}

fn of_admin(address: &ListenAddress, state: &State, running: Option<&Running>) -> Finding {
    let (check, subject) = (Check::Admin, address.to_string());
    match (state, running) {
        (State::Taken(holders), Some(Running::Ready)) => {
            Finding::ok(check, subject, format!("a running gateway answers there, and is ready{}", by(holders)))
        }
        (State::Taken(holders), Some(Running::NotReady(reasons))) => {
            let message = format!(
                "a running gateway answers there, and is not ready{}: {}",
                by(holders),
                if reasons.is_empty() { "it does not say why".to_owned() } else { reasons.join("; ") }
            );
            Finding::warning(check, subject, message).hint("it becomes ready by itself once what it waits for is there")
        }
        (_, _) => of_state(check, subject, address, state),
    }
}

async fn of_listener(address: &ListenAddress, gateways: Option<&[Holder]>) -> Finding {
    let (check, subject, state) = (Check::Listener, address.to_string(), state_of(address).await);
    if let (State::Taken(holders), Some(gateways)) = (&state, gateways) {
        let theirs = holders.iter().any(|holder| gateways.contains(holder));
        if theirs {
            return Finding::ok(check, subject, format!("the running gateway listens there{}", by(holders)));
        }
        // Who sees what the gateway has open sees that this is not among it.
        if holders.is_empty() && gateways.is_empty() {
            let message = "somebody listens there: the running gateway, as it seems";
            return Finding::ok(check, subject, message);
        }
    }
    of_state(check, subject, address, &state)
}

fn of_state(check: Check, subject: String, address: &ListenAddress, state: &State) -> Finding {
    match state {
        State::Free => Finding::ok(check, subject, "can be listened on"),
        State::Taken(holders) if holders.iter().any(|holder| holder.process == 1 && holder.name == "systemd") => {
            let message = "systemd listens there, and may pass the socket on";
            Finding::warning(check, subject, message).hint("well if it is the gateway's: `systemctl list-sockets`")
        }
        State::Taken(holders) => {
            let message = match holders.as_slice() {
                [] => "another user's process listens there".to_owned(),
                holders => format!("another process listens there{}", by(holders)),
            };
            Finding::failed(check, subject, message).hint(taken_hint(address))
        }
        State::Refused(fault) => {
            let message = format!("cannot be listened on: {fault}");
            Finding::failed(check, subject, message).hint_if(refused_hint(address, fault.kind()))
        }
    }
}

fn taken_hint(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => {
            format!(
                "`ss -ltnp 'sport = :{}'` names it to the superuser; end it, or write another address",
                address.port()
            )
        }
        ListenAddress::Unix(_) => "end it, or write another path".to_owned(),
    }
}

fn refused_hint(address: &ListenAddress, kind: ErrorKind) -> Option<&'static str> {
    Some(match (address, kind) {
        (ListenAddress::Tcp(_), ErrorKind::PermissionDenied) => {
            "ports below 1024 need a capability: `AmbientCapabilities=CAP_NET_BIND_SERVICE` of systemd, or another port"
        }
        (ListenAddress::Tcp(_), ErrorKind::AddrNotAvailable) => "no interface of this machine has that address",
        (ListenAddress::Unix(_), ErrorKind::NotFound) => {
            "make the socket's folder, or have `RuntimeDirectory=` make it"
        }
        (ListenAddress::Unix(_), ErrorKind::AddrInUse) => "remove it, or write another path",
        (ListenAddress::Unix(_), ErrorKind::PermissionDenied) => {
            "whoever runs the gateway must be able to write the socket's folder"
        }
        (_, _) => return None,
    })
}

/// ` (by `nginx`, process 7)`.
fn by(holders: &[Holder]) -> String {
    match holders {
        [] => String::new(),
        [first, ..] => format!(" (`{}`, process {})", first.name, first.process),
    }
}
