//! An authorization request together with the browser that brings it.

use axum::http::HeaderMap;
use axum::response::Response;

use super::AuthorizationServer;
use super::authorization_fault::RequestFault;
use super::authorization_request::AuthorizationRequest;
use super::authorization_step::{Proof, Step, counted_as_approved, next_step};
use super::destination::{Destination, Pending};
use super::page::see_other;
use super::page_fault::PageFault;
use super::redirect_uri::form_action_source;
use super::session::LoggedIn;
use crate::store::{ScopeNames, StoreFault};

/// An authorization request that was checked just now, and who is logged in.
#[derive(Debug)]
pub(super) struct Visit {
    /// What is asked for.
    pub(super) request: AuthorizationRequest,
    /// The same as it goes through forms.
    pub(super) pending: Pending,
    /// Who is logged in.
    pub(super) logged_in: Option<LoggedIn>,
    /// What counts as approved by that user.
    pub(super) approved: ScopeNames,
}

impl Visit {
    /// Checks a request; what is wrong with it goes to the client where that is safe, as the inner response.
    pub(super) async fn open(
        server: &AuthorizationServer,
        fields: &HeaderMap,
        pending: Pending,
    ) -> Result<Result<Self, Response>, PageFault> {
        let request = match check(server, &pending).await? {
            Ok(request) => request,
            Err(RequestFault::Shown(fault)) => return Err(PageFault::Request(fault)),
            Err(RequestFault::Returned(address, fault)) => {
                return see_other(&address.error(fault, &server.settings.issuer)).map(Err);
            }
        };
        let logged_in = LoggedIn::find(server, fields).await?;
        let approved = match &logged_in {
            Some(logged_in) => server.store.approved(&logged_in.session.user.id, &request.client.id).await?,
            None => ScopeNames::default(),
        };
        let approved = counted_as_approved(&request, approved);
        Ok(Ok(Self { request, pending, logged_in, approved }))
    }

    /// What is next for it.
    pub(super) fn step(&self, server: &AuthorizationServer) -> Step {
        let presented = self.pending.proof.as_deref().unwrap_or_default();
        let proof = self.logged_in.as_ref().map_or(Proof::Nothing, |who| who.proof(presented, &self.pending.text));
        let session = self.logged_in.as_ref().map(|who| &who.session);
        next_step(&self.request, session, proof, &self.approved, server.now())
    }

    /// Where its forms lead.
    pub(super) fn destination(&self) -> Destination {
        Destination::Authorization(self.pending.clone())
    }

    /// Where another account logs in for it.
    pub(super) fn other_account(&self) -> String {
        self.destination().login()
    }

    /// The source expression for `form-action`.
    pub(super) fn form_leads_to(&self) -> String {
        form_action_source(&self.request.return_address.redirect_uri)
    }
}

/// Finds the client, and checks what it asks for.
pub(super) async fn check(
    server: &AuthorizationServer,
    pending: &Pending,
) -> Result<Result<AuthorizationRequest, RequestFault>, StoreFault> {
    let client = match pending.parameters.one("client_id") {
        Some(id) => server.store.client(id).await?,
        None => None,
    };
    let catalogue = server.catalogue.load();
    Ok(AuthorizationRequest::check(&pending.parameters, client, &catalogue, &server.settings.audience))
}
