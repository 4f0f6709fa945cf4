//! Certificates and private keys out of PEM files (RFC 7468).

use rustls::pki_types::pem::{Error, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::CertificateFault;

/// What a private key's section is labelled with (RFC 7468 §10, RFC 5915 §4, RFC 8017 A.1.2).
const KEY_LABELS: [&str; 3] = ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"];

/// Reads every certificate of a PEM file, in the file's order; at least one. What else the file holds is left out.
///
/// # Errors
///
/// [`CertificateFault::NotPem`], [`CertificateFault::Broken`] or [`CertificateFault::NoCertificate`].
pub fn read_certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateFault> {
    refuse_other_forms(text)?;
    let certificates = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, Error>>();
    let certificates = certificates.map_err(|_| CertificateFault::Broken)?;
    if certificates.is_empty() { Err(CertificateFault::NoCertificate) } else { Ok(certificates) }
}

/// Reads the one private key of a PEM file.
///
/// # Errors
///
/// A [`CertificateFault`] whose text holds nothing of the file.
pub(super) fn read_private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, CertificateFault> {
    refuse_other_forms(text)?;
    if is_encrypted(text) {
        return Err(CertificateFault::EncryptedKey);
    }
    match labels(text).filter(|label| KEY_LABELS.contains(&label.as_str())).count() {
        0 => Err(CertificateFault::NoKey),
        1 => PrivateKeyDer::from_pem_slice(text).map_err(|_| CertificateFault::Broken),
        several => Err(CertificateFault::SeveralKeys(several)),
    }
}

fn refuse_other_forms(text: &[u8]) -> Result<(), CertificateFault> {
    if labels(text).next().is_none() { Err(CertificateFault::NotPem) } else { Ok(()) }
}

/// RFC 7468 §11 has a label for encrypted keys, RFC 1421 §4.6.1.1 a field inside the section.
fn is_encrypted(text: &[u8]) -> bool {
    labels(text).any(|label| label == "ENCRYPTED PRIVATE KEY")
        || lines(text).any(|line| line.starts_with("Proc-Type:") && line.contains("ENCRYPTED"))
}

fn labels(text: &[u8]) -> impl Iterator<Item = String> {
    lines(text).filter_map(|line| Some(line.strip_prefix("-----BEGIN ")?.strip_suffix("-----")?.to_owned()))
}

fn lines(text: &[u8]) -> impl Iterator<Item = String> {
    text.split(|byte| *byte == b'\n').map(|line| String::from_utf8_lossy(line).trim().to_owned())
}
