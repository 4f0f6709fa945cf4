//! A JSON Web Token in compact serialisation (RFC 7515 §7.1, RFC 7519 §7.2), from text to facts that lack a signature.

use std::fmt;
use std::time::Duration;

use super::algorithm::Algorithm;
use super::base64url;
use super::bearer::BearerToken;
use super::claims;
use super::fault::TokenFault;
use super::header;
use super::json::{Json, Object};
use super::key::VerificationKey;
use super::rules::TrustedIssuer;
use super::verified::VerifiedToken;

pub use super::header::KeyId;

/// The three parts of a compact JWS, decoded.
pub struct JwtParts<'a> {
    signed: &'a str,
    header: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// A JWT whose header has been read. Nothing in it is believed.
pub struct Jwt<'p> {
    signed: &'p str,
    signature: &'p [u8],
    header: Object<'p>,
    /// `None` if the payload is no JSON object that may be read.
    claims: Option<Object<'p>>,
}

/// A token that satisfies its issuer's rules, and whose signature nobody has checked.
pub struct UnverifiedToken<'p> {
    signed: &'p str,
    signature: &'p [u8],
    algorithm: Algorithm,
    key_id: KeyId,
    facts: VerifiedToken,
}

impl<'a> JwtParts<'a> {
    /// Cuts a token at its two dots and decodes the parts.
    ///
    /// # Errors
    ///
    /// [`TokenFault::UnknownIssuer`] if it has not exactly two dots, and so names no issuer;
    /// [`TokenFault::BadToken`] if a part is empty or not canonical base64url.
    pub fn split(token: BearerToken<'a>) -> Result<Self, TokenFault> {
        let text = token.as_str();
        // A token of many dots costs no more than the first three of them.
        let mut parts = text.splitn(4, '.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenFault::UnknownIssuer);
        };
        let signed = text.get(..text.len() - signature.len() - 1).ok_or(TokenFault::BadToken)?;
        Ok(Self { signed, header: part(header)?, payload: part(payload)?, signature: part(signature)? })
    }

    /// Reads header and claims; a fault in the claims is kept until the header has been checked.
    ///
    /// # Errors
    ///
    /// [`TokenFault::BadToken`] if the header is not one JSON object without a repeated member.
    pub fn read(&self) -> Result<Jwt<'_>, TokenFault> {
        let header = Json::read_object(&self.header).ok_or(TokenFault::BadToken)?;
        let claims = Json::read_object(&self.payload);
        Ok(Jwt { signed: self.signed, signature: &self.signature, header, claims })
    }
}

impl<'p> Jwt<'p> {
    /// The issuer that the token names, by which its rules and keys are picked (RFC 8725 §3.8).
    pub fn issuer(&self) -> Option<&str> {
        self.claims.as_ref().and_then(claims::issuer)
    }

    /// Checks everything but the signature; `issuer` is the trusted one that [`Jwt::issuer`] names byte for byte, if any.
    ///
    /// `acts_alone` says of a client whether its tokens may lack `sub`.
    ///
    /// # Errors
    ///
    /// The first check that fails, in the order header, claims, issuer, times, audience, identity, binding.
    pub fn check(
        &self,
        issuer: Option<&TrustedIssuer>,
        now: Duration,
        acts_alone: impl Fn(&str) -> bool,
    ) -> Result<UnverifiedToken<'p>, TokenFault> {
        let algorithm = header::algorithm(&self.header, issuer)?;
        header::no_critical_extension(&self.header)?;
        header::token_type(&self.header, self.claims.as_ref(), issuer)?;
        let claims = self.claims.as_ref().ok_or(TokenFault::BadToken)?;
        let named = claims::issuer(claims).ok_or(TokenFault::BadClaims)?;
        let issuer = issuer.filter(|issuer| *issuer.name == *named).ok_or(TokenFault::UnknownIssuer)?;
        let facts = claims::check(claims, issuer, now, acts_alone)?;
        let key_id = header::key_id(&self.header);
        Ok(UnverifiedToken { signed: self.signed, signature: self.signature, algorithm, key_id, facts })
    }
}

impl UnverifiedToken<'_> {
    /// The algorithm, one of the issuer's.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key that the header names.
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// Checks the signature against keys of the issuer, one after the other, and gives the facts that it makes true
    /// together with the key that signed.
    ///
    /// # Errors
    ///
    /// [`TokenFault::BadSignature`] if none of the keys signed this token.
    pub fn verify<'k, K>(self, keys: impl IntoIterator<Item = &'k K>) -> Result<(VerifiedToken, &'k K), TokenFault>
    where
        K: AsRef<VerificationKey> + 'k,
    {
        let signed_by = |key: &&K| key.as_ref().verify(self.algorithm, self.signed.as_bytes(), self.signature);
        let key = keys.into_iter().find(signed_by).ok_or(TokenFault::BadSignature)?;
        Ok((self.facts, key))
    }
}

/// RFC 7515 §7.1: no part of an access token is empty, the signature least of all.
fn part(text: &str) -> Result<Vec<u8>, TokenFault> {
    base64url::decode(text).filter(|bytes| !bytes.is_empty()).ok_or(TokenFault::BadToken)
}

impl fmt::Debug for JwtParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JwtParts(…)")
    }
}

impl fmt::Debug for Jwt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jwt(…)")
    }
}

impl fmt::Debug for UnverifiedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedToken").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
