//! Access tokens as the page shows them.
//!
//! A client has no business reading its access token (RFC 6749 §1.4); the page does it to show what the gateway sees.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// A token that the page was given.
#[derive(Clone)]
pub(super) struct Token {
    /// In the order in which this browser was given them, from 1.
    pub(super) number: usize,
    /// The token itself.
    pub(super) text: String,
    /// The token response's `scope`.
    pub(super) scope: String,
    claims: Map<String, Value>,
}

impl Token {
    /// Takes a token that a token response held.
    pub(super) fn new(number: usize, text: String, scope: &str) -> Self {
        let claims = payload(&text).unwrap_or_default();
        Self { number, text, scope: scope.to_owned(), claims }
    }

    /// `sub`.
    pub(super) fn subject(&self) -> &str {
        self.claims.get("sub").and_then(Value::as_str).unwrap_or_default()
    }

    /// The claims in the order of the token, each with its value as text.
    pub(super) fn claims(&self) -> impl Iterator<Item = (&str, String)> {
        self.claims.iter().map(|(name, value)| (name.as_str(), plain(value)))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Token").field("number", &self.number).finish_non_exhaustive()
    }
}

/// The claims of a JWT (RFC 7519 §3), not verified.
fn payload(token: &str) -> Option<Map<String, Value>> {
    let part = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_shown_and_any_text_is_taken() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"usr_1","aud":["a","b"],"exp":7}"#);
        let token = Token::new(1, format!("e30.{claims}.x"), "automations");
        assert_eq!(token.subject(), "usr_1");
        let shown: Vec<_> = token.claims().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, ["sub=usr_1", "aud=a, b", "exp=7"]);
        for text in ["", "a", "a.b", "a.!.c", "a.bnVsbA.c", "..", "é.é.é"] {
            assert_eq!(Token::new(1, text.into(), "").claims().count(), 0, "{text}");
        }
    }
}
