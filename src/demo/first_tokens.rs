//! Two tokens for the requests that the demo prints: one person, one application, before and after it was given more.

use crate::store::{Code, ScopeNames, Seconds, Store};

use super::client::Client;
use super::fault::DemoFault;
use super::people::{PAGE_CLIENT, Person, approve};
use super::random;

/// How long a code may wait to be redeemed, in seconds.
const CODE_LIFETIME: Seconds = 60;

/// Two access tokens of one person through one application. Debug shows neither.
#[derive(Clone)]
pub struct FirstTokens {
    /// With `automations`.
    pub own: String,
    /// With `admin.automations` as well.
    pub tenant: String,
}

impl std::fmt::Debug for FirstTokens {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("FirstTokens(…)")
    }
}

/// Gets both of the running server, without a browser: approvals and codes are put into its database as its pages put them there, and
/// redeemed at its token endpoint.
///
/// # Errors
///
/// [`DemoFault`].
pub(super) async fn get(
    client: &Client,
    store: &Store,
    person: &Person,
    now: Seconds,
) -> Result<FirstTokens, DemoFault> {
    let own = token(client, store, person, "automations", now).await?;
    let tenant = token(client, store, person, "admin.automations", now).await?;
    Ok(FirstTokens { own, tenant })
}

async fn token(
    client: &Client,
    store: &Store,
    person: &Person,
    scope: &str,
    now: Seconds,
) -> Result<String, DemoFault> {
    let (code, verifier) = (random::secret()?, random::secret()?);
    let scopes = ScopeNames::parse(scope);
    let mut change = store.change().await?;
    approve(&mut change, person, &scopes, now).await?;
    let kept = Code {
        hash: random::hash(&code),
        family: random::identifier()?,
        client: PAGE_CLIENT.to_owned(),
        user: person.id.clone(),
        redirect_uri: client.redirect_uri.clone(),
        code_challenge: random::hash(&verifier),
        requested: scopes,
        resources: Vec::new(),
        nonce: None,
        authenticated_at: now,
        expires_at: now + CODE_LIFETIME,
    };
    change.add_code(&kept).await?;
    change.commit().await?;
    Ok(client.redeem(&code, &verifier).await?.access_token)
}
