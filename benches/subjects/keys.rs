//! Keys of an issuer, and the tokens that they sign.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use scopegate::clock::Clock;
use serde_json::json;

pub(crate) const ISSUER: &str = "https://idp.example.test/";
pub(crate) const AUDIENCE: &str = "https://api.example.test";

/// A key pair as a signer and as a member of a JWK Set.
pub(crate) struct Key {
    pub(crate) algorithm: Algorithm,
    encoding: EncodingKey,
    pub(crate) jwk: serde_json::Value,
}

impl Key {
    pub(crate) fn rsa() -> Self {
        use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKeyComponents};
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        let der = KeyPair::as_der(&pair).unwrap();
        let jwk = json!({"kty": "RSA", "kid": "rs256", "alg": "RS256", "n": b64(&public.n), "e": b64(&public.e)});
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            BASE64_STANDARD.encode(der.as_ref())
        );
        Self { algorithm: Algorithm::RS256, encoding: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(), jwk }
    }

    pub(crate) fn ec() -> Self {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref();
        let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "es256", "alg": "ES256", "x": b64(&point[1..33]), "y": b64(&point[33..])});
        let document = pair.to_pkcs8v1().unwrap();
        Self { algorithm: Algorithm::ES256, encoding: EncodingKey::from_ec_der(document.as_ref()), jwk }
    }

    /// A token for an hour; `number` makes it another one.
    pub(crate) fn token(&self, number: u64) -> String {
        let now = Clock::system().now().as_secs();
        let mut header = Header::new(self.algorithm);
        header.typ = Some("at+jwt".into());
        header.kid = self.jwk["kid"].as_str().map(Into::into);
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": format!("user-{number:06}"), "client_id": "client-1", "iat": now, "nbf": now,
            "exp": now + 3600, "jti": format!("{number:032x}"), "scope": "groups:read spaces:read offline_access"
        });
        jsonwebtoken::encode(&header, &claims, &self.encoding).unwrap()
    }
}

fn b64(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
