//! The refresh token grant (RFC 6749 §6), each refresh token for one use (RFC 9700 §4.14.2).

use super::AuthorizationServer;
use super::access_token::{self, ToIssue};
use super::approved::approved;
use super::audience::{narrowed, resources};
use super::events;
use super::fault::OAuthFault;
use super::grant::{OFFLINE_ACCESS, grantable, granted};
use super::secrets::{hash, secret};
use super::signer::Signer;
use super::signing_keys::whole_seconds;
use super::token::{Issued, TokenRequest, TokenResponse};
use crate::store::{Change, Client, Code, GrantType, RefreshToken, RefreshUse, ScopeNames, Seconds, User};

/// What a refresh token carries on.
pub(super) struct Renewal {
    family: String,
    client: String,
    user: String,
    scope: ScopeNames,
    resources: Vec<String>,
    authenticated_at: Seconds,
}

impl Renewal {
    /// The first refresh token of a grant: it renews what the code gave.
    pub(super) fn of_code(code: &Code, scope: &ScopeNames) -> Self {
        Self {
            family: code.family.clone(),
            client: code.client.clone(),
            user: code.user.clone(),
            scope: scope.clone(),
            resources: code.resources.clone(),
            authenticated_at: code.authenticated_at,
        }
    }

    /// RFC 6749 §6: the next refresh token has the scope of the one before, whatever the access token was narrowed to.
    fn of_token(token: RefreshToken) -> Self {
        let RefreshToken { family, client, user, scope, resources, authenticated_at, .. } = token;
        Self { family, client, user, scope, resources, authenticated_at }
    }
}

/// Makes a refresh token, keeps it with the change, and gives its text.
pub(super) async fn add(
    server: &AuthorizationServer,
    change: &mut Change,
    renewal: Renewal,
    now: Seconds,
) -> Result<String, OAuthFault> {
    let token = secret()?;
    let Renewal { family, client, user, scope, resources, authenticated_at } = renewal;
    let expires_at = now.saturating_add(whole_seconds(server.settings.lifetimes.refresh_token));
    let hash = hash(&token);
    let kept =
        RefreshToken { hash, family, client, user, scope, resources, authenticated_at, issued_at: now, expires_at };
    change.add_refresh_token(&kept).await?;
    Ok(token)
}

/// Uses a refresh token, once.
pub(super) async fn issue(request: &TokenRequest<'_>) -> Result<Issued, OAuthFault> {
    let TokenRequest { server, parameters, .. } = *request;
    let shown = parameters.required("refresh_token", "`refresh_token` is missing")?;
    let asked = resources(&server.settings, parameters.all("resource"))?;
    let client = &request.client.client().id;
    let signer = Signer::current(server, server.now()).await?;
    let mut change = server.store.change().await?;
    // Read while nobody else can write, so that whatever was taken back before was taken back at this moment or earlier.
    let now = server.now();
    let token = match change.use_refresh_token(&hash(shown), client, now).await? {
        RefreshUse::Used(token) => token,
        RefreshUse::Replayed => return replayed(request, change).await,
        RefreshUse::Unknown => {
            return Err(OAuthFault::InvalidGrant("the refresh token is not good, or not good any more"));
        }
    };
    let resources = narrowed(&token.resources, asked)?;
    let (client, user) = parties(&mut change, &token).await?;
    let scope = scope(request, &mut change, &client, &token).await?;
    let to_issue = ToIssue {
        client: &client.id,
        user: Some((&user, token.authenticated_at)),
        family: Some(&token.family),
        scope: &scope,
        resources: &resources,
        now,
    };
    let Some(access_token) = access_token::issue(server, &mut change, &signer, &to_issue).await? else {
        return Ok(Issued::NotThisSecond);
    };
    let mut answer = TokenResponse::new(server, access_token, &scope);
    answer.refresh_token = Some(add(server, &mut change, Renewal::of_token(token), now).await?);
    change.commit().await?;
    events::issued(GrantType::RefreshToken.as_str(), &user.id, &client.id, &scope, request.peer);
    Ok(Issued::Now(Box::new(answer)))
}

/// RFC 9700 §4.14.2: of two who show one refresh token, one stole it; nobody can tell which, so the grant ends.
async fn replayed(request: &TokenRequest<'_>, change: Change) -> Result<Issued, OAuthFault> {
    change.commit().await?;
    events::refresh_token_replayed(&request.client.client().id, request.peer);
    Err(OAuthFault::InvalidGrant("the refresh token was used before"))
}

/// Client and user as they stand now.
async fn parties(change: &mut Change, token: &RefreshToken) -> Result<(Client, User), OAuthFault> {
    let client = change.client(&token.client).await?.ok_or(OAuthFault::InvalidClient)?;
    let user = change.user(&token.user).await?.filter(|user| !user.disabled);
    Ok((client, user.ok_or(OAuthFault::InvalidGrant("the user may not log in"))?))
}

/// What the rules of grants give at this moment, within what the refresh token carries; narrowed to what is asked for, if anything is.
async fn scope(
    request: &TokenRequest<'_>,
    change: &mut Change,
    client: &Client,
    token: &RefreshToken,
) -> Result<ScopeNames, OAuthFault> {
    let grantable = grantable(client, &request.server.catalogue.load());
    let approved = approved(change, client, &token.user).await?;
    let standing = granted(&grantable, &approved, &token.scope).intersection(&token.scope);
    if !standing.contains(OFFLINE_ACCESS) {
        return Err(OAuthFault::InvalidGrant("nobody approves access without the user any more"));
    }
    let asked = ScopeNames::parse(request.parameters.get("scope").unwrap_or_default());
    // RFC 6749 §6: nothing that was not granted at first.
    if !asked.is_subset_of(&token.scope) {
        return Err(OAuthFault::InvalidScope);
    }
    let scope = if asked.is_empty() { standing } else { standing.intersection(&asked) };
    if scope.is_empty() { Err(OAuthFault::InvalidScope) } else { Ok(scope) }
}
