//! The JOSE header (RFC 7515 §4): what of it is read, and what it may say.

use super::algorithm::Algorithm;
use super::fault::TokenFault;
use super::json::{Json, Object};
use super::rules::TrustedIssuer;

/// Which key the header names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyId {
    /// None: every fitting key may be meant.
    Absent,
    /// The key with this `kid`.
    Named(Box<str>),
    /// `kid` is no string, and so names no key (RFC 7515 §4.1.4).
    Malformed,
}

/// The kinds of token that `typ` can say (RFC 7515 §4.1.9, RFC 9068 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenType {
    /// `at+jwt`, with or without `application/`.
    AccessToken,
    /// `JWT` or no `typ`: it says nothing.
    Unspecific,
    /// Anything else.
    Other,
}

impl TokenType {
    pub(super) fn of(header: &Object<'_>) -> Self {
        match header.get("typ") {
            None => Self::Unspecific,
            // RFC 7515 §4.1.9: media types compare without case, and `application/` may be left out.
            Some(Json::Text(typ)) if typ.eq_ignore_ascii_case("at+jwt") => Self::AccessToken,
            Some(Json::Text(typ)) if typ.eq_ignore_ascii_case("application/at+jwt") => Self::AccessToken,
            Some(Json::Text(typ)) if typ.eq_ignore_ascii_case("JWT") => Self::Unspecific,
            Some(_) => Self::Other,
        }
    }
}

/// Reads `alg` and holds it against the issuer's list; for an issuer unknown, against all that exist.
///
/// # Errors
///
/// [`TokenFault::BadToken`] without a string, [`TokenFault::AlgNotAllowed`] for one that is not on the list.
pub(super) fn algorithm(header: &Object<'_>, issuer: Option<&TrustedIssuer>) -> Result<Algorithm, TokenFault> {
    // RFC 7515 §4.1.1: `alg` must be there.
    let name = header.get("alg").and_then(Json::as_text).ok_or(TokenFault::BadToken)?;
    // RFC 8725 §3.1: the algorithm is chosen by the verifier's list, never by the token alone.
    let allowed = |algorithm: &Algorithm| issuer.is_none_or(|issuer| issuer.algorithms.contains(*algorithm));
    Algorithm::parse(name).filter(allowed).ok_or(TokenFault::AlgNotAllowed)
}

/// Refuses every `crit`: no extension is understood here, and an empty list is invalid.
pub(super) fn no_critical_extension(header: &Object<'_>) -> Result<(), TokenFault> {
    // RFC 7515 §4.1.11.
    if header.get("crit").is_some() { Err(TokenFault::BadToken) } else { Ok(()) }
}

/// Checks `typ`, and that an unspecific token is not an ID token by its claims.
pub(super) fn token_type(
    header: &Object<'_>,
    claims: Option<&Object<'_>>,
    issuer: Option<&TrustedIssuer>,
) -> Result<(), TokenFault> {
    let strict = issuer.is_some_and(|issuer| issuer.strict_type);
    match TokenType::of(header) {
        TokenType::AccessToken => Ok(()),
        TokenType::Unspecific if strict => Err(TokenFault::BadType),
        TokenType::Unspecific if claims.is_some_and(is_id_token) => Err(TokenFault::BadType),
        TokenType::Unspecific => Ok(()),
        // RFC 8725 §3.11.
        TokenType::Other => Err(TokenFault::BadType),
    }
}

/// OpenID Connect Core 1.0 §2 and §3.1.3.6: claims that only ID tokens have.
pub(super) fn is_id_token(claims: &Object<'_>) -> bool {
    claims.get("nonce").is_some() || claims.get("at_hash").is_some()
}

/// Reads `kid`; `jku`, `jwk`, `x5u` and `x5c` are ignored, for a token cannot bring its own key (RFC 8725 §3.10).
pub(super) fn key_id(header: &Object<'_>) -> KeyId {
    match header.get("kid") {
        None => KeyId::Absent,
        Some(Json::Text(id)) => KeyId::Named(id.as_ref().into()),
        Some(_) => KeyId::Malformed,
    }
}
