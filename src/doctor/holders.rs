//! Which processes listen at an address, as far as this one may know: its own user's, or everybody's for the superuser.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use crate::net::ListenAddress;

/// The state of a socket that listens, in `/proc/net/tcp`.
const LISTENS: &str = "0A";

/// A process that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) process: u32,
    /// Of its program; at most 15 letters.
    pub(super) name: String,
}

/// The processes that listen at `address`; none where that cannot be known.
pub(super) fn holders(address: &ListenAddress) -> Vec<Holder> {
    let sockets: Vec<String> = match address {
        ListenAddress::Tcp(address) => tcp_sockets(*address),
        ListenAddress::Unix(path) => unix_sockets(path),
    };
    let links: Vec<String> = sockets.iter().map(|inode| format!("socket:[{inode}]")).collect();
    if links.is_empty() {
        return Vec::new();
    }
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    processes.filter(|process| has_one_of(*process, &links)).map(named).collect()
}

fn has_one_of(process: u32, links: &[String]) -> bool {
    let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let mut targets = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.any(|target| target.to_str().is_some_and(|target| links.iter().any(|link| link == target)))
}

fn named(process: u32) -> Holder {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    Holder { process, name: name.trim_end().chars().filter(|letter| !letter.is_control()).collect() }
}

fn tcp_sockets(wanted: SocketAddr) -> Vec<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let rows = tables.iter().flat_map(|table| table.lines().skip(1));
    rows.filter_map(|row| listening(row, wanted)).collect()
}

/// The socket of a row of `/proc/net/tcp`, if it listens where `wanted` is, or everywhere.
fn listening(row: &str, wanted: SocketAddr) -> Option<String> {
    let columns: Vec<&str> = row.split_ascii_whitespace().collect();
    let (local, state, inode) = (columns.get(1)?, columns.get(3)?, columns.get(9)?);
    let (address, port) = local.split_once(':')?;
    let (address, port) = (read_address(address)?, u16::from_str_radix(port, 16).ok()?);
    let meets = address.is_unspecified()
        || wanted.ip().is_unspecified()
        || address.to_canonical() == wanted.ip().to_canonical();
    (*state == LISTENS && port == wanted.port() && meets).then(|| (*inode).to_owned())
}

/// Words of 32 bits in the machine's own order.
fn read_address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match text.len() {
        8 => Some(IpAddr::from(Ipv4Addr::from(word(0)?))),
        32 => {
            let bytes = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
            Some(IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)))
        }
        _ => None,
    }
}

fn unix_sockets(path: &Path) -> Vec<String> {
    let table = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let of_row = |row: &str| {
        let columns: Vec<&str> = row.split_ascii_whitespace().collect();
        let (inode, name) = (columns.get(6)?, columns.get(7)?);
        (Path::new(name) == path).then(|| (*inode).to_owned())
    };
    table.lines().skip(1).filter_map(of_row).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn this_process_is_found_where_it_listens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _unix = UnixListener::bind(&path).unwrap();
        for text in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
            // A machine may have no IPv6.
            let Ok(listener) = TcpListener::bind(text) else { continue };
            let found = holders(&ListenAddress::Tcp(listener.local_addr().unwrap()));
            assert!(found.iter().any(|holder| holder.process == std::process::id()), "{text}: {found:?}");
        }
        let found = holders(&ListenAddress::Unix(path.clone()));
        assert_eq!(found.iter().map(|holder| holder.process).collect::<Vec<_>>(), [std::process::id()]);
        assert_eq!(holders(&ListenAddress::Unix(path.with_extension("other"))), []);
    }
}
