//! The client credentials grant (RFC 6749 §4.4): no user, no approval, no refresh token.

use super::access_token::{self, ToIssue};
use super::audience::resources;
use super::events;
use super::fault::OAuthFault;
use super::grant::{grantable, granted_to_client};
use super::signer::Signer;
use super::token::{Issued, TokenRequest, TokenResponse};
use crate::store::{GrantType, ScopeNames};

/// Issues a token that the client is the subject of.
pub(super) async fn issue(request: &TokenRequest<'_>) -> Result<Issued, OAuthFault> {
    let TokenRequest { server, parameters, .. } = *request;
    // RFC 6749 §4.4: only for confidential clients, whatever the client's grant types say.
    if !request.client.is_confidential() {
        return Err(OAuthFault::UnauthorizedClient);
    }
    let resources = resources(&server.settings, parameters.all("resource"))?;
    let signer = Signer::current(server, server.now()).await?;
    let mut change = server.store.change().await?;
    // Read while nobody else can write, so that whatever was taken back before was taken back at this moment or earlier.
    let now = server.now();
    let client = change.client(&request.client.client().id).await?.ok_or(OAuthFault::InvalidClient)?;
    // It may have lost it while this request waited; codes and refresh tokens go with theirs.
    if !client.grant_types.contains(&GrantType::ClientCredentials) {
        return Err(OAuthFault::UnauthorizedClient);
    }
    let asked = ScopeNames::parse(parameters.get("scope").unwrap_or_default());
    let scope = granted_to_client(&grantable(&client, &server.catalogue.load()), &asked);
    if scope.is_empty() {
        return Err(OAuthFault::InvalidScope);
    }
    let to_issue = ToIssue { client: &client.id, user: None, family: None, scope: &scope, resources: &resources, now };
    let Some(token) = access_token::issue(server, &mut change, &signer, &to_issue).await? else {
        return Ok(Issued::NotThisSecond);
    };
    change.commit().await?;
    events::issued(GrantType::ClientCredentials.as_str(), &client.id, &client.id, &scope, request.peer);
    Ok(Issued::Now(Box::new(TokenResponse::new(server, token, &scope))))
}
