//! The authorization code grant (RFC 6749 §4.1.3) with PKCE (RFC 7636, S256 alone).

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::access_token::{self, ToIssue};
use super::approved::approved;
use super::audience::{narrowed, resources};
use super::events;
use super::fault::OAuthFault;
use super::grant::{OFFLINE_ACCESS, grantable, granted};
use super::id_token;
use super::secrets::hash;
use super::signer::Signer;
use super::token::{Issued, TokenRequest, TokenResponse};
use super::token_refresh::{self, Renewal};
use crate::store::{Change, Client, Code, CodeUse, GrantType, ScopeNames, User};

/// What the client shows beside the code.
struct Proof<'a> {
    client: &'a str,
    redirect_uri: &'a str,
    code_verifier: &'a str,
}

/// Redeems a code, once.
pub(super) async fn issue(request: &TokenRequest<'_>) -> Result<Issued, OAuthFault> {
    let TokenRequest { server, parameters, .. } = *request;
    let code = parameters.required("code", "`code` is missing")?;
    let proof = proof(request)?;
    let asked = resources(&server.settings, parameters.all("resource"))?;
    let signer = Signer::current(server, server.now()).await?;
    let mut change = server.store.change().await?;
    // Read while nobody else can write, so that whatever was taken back before was taken back at this moment or earlier.
    let now = server.now();
    let code = match change.redeem_code(&hash(code), now, |code| proves(&proof, code)).await? {
        CodeUse::Redeemed(code) => code,
        used @ (CodeUse::Replayed | CodeUse::NotProven | CodeUse::Unknown) => {
            return refused(request, change, &used).await;
        }
    };
    let resources = narrowed(&code.resources, asked)?;
    let (client, user) = parties(&mut change, &code).await?;
    let scope = scope(request, &mut change, &client, &code).await?;
    let to_issue = ToIssue {
        client: &client.id,
        user: Some((&user, code.authenticated_at)),
        family: Some(&code.family),
        scope: &scope,
        resources: &resources,
        now,
    };
    let Some(token) = access_token::issue(server, &mut change, &signer, &to_issue).await? else {
        return Ok(Issued::NotThisSecond);
    };
    let mut answer = TokenResponse::new(server, token, &scope);
    if scope.contains(OFFLINE_ACCESS) {
        let renewal = Renewal::of_code(&code, &scope);
        answer.refresh_token = Some(token_refresh::add(server, &mut change, renewal, now).await?);
    }
    if scope.contains(id_token::OPENID) && code.requested.contains(id_token::OPENID) {
        answer.id_token = Some(id_token::sign(server, &signer, &code, &answer, now)?);
    }
    change.commit().await?;
    events::issued(GrantType::AuthorizationCode.as_str(), &user.id, &client.id, &scope, request.peer);
    Ok(Issued::Now(Box::new(answer)))
}

fn proof<'a>(request: &TokenRequest<'a>) -> Result<Proof<'a>, OAuthFault> {
    let parameters = request.parameters;
    // RFC 6749 §4.1.3: required, for every authorization request names one here.
    let redirect_uri = parameters.required("redirect_uri", "`redirect_uri` is missing")?;
    // RFC 9700 §2.1.1: required of every client, for every code was bound to a challenge.
    let code_verifier = parameters.required("code_verifier", "`code_verifier` is missing")?;
    if !is_verifier(code_verifier) {
        return Err(OAuthFault::InvalidRequest("`code_verifier` is not 43 to 128 unreserved letters"));
    }
    Ok(Proof { client: &request.client.client().id, redirect_uri, code_verifier })
}

/// RFC 7636 §4.1: 43*128unreserved.
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

fn proves(proof: &Proof<'_>, code: &Code) -> bool {
    // RFC 7636 §4.6: BASE64URL(SHA256(ASCII(code_verifier))) is the challenge.
    let challenge = hash(proof.code_verifier);
    let fits = verify_slices_are_equal(challenge.as_bytes(), code.code_challenge.as_bytes()).is_ok();
    // RFC 6749 §4.1.3: issued to this client, and the same redirect URI, byte for byte.
    code.client == proof.client && code.redirect_uri == proof.redirect_uri && fits
}

async fn refused(request: &TokenRequest<'_>, change: Change, used: &CodeUse) -> Result<Issued, OAuthFault> {
    let client = &request.client.client().id;
    match used {
        // RFC 6749 §4.1.2: whoever shows a code again may have stolen it, or was stolen from; what came of it is taken back.
        CodeUse::Replayed => {
            change.commit().await?;
            events::code_replayed(client, request.peer);
            Err(OAuthFault::InvalidGrant("the code was used before"))
        }
        CodeUse::NotProven => {
            events::code_not_proven(client, request.peer);
            Err(OAuthFault::InvalidGrant("the code is not for this client, `redirect_uri` or `code_verifier`"))
        }
        CodeUse::Unknown | CodeUse::Redeemed(_) => {
            Err(OAuthFault::InvalidGrant("the code is not good, or not good any more"))
        }
    }
}

/// Client and user as they stand now.
async fn parties(change: &mut Change, code: &Code) -> Result<(Client, User), OAuthFault> {
    let client = change.client(&code.client).await?.ok_or(OAuthFault::InvalidClient)?;
    let user = change.user(&code.user).await?.filter(|user| !user.disabled);
    Ok((client, user.ok_or(OAuthFault::InvalidGrant("the user may not log in"))?))
}

/// What the rules of grants give at this moment, not at that of the authorization request.
async fn scope(
    request: &TokenRequest<'_>,
    change: &mut Change,
    client: &Client,
    code: &Code,
) -> Result<ScopeNames, OAuthFault> {
    let grantable = grantable(client, &request.server.catalogue.load());
    let approved = approved(change, client, &code.user).await?;
    let scope = granted(&grantable, &approved, &code.requested);
    if scope.is_empty() { Err(OAuthFault::InvalidScope) } else { Ok(scope) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_7636_4_1_a_verifier_is_43_to_128_unreserved_letters() {
        for (text, expected) in [
            ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned(), true),
            ("-._~".repeat(32), true),
            ("a".repeat(42), false),
            ("a".repeat(129), false),
            (format!("{}+", "a".repeat(43)), false),
            (format!("{}=", "a".repeat(43)), false),
            (format!("{} ", "a".repeat(43)), false),
            ("ä".repeat(30), false),
            (String::new(), false),
        ] {
            assert_eq!(is_verifier(&text), expected, "`{text}`");
        }
    }

    #[test]
    fn rfc_7636_appendix_b_the_challenge_of_the_verifier() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(hash(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
