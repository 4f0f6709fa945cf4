//! Whom an attempt is counted against: the address of the peer, behind proxies that are trusted to tell it.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::AuthorizationServer;
use crate::net::Network;

/// The address that attempts are counted by and events name.
///
/// The listener tells the TCP peer as [`ConnectInfo`]; without it everybody shares one address, and one quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer(pub(super) IpAddr);

impl FromRequestParts<Arc<AuthorizationServer>> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<AuthorizationServer>) -> Result<Self, Infallible> {
        let connection = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let address = connection.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip());
        Ok(Self(behind(address, &parts.headers, &server.settings.trusted_peers)))
    }
}

/// The last address that is not a trusted peer's: each trusted one tells who stands before it, in the last entry of
/// `X-Forwarded-For` that is not taken yet. An entry that is no address ends the chain at who wrote it.
fn behind(peer: IpAddr, fields: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let told = fields.get_all("x-forwarded-for").iter().rev();
    let mut told = told.flat_map(|value| value.to_str().unwrap_or_default().rsplit(',')).map(address);
    let mut peer = peer.to_canonical();
    while is_trusted(peer) {
        match told.next() {
            Some(Some(before)) => peer = before,
            Some(None) | None => break,
        }
    }
    peer
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    entry.parse().ok().or_else(with_port).or_else(bracketed).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_peers_tell_who_stands_before_them() {
        let trusted: Vec<Network> = ["10.0.0.0/8", "::1"].into_iter().filter_map(Network::parse).collect();
        for (peer, told, expected) in [
            ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["192.0.2.7, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["192.0.2.7, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["192.0.2.7", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("::1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("::1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["192.0.2.7, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.7, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[""], "10.0.0.1"),
        ] {
            let mut fields = HeaderMap::new();
            for value in told {
                fields.append("x-forwarded-for", value.parse().unwrap());
            }
            assert_eq!(behind(peer.parse().unwrap(), &fields, &trusted).to_string(), expected, "{peer} {told:?}");
        }
    }
}
