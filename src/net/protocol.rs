//! Versions of HTTP that are spoken.

/// A version of HTTP as a connection speaks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1 (RFC 9112).
    Http1,
    /// HTTP/2 (RFC 9113).
    Http2,
}

/// Versions of HTTP that a listener takes; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocols {
    /// HTTP/1.1 (RFC 9112).
    pub http1: bool,
    /// HTTP/2 (RFC 9113): by ALPN under TLS, by prior knowledge in clear text.
    pub http2: bool,
}

impl Protocols {
    /// Both.
    pub const ALL: Self = Self { http1: true, http2: true };
}
