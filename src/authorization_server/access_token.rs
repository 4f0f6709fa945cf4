//! Access tokens (RFC 9068): what stands in them, how they are made, and how the server's own are read back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::AuthorizationServer;
use super::audience::audience;
use super::fault::OAuthFault;
use super::secrets::identifier;
use super::signer::Signer;
use super::signing_keys::{key_set, whole_seconds};
use crate::store::{AccessToken, Change, ScopeNames, Seconds, StoreFault, User};
use crate::token::{Algorithm, BearerToken, IssuerRules, JwkSet, JwtParts, TokenFault, TrustedIssuer, VerificationKey};

/// The longest access token that is read, in bytes.
pub(super) const TOKEN_LIMIT: usize = 16 * 1024;
/// `typ` of the header (RFC 9068 §2.1).
const TOKEN_TYPE: &str = "at+jwt";
/// How far ahead `iat` may be, should this machine's clock be set back, in seconds.
const LEEWAY: u64 = 5;

/// The claims of an access token (RFC 9068 §2.2).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct AccessTokenClaims {
    pub(super) iss: String,
    pub(super) aud: Vec<String>,
    pub(super) sub: String,
    pub(super) client_id: String,
    pub(super) scope: String,
    /// Names of roles (RFC 9068 §2.2.3.1); absent where no user stands behind the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) roles: Option<Vec<String>>,
    /// When the user logged in (RFC 9068 §2.2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) auth_time: Option<Seconds>,
    pub(super) iat: Seconds,
    pub(super) exp: Seconds,
    pub(super) jti: String,
}

/// What a token is to say.
#[derive(Debug)]
pub(super) struct ToIssue<'a> {
    /// The `client_id`.
    pub(super) client: &'a str,
    /// The user, and when she logged in; `None` where the client acts for itself.
    pub(super) user: Option<(&'a User, Seconds)>,
    /// The grant that it comes of.
    pub(super) family: Option<&'a str>,
    /// The scope.
    pub(super) scope: &'a ScopeNames,
    /// What it is for; empty for every audience.
    pub(super) resources: &'a [String],
    /// The moment.
    pub(super) now: Seconds,
}

/// Makes an access token and keeps it with the change. `None` when tokens of this user and client were revoked within this very
/// second: a token that said the same second would be revoked with them, so the caller begins again in the next.
///
/// # Errors
///
/// [`OAuthFault::Store`], [`OAuthFault::NoRandomness`], [`OAuthFault::Signing`].
pub(super) async fn issue(
    server: &AuthorizationServer,
    change: &mut Change,
    signer: &Signer,
    to_issue: &ToIssue<'_>,
) -> Result<Option<String>, OAuthFault> {
    // RFC 9068 §2.2: without a resource owner, `sub` names the client.
    let subject = to_issue.user.map_or(to_issue.client, |(user, _)| user.id.as_str());
    if change.revoked_until(subject, to_issue.client).await?.is_some_and(|until| until >= to_issue.now) {
        return Ok(None);
    }
    let settings = &server.settings;
    let claims = AccessTokenClaims {
        iss: settings.issuer.clone(),
        aud: audience(settings, to_issue.resources, to_issue.scope),
        sub: subject.to_owned(),
        client_id: to_issue.client.to_owned(),
        scope: to_issue.scope.to_string(),
        roles: to_issue.user.map(|(user, _)| user.roles.iter().cloned().collect()),
        auth_time: to_issue.user.map(|(_, authenticated_at)| authenticated_at),
        iat: to_issue.now,
        exp: to_issue.now.saturating_add(whole_seconds(settings.lifetimes.access_token)),
        jti: identifier()?,
    };
    let kept = AccessToken {
        jti: claims.jti.clone(),
        family: to_issue.family.map(str::to_owned),
        subject: claims.sub.clone(),
        client: claims.client_id.clone(),
        scope: to_issue.scope.clone(),
        issued_at: claims.iat,
        expires_at: claims.exp,
    };
    change.add_access_token(&kept).await?;
    signer.sign(TOKEN_TYPE, &claims).map(Some)
}

/// Reads a token that this server signed, for one of `audience`, whose time has not passed. It may have been revoked.
///
/// # Errors
///
/// [`OwnTokenFault`].
pub(super) async fn read_own(
    server: &AuthorizationServer,
    token: BearerToken<'_>,
    audience: Vec<String>,
) -> Result<AccessTokenClaims, OwnTokenFault> {
    let issuer = TrustedIssuer::new(&rules(server.settings.issuer.clone(), audience));
    let parts = JwtParts::split(token)?;
    let jwt = parts.read()?;
    let trusted = jwt.issuer().filter(|named| *named == &**issuer.name()).map(|_| &issuer);
    let unverified = jwt.check(trusted, server.clock.now(), |_| false)?;
    let keys = verification_keys(server).await?;
    let fitting: Vec<_> = keys.iter().filter(|key| key.fits(unverified.algorithm(), unverified.key_id())).collect();
    if fitting.is_empty() {
        return Err(TokenFault::UnknownKey.into());
    }
    unverified.verify(fitting)?;
    claims_of(token).ok_or(OwnTokenFault::Token(TokenFault::BadClaims))
}

/// As [`read_own`], of a token that came as a parameter, for any audience.
///
/// # Errors
///
/// [`OwnTokenFault`].
pub(super) async fn read_any(server: &AuthorizationServer, token: &str) -> Result<AccessTokenClaims, OwnTokenFault> {
    let token = BearerToken::from_text(token, TOKEN_LIMIT).map_err(|_| TokenFault::BadToken)?;
    let audience = server.settings.audience.iter().chain([&server.settings.issuer]).cloned().collect();
    read_own(server, token, audience).await
}

/// Why a token is none of this server's that holds.
#[derive(Debug, thiserror::Error)]
pub(super) enum OwnTokenFault {
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenFault),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

async fn verification_keys(server: &AuthorizationServer) -> Result<Vec<VerificationKey>, StoreFault> {
    let set = key_set(&server.store.signing_keys().await?).to_string();
    // The set is our own; should it not be one all the same, no token is ours.
    Ok(JwkSet::read(set.as_bytes()).map(|set| set.keys).unwrap_or_default())
}

/// The claims of a token whose signature has been checked.
fn claims_of(token: BearerToken<'_>) -> Option<AccessTokenClaims> {
    let payload = token.as_str().split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

fn rules(issuer: String, audience: Vec<String>) -> IssuerRules {
    IssuerRules {
        issuer,
        audience,
        algorithms: vec![Algorithm::Es256],
        strict_type: true,
        leeway: std::time::Duration::from_secs(LEEWAY),
        // A token that was issued before the lifetime was made shorter is still one.
        max_lifetime: std::time::Duration::MAX,
        scope_pointers: vec!["/scope".to_owned()],
        roles_pointer: "/roles".to_owned(),
        client_pointers: vec!["/client_id".to_owned()],
        client_only: None,
    }
}
