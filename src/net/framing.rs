//! Why an exchange, or the content of a message, broke off.

use std::error::Error;
use std::io;

/// Why an exchange with an upstream came to nothing, or to no end.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeFault {
    /// The upstream ended the connection.
    #[error("the upstream closed the connection")]
    Closed,
    /// The connection failed.
    #[error("the connection with the upstream failed: {0}")]
    Broken(#[source] io::Error),
    /// What came is no answer of HTTP/1.1.
    #[error("the upstream's answer has {0}")]
    Malformed(&'static str),
    /// The request's content broke off.
    #[error("the request's content broke off")]
    Content,
    /// What hyper says of HTTP/2.
    #[error(transparent)]
    Http2(hyper::Error),
}

impl ExchangeFault {
    /// Whether the upstream broke the rules of its protocol, and did not merely leave.
    pub fn is_malformed(&self) -> bool {
        match self {
            Self::Malformed(_) => true,
            Self::Http2(fault) => fault.is_parse() || is_malformed(fault),
            Self::Closed | Self::Broken(_) | Self::Content => false,
        }
    }

    /// What HTTP/2 knows of it.
    pub fn reset(&self) -> Option<&h2::Error> {
        match self {
            Self::Http2(fault) => reset(fault),
            Self::Closed | Self::Broken(_) | Self::Malformed(_) | Self::Content => None,
        }
    }

    /// Whether one stream ended and not the connection: the upstream is well, and has answered in its way.
    pub fn is_reset(&self) -> bool {
        self.reset().is_some_and(h2::Error::is_reset)
    }
}

/// What HTTP/2 knows of a fault.
pub fn reset(fault: &hyper::Error) -> Option<&h2::Error> {
    fault.source().and_then(|cause| cause.downcast_ref())
}

/// Whether content broke off because it is framed as no content may be (RFC 9112 §7.1, RFC 9113 §8.1.1), and not because its
/// sender left.
pub fn is_malformed(fault: &hyper::Error) -> bool {
    reset(fault).is_some_and(h2::Error::is_library)
        || matches!(kind(fault), Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput))
}

/// Whether its sender closed the connection before the content's end (RFC 9112 §8).
pub fn is_incomplete(fault: &hyper::Error) -> bool {
    kind(fault) == Some(io::ErrorKind::UnexpectedEof)
}

/// What the content says of itself; what TLS says of the connection beneath is no fault of the content.
fn kind(fault: &hyper::Error) -> Option<io::ErrorKind> {
    let cause = fault.source()?.downcast_ref::<io::Error>()?;
    let is_tls = cause.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
    (!is_tls).then(|| cause.kind())
}
