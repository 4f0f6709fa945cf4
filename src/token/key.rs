//! A public key that can check signatures, parsed once and kept.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, VerificationAlgorithm};

use super::algorithm::{Algorithm, AlgorithmSet};
use super::header::KeyId;

/// A public key of an issuer (RFC 7517), ready to check signatures.
///
/// Its Debug shows its name and algorithms, not the key.
pub struct VerificationKey {
    id: Option<Box<str>>,
    /// The key as each algorithm wants it.
    parsed: Box<[(Algorithm, ParsedPublicKey)]>,
    algorithms: AlgorithmSet,
    identity: KeyIdentity,
}

/// What makes two keys the same: name, algorithms and material, digested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyIdentity([u8; 32]);

impl VerificationKey {
    /// Puts a key together; without any algorithm there is none.
    pub(super) fn new(id: Option<&str>, parsed: Vec<(Algorithm, ParsedPublicKey)>) -> Option<Self> {
        let algorithms: AlgorithmSet = parsed.iter().map(|(algorithm, _)| *algorithm).collect();
        let (_, material) = parsed.first()?;
        let identity = KeyIdentity::new(id, algorithms, material.as_ref());
        Some(Self { id: id.map(Into::into), parsed: parsed.into(), algorithms, identity })
    }

    /// The key's name, if its issuer gave it one.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// What makes this key the same as another.
    pub fn identity(&self) -> KeyIdentity {
        self.identity
    }

    /// Tells whether a token with this algorithm and `kid` may have been signed by this key.
    pub fn fits(&self, algorithm: Algorithm, key_id: &KeyId) -> bool {
        let named = match key_id {
            KeyId::Absent => true,
            KeyId::Named(id) => self.id.as_ref() == Some(id),
            KeyId::Malformed => false,
        };
        named && self.algorithms.contains(algorithm)
    }

    /// Checks a signature over `message` (RFC 7518 §3, RFC 8037 §3.1); an algorithm of another key type never verifies.
    pub(super) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let parsed = self.parsed.iter().find(|(of, _)| *of == algorithm);
        parsed.is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok())
    }
}

impl AsRef<VerificationKey> for VerificationKey {
    fn as_ref(&self) -> &VerificationKey {
        self
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerificationKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl KeyIdentity {
    fn new(id: Option<&str>, algorithms: AlgorithmSet, material: &[u8]) -> Self {
        let id_length = id.map_or(u64::MAX, |id| id.len() as u64);
        let mut context = Context::new(&SHA256);
        context.update(&id_length.to_be_bytes());
        context.update(id.unwrap_or_default().as_bytes());
        context.update(&algorithms.bits().to_be_bytes());
        context.update(material);
        let mut identity = [0; 32];
        for (to, from) in identity.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        Self(identity)
    }
}

/// The signature scheme of an RSA algorithm: RFC 7518 §3.3 and §3.5; `None` for other key types.
pub(super) fn rsa_scheme(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => None,
    }
}

/// A curve of RFC 7518 §6.2.1.1 or RFC 8037 §2 with the one algorithm that belongs to it.
#[derive(Clone, Copy)]
pub(super) struct Curve {
    pub(super) algorithm: Algorithm,
    pub(super) scheme: &'static dyn VerificationAlgorithm,
    /// Octets of one coordinate.
    pub(super) octets: usize,
}

impl Curve {
    pub(super) const P256: Self =
        Self { algorithm: Algorithm::Es256, scheme: &signature::ECDSA_P256_SHA256_FIXED, octets: 32 };
    pub(super) const P384: Self =
        Self { algorithm: Algorithm::Es384, scheme: &signature::ECDSA_P384_SHA384_FIXED, octets: 48 };
    pub(super) const ED25519: Self = Self { algorithm: Algorithm::EdDsa, scheme: &signature::ED25519, octets: 32 };
}
