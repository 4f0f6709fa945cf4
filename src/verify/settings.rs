//! One issuer as the gateway file describes it.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

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
    /// A JWK Set at a URL, refreshed in the background.
    Url {
        /// `https`, or `http` where the configuration allows it.
        url: Uri,
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
