//! Where an issuer's keys are and where it is asked, by its own metadata (RFC 8414, OpenID Connect Discovery 1.0).

use std::path::Path;
use std::time::Duration;

use http::Uri;

use crate::net::{FetchFault, FetchSettings, Sent, fetch, is_loopback};
use crate::token::{MetadataFault, ServerMetadata};

/// How one issuer's metadata is looked up.
#[derive(Debug)]
pub(super) struct Discovery<'a> {
    /// Its name.
    pub(super) issuer: &'a str,
    /// Whether `jwks_uri` may be `http` beyond loopback.
    pub(super) insecure_http: bool,
    /// Whether its metadata has to say where it is asked about tokens, and may then name `http` beyond loopback.
    pub(super) introspection: Option<bool>,
    pub(super) timeout: Duration,
    pub(super) ca: Option<&'a Path>,
}

/// What an issuer's metadata says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Discovered {
    /// Where its keys are.
    pub(super) keys: Uri,
    /// Where it is asked about tokens; `None` also where that was not to be looked up.
    pub(super) introspection: Option<Uri>,
}

/// Why an issuer's metadata tells nothing.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryFault {
    /// The issuer is no URL that has metadata.
    #[error("the issuer is no URL")]
    Issuer,
    /// The document cannot be had.
    #[error(transparent)]
    Fetch(#[from] FetchFault),
    /// The document is not what it should be.
    #[error(transparent)]
    Metadata(#[from] MetadataFault),
    /// A member names an address that may not be used.
    #[error("`{0}` is no https URL, nor http to a loopback address")]
    Address(&'static str),
}

impl Discovery<'_> {
    /// Looks the metadata up.
    ///
    /// # Errors
    ///
    /// [`DiscoveryFault`].
    pub(super) async fn run(&self) -> Result<Discovered, DiscoveryFault> {
        let metadata = self.metadata().await?;
        let keys = address(&metadata.jwks_uri, self.insecure_http).ok_or(DiscoveryFault::Address("jwks_uri"))?;
        let introspection = match (self.introspection, metadata.introspection_endpoint.as_deref()) {
            (Some(insecure_http), Some(text)) => {
                Some(address(text, insecure_http).ok_or(DiscoveryFault::Address("introspection_endpoint"))?)
            }
            (_, _) => None,
        };
        Ok(Discovered { keys, introspection })
    }

    /// RFC 8414 first; a server that has nothing there may be one of OpenID Connect.
    async fn metadata(&self) -> Result<ServerMetadata, DiscoveryFault> {
        let [oauth, openid] = locations(self.issuer).ok_or(DiscoveryFault::Issuer)?;
        match self.document(&oauth).await {
            Err(DiscoveryFault::Fetch(FetchFault::Status(_)) | DiscoveryFault::Metadata(MetadataFault::Unreadable)) => {
                self.document(&openid).await
            }
            outcome => outcome,
        }
    }

    async fn document(&self, url: &Uri) -> Result<ServerMetadata, DiscoveryFault> {
        let Self { timeout, ca, .. } = *self;
        let settings = FetchSettings { url, accept: "application/json", timeout, ca, sent: Sent::default() };
        Ok(ServerMetadata::read(&fetch(settings).await?.body, self.issuer)?)
    }
}

/// Where the metadata of an issuer is: by RFC 8414 §3.1, and by OpenID Connect Discovery 1.0 §4.1.
fn locations(issuer: &str) -> Option<[Uri; 2]> {
    let url: Uri = issuer.parse().ok()?;
    let (scheme, authority) = (url.scheme_str()?, url.authority()?);
    // Both: a slash at the end is removed before anything is put there.
    let path = url.path().strip_suffix('/').unwrap_or(url.path());
    let oauth = format!("{scheme}://{authority}/.well-known/oauth-authorization-server{path}");
    let openid = format!("{scheme}://{authority}{path}/.well-known/openid-configuration");
    Some([oauth.parse().ok()?, openid.parse().ok()?])
}

/// An address that may be used: `https`, or `http` to this machine or where the operator allows it.
fn address(text: &str, insecure_http: bool) -> Option<Uri> {
    let url: Uri = text.parse().ok()?;
    let authority = url.authority()?;
    let named = !authority.host().is_empty() && !authority.as_str().contains('@');
    let safe = match url.scheme_str()? {
        "https" => true,
        "http" => insecure_http || is_loopback(&url),
        _ => false,
    };
    (named && safe).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_8414_section_3_1_and_openid_connect_discovery_section_4_1() {
        for (issuer, oauth, openid) in [
            (
                "https://as.test",
                "https://as.test/.well-known/oauth-authorization-server",
                "https://as.test/.well-known/openid-configuration",
            ),
            (
                "https://as.test/",
                "https://as.test/.well-known/oauth-authorization-server",
                "https://as.test/.well-known/openid-configuration",
            ),
            (
                "https://as.test:8443/realms/main",
                "https://as.test:8443/.well-known/oauth-authorization-server/realms/main",
                "https://as.test:8443/realms/main/.well-known/openid-configuration",
            ),
            (
                "https://as.test/realms/main/",
                "https://as.test/.well-known/oauth-authorization-server/realms/main",
                "https://as.test/realms/main/.well-known/openid-configuration",
            ),
        ] {
            let [first, second] = locations(issuer).unwrap();
            assert_eq!((first.to_string(), second.to_string()), (oauth.into(), openid.into()), "{issuer}");
        }
        assert_eq!(locations("urn:issuer"), None);
        assert_eq!(locations("as.test"), None);
    }

    #[test]
    fn what_a_document_names_obeys_the_rules_of_the_gateway_file() {
        for (text, plainly, insecurely) in [
            ("https://keys.test/jwks", true, true),
            ("http://127.0.0.1:9/jwks", true, true),
            ("http://[::1]/jwks", true, true),
            ("http://localhost/jwks", true, true),
            ("http://as.test/jwks", false, true),
            ("http://127.0.0.1.as.test/jwks", false, true),
            ("https://user@as.test/jwks", false, false),
            ("file:///etc/passwd", false, false),
            ("ftp://as.test/jwks", false, false),
            ("/jwks", false, false),
            ("", false, false),
        ] {
            assert_eq!(
                (address(text, false).is_some(), address(text, true).is_some()),
                (plainly, insecurely),
                "{text}"
            );
        }
    }
}
