//! What is known of a token once it has been verified.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::fault::TokenFault;
use super::name_digest::NameDigest;
use super::times::Times;

/// Facts about a token whose signature and claims were verified. Never a verdict. Its Debug shows no claim.
#[derive(Clone, PartialEq)]
pub struct VerifiedToken {
    /// Shared with the issuer's rules.
    pub issuer: Arc<str>,
    /// `sub`; absent only for a client that may act alone.
    pub subject: Option<Box<str>>,
    /// The client, on which all claims that name it agree.
    pub client: Option<Box<str>>,
    /// Scope claims united, one U+0020 between names, unknown names included.
    pub scope: Box<str>,
    /// Roles as the token lists them.
    pub roles: Box<[Box<str>]>,
    /// Since the Unix epoch.
    pub exp: Duration,
    /// Since the Unix epoch.
    pub nbf: Option<Duration>,
    /// Since the Unix epoch.
    pub iat: Option<Duration>,
    /// The digest of `jti`, by which its issuer may revoke it.
    pub jti: Option<NameDigest>,
    /// Marked by the issuer's `client_only` as without a user.
    pub client_only: bool,
}

impl VerifiedToken {
    /// Tells whether no user stands behind the token: no subject, or one equal to the client, or marked so by the issuer.
    pub fn is_client_alone(&self) -> bool {
        // RFC 9068 §2.2: without a resource owner, `sub` names the client.
        self.client_only || self.subject.is_none() || self.subject == self.client
    }

    /// Checks the times again, for a token verified earlier; `leeway` is for `nbf` and `iat`, `exp` has none.
    ///
    /// # Errors
    ///
    /// [`TokenFault::Expired`] from the moment of `exp` on, [`TokenFault::NotYetValid`] if the clock was set back.
    pub fn check_times(&self, now: Duration, leeway: Duration) -> Result<(), TokenFault> {
        Times { exp: self.exp, nbf: self.nbf, iat: self.iat }.hold_at(now, leeway)
    }

    /// Counts the bytes that the token holds on the heap, without what the allocator adds.
    pub(crate) fn heap_bytes(&self) -> usize {
        let texts = [self.subject.as_deref(), self.client.as_deref(), Some(&*self.scope)];
        let roles = self.roles.iter().map(|role| role.len() + size_of::<Box<str>>());
        texts.into_iter().flatten().map(str::len).chain(roles).sum()
    }
}

impl fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifiedToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(subject: Option<&str>, client: Option<&str>, client_only: bool) -> VerifiedToken {
        VerifiedToken {
            issuer: "https://as.test".into(),
            subject: subject.map(Into::into),
            client: client.map(Into::into),
            scope: "".into(),
            roles: Box::default(),
            exp: Duration::from_secs(100),
            nbf: Some(Duration::from_secs(50)),
            iat: Some(Duration::from_secs(55)),
            jti: None,
            client_only,
        }
    }

    #[test]
    fn a_token_is_the_clients_alone_without_a_subject_of_its_own() {
        for (subject, client, marked, expected) in [
            (Some("user"), Some("client"), false, false),
            (Some("user"), None, false, false),
            (Some("client"), Some("client"), false, true),
            (None, Some("client"), false, true),
            (Some("user"), Some("client"), true, true),
        ] {
            assert_eq!(token(subject, client, marked).is_client_alone(), expected, "{subject:?} {client:?} {marked}");
        }
    }

    #[test]
    fn rfc_7519_section_4_1_4_exp_is_the_first_moment_that_is_too_late() {
        let token = token(Some("user"), Some("client"), false);
        let check = |millis| token.check_times(Duration::from_millis(millis), Duration::from_secs(5));
        assert_eq!(check(99_999), Ok(()));
        assert_eq!(check(100_000), Err(TokenFault::Expired));
        assert_eq!(check(50_000), Ok(()));
        assert_eq!(check(49_999), Err(TokenFault::NotYetValid));
    }

    #[test]
    fn debug_shows_no_claim() {
        assert_eq!(format!("{:?}", token(Some("user"), Some("client"), false)), "VerifiedToken(…)");
    }
}
