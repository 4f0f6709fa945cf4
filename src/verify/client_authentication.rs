//! How the gateway shows an authorization server who it is (RFC 6749 §2.3, RFC 7523 §2.2).

use std::time::Duration;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde_json::json;

use super::settings::{ClientAuthentication, ClientProof};
use crate::net::{Content, Credentials, Sent};

/// RFC 7523 §3: an assertion is for now.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(60);

/// A form (the URL Standard, `application/x-www-form-urlencoded`), written pair by pair.
#[derive(Clone, Default)]
pub(super) struct Form(String);

impl Form {
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        encode(value, &mut self.0);
        self
    }
}

/// Writes a value as forms have it: a space is `+`, and everything but letters, digits and `*-._` is escaped.
fn encode(value: &str, text: &mut String) {
    for byte in value.bytes() {
        match byte {
            b' ' => text.push('+'),
            b'*' | b'-' | b'.' | b'_' => text.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
}

impl ClientAuthentication {
    /// Makes a form of this client for the authorization server `issuer`; `None` when the machine gives no randomness.
    pub(super) fn authenticate(&self, form: Form, issuer: &str, now: Duration) -> Option<Sent> {
        let (credentials, form) = match &self.proof {
            ClientProof::Secret(secret) => (Some(basic(&self.client_id, &secret.0)?), form),
            ClientProof::Key(_) => {
                let assertion = self.assertion(issuer, now)?;
                // RFC 7523 §2.2.
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                let form = form.with("client_id", &self.client_id).with("client_assertion_type", kind);
                (None, form.with("client_assertion", &assertion))
            }
        };
        let content = Content { media_type: "application/x-www-form-urlencoded", bytes: Bytes::from(form.0) };
        Some(Sent { credentials, content: Some(content), ..Sent::default() })
    }

    /// RFC 7523 §3: who asks, whom, and until when, once. The audience is the issuer and nothing else, so that no other server
    /// can make use of it.
    fn assertion(&self, issuer: &str, now: Duration) -> Option<String> {
        let ClientProof::Key(key) = &self.proof else { return None };
        let mut id = [0; 16];
        rand::fill(&mut id).ok()?;
        let header = json!({"alg": key.algorithm().as_str(), "typ": "JWT"});
        let claims = json!({
            "iss": self.client_id, "sub": self.client_id, "aud": issuer, "jti": URL_SAFE_NO_PAD.encode(id),
            "iat": now.as_secs(), "exp": (now + ASSERTION_LIFETIME).as_secs(),
        });
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = key.sign(signed.as_bytes())?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// RFC 6749 §2.3.1: both are encoded as in a form before they are joined, so that either may hold a colon.
fn basic(client_id: &str, secret: &str) -> Option<Credentials> {
    let mut pair = String::new();
    encode(client_id, &mut pair);
    pair.push(':');
    encode(secret, &mut pair);
    Credentials::new(&format!("Basic {}", STANDARD.encode(pair)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6749_appendix_b_encoding() {
        for (value, expected) in [
            ("abc-123_.*", "abc-123_.*"),
            ("a b", "a+b"),
            ("a+b/c=d", "a%2Bb%2Fc%3Dd"),
            ("a:b&c%", "a%3Ab%26c%25"),
            ("~", "%7E"),
            // RFC 6749 §B: its own example.
            (" %&+£€", "+%25%26%2B%C2%A3%E2%82%AC"),
        ] {
            let mut text = String::new();
            encode(value, &mut text);
            assert_eq!(text, expected);
        }
        assert_eq!(Form::default().with("token", "a+b").with("x", "1").0, "token=a%2Bb&x=1");
    }
}
