//! Clients, on an administrator's behalf.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};

use super::secrets::{identifier, secret};
use super::{Administration, AdministrationFault, NoRandomness, events, validity};
use crate::store::{Client, ClientChange, ClientSecret, GrantType, NewClient, ScopeNames};

/// A client to be made.
#[derive(Clone, Debug)]
pub struct ClientDraft {
    /// The `client_id`; made if it is not given.
    pub id: Option<String>,
    /// For people to read.
    pub name: String,
    /// Whether it gets a secret; else it is public (RFC 6749 §2.1).
    pub confidential: bool,
    /// Where codes are sent.
    pub redirect_uris: BTreeSet<String>,
    /// What it may ask a token with.
    pub grant_types: BTreeSet<GrantType>,
    /// What it may be granted at all.
    pub allow_list: ScopeNames,
    /// Whether nobody is asked.
    pub trusted: bool,
    /// Whether it is a protected resource that introspects tokens of others.
    pub introspects: bool,
}

impl Administration<'_> {
    /// Makes a client; a confidential one with a secret that is nowhere else.
    ///
    /// # Errors
    ///
    /// [`AdministrationFault`].
    pub async fn add_client(&self, draft: &ClientDraft) -> Result<(Client, Option<String>), AdministrationFault> {
        let id = match &draft.id {
            Some(id) => id.clone(),
            // An identifier may begin with a sign that names here may not begin with.
            None => format!("c{}", identifier()?),
        };
        validity::client_id(&id)?;
        let text = if draft.confidential { Some(secret()?) } else { None };
        let client = NewClient {
            id,
            name: draft.name.clone(),
            secret: text.as_deref().map(kept).transpose()?,
            redirect_uris: draft.redirect_uris.clone(),
            grant_types: draft.grant_types.clone(),
            allow_list: draft.allow_list.clone(),
            trusted: draft.trusted,
            introspects: draft.introspects,
        };
        self.check_client(&client)?;
        let mut change = self.begin().await?;
        let client = change.add_client(&client, self.now).await?;
        change.commit().await?;
        events::client_administered("a client was added", self.caller.name(), &client.id);
        Ok((client, text))
    }

    /// Changes a client to what `to` makes of it as it is: nobody else changes it between.
    ///
    /// # Errors
    ///
    /// [`AdministrationFault`].
    pub async fn change_client(
        &self,
        id: &str,
        to: impl FnOnce(&Client) -> ClientChange,
    ) -> Result<Client, AdministrationFault> {
        let mut change = self.begin().await?;
        let before = change.client(id).await?.ok_or(AdministrationFault::Missing("client"))?;
        let to = to(&before);
        let before = as_new(before);
        self.demand_client(&before)?;
        let gains_address = to.redirect_uris.as_ref().is_some_and(|uris| !uris.is_subset(&before.redirect_uris));
        if gains_address {
            // For what was approved before nobody is asked again: whoever gets an answer at the new address gets that.
            self.demand(&change.approved_by_anybody(id).await?)?;
        }
        let to_be = to.clone();
        self.check_client(&NewClient {
            name: to_be.name.unwrap_or(before.name),
            redirect_uris: to_be.redirect_uris.unwrap_or(before.redirect_uris),
            grant_types: to_be.grant_types.unwrap_or(before.grant_types),
            allow_list: to_be.allow_list.unwrap_or(before.allow_list),
            trusted: to_be.trusted.unwrap_or(before.trusted),
            introspects: to_be.introspects.unwrap_or(before.introspects),
            ..before
        })?;
        let client = change.change_client(id, &to, self.now).await?;
        change.commit().await?;
        events::client_administered("a client was changed", self.caller.name(), id);
        Ok(client)
    }

    /// Replaces a confidential client's secret with one that is nowhere else; the old one is worth nothing at once.
    ///
    /// # Errors
    ///
    /// [`AdministrationFault`], also for a public client.
    pub async fn replace_secret(&self, id: &str) -> Result<String, AdministrationFault> {
        let text = secret()?;
        let mut change = self.begin().await?;
        let client = change.client(id).await?.ok_or(AdministrationFault::Missing("client"))?;
        if client.secret.is_none() {
            return Err(AdministrationFault::Contradiction("a public client has no secret".to_owned()));
        }
        self.demand_client(&as_new(client))?;
        change.set_client_secret(id, Some(kept(&text)?)).await?;
        change.commit().await?;
        events::client_administered("a client's secret was replaced", self.caller.name(), id);
        Ok(text)
    }

    /// Removes a client with everything that hangs on it.
    ///
    /// # Errors
    ///
    /// [`AdministrationFault`].
    pub async fn remove_client(&self, id: &str) -> Result<(), AdministrationFault> {
        let mut change = self.begin().await?;
        let client = change.client(id).await?.ok_or(AdministrationFault::Missing("client"))?;
        self.demand_client(&as_new(client))?;
        change.remove_client(id, self.now).await?;
        change.commit().await?;
        events::client_administered("a client was removed", self.caller.name(), id);
        Ok(())
    }

    fn check_client(&self, client: &NewClient) -> Result<(), AdministrationFault> {
        validity::client_name(&client.name)?;
        validity::redirect_uris(&client.redirect_uris)?;
        validity::scopes("allow_list", &client.allow_list)?;
        self.demand_known(&client.allow_list)?;
        let roles_alone = |name: &str| self.catalogue.find(name).is_some_and(|scope| !scope.token);
        if let Some(name) = client.allow_list.iter().find(|name| roles_alone(name)) {
            return contradiction(format!("scope `{name}` is for roles alone: no token carries it"));
        }
        let uses = |grant_type| client.grant_types.contains(&grant_type);
        let (code, refresh) = (uses(GrantType::AuthorizationCode), uses(GrantType::RefreshToken));
        let alone = uses(GrantType::ClientCredentials);
        match () {
            () if code && client.redirect_uris.is_empty() => contradiction("`authorization_code` needs a redirect URI"),
            () if refresh && !code => contradiction("`refresh_token` needs `authorization_code` beside it"),
            // RFC 6749 §4.4: the client credentials grant is for confidential clients alone.
            () if alone && client.secret.is_none() => contradiction("`client_credentials` is not for a public client"),
            () if client.introspects && client.secret.is_none() => contradiction("a public client cannot introspect"),
            () => self.demand_client(client),
        }
    }

    /// A client that acts alone is permitted its allow list, and one that is trusted gets it of whoever follows a link: nobody may make
    /// or command one that reaches further than he does. Any other client asks.
    fn demand_client(&self, client: &NewClient) -> Result<(), AdministrationFault> {
        let asks_nobody = client.trusted || client.grant_types.contains(&GrantType::ClientCredentials);
        if asks_nobody { self.demand(&client.allow_list) } else { Ok(()) }
    }
}

fn contradiction(what: impl Into<String>) -> Result<(), AdministrationFault> {
    Err(AdministrationFault::Contradiction(what.into()))
}

fn kept(secret: &str) -> Result<ClientSecret, NoRandomness> {
    digest(&SHA256, secret.as_bytes()).as_ref().try_into().map(ClientSecret).map_err(|_| NoRandomness)
}

fn as_new(client: Client) -> NewClient {
    NewClient {
        id: client.id,
        name: client.name,
        secret: client.secret,
        redirect_uris: client.redirect_uris,
        grant_types: client.grant_types,
        allow_list: client.allow_list,
        trusted: client.trusted,
        introspects: client.introspects,
    }
}
