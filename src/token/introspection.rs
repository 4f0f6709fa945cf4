//! What an authorization server answers about a token (RFC 7662 §2.2), checked as strictly as a JWT's claims.

use std::time::Duration;

use super::audience;
use super::claims;
use super::fault::TokenFault;
use super::header;
use super::json::{Json, Object};
use super::rules::TrustedIssuer;
use super::times::Times;
use super::verified::VerifiedToken;

/// Why an answer about a token makes no facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum IntrospectionFault {
    /// The answer is no JSON object, or has a member twice: it says nothing of the token.
    #[error("the answer cannot be read")]
    Unreadable,
    /// The answer was read, and the token is refused.
    #[error(transparent)]
    Token(#[from] TokenFault),
}

impl TrustedIssuer {
    /// Reads the answer that this issuer gave at `now` about a token, which is believed for `longest` at most.
    ///
    /// Where it names no `exp`, the facts end after `longest`. Where it names no `sub`, no resource owner stands behind the
    /// token, and the client is the subject, as in a JWT of the same kind (RFC 9068 §2.2).
    ///
    /// # Errors
    ///
    /// [`IntrospectionFault`], with the first member that is not as it must be.
    pub fn read_introspection(
        &self,
        answer: &[u8],
        now: Duration,
        longest: Duration,
    ) -> Result<VerifiedToken, IntrospectionFault> {
        // RFC 7662 §2.2 leaves a member that stands twice undefined; two readers would take two of them.
        let claims = Json::read_object(answer).ok_or(IntrospectionFault::Unreadable)?;
        Ok(self.check_introspection(&claims, now, longest)?)
    }

    fn check_introspection(
        &self,
        claims: &Object<'_>,
        now: Duration,
        longest: Duration,
    ) -> Result<VerifiedToken, TokenFault> {
        // RFC 7662 §2.2: `active` is a boolean; an answer without it, or with a text, is not taken for a yes.
        if claims.get("active") != Some(&Json::Bool(true)) {
            return Err(TokenFault::Inactive);
        }
        token_type(claims)?;
        self.same_issuer(claims)?;
        let times = Times::check_or(claims, self, now, now.saturating_add(longest))?;
        // RFC 7662 §2.2 makes `aud` optional; without it a token for anybody, or a refresh token, would open this door.
        audience::check(claims, &self.audience)?;
        claims::facts(claims, self, times, |client| match claims.get("sub") {
            Some(value) => claims::non_empty(value).map(Some),
            None => Ok(Some(client)),
        })
    }

    fn same_issuer(&self, claims: &Object<'_>) -> Result<(), TokenFault> {
        match claims.get("iss") {
            None => Ok(()),
            Some(Json::Text(name)) if **name == *self.name => Ok(()),
            Some(Json::Text(_)) => Err(TokenFault::UnknownIssuer),
            Some(_) => Err(TokenFault::BadClaims),
        }
    }
}

/// RFC 6749 §5.1: types are compared without case. An answer that names none must at least not be about an ID token.
fn token_type(claims: &Object<'_>) -> Result<(), TokenFault> {
    match claims.get("token_type") {
        None if header::is_id_token(claims) => Err(TokenFault::BadType),
        None => Ok(()),
        Some(Json::Text(name)) if name.eq_ignore_ascii_case("Bearer") => Ok(()),
        // RFC 9449 §6.2: such a token is shown with a proof, and here it was shown without.
        Some(Json::Text(name)) if name.eq_ignore_ascii_case("DPoP") => Err(TokenFault::SenderConstraint),
        Some(Json::Text(_)) => Err(TokenFault::BadType),
        Some(_) => Err(TokenFault::BadClaims),
    }
}
