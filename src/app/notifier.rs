//! Tells a service manager how the process is (`sd_notify`): datagrams of `NAME=value` lines to the socket that `NOTIFY_SOCKET`
//! names.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};

/// The way to the service manager; without one, telling does nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Notifier {
    socket: Option<Arc<(UnixDatagram, SocketAddr)>>,
}

impl Notifier {
    /// To the service manager that the environment names.
    ///
    /// # Errors
    ///
    /// What the operating system says of the socket's name.
    pub(super) fn from_environment() -> io::Result<Self> {
        env::var_os("NOTIFY_SOCKET").map_or_else(|| Ok(Self::default()), |name| Self::at(&name))
    }

    fn at(name: &OsStr) -> io::Result<Self> {
        // A name that begins with `@` is an abstract one, without a file.
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        // Nobody is worth waiting for who does not read.
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Some(Arc::new((socket, address))) })
    }

    /// The process serves, or has finished to reload; `status` is for people.
    pub(super) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// The process reads its files anew, or hands over.
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        // The kernel gives less than a thousand million nanoseconds, and no time before its start.
        let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    /// Another process is the service from now on. It comes from the old one, which is the one that is believed by default.
    pub(super) fn is_now(&self, pid: u32) {
        self.tell(&format!("MAINPID={pid}\nREADY=1\nSTATUS=serving"));
    }

    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=draining");
    }

    fn tell(&self, message: &str) {
        if let Some((socket, address)) = self.socket.as_deref()
            && let Err(fault) = socket.send_to_addr(message.as_bytes(), address)
        {
            tracing::warn!(%fault, "the service manager cannot be told");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut message = [0; 256];
        let length = socket.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    #[test]
    fn it_is_told_at_a_path_and_at_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("scopegate-test-{}", std::process::id());
        let abstract_socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (socket, name) in
            [(UnixDatagram::bind(&path).unwrap(), path.into_os_string()), (abstract_socket, format!("@{name}").into())]
        {
            let notifier = Notifier::at(&name).unwrap();
            notifier.ready("serving");
            notifier.is_now(7);
            assert_eq!(heard(&socket), "READY=1\nSTATUS=serving");
            assert_eq!(heard(&socket), "MAINPID=7\nREADY=1\nSTATUS=serving");
            notifier.reloading();
            let message = heard(&socket);
            let time = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
            assert!(time.parse::<u64>().unwrap() > 0);
        }
    }

    #[test]
    fn nobody_needs_to_listen() {
        Notifier::default().stopping();
        Notifier::at(OsStr::new("/nonexistent/notify")).unwrap().stopping();
    }
}
