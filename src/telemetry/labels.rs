//! The closed lists that metric labels are taken from.

use std::marker::PhantomData;

use http::Method;

use crate::policy::Access;

/// A label value out of a closed list.
pub(super) trait ClosedLabel: Copy + 'static {
    /// Every value, in the order of [`ClosedLabel::index`].
    const ALL: &'static [Self];
    /// The text of the label.
    fn text(self) -> &'static str;
    /// Position in [`ClosedLabel::ALL`].
    fn index(self) -> usize;
}

/// One child for each value of a closed label, found without a look-up by text.
#[derive(Clone, Debug)]
pub(super) struct Children<L, M> {
    by_index: Box<[M]>,
    label: PhantomData<L>,
}

impl<L: ClosedLabel, M> Children<L, M> {
    /// Makes the child of every value of the list.
    pub(super) fn of(make: impl FnMut(&'static str) -> M) -> Self {
        Self { by_index: L::ALL.iter().copied().map(L::text).map(make).collect(), label: PhantomData }
    }

    /// The child of one value; `None` never happens for a list whose `ALL` is complete.
    pub(super) fn get(&self, label: L) -> Option<&M> {
        self.by_index.get(label.index())
    }
}

/// Who gave the answer that the client saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The gateway answered by itself.
    Gateway,
    /// The upstream's answer was passed on.
    Upstream,
}

impl Source {
    /// Returns the text of the label and of the log field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Upstream => "upstream",
        }
    }
}

impl ClosedLabel for Source {
    const ALL: &'static [Self] = &[Self::Gateway, Self::Upstream];
    fn text(self) -> &'static str {
        self.as_str()
    }
    fn index(self) -> usize {
        self as usize
    }
}

/// How the token of a decision was come by: the label `token` of `scopegate_decision_duration_seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenLabel {
    /// Out of the memory of verified tokens.
    Cached,
    /// A JWT, verified for this request.
    Jwt,
    /// No JWT; its issuer was asked for this request.
    Introspection,
    /// No token was shown or asked for.
    None,
}

impl ClosedLabel for TokenLabel {
    const ALL: &'static [Self] = &[Self::Cached, Self::Jwt, Self::Introspection, Self::None];
    fn text(self) -> &'static str {
        match self {
            Self::Cached => "cached",
            Self::Jwt => "jwt",
            Self::Introspection => "introspection",
            Self::None => "none",
        }
    }
    fn index(self) -> usize {
        self as usize
    }
}

/// What the memory of verified tokens answered: `scopegate_token_cache_lookups_total{result}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheResult {
    /// Remembered and still good.
    Hit,
    /// Not remembered.
    Miss,
    /// Remembered, but its keys, issuer or time have passed.
    Stale,
}

impl ClosedLabel for CacheResult {
    const ALL: &'static [Self] = &[Self::Hit, Self::Miss, Self::Stale];
    fn text(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
        }
    }
    fn index(self) -> usize {
        self as usize
    }
}

/// How a fetch ended: the label `result` of `scopegate_keys_fetch_total`, `scopegate_revocations_fetch_total` and
/// `scopegate_role_directory_fetch_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FetchResult {
    /// What was asked for was read, or is unchanged.
    Ok,
    /// No connection, or a status other than 200.
    Failed,
    /// Not within the time allowed.
    TimedOut,
    /// Beyond the bytes or entries allowed.
    TooLarge,
    /// Not what was asked for, a key set without a usable key, or no metadata.
    Malformed,
    /// Metadata of another issuer, or that names an address that may not be used.
    Untrusted,
}

impl ClosedLabel for FetchResult {
    const ALL: &'static [Self] =
        &[Self::Ok, Self::Failed, Self::TimedOut, Self::TooLarge, Self::Malformed, Self::Untrusted];
    fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Untrusted => "untrusted",
        }
    }
    fn index(self) -> usize {
        self as usize
    }
}

/// How a reload ended: `scopegate_reload_total{result}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReloadResult {
    /// A new table is in force.
    Ok,
    /// The files hold what is in force already.
    Unchanged,
    /// The files hold a fault, and what was in force stays.
    Failed,
}

impl ClosedLabel for ReloadResult {
    const ALL: &'static [Self] = &[Self::Ok, Self::Unchanged, Self::Failed];
    fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }
    fn index(self) -> usize {
        self as usize
    }
}

/// What ended or refused a client's connection, or a request that has no record: `scopegate_connection_errors_total{kind}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionError {
    /// The parser could not read the message.
    Parse,
    /// The parser met a head beyond its bounds.
    TooLarge,
    /// The head, or the TLS handshake, did not come within the time allowed.
    HeaderTimeout,
    /// The body stood still beyond the time allowed.
    BodyTimeout,
    /// The peer closed in the middle of a message.
    Incomplete,
    /// The socket failed.
    Io,
    /// The TLS handshake failed.
    Tls,
    /// Beyond the number of connections allowed.
    TooMany,
    /// The peer reset more streams of an HTTP/2 connection than it may.
    Resets,
    /// The peer sent more frames that carry no request than it may.
    Flood,
    /// A request's task panicked; nothing else was hurt.
    Panic,
    /// Anything else.
    Other,
}

impl ClosedLabel for ConnectionError {
    const ALL: &'static [Self] = &[
        Self::Parse,
        Self::TooLarge,
        Self::HeaderTimeout,
        Self::BodyTimeout,
        Self::Incomplete,
        Self::Io,
        Self::Tls,
        Self::TooMany,
        Self::Resets,
        Self::Flood,
        Self::Panic,
        Self::Other,
    ];
    fn text(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::TooLarge => "too_large",
            Self::HeaderTimeout => "header_timeout",
            Self::BodyTimeout => "body_timeout",
            Self::Incomplete => "incomplete",
            Self::Io => "io",
            Self::Tls => "tls",
            Self::TooMany => "too_many",
            Self::Resets => "resets",
            Self::Flood => "flood",
            Self::Panic => "panic",
            Self::Other => "other",
        }
    }
    fn index(self) -> usize {
        self as usize
    }
}

/// What a client's connection speaks: `scopegate_connections{protocol}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionProtocol {
    /// Nothing has come yet that would tell.
    New,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// A protocol that HTTP/1.1 was left for.
    Upgraded,
}

impl ClosedLabel for ConnectionProtocol {
    const ALL: &'static [Self] = &[Self::New, Self::Http1, Self::Http2, Self::Upgraded];
    fn text(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Http1 => "http1",
            Self::Http2 => "h2",
            Self::Upgraded => "upgraded",
        }
    }
    fn index(self) -> usize {
        self as usize
    }
}

/// What went wrong with an upstream: `scopegate_upstream_failures_total{kind}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamFailure {
    /// The connection was refused or the name not resolved.
    Connect,
    /// No connection within the time allowed.
    ConnectTimeout,
    /// The TLS handshake failed: a certificate was not trusted, or the two could not agree.
    Tls,
    /// The upstream does not offer its version of HTTP by ALPN.
    Alpn,
    /// Every connection is busy and the queue for one is full.
    QueueFull,
    /// No response fields within the time allowed.
    ResponseTimeout,
    /// The response's body stood still beyond the time allowed.
    IdleTimeout,
    /// The upstream's message could not be read.
    Protocol,
    /// The upstream closed in the middle of an exchange.
    Closed,
    /// A reused connection had died before any answer, and the request was sent again on another.
    Retried,
}

impl ClosedLabel for UpstreamFailure {
    const ALL: &'static [Self] = &[
        Self::Connect,
        Self::ConnectTimeout,
        Self::Tls,
        Self::Alpn,
        Self::QueueFull,
        Self::ResponseTimeout,
        Self::IdleTimeout,
        Self::Protocol,
        Self::Closed,
        Self::Retried,
    ];
    fn text(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Tls => "tls",
            Self::Alpn => "alpn",
            Self::QueueFull => "queue_full",
            Self::ResponseTimeout => "response_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::Protocol => "protocol",
            Self::Closed => "closed",
            Self::Retried => "retried",
        }
    }
    fn index(self) -> usize {
        self as usize
    }
}

/// The label `method`: a method of RFC 9110 §9 or PATCH (RFC 5789), or `OTHER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MethodLabel {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    Other,
}

impl MethodLabel {
    pub(super) fn of(method: &Method) -> Self {
        match *method {
            Method::GET => Self::Get,
            Method::HEAD => Self::Head,
            Method::POST => Self::Post,
            Method::PUT => Self::Put,
            Method::DELETE => Self::Delete,
            Method::CONNECT => Self::Connect,
            Method::OPTIONS => Self::Options,
            Method::TRACE => Self::Trace,
            Method::PATCH => Self::Patch,
            _ => Self::Other,
        }
    }
}

impl ClosedLabel for MethodLabel {
    const ALL: &'static [Self] = &[
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Delete,
        Self::Connect,
        Self::Options,
        Self::Trace,
        Self::Patch,
        Self::Other,
    ];
    fn text(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Other => "OTHER",
        }
    }
    fn index(self) -> usize {
        self as usize
    }
}

impl ClosedLabel for Access {
    const ALL: &'static [Self] = &[Self::User, Self::Admin, Self::Authenticated, Self::Public];
    fn text(self) -> &'static str {
        self.as_str()
    }
    fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_closed<L: ClosedLabel>(count: usize) {
        assert_eq!(L::ALL.len(), count);
        for (index, label) in L::ALL.iter().enumerate() {
            assert_eq!(label.index(), index, "`{}`", label.text());
        }
    }

    #[test]
    fn every_value_is_found_at_its_own_place() {
        assert_closed::<Source>(2);
        assert_closed::<TokenLabel>(4);
        assert_closed::<CacheResult>(3);
        assert_closed::<FetchResult>(6);
        assert_closed::<ReloadResult>(3);
        assert_closed::<ConnectionError>(12);
        assert_closed::<ConnectionProtocol>(4);
        assert_closed::<UpstreamFailure>(10);
        assert_closed::<MethodLabel>(10);
    }

    #[test]
    fn methods_outside_the_standards_are_other() {
        for (name, expected) in
            [("GET", "GET"), ("PATCH", "PATCH"), ("PURGE", "OTHER"), ("get", "OTHER"), ("RANDOM-1", "OTHER")]
        {
            assert_eq!(MethodLabel::of(&Method::from_bytes(name.as_bytes()).unwrap()).text(), expected, "{name}");
        }
    }
}
