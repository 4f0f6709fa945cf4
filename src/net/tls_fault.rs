//! What can be wrong with certificates, keys and TLS settings.

use std::io::{self, ErrorKind};

use rustls::{AlertDescription, CertificateError};

use super::ExchangeFault;

/// Why a certificate or its private key cannot be used. The texts go on from the name of a file: "`api.pem`, which …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// There is no PEM section in it.
    #[error("is not PEM")]
    NotPem,
    /// A PEM section does not end, or is not base64.
    #[error("is broken PEM")]
    Broken,
    /// PEM without a certificate.
    #[error("holds no certificate")]
    NoCertificate,
    /// PEM without a private key.
    #[error("holds no private key")]
    NoKey,
    /// The private key is protected by a password.
    #[error("holds an encrypted private key")]
    EncryptedKey,
    /// So many private keys, where one is wanted.
    #[error("holds {0} private keys")]
    SeveralKeys(usize),
    /// The certificate with this number, from 1, is no X.509 certificate (RFC 5280).
    #[error("holds a certificate (number {0}) that cannot be read")]
    UnreadableCertificate(usize),
    /// An RSA key of so many bits: TLS implementations refuse those below 2048.
    #[error("holds an RSA key of {0} bits")]
    WeakKey(usize),
    /// A key of a kind that no handshake can use.
    #[error("holds a private key of a kind that TLS cannot use here")]
    UnusableKey,
    /// The key belongs to another certificate: to that with this number of the same chain, if there is one.
    #[error("does not belong to the first certificate of the chain")]
    OtherKey(Option<usize>),
}

impl CertificateFault {
    /// Whether the file with the private key is at fault, rather than that with the certificates.
    pub fn is_of_the_key(&self) -> bool {
        match self {
            Self::NoKey | Self::EncryptedKey | Self::SeveralKeys(_) | Self::UnusableKey | Self::OtherKey(_) => true,
            Self::NotPem | Self::Broken | Self::NoCertificate | Self::UnreadableCertificate(_) | Self::WeakKey(_) => {
                false
            }
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotPem => {
                "PEM begins with `-----BEGIN`; `openssl x509 -inform der` and `openssl pkey -inform der` read DER"
            }
            Self::Broken | Self::UnreadableCertificate(_) => return None,
            Self::NoCertificate => "name the file with `-----BEGIN CERTIFICATE-----`",
            Self::NoKey => "name the file with `-----BEGIN PRIVATE KEY-----`",
            Self::EncryptedKey => {
                "nobody is there to type a password: `openssl pkey` takes it off, and the file's mode protects the key"
            }
            Self::SeveralKeys(_) => "keep the one of the chain's first certificate",
            Self::WeakKey(_) => "2048 bits are the least that clients accept; a P-256 key is stronger and faster",
            Self::UnusableKey => "RSA from 2048 bits on, P-256, P-384, P-521 and Ed25519 can be used",
            Self::OtherKey(Some(number)) => {
                return Some(format!("it belongs to certificate {number}: begin the chain with that one"));
            }
            Self::OtherKey(None) => "were chain and key renewed together?",
        };
        Some(hint.to_owned())
    }
}

/// Why TLS cannot be set up with certificates that are well in themselves.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// None of the trusted certificates can be used, or the system has none.
    #[error("no trusted certificates")]
    NoRoots,
    /// What the TLS library says.
    #[error("TLS cannot be set up")]
    Refused(#[source] rustls::Error),
}

/// Why a peer's handshake came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum AcceptFault {
    /// The peer left before it had asked for anything.
    #[error("the peer left before its handshake began")]
    Left,
    /// It took too long.
    #[error("the TLS handshake took too long")]
    TimedOut,
    /// The two could not agree, or the peer's certificate is not trusted.
    #[error("the TLS handshake failed")]
    Failed(#[source] io::Error),
}

/// What to do about a handshake that failed on this side, or by the other's alert (RFC 8446 §6.2).
pub(super) fn hint_of(cause: &io::Error) -> Option<&'static str> {
    if matches!(cause.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) {
        return Some("does it speak TLS there? otherwise write `http://`");
    }
    hint_of_library(cause.get_ref()?.downcast_ref()?)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library's faults are many, and say enough of themselves")]
fn hint_of_library(cause: &rustls::Error) -> Option<&'static str> {
    Some(match cause {
        rustls::Error::InvalidCertificate(fault) => match fault {
            CertificateError::UnknownIssuer => {
                "name the authority that issued its certificate as `ca`; is its chain whole?"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "name it as its certificate does: in the URL, or by `tls.server_name` of an upstream"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired: have it renewed; is the clock right?"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet; is the clock right?"
            }
            _ => return None,
        },
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure) => {
            "does it ask for a client's certificate? write `tls.certificate` and `tls.key`"
        }
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA | AlertDescription::BadCertificate | AlertDescription::CertificateUnknown,
        ) => "it does not trust the certificate that it was shown: see `tls.certificate`",
        rustls::Error::InvalidMessage(_) => "does it speak TLS there? otherwise write `http://`",
        _ => return None,
    })
}

/// Why there is no TLS connection to an upstream that can be reached.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeFault {
    /// It took the connection but not the version of HTTP that it is to speak.
    #[error("the upstream does not offer `{0}` by ALPN")]
    OtherProtocol(&'static str),
    /// Its certificate is not trusted or has another name, it refuses ours, or the two could not agree.
    #[error("the TLS handshake with the upstream failed: {0}")]
    Failed(#[source] io::Error),
}

impl HandshakeFault {
    /// What to do about it, in the words of the gateway file.
    pub fn hint(&self) -> Option<&'static str> {
        let cause = match self {
            Self::OtherProtocol("h2") => return Some("does it speak HTTP/2? otherwise remove `protocol: http2`"),
            Self::OtherProtocol(_) => return Some("does it speak HTTP/2 alone? then write `protocol: http2`"),
            Self::Failed(cause) => cause,
        };
        hint_of(cause)
    }

    /// What an exchange failed of, if it was TLS: in 1.3 a client's handshake is over before the server has seen its certificate, and
    /// may refuse it (RFC 8446 §4.4.2.4).
    pub fn of_exchange(fault: &ExchangeFault) -> Option<Self> {
        let mut causes = std::iter::successors(std::error::Error::source(fault), |cause| cause.source());
        let cause =
            causes.find_map(|cause| cause.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref::<rustls::Error>())?;
        Some(Self::Failed(io::Error::other(cause.clone())))
    }
}
