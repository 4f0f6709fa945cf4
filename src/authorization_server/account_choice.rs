//! The choice of an account, for `prompt=select_account` (OpenID Connect Core §3.1.2.1).

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;

use super::AuthorizationServer;
use super::destination::Destination;
use super::page::{page, see_other};
use super::page_fault::{self, PageFault};
use super::page_form::OwnForm;
use super::session::LoggedIn;
use super::visit::Visit;
use crate::pages::AccountPage;

/// The address of the form.
pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    Router::new().route("/account", post(choose).get(page_fault::no_page))
}

/// Asks which account is meant.
pub(super) fn show(visit: &Visit, logged_in: &LoggedIn) -> Result<Response, PageFault> {
    let shown = AccountPage {
        client: visit.request.client.name.clone(),
        person: logged_in.person(),
        other_account: visit.other_account(),
        csrf: logged_in.csrf(),
        to: visit.destination().text(),
    };
    page(StatusCode::OK, &shown, Some(&visit.form_leads_to()))
}

/// Goes on with the account that is logged in.
async fn choose(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    form: OwnForm,
) -> Result<Response, PageFault> {
    let destination = Destination::parse(form.value("to"));
    let Destination::Authorization(pending) = destination else { return Err(PageFault::Form) };
    let proof = match LoggedIn::find(&server, &fields).await? {
        Some(logged_in) if logged_in.is_csrf(form.value("csrf")) => logged_in.chose_account_for(&pending.text),
        Some(_) | None => return Err(PageFault::Foreign),
    };
    see_other(&Destination::Authorization(pending.proven(proof)).location())
}
