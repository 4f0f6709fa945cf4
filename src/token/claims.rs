//! The claims of an access token (RFC 7519 §4, RFC 8693 §4.2 and §4.3, RFC 9068 §2.2), in the order of the checks.

use std::time::Duration;

use super::audience;
use super::fault::TokenFault;
use super::json::{Json, Object};
use super::name_digest::NameDigest;
use super::rules::TrustedIssuer;
use super::times::Times;
use super::verified::VerifiedToken;

/// Checks every claim and gives the facts that a signature would make true.
///
/// `acts_alone` says of a client whether its tokens may lack `sub`.
///
/// # Errors
///
/// The first claim that is not as it must be.
pub(super) fn check(
    claims: &Object<'_>,
    issuer: &TrustedIssuer,
    now: Duration,
    acts_alone: impl Fn(&str) -> bool,
) -> Result<VerifiedToken, TokenFault> {
    let times = Times::check(claims, issuer, now)?;
    audience::check(claims, &issuer.audience)?;
    facts(claims, issuer, times, |client| subject(claims, client, acts_alone))
}

/// Checks what follows the audience, alike for a token's claims and for an answer about a token; `subject` is given the
/// client.
///
/// # Errors
///
/// The first claim that is not as it must be.
pub(super) fn facts<'v>(
    claims: &'v Object<'_>,
    issuer: &TrustedIssuer,
    Times { exp, nbf, iat }: Times,
    subject: impl FnOnce(&'v str) -> Result<Option<&'v str>, TokenFault>,
) -> Result<VerifiedToken, TokenFault> {
    let client = client(claims, issuer)?;
    let subject = subject(client)?;
    let jti = claims.get("jti").map(|id| id.as_text().ok_or(TokenFault::BadClaims)).transpose()?;
    let scope = scope(claims, issuer)?;
    let roles = roles(claims, issuer)?;
    // RFC 7800 §3.1: a bound token proves nothing when it is shown as a plain bearer token.
    if claims.get("cnf").is_some() {
        return Err(TokenFault::SenderConstraint);
    }
    Ok(VerifiedToken {
        issuer: issuer.name.clone(),
        subject: subject.map(Into::into),
        client: Some(client.into()),
        scope: scope.into(),
        roles,
        exp,
        nbf,
        iat,
        jti: jti.map(|id| NameDigest::of(&[id])),
        client_only: is_client_only(claims, issuer),
    })
}

/// The `iss` claim, if it is a string.
pub(super) fn issuer<'v>(claims: &'v Object<'_>) -> Option<&'v str> {
    claims.get("iss").and_then(Json::as_text)
}

/// The client: at least one claim names it, each is a non-empty string, and all agree (RFC 9068 §2.2).
fn client<'v>(claims: &'v Object<'_>, issuer: &TrustedIssuer) -> Result<&'v str, TokenFault> {
    let mut named = None;
    for value in issuer.client.iter().filter_map(|pointer| pointer.find(claims)) {
        let name = non_empty(value)?;
        if named.is_some_and(|other| other != name) {
            return Err(TokenFault::BadClaims);
        }
        named = Some(name);
    }
    named.ok_or(TokenFault::BadClaims)
}

fn subject<'v>(
    claims: &'v Object<'_>,
    client: &str,
    acts_alone: impl Fn(&str) -> bool,
) -> Result<Option<&'v str>, TokenFault> {
    match claims.get("sub") {
        Some(value) => non_empty(value).map(Some),
        None if acts_alone(client) => Ok(None),
        None => Err(TokenFault::BadClaims),
    }
}

/// A string that is not empty.
pub(super) fn non_empty<'v>(value: &'v Json<'_>) -> Result<&'v str, TokenFault> {
    value.as_text().filter(|text| !text.is_empty()).ok_or(TokenFault::BadClaims)
}

/// Unites all scope claims: RFC 6749 §3.3 (a string), RFC 8693 §4.2, and arrays as some issuers write them.
fn scope(claims: &Object<'_>, issuer: &TrustedIssuer) -> Result<String, TokenFault> {
    let mut united = String::new();
    for value in issuer.scope.iter().filter_map(|pointer| pointer.find(claims)) {
        each_text(value, |text| {
            // RFC 6749 §3.3: names are separated by U+0020 and nothing else.
            for name in text.split(' ').filter(|name| !name.is_empty()) {
                if !united.is_empty() {
                    united.push(' ');
                }
                united.push_str(name);
            }
        })?;
    }
    Ok(united)
}

/// Roles are an array of strings, or one string that is one role.
fn roles(claims: &Object<'_>, issuer: &TrustedIssuer) -> Result<Box<[Box<str>]>, TokenFault> {
    let mut roles = Vec::new();
    if let Some(value) = issuer.roles.find(claims) {
        each_text(value, |role| roles.push(role.into()))?;
    }
    Ok(roles.into())
}

/// Gives a string, or each string of an array; any other type refuses the token.
fn each_text<'v>(value: &'v Json<'_>, mut take: impl FnMut(&'v str)) -> Result<(), TokenFault> {
    if let Some(text) = value.as_text() {
        take(text);
        return Ok(());
    }
    for element in value.as_array().ok_or(TokenFault::BadClaims)? {
        take(element.as_text().ok_or(TokenFault::BadClaims)?);
    }
    Ok(())
}

fn is_client_only(claims: &Object<'_>, issuer: &TrustedIssuer) -> bool {
    let mark = issuer.client_only.as_ref();
    mark.is_some_and(|(pointer, equals)| pointer.find(claims).is_some_and(|value| value.equals(equals)))
}
