//! A certificate chain with its private key, and what can be said of it without a handshake.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::CertificateFault;
use super::tls_names::is_for;
use super::tls_pem::{read_certificates, read_private_key};
use super::tls_provider::provider;

/// Bits below which an RSA key is refused.
const LEAST_RSA_BITS: usize = 2048;

/// A certificate chain with its private key, fit for a handshake; cheap to clone. Two are equal if chain and key are.
#[derive(Clone)]
pub struct Certificate {
    label: Arc<str>,
    key: Arc<CertifiedKey>,
    facts: Arc<Facts>,
    digest: [u8; 32],
}

/// What the chain says of itself.
#[derive(Debug)]
struct Facts {
    /// DNS names of the first certificate (RFC 5280 §4.2.1.6), in lower case.
    names: Vec<String>,
    has_addresses: bool,
    not_before: Moment,
    not_after: Moment,
    /// Number, from 1, of the first certificate that the one after it did not issue.
    breaks_after: Option<usize>,
}

#[derive(Debug)]
struct Moment {
    seconds: i64,
    day: String,
}

/// What makes a certificate that can be used a doubtful one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateDoubt {
    /// It expired on this day.
    Expired(String),
    /// It becomes valid on this day.
    NotYetValid(String),
    /// The certificate with this number, from 1, was not issued by the one after it (RFC 8446 §4.4.2).
    Disordered(usize),
    /// It names nobody: neither DNS names nor addresses.
    Nameless,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("label", &self.label).field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest && self.label == other.label
    }
}

impl Eq for Certificate {}

impl Certificate {
    /// Reads a chain (PEM, its own certificate first) and its private key (PEM, unencrypted: PKCS #8, SEC 1 or PKCS #1).
    /// `label` is the name that it goes by in metrics.
    ///
    /// # Errors
    ///
    /// [`CertificateFault`]; no text holds anything of the key.
    pub fn read(label: &str, chain: &[u8], key: &[u8]) -> Result<Self, CertificateFault> {
        let chain = read_certificates(chain)?;
        let facts = Facts::read(&chain)?;
        let key = read_private_key(key)?;
        let digest = digest(&chain, &key);
        let key = provider().key_provider.load_private_key(key).map_err(|_| CertificateFault::UnusableKey)?;
        let belongs = |certificate: &CertificateDer<'static>| {
            // A key that cannot tell its public part is believed.
            CertifiedKey::new(vec![certificate.clone()], Arc::clone(&key)).keys_match()
                != Err(rustls::InconsistentKeys::KeyMismatch.into())
        };
        match chain.iter().position(belongs) {
            Some(0) => {}
            other => return Err(CertificateFault::OtherKey(other.map(|position| position + 1))),
        }
        Ok(Self { label: label.into(), key: Arc::new(CertifiedKey::new(chain, key)), facts: Arc::new(facts), digest })
    }

    /// The name that it goes by in metrics.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The DNS names that it is for, in lower case; one may begin with `*.`.
    pub fn names(&self) -> &[String] {
        &self.facts.names
    }

    /// Whether one of its names is that of `host`, whatever its letter case.
    pub fn is_for(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.facts.names.iter().any(|name| is_for(name, &host))
    }

    /// When it expires, in seconds since the Unix epoch.
    pub fn expires(&self) -> i64 {
        self.facts.not_after.seconds
    }

    /// The day on which it expires, such as `2026-11-24`.
    pub fn expires_on(&self) -> &str {
        &self.facts.not_after.day
    }

    /// What speaks against it at `now`, in seconds since the Unix epoch.
    pub fn doubts(&self, now: i64) -> Vec<CertificateDoubt> {
        let facts = &self.facts;
        let expired = (facts.not_after.seconds < now).then(|| CertificateDoubt::Expired(facts.not_after.day.clone()));
        let early =
            (facts.not_before.seconds > now).then(|| CertificateDoubt::NotYetValid(facts.not_before.day.clone()));
        let nameless = (facts.names.is_empty() && !facts.has_addresses).then_some(CertificateDoubt::Nameless);
        [expired, early, facts.breaks_after.map(CertificateDoubt::Disordered), nameless].into_iter().flatten().collect()
    }

    pub(super) fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }

    /// SHA-256 over chain and key.
    pub(super) fn digest(&self) -> &[u8] {
        &self.digest
    }
}

impl Facts {
    fn read(chain: &[CertificateDer<'_>]) -> Result<Self, CertificateFault> {
        let parsed = chain.iter().zip(1..).map(|(der, number)| parse(der, number)).collect::<Result<Vec<_>, _>>()?;
        let first = parsed.first().ok_or(CertificateFault::NoCertificate)?;
        if let Some(bits) = rsa_bits(first).filter(|bits| *bits < LEAST_RSA_BITS) {
            return Err(CertificateFault::WeakKey(bits));
        }
        let mut facts = Self {
            names: Vec::new(),
            has_addresses: false,
            not_before: Moment::of(first.validity().not_before),
            not_after: Moment::of(first.validity().not_after),
            breaks_after: parsed
                .windows(2)
                .position(|pair| matches!(pair, [one, next] if one.issuer().as_raw() != next.subject().as_raw()))
                .map(|position| position + 1),
        };
        // One whose alternative names cannot be read has none that anybody would take.
        let names = first.subject_alternative_name().ok().flatten();
        for name in names.iter().flat_map(|names| &names.value.general_names) {
            if let GeneralName::DNSName(name) = name {
                facts.names.push(name.to_ascii_lowercase());
            }
            facts.has_addresses |= matches!(name, GeneralName::IPAddress(_));
        }
        Ok(facts)
    }
}

impl Moment {
    fn of(time: x509_parser::time::ASN1Time) -> Self {
        Self { seconds: time.timestamp(), day: time.to_datetime().date().to_string() }
    }
}

fn parse<'a>(der: &'a CertificateDer<'_>, number: usize) -> Result<X509Certificate<'a>, CertificateFault> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) | Err(_) => Err(CertificateFault::UnreadableCertificate(number)),
    }
}

fn rsa_bits(certificate: &X509Certificate<'_>) -> Option<usize> {
    let Ok(PublicKey::RSA(key)) = certificate.public_key().parsed() else { return None };
    let modulus: Vec<u8> = key.modulus.iter().copied().skip_while(|byte| *byte == 0).collect();
    let leading = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    Some(modulus.len() * 8 - leading)
}

fn digest(chain: &[CertificateDer<'_>], key: &PrivateKeyDer<'_>) -> [u8; 32] {
    let parts = chain.iter().map(AsRef::as_ref).chain([key.secret_der()]);
    digest_of(parts)
}

/// SHA-256 over several parts, each with its length in front.
pub(super) fn digest_of<'a>(parts: impl Iterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}
