//! An issuer's key and the tokens that it signs.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub const ISSUER: &str = "https://idp.test/";
pub const AUDIENCE: &str = "https://api.test";

/// One ES256 key.
pub struct Signer {
    key: EcdsaKeyPair,
    pub kid: String,
}

impl Signer {
    pub fn new(kid: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        Self { key, kid: kid.to_owned() }
    }

    /// The public key as one member of a JWK Set.
    pub fn jwk(&self) -> Value {
        let point = self.key.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid, "x": b64(x), "y": b64(y)})
    }

    pub fn jwks(&self) -> String {
        json!({"keys": [self.jwk()]}).to_string()
    }

    /// A good token with these scopes for an hour; `more` replaces or adds claims, and takes away those that are null.
    pub fn token(&self, scope: &str, more: &Value) -> String {
        let now = now();
        let mut claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "user-1", "client_id": "client-1", "iat": now - 5, "exp": now + 3600, "scope": scope
        });
        let members = claims.as_object_mut().expect("an object");
        for (name, value) in more.as_object().expect("an object") {
            if value.is_null() {
                members.remove(name);
            } else {
                members.insert(name.clone(), value.clone());
            }
        }
        self.sign(&json!({"alg": "ES256", "typ": "at+jwt", "kid": self.kid}), &claims)
    }

    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", b64(signature.as_ref()))
    }
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since the Unix epoch.
pub fn now() -> u64 {
    // The tokens are for a real process, which reads the real clock.
    #[allow(clippy::disallowed_methods, reason = "the gateway under test is another process with the system's clock")]
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}
