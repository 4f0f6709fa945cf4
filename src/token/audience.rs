//! `aud` (RFC 7519 §4.1.3): whether a token is for us.

use super::fault::TokenFault;
use super::json::{Json, Object};

/// Checks that `aud`, a string or an array of strings, has one of ours.
///
/// # Errors
///
/// [`TokenFault::BadClaims`] for another type, [`TokenFault::BadAudience`] if it is missing or names only others.
pub(super) fn check(claims: &Object<'_>, ours: &[Box<str>]) -> Result<(), TokenFault> {
    let is_ours = |name: &str| ours.iter().any(|our| **our == *name);
    let found = match claims.get("aud") {
        None => false,
        Some(Json::Text(name)) => is_ours(name),
        Some(Json::Array(names)) => {
            // Every entry must be a string, also behind one that is ours.
            let names: Option<Vec<&str>> = names.iter().map(Json::as_text).collect();
            names.ok_or(TokenFault::BadClaims)?.into_iter().any(is_ours)
        }
        Some(_) => return Err(TokenFault::BadClaims),
    };
    if found { Ok(()) } else { Err(TokenFault::BadAudience) }
}
