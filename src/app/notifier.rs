//! Tells a service manager how the process is (`sd_notify`): datagrams of `NAME=value` lines to the socket that `NOTIFY_SOCKET`
//! names.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The way to the service manager; without one, telling does nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Notifier {
    socket: Option<Arc<(UnixDatagram, SocketAddr)>>,
    /// How long the service manager waits to hear that the process is alive, if it does.
    watchdog: Option<Duration>,
}

impl Notifier {
    /// To the service manager that the environment names.
    ///
    /// # Errors
    ///
    /// What the operating system says of the socket's name.
    pub(super) fn from_environment() -> io::Result<Self> {
        let Some(name) = env::var_os("NOTIFY_SOCKET") else { return Ok(Self::default()) };
        let variable = |name| env::var(name).ok();
        let watchdog = watchdog(variable("WATCHDOG_USEC").as_deref(), variable("WATCHDOG_PID").as_deref());
        Ok(Self::at(&name)?.watched(watchdog))
    }

    pub(super) fn at(name: &OsStr) -> io::Result<Self> {
        // A name that begins with `@` is an abstract one, without a file.
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        // Nobody is worth waiting for who does not read.
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Some(Arc::new((socket, address))), watchdog: None })
    }

    /// The same with another watchdog.
    pub(super) fn watched(self, watchdog: Option<Duration>) -> Self {
        Self { watchdog, ..self }
    }

    /// How long the service manager waits to hear that the process is alive; `None` if it does not.
    pub(super) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The process does what it is there for.
    pub(super) fn alive(&self) {
        self.tell("WATCHDOG=1");
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
        // What that one has told the watchdog so far has not been believed: its time begins now.
        let alive = if self.watchdog.is_some() { "\nWATCHDOG=1" } else { "" };
        self.tell(&format!("MAINPID={pid}\nREADY=1\nSTATUS=serving{alive}"));
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

/// The watchdog's time, if the two variables mean this process (`sd_watchdog_enabled`): without a process' id they mean whoever has
/// them.
fn watchdog(microseconds: Option<&str>, pid: Option<&str>) -> Option<Duration> {
    let is_meant = pid.is_none_or(|pid| pid.parse() == Ok(std::process::id()));
    let time = microseconds?.parse().ok().map(Duration::from_micros)?;
    (is_meant && !time.is_zero()).then_some(time)
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
    fn the_watchdog_is_that_of_this_process() {
        let own = std::process::id().to_string();
        let cases = [
            ("its own", Some("2000000"), Some(own.as_str()), Some(2)),
            ("of whoever has it", Some("2000000"), None, Some(2)),
            ("of another process", Some("2000000"), Some("1"), None),
            ("of nobody", Some("2000000"), Some(""), None),
            ("none", None, Some(own.as_str()), None),
            ("no time", Some("0"), None, None),
            ("no number", Some("2s"), None, None),
        ];
        for (name, microseconds, pid, expected) in cases {
            assert_eq!(watchdog(microseconds, pid), expected.map(Duration::from_secs), "{name}");
        }
    }

    #[test]
    fn nobody_needs_to_listen() {
        Notifier::default().stopping();
        Notifier::at(OsStr::new("/nonexistent/notify")).unwrap().stopping();
    }
}
