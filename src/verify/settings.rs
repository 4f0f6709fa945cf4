//! One issuer as the gateway file describes it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::client_key::ClientKey;
use crate::net::Polled;
use crate::token::IssuerRules;

/// One issuer as the gateway file describes it; equality decides whether a reload keeps its keys.
#[derive(Clone, Debug, PartialEq)]
pub struct IssuerSettings {
    /// What its tokens must satisfy.
    pub rules: IssuerRules,
    /// Whether readiness waits for its keys.
    pub required: bool,
    /// Where its keys come from.
    pub keys: KeySource,
    /// How it is asked about tokens that are no JWT, if it is.
    pub introspection: Option<IntrospectionSettings>,
    /// Where it says which of its tokens are revoked; `None` if it does not.
    pub revocations: Option<RevocationSettings>,
}

/// Where an issuer's revocations come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationSettings {
    /// The feed.
    pub feed: Polled,
    /// Whether tokens are served on while the feed is too old to be relied on; otherwise every token of the issuer is refused.
    pub serve_stale: bool,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A JWK Set in a file, read at start and at each reload; it never grows stale.
    File(PathBuf),
    /// A JWK Set elsewhere, refreshed in the background.
    Remote {
        /// How its address is known.
        address: KeyAddress,
        /// The longest time between two fetches; an answer's `max-age` can only shorten it, for it is also how long a key
        /// that its issuer withdrew is still trusted.
        refresh: Duration,
        /// How long keys serve after the last fetch that confirmed them.
        max_stale: Duration,
        /// The shortest time between two fetches that unknown `kid`s cause, and the least that `max-age` is taken for.
        cooldown: Duration,
        /// For a whole fetch, and for a request that waits for one.
        timeout: Duration,
        /// A PEM file of certificates that alone are trusted; without it the system's are.
        ca: Option<PathBuf>,
    },
}

/// How the address of a key set is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyAddress {
    /// `https`, or `http` where the configuration allows it.
    Url(Uri),
    /// From the issuer's metadata (RFC 8414, OpenID Connect Discovery 1.0), looked up before each fetch. The issuer is then a
    /// URL without query, `https`, or `http` where the configuration allows it.
    Discovery {
        /// Whether the metadata may name `http` beyond loopback.
        insecure_http: bool,
    },
}

/// How an issuer is asked about tokens that are no JWT (RFC 7662).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntrospectionSettings {
    /// How such tokens of this issuer begin; `None` where it is the only one that is asked.
    pub prefix: Option<String>,
    /// Where it is asked: `https`, or `http` where the configuration allows it. `None` for what its metadata says.
    pub url: Option<Uri>,
    /// Whether its metadata may name `http` beyond loopback.
    pub insecure_http: bool,
    /// As whom the gateway asks.
    pub client: ClientAuthentication,
    /// How long an answer is believed, at most.
    pub cache: Duration,
    /// For a question and its whole answer.
    pub timeout: Duration,
    /// A PEM file of certificates that alone are trusted; without it the system's are.
    pub ca: Option<PathBuf>,
}

/// As whom the gateway speaks to an authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuthentication {
    /// `client_id`.
    pub client_id: String,
    /// What proves it.
    pub proof: ClientProof,
}

/// What proves that the gateway is the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientProof {
    /// `client_secret_basic` (RFC 6749 §2.3.1).
    Secret(ClientSecret),
    /// `private_key_jwt` (RFC 7523 §2.2).
    Key(ClientKey),
}

/// A client's secret. Its Debug shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret(pub String);

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(…)")
    }
}
