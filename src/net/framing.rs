//! Why content broke off.

use std::error::Error;
use std::io;

use super::reset;

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
