//! Keys and tokens for tests: one ES256 key (RFC 7518 §3.4), its JWK Set (RFC 7517), and tokens of RFC 9068 that it signs.
//!
//! Nothing here protects a key beyond the mode of its file; production tokens come from an authorization server.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;
use serde_json::{Value, json};

/// Bytes of one coordinate of a P-256 point.
const COORDINATE: usize = 32;

/// An ES256 key pair. Its Debug shows the `kid` alone.
pub(super) struct TestKey {
    pkcs8: Vec<u8>,
    x: String,
    y: String,
    kid: String,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyFault {
    #[error("there is no private key in PEM form in it")]
    Pem,
    #[error("the key is no P-256 key, which ES256 needs")]
    NotP256,
    #[error("the key could not be made")]
    Generate,
}

/// The claims of an access token (RFC 9068 §2.2).
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) aud: Audience,
    pub(super) sub: String,
    pub(super) client_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) scope: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) roles: Vec<String>,
    pub(super) iat: u64,
    pub(super) exp: u64,
    pub(super) jti: String,
}

/// `aud`: a string where there is one audience, as RFC 7519 §4.1.3 allows.
#[derive(Clone, Debug, Default)]
pub(super) struct Audience(pub(super) Vec<String>);

impl Serialize for Audience {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [only] => serializer.serialize_str(only),
            several => serializer.collect_seq(several),
        }
    }
}

impl TestKey {
    /// Makes a new key.
    ///
    /// # Errors
    ///
    /// [`KeyFault::Generate`] when the machine gives no randomness.
    pub(super) fn generate() -> Result<Self, KeyFault> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| KeyFault::Generate)?;
        Self::of(&pair)
    }

    /// Reads a private key in PEM form, PKCS#8 or SEC 1.
    ///
    /// # Errors
    ///
    /// When there is no such key in `pem`, or one of another kind.
    pub(super) fn read(pem: &[u8]) -> Result<Self, KeyFault> {
        let der = PrivateKeyDer::from_pem_slice(pem).map_err(|_| KeyFault::Pem)?;
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_der())
            .map_err(|_| KeyFault::NotP256)?;
        Self::of(&pair)
    }

    fn of(pair: &EcdsaKeyPair) -> Result<Self, KeyFault> {
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| KeyFault::Generate)?.as_ref().to_vec();
        // SEC 1 §2.3.3: 0x04, then both coordinates.
        let point = pair.public_key().as_ref().get(1..).ok_or(KeyFault::NotP256)?;
        let (x, y) = point.split_at_checked(COORDINATE).ok_or(KeyFault::NotP256)?;
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        // RFC 7638 §3: the digest of the required members, in this order, without white space.
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()));
        Ok(Self { pkcs8, x, y, kid })
    }

    /// Takes another `kid` than the key's thumbprint.
    pub(super) fn named(self, kid: String) -> Self {
        Self { kid, ..self }
    }

    /// The key's name: its thumbprint (RFC 7638), unless it was given another.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half as a JWK Set.
    pub(super) fn jwk_set(&self) -> Value {
        json!({"keys": [{
            "kty": "EC", "crv": "P-256", "x": self.x, "y": self.y, "alg": "ES256", "use": "sig", "kid": self.kid,
        }]})
    }

    /// The private half as PKCS#8 in PEM form (RFC 7468 §10).
    pub(super) fn pem(&self) -> String {
        let text = STANDARD.encode(&self.pkcs8);
        let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
        for (position, character) in text.chars().enumerate() {
            if position > 0 && position % 64 == 0 {
                pem.push('\n');
            }
            pem.push(character);
        }
        pem + "\n-----END PRIVATE KEY-----\n"
    }

    /// Signs claims as an `at+jwt`.
    ///
    /// # Errors
    ///
    /// What the signature library says; a key that was read or made here can sign.
    pub(super) fn sign(&self, claims: &Claims) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_ec_der(&self.pkcs8))
    }
}

impl std::fmt::Debug for TestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// The mode of a file that only its owner may read.
pub(super) const PRIVATE: u32 = 0o600;
/// The mode of a file that everybody may read.
pub(super) const READABLE: u32 = 0o644;

/// Writes a new file.
///
/// # Errors
///
/// What the file system says; a file that is already there is left as it is.
pub(super) fn write_new(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{DecodingKey, Validation};

    use super::*;

    fn claims() -> Claims {
        Claims {
            iss: "https://idp.test/".into(),
            aud: Audience(vec!["https://api.test".into()]),
            sub: "nora".into(),
            scope: "items:read".into(),
            iat: 1,
            exp: u64::from(u32::MAX),
            jti: "1".into(),
            ..Claims::default()
        }
    }

    fn verified(key: &TestKey, token: &str) -> Value {
        let set: JwkSet = serde_json::from_value(key.jwk_set()).expect("a JWK Set");
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_audience(&["https://api.test"]);
        let jwk = set.find(key.kid()).expect("the key under its name");
        let token = jsonwebtoken::decode::<Value>(token, &DecodingKey::from_jwk(jwk).expect("a key"), &rules);
        token.expect("a valid token").claims
    }

    #[test]
    fn a_token_verifies_with_the_set_of_its_key_and_no_other() {
        let (key, other) = (TestKey::generate().expect("a key"), TestKey::generate().expect("a key"));
        let token = key.sign(&claims()).expect("a token");
        let claims = verified(&key, &token);
        assert_eq!(claims["aud"], "https://api.test");
        assert_eq!(claims.get("roles"), None);
        let header = jsonwebtoken::decode_header(&token).expect("a header");
        assert_eq!((header.typ.as_deref(), header.kid.as_deref()), (Some("at+jwt"), Some(key.kid())));
        assert_ne!(key.kid(), other.kid());
    }

    #[test]
    fn a_key_survives_its_file() {
        let key = TestKey::generate().expect("a key");
        let again = TestKey::read(key.pem().as_bytes()).expect("the same key");
        assert_eq!(again.jwk_set(), key.jwk_set());
        assert!(key.pem().lines().all(|line| line.len() <= 64));
        let secret = key.pem().lines().nth(1).expect("a line").to_owned();
        assert!(!format!("{key:?}").contains(secret.get(..16).expect("ASCII")));
    }

    #[test]
    fn what_is_no_p256_key_is_refused() {
        assert!(matches!(TestKey::read(b"no key"), Err(KeyFault::Pem)));
        let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a P-384 key").serialize_pem();
        assert!(matches!(TestKey::read(other.as_bytes()), Err(KeyFault::NotP256)));
    }
}
