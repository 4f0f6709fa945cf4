//! The private key by which the gateway shows who it is (RFC 7523).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;

use crate::token::Algorithm;

/// A private key that signs assertions: ES256, EdDSA or RS256 by its type. Equal keys are of equal bytes; its Debug shows the
/// algorithm alone.
#[derive(Clone)]
pub struct ClientKey {
    pair: Arc<Pair>,
    identity: [u8; 32],
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientKeyFault {
    /// No private key in PEM form.
    #[error("holds no private key in PEM form")]
    Pem,
    /// A key of another type.
    #[error("holds no P-256, Ed25519 or RSA key of at least 2048 bits")]
    Unsupported,
}

impl ClientKey {
    /// Reads a private key in PEM form: PKCS#8, SEC 1 or PKCS#1.
    ///
    /// # Errors
    ///
    /// [`ClientKeyFault`].
    pub fn read(pem: &[u8]) -> Result<Self, ClientKeyFault> {
        let der = PrivateKeyDer::from_pem_slice(pem).map_err(|_| ClientKeyFault::Pem)?;
        let bytes = der.secret_der();
        let ec = || EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes).ok().map(Pair::Ec);
        let ed = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes).ok().map(Pair::Ed);
        let rsa = || RsaKeyPair::from_pkcs8(bytes).or_else(|_| RsaKeyPair::from_der(bytes)).ok().map(Pair::Rsa);
        let pair = ec().or_else(ed).or_else(rsa).ok_or(ClientKeyFault::Unsupported)?;
        let identity = digest(&SHA256, bytes).as_ref().try_into().map_err(|_| ClientKeyFault::Unsupported)?;
        Ok(Self { pair: Arc::new(pair), identity })
    }

    /// The algorithm of its signatures.
    pub fn algorithm(&self) -> Algorithm {
        match *self.pair {
            Pair::Ec(_) => Algorithm::Es256,
            Pair::Ed(_) => Algorithm::EdDsa,
            Pair::Rsa(_) => Algorithm::Rs256,
        }
    }

    /// Signs a message as RFC 7518 §3 and RFC 8037 §3.1 want it; `None` when the machine gives no randomness.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &*self.pair {
            Pair::Ec(pair) => pair.sign(&random, message).ok().map(|signature| signature.as_ref().to_vec()),
            Pair::Ed(pair) => Some(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
        }
    }
}

impl PartialEq for ClientKey {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}

impl Eq for ClientKey {}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientKey({})", self.algorithm())
    }
}
