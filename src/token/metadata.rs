//! Authorization server metadata (RFC 8414 §2, OpenID Connect Discovery 1.0 §3), as far as a resource server needs it.

use super::json::Json;

/// What an authorization server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerMetadata {
    /// Where its key set is: a text, not yet known to be a URL.
    pub jwks_uri: String,
    /// Where it is asked about tokens, if it says so.
    pub introspection_endpoint: Option<String>,
}

/// Why a document is not the metadata of the issuer that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataFault {
    /// No JSON object without a member twice, a member of the wrong type, or no `issuer` or `jwks_uri`.
    #[error("the document is no authorization server metadata")]
    Unreadable,
    /// The document is of another issuer.
    #[error("the document names another issuer")]
    OtherIssuer,
}

impl ServerMetadata {
    /// Reads the document of `issuer`.
    ///
    /// # Errors
    ///
    /// [`MetadataFault`].
    pub fn read(document: &[u8], issuer: &str) -> Result<Self, MetadataFault> {
        let members = Json::read_object(document).ok_or(MetadataFault::Unreadable)?;
        let text = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(value) => value.as_text().map(Some).ok_or(MetadataFault::Unreadable),
        };
        // RFC 8414 §3.3: the issuer is compared as it is; a document that names another must not be used.
        if text("issuer")?.ok_or(MetadataFault::Unreadable)? != issuer {
            return Err(MetadataFault::OtherIssuer);
        }
        let jwks_uri = text("jwks_uri")?.ok_or(MetadataFault::Unreadable)?.to_owned();
        Ok(Self { jwks_uri, introspection_endpoint: text("introspection_endpoint")?.map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_8414_section_3_3_only_the_document_of_the_very_issuer_is_taken() {
        let read = |text: &str| ServerMetadata::read(text.as_bytes(), "https://as.test");
        let keys = r#""jwks_uri": "https://as.test/keys""#;
        let good = ServerMetadata { jwks_uri: "https://as.test/keys".into(), introspection_endpoint: None };
        let asked = ServerMetadata { introspection_endpoint: Some("https://as.test/i".into()), ..good.clone() };
        let with = |more: &str| format!(r#"{{"issuer": "https://as.test", {keys}{more}}}"#);
        for (text, expected) in [
            (with(""), Ok(good.clone())),
            (with(r#", "introspection_endpoint": "https://as.test/i", "scopes_supported": ["a"]"#), Ok(asked)),
            (with(r#", "introspection_endpoint": null"#), Err(MetadataFault::Unreadable)),
            (with(r#", "issuer": "https://as.test""#), Err(MetadataFault::Unreadable)),
            (format!(r#"{{"issuer": "https://as.test/", {keys}}}"#), Err(MetadataFault::OtherIssuer)),
            (format!(r#"{{"issuer": "HTTPS://as.test", {keys}}}"#), Err(MetadataFault::OtherIssuer)),
            (format!(r#"{{"issuer": ["https://as.test"], {keys}}}"#), Err(MetadataFault::Unreadable)),
            (format!("{{{keys}}}"), Err(MetadataFault::Unreadable)),
            (r#"{"issuer": "https://as.test"}"#.into(), Err(MetadataFault::Unreadable)),
            (r#"{"issuer": "https://as.test", "jwks_uri": 7}"#.into(), Err(MetadataFault::Unreadable)),
            ("<html>".into(), Err(MetadataFault::Unreadable)),
            ("[]".into(), Err(MetadataFault::Unreadable)),
        ] {
            assert_eq!(read(&text), expected, "{text}");
        }
    }
}
