//! ID tokens (OpenID Connect Core §2).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::AuthorizationServer;
use super::fault::OAuthFault;
use super::signer::Signer;
use super::signing_keys::whole_seconds;
use super::token::TokenResponse;
use crate::store::{Code, Seconds};

/// The scope that asks for an ID token (OpenID Connect Core §3.1.2.1).
pub(super) const OPENID: &str = "openid";

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: Seconds,
    exp: Seconds,
    auth_time: Seconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    at_hash: String,
}

/// Signs the ID token that goes with the access token of `answer`.
///
/// # Errors
///
/// [`OAuthFault::Signing`].
pub(super) fn sign(
    server: &AuthorizationServer,
    signer: &Signer,
    code: &Code,
    answer: &TokenResponse,
    now: Seconds,
) -> Result<String, OAuthFault> {
    let claims = Claims {
        iss: &server.settings.issuer,
        sub: &code.user,
        aud: &code.client,
        iat: now,
        exp: now.saturating_add(whole_seconds(server.settings.lifetimes.access_token)),
        auth_time: code.authenticated_at,
        nonce: code.nonce.as_deref(),
        at_hash: at_hash(answer.access_token()),
    };
    signer.sign("JWT", &claims)
}

/// OpenID Connect Core §3.1.3.6: the left half of the digest of the access token, base64url.
fn at_hash(access_token: &str) -> String {
    let digest = digest(&SHA256, access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(digest.as_ref().get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openid_connect_core_3_1_3_6_at_hash_is_the_left_half_of_the_digest() {
        // Computed by another implementation.
        assert_eq!(at_hash("jHkWEdUXMU1BwAsC4vtUsZwnvTvIxV0z9K7vx5KF0Y4"), "CyJuWGYm7UU7yr5fpz2ksw");
    }
}
