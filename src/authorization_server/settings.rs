//! What the authorization server's file says, as valid values.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::net::Network;
use crate::token::Secret;

/// The authorization server's file.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthorizationServerSettings {
    /// The issuer identifier (RFC 8414 §2): scheme and authority, `https` or loopback `http`, without path and final slash. Every
    /// endpoint's address begins with it.
    pub issuer: String,
    /// Where it listens, in plain HTTP.
    pub address: SocketAddr,
    /// The SQLite file.
    pub database: PathBuf,
    /// The `aud` of access tokens, and the values that `resource` (RFC 8707) may have; at least one.
    pub audience: Vec<String>,
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// What the gateway presents for the role directory and the revocation feed; without it neither is served.
    pub gateway_token: Option<Secret>,
    /// Networks whose `X-Forwarded-For` tells the address that attempts are counted by.
    pub trusted_peers: Vec<Network>,
}

/// How long things live; all at least a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// An access token.
    pub access_token: Duration,
    /// A refresh token, anew at each use.
    pub refresh_token: Duration,
    /// A browser session.
    pub session: Duration,
    /// A signing key, until the next one signs.
    pub signing_key: Duration,
}
