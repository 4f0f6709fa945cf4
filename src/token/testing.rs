//! Keys and tokens for tests: one issuer, one audience, and every algorithm.

use std::sync::OnceLock;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::{
    Algorithm, BearerToken, IssuerRules, JwkSet, JwtParts, TokenFault, TrustedIssuer, VerificationKey, VerifiedToken,
};

pub(crate) const ISSUER: &str = "https://as.test/main";
pub(crate) const AUDIENCE: &str = "https://api.test";
/// Seconds since the Unix epoch.
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) fn now() -> Duration {
    Duration::from_secs(NOW)
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn rules() -> IssuerRules {
    IssuerRules {
        issuer: ISSUER.into(),
        audience: vec![AUDIENCE.into(), "urn:second".into()],
        algorithms: Algorithm::ALL.into(),
        strict_type: false,
        leeway: Duration::from_secs(5),
        max_lifetime: Duration::from_secs(86_400),
        scope_pointers: vec!["/scope".into(), "/scp".into()],
        roles_pointer: "/roles".into(),
        client_pointers: vec!["/client_id".into(), "/azp".into()],
        client_only: None,
    }
}

/// Members to set in a header or claims; `null` through [`absent`] takes one away.
pub(crate) type Changes<'c> = &'c [(&'c str, Value)];

/// Stands in [`Changes`] for a member that is left out.
pub(crate) fn absent() -> Value {
    json!("absent\u{0}")
}

fn changed(mut members: Value, changes: Changes<'_>) -> Value {
    let map = members.as_object_mut().unwrap();
    for (name, value) in changes {
        map.shift_remove(*name);
        if *value != absent() {
            map.insert((*name).to_owned(), value.clone());
        }
    }
    members
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(&'static RsaKeyPair),
}

/// A private key of the issuer.
pub(crate) struct Signer {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: String,
    pair: Pair,
}

/// Two RSA keys are enough for all tests, for they are slow to make.
pub(crate) fn rsa_pair(number: usize) -> &'static RsaKeyPair {
    static PAIRS: [OnceLock<RsaKeyPair>; 2] = [OnceLock::new(), OnceLock::new()];
    PAIRS[number].get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
}

impl Signer {
    pub(crate) fn new(algorithm: Algorithm, key_id: &str) -> Self {
        let pair = match algorithm {
            Algorithm::Es256 => Pair::Ec(EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()),
            Algorithm::Es384 => Pair::Ec(EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap()),
            Algorithm::EdDsa => Pair::Ed(Ed25519KeyPair::generate().unwrap()),
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => Pair::Rsa(rsa_pair(0)),
        };
        Self { algorithm, key_id: key_id.into(), pair }
    }

    pub(crate) fn es256() -> Self {
        Self::new(Algorithm::Es256, "key-1")
    }

    /// The public key, with all members that an issuer writes.
    pub(crate) fn jwk(&self) -> Value {
        let material = match &self.pair {
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y)})
            }
            Pair::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(pair.public_key())}),
            Pair::Rsa(pair) => {
                let key = pair.public_key();
                let public: PublicKeyComponents<Vec<u8>> = public_components(key);
                json!({"kty": "RSA", "n": base64url(public.n), "e": base64url(public.e)})
            }
        };
        changed(
            material,
            &[("kid", json!(self.key_id)), ("use", json!("sig")), ("alg", json!(self.algorithm.as_str()))],
        )
    }

    pub(crate) fn jwk_with(&self, changes: Changes<'_>) -> Value {
        changed(self.jwk(), changes)
    }

    pub(crate) fn key(&self) -> VerificationKey {
        read_key(&self.jwk()).unwrap()
    }

    pub(crate) fn header(&self, changes: Changes<'_>) -> Value {
        changed(json!({"alg": self.algorithm.as_str(), "typ": "at+jwt", "kid": self.key_id}), changes)
    }

    pub(crate) fn claims(&self, changes: Changes<'_>) -> Value {
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "user-1", "client_id": "client-1", "jti": "1", "iat": NOW - 60,
            "exp": NOW + 7_200, "scope": "items:read",
        });
        changed(claims, changes)
    }

    pub(crate) fn token(&self, header: Changes<'_>, claims: Changes<'_>) -> String {
        self.sign_texts(&self.header(header).to_string(), &self.claims(claims).to_string())
    }

    pub(crate) fn sign_texts(&self, header: &str, claims: &str) -> String {
        self.sign_parts(&base64url(header), &base64url(claims))
    }

    pub(crate) fn sign_parts(&self, header: &str, payload: &str) -> String {
        let signed = format!("{header}.{payload}");
        let signature = self.sign(signed.as_bytes());
        format!("{signed}.{}", base64url(signature))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(rsa_encoding(self.algorithm), &random, message, &mut signature).unwrap();
                signature
            }
        }
    }
}

fn rsa_encoding(algorithm: Algorithm) -> &'static signature::RsaSignatureEncoding {
    match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_SHA512,
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => unreachable!("no RSA algorithm"),
    }
}

/// Reads modulus and exponent out of an RSAPublicKey (RFC 8017 §A.1.1) of 2048 bits.
fn public_components(key: &signature::RsaSubjectPublicKey) -> PublicKeyComponents<Vec<u8>> {
    let der = key.as_ref();
    // 30 82 LL LL, 02 82 01 01 00, 256 octets, 02 03, exponent.
    PublicKeyComponents { n: der[9..265].to_vec(), e: der[267..].to_vec() }
}

/// Reads the one key of a set, or says why it was left out.
pub(crate) fn read_key(jwk: &Value) -> Result<VerificationKey, super::KeyFault> {
    let mut set = JwkSet::read(json!({"keys": [jwk]}).to_string().as_bytes()).unwrap();
    set.keys.pop().ok_or_else(|| set.skipped[0].fault)
}

/// The fields of a request that shows `token`.
pub(crate) fn fields(token: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

/// Everything this room checks, with one issuer and its keys.
pub(crate) fn verify(rules: &IssuerRules, keys: &[VerificationKey], token: &str) -> Result<VerifiedToken, TokenFault> {
    let issuer = TrustedIssuer::new(rules);
    let fields = fields(token);
    let parts = JwtParts::split(BearerToken::from_fields(&fields, 65_536).unwrap())?;
    let jwt = parts.read()?;
    let trusted = jwt.issuer().filter(|named| *named == &**issuer.name()).map(|_| &issuer);
    let unverified = jwt.check(trusted, now(), |client| client == "robot")?;
    let fitting: Vec<_> = keys.iter().filter(|key| key.fits(unverified.algorithm(), unverified.key_id())).collect();
    if fitting.is_empty() {
        return Err(TokenFault::UnknownKey);
    }
    unverified.verify(fitting).map(|(token, _)| token)
}
