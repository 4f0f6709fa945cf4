//! Who may use the administration API: scopes limit, roles permit, both as they stand now.

use http::HeaderMap;

use super::api_problem::Problem;
use super::bearer::{BearerFault, Presented, presented};
use super::{Administration, AuthorizationServer, Caller, Catalogue, events};
use crate::store::{ScopeNames, Store, StoreFault};

pub(super) const ROLES: &[&str] = &["admin.roles"];
pub(super) const USERS: &[&str] = &["admin.users"];
pub(super) const CLIENTS: &[&str] = &["admin.oauth-clients"];
/// Whoever may use one part may see which scopes there are.
pub(super) const ANY: &[&str] = &["admin.roles", "admin.users", "admin.oauth-clients"];

/// Takes the access token of a request, and asks that one of `scopes` is both in it and permitted to its bearer.
///
/// # Errors
///
/// The problem to answer with.
pub(super) async fn admit(
    server: &AuthorizationServer,
    catalogue: &Catalogue,
    fields: &HeaderMap,
    scopes: &'static [&'static str],
) -> Result<Caller, Problem> {
    let presented = presented(server, fields).await?;
    let held = catalogue.close(&presented.token.scope);
    let lacking = scopes.first().copied().unwrap_or_default();
    if !scopes.iter().any(|scope| held.contains(scope)) {
        return Err(BearerFault::InsufficientScope(lacking).into());
    }
    let permitted = permitted_to(&server.store, catalogue, &presented).await?;
    if !scopes.iter().any(|scope| held.contains(scope) && permitted.contains(scope)) {
        events::not_permitted(&presented.token.subject, lacking);
        return Err(Problem::not_permitted(lacking));
    }
    Ok(Caller::Bearer { subject: presented.token.subject, jti: presented.token.jti, permitted })
}

/// What roles permit the user of a token, or its allow list a client that acts for itself, with all that this contains.
///
/// # Errors
///
/// [`StoreFault::Database`].
pub(super) async fn permitted_to(
    store: &Store,
    catalogue: &Catalogue,
    presented: &Presented,
) -> Result<ScopeNames, StoreFault> {
    let Some(user) = &presented.user else {
        let client = store.client(&presented.token.client).await?;
        return Ok(client.map(|client| catalogue.close(&client.allow_list)).unwrap_or_default());
    };
    let mut permitted = ScopeNames::default();
    for role in &user.roles {
        if let Some(role) = store.role(role).await? {
            permitted = permitted.union(&role.scopes);
        }
    }
    Ok(catalogue.close(&permitted))
}

impl AuthorizationServer {
    /// Administers on the behalf of a request's bearer.
    ///
    /// # Errors
    ///
    /// As [`admit`].
    pub(super) async fn administration<'a>(
        &'a self,
        catalogue: &'a Catalogue,
        fields: &HeaderMap,
        scopes: &'static [&'static str],
    ) -> Result<Administration<'a>, Problem> {
        let caller = admit(self, catalogue, fields, scopes).await?;
        Ok(Administration { store: &self.store, catalogue, now: self.now(), caller })
    }
}
