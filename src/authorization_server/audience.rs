//! Whom a token is for: `resource` (RFC 8707) and `aud` (RFC 9068 §3).

use super::AuthorizationServerSettings;
use super::fault::OAuthFault;
use crate::store::ScopeNames;

/// Scopes that open the server's own endpoints: a token that holds one is for the server too.
const OWN_SCOPES: [&str; 5] = ["openid", "profile", "admin.roles", "admin.users", "admin.oauth-clients"];

/// Reads the `resource` parameters of a request: each an audience of the settings. None means every audience.
///
/// # Errors
///
/// [`OAuthFault::InvalidTarget`].
pub(super) fn resources<'a>(
    settings: &AuthorizationServerSettings,
    asked: impl Iterator<Item = &'a str>,
) -> Result<Vec<String>, OAuthFault> {
    let mut resources = Vec::new();
    for resource in asked {
        // RFC 8707 §2: compared as text, so a fragment or another spelling is unknown too.
        if !settings.audience.iter().any(|audience| audience == resource) {
            return Err(OAuthFault::InvalidTarget);
        }
        if !resources.iter().any(|taken| taken == resource) {
            resources.push(resource.to_owned());
        }
    }
    Ok(resources)
}

/// What a token is for, of what its grant is for (RFC 8707 §2.2: the token request may ask for fewer, never for others).
///
/// # Errors
///
/// [`OAuthFault::InvalidTarget`].
pub(super) fn narrowed(of_grant: &[String], asked: Vec<String>) -> Result<Vec<String>, OAuthFault> {
    if asked.is_empty() {
        return Ok(of_grant.to_vec());
    }
    let is_within = of_grant.is_empty() || asked.iter().all(|resource| of_grant.contains(resource));
    if is_within { Ok(asked) } else { Err(OAuthFault::InvalidTarget) }
}

/// The `aud` of a token: `resources`, or every audience where there are none; and the issuer where the scope opens something here.
pub(super) fn audience(
    settings: &AuthorizationServerSettings,
    resources: &[String],
    scope: &ScopeNames,
) -> Vec<String> {
    let mut audience = if resources.is_empty() { settings.audience.clone() } else { resources.to_vec() };
    let opens_own = OWN_SCOPES.into_iter().any(|own| scope.contains(own));
    if opens_own && !audience.contains(&settings.issuer) {
        audience.push(settings.issuer.clone());
    }
    audience
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::authorization_server::Lifetimes;

    fn settings() -> AuthorizationServerSettings {
        let day = Duration::from_secs(86_400);
        AuthorizationServerSettings {
            issuer: "https://as.test".into(),
            address: "127.0.0.1:0".parse().unwrap(),
            database: "unused".into(),
            audience: vec!["https://a.test".into(), "https://b.test".into()],
            lifetimes: Lifetimes { access_token: day, refresh_token: day, session: day, signing_key: day },
            gateway_token: None,
            trusted_peers: Vec::new(),
        }
    }

    #[test]
    fn rfc_8707_2_a_resource_is_one_of_the_audiences() {
        for (asked, expected) in [
            (&[][..], Some(&[][..])),
            (&["https://a.test"], Some(&["https://a.test"])),
            (&["https://a.test", "https://a.test"], Some(&["https://a.test"])),
            (&["https://as.test"], None),
            (&["https://a.test", "https://c.test"], None),
            (&["https://a.test/"], None),
            (&["https://a.test#x"], None),
        ] {
            assert_eq!(
                resources(&settings(), asked.iter().copied()).ok().as_deref(),
                expected.map(|e| e.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()).as_deref(),
                "{asked:?}"
            );
        }
    }

    #[test]
    fn rfc_8707_2_2_a_token_is_for_no_more_than_its_grant() {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (of_grant, asked, expected) in [
            (&[][..], &[][..], Some(&[][..])),
            (&["a", "b"], &[], Some(&["a", "b"])),
            (&["a", "b"], &["a"], Some(&["a"])),
            (&[], &["a"], Some(&["a"])),
            (&["a"], &["b"], None),
            (&["a"], &["a", "b"], None),
        ] {
            let narrowed = narrowed(&owned(of_grant), owned(asked)).ok();
            assert_eq!(narrowed, expected.map(owned), "{of_grant:?} {asked:?}");
        }
    }

    #[test]
    fn a_token_with_a_scope_of_the_server_is_for_the_server_too() {
        let audience = |resources: &[&str], scope| {
            let resources: Vec<String> = resources.iter().map(|name| (*name).to_owned()).collect();
            audience(&settings(), &resources, &ScopeNames::parse(scope)).join(" ")
        };
        assert_eq!(audience(&[], "automations"), "https://a.test https://b.test");
        assert_eq!(audience(&[], "automations openid"), "https://a.test https://b.test https://as.test");
        assert_eq!(audience(&["https://b.test"], "admin.roles"), "https://b.test https://as.test");
    }
}
