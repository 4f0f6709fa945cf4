//! The closed labels of connections with peers and with upstreams.

use super::labels::ClosedLabel;

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
        assert_closed::<ConnectionError>(12);
        assert_closed::<ConnectionProtocol>(4);
        assert_closed::<UpstreamFailure>(10);
    }
}
