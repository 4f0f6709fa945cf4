//! Applications with access: what a user approved, and how it is taken back.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;

use super::consent::in_words;
use super::destination::Destination;
use super::own_page::enter;
use super::page::{page, see_other};
use super::page_fault::{PageFault, waiting};
use super::page_form::OwnForm;
use super::url_encoded::UrlEncoded;
use super::{AuthorizationServer, page_events};
use crate::pages::{self, ApprovalsPage, ClientApprovals, Day};
use crate::store::{Approval, ApprovalFilter, Store, StoreFault};

/// Approvals that are read at one time.
const BATCH: u32 = 500;
/// Approvals on the page, at most: clients × scopes, all of them given by hand.
const MOST: usize = 5_000;

/// Applications with access.
pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    Router::new().route("/approvals", get(list).post(remove))
}

async fn list(
    State(server): State<Arc<AuthorizationServer>>,
    RawQuery(query): RawQuery,
    fields: HeaderMap,
) -> Result<Response, PageFault> {
    let logged_in = match enter(&server, &fields, Destination::Approvals).await? {
        Ok(logged_in) => logged_in,
        Err(answer) => return Ok(answer),
    };
    let approvals = approvals(&server.store, &logged_in.session.user.id).await?;
    let removed = UrlEncoded::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let said = what_was_removed(&server, &removed, &approvals).await?;
    let shown = ApprovalsPage {
        clients: by_client(&server, approvals).await?,
        said,
        token_lifetime: waiting(server.settings.lifetimes.access_token.max(Duration::from_secs(1))),
        csrf: logged_in.csrf(),
    };
    page(StatusCode::OK, &shown, None)
}

async fn remove(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    form: OwnForm,
) -> Result<Response, PageFault> {
    let logged_in = match enter(&server, &fields, Destination::Approvals).await? {
        Ok(logged_in) => logged_in,
        Err(answer) => return Ok(answer),
    };
    if !logged_in.is_csrf(form.value("csrf")) {
        return Err(PageFault::Foreign);
    }
    let (user, client) = (&logged_in.session.user.id, form.value("client"));
    let scope = form.scopes().find(|scope| !scope.is_empty());
    let mut change = server.store.change().await?;
    let was_there = change.remove_approval(user, client, scope, server.now()).await?;
    change.commit().await?;
    if was_there {
        page_events::approval_removed(user, client, scope);
    }
    let told = [("client", client), ("scope", scope.unwrap_or_default())];
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(told).finish();
    see_other(&format!("/approvals?{query}"))
}

/// What the page says was done. A link can make it say only what is true: that a client there is has no such approval.
async fn what_was_removed(
    server: &AuthorizationServer,
    removed: &UrlEncoded,
    approvals: &[Approval],
) -> Result<Option<String>, StoreFault> {
    let Some(id) = removed.one("client") else { return Ok(None) };
    let Some(client) = server.store.client(id).await? else { return Ok(None) };
    let scope = removed.one("scope");
    let stands = |approval: &Approval| approval.client == id && scope.is_none_or(|scope| approval.scope == scope);
    if approvals.iter().any(stands) {
        return Ok(None);
    }
    let catalogue = server.catalogue.load();
    Ok(match scope {
        None => Some(format!("{} has no access any more.", client.name)),
        Some(scope) if !client.allow_list.contains(scope) && catalogue.find(scope).is_none() => None,
        Some(scope) => Some(format!("Removed: “{}” from {}.", in_words(&catalogue, scope).describe, client.name)),
    })
}

async fn approvals(store: &Store, user: &str) -> Result<Vec<Approval>, StoreFault> {
    let filter = ApprovalFilter { user: Some(user), client: None };
    let mut all: Vec<Approval> = Vec::new();
    while all.len() < MOST {
        let after = all.last().map_or(("", "", ""), |last| (&*last.user, &*last.client, &*last.scope));
        let batch = store.approvals(filter, after, BATCH).await?;
        let is_last = u32::try_from(batch.len()).unwrap_or(BATCH) < BATCH;
        all.extend(batch);
        if is_last {
            break;
        }
    }
    Ok(all)
}

/// Clients by name, each with its approvals: the user's own data first, then the tenant.
async fn by_client(server: &AuthorizationServer, approvals: Vec<Approval>) -> Result<Vec<ClientApprovals>, StoreFault> {
    let catalogue = server.catalogue.load_full();
    let mut clients: Vec<ClientApprovals> = Vec::new();
    for approval in approvals {
        let scope = in_words(&catalogue, &approval.scope);
        let shown = pages::Approval { scope, since: Day::of(approval.approved_at) };
        match clients.last_mut().filter(|last| last.id == approval.client) {
            Some(client) => client.approvals.push(shown),
            None => {
                let name = server.store.client(&approval.client).await?.map(|client| client.name);
                let name = name.unwrap_or_else(|| approval.client.clone());
                clients.push(ClientApprovals { id: approval.client, name, approvals: vec![shown] });
            }
        }
    }
    clients.iter_mut().for_each(|client| client.approvals.sort_by_key(|approval| approval.scope.is_admin));
    clients.sort_by_key(|client| client.name.to_lowercase());
    Ok(clients)
}
