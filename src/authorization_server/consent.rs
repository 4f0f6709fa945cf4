//! The consent page: what a client asks for and was not approved yet, scope by scope.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;

use super::authorization_fault::AuthorizationFault;
use super::authorization_step::{Question, Step};
use super::destination::Destination;
use super::page::{page, see_other};
use super::page_fault::PageFault;
use super::page_form::OwnForm;
use super::redirect_uri::leads_to;
use super::session::LoggedIn;
use super::visit::Visit;
use super::{AuthorizationServer, Catalogue, authorize, grant, issue_code, page_events, page_fault};
use crate::pages::{ConsentPage, Scope, ScopeGroup};
use crate::scope::Side;
use crate::store::ScopeNames;

const NOTHING_TICKED: &str = "Nothing is ticked. Tick at least one thing to allow it, or choose Deny.";

/// The consent form's address.
pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    Router::new().route("/consent", post(decide).get(page_fault::no_page))
}

/// Shows what is asked. `refused` holds the boxes that were ticked when the form came back with too few.
pub(super) fn show(
    server: &AuthorizationServer,
    visit: &Visit,
    logged_in: &LoggedIn,
    question: &Question,
    refused: Option<&ScopeNames>,
) -> Result<Response, PageFault> {
    let catalogue = server.catalogue.load();
    let request = &visit.request;
    let shown = ConsentPage {
        client: request.client.name.clone(),
        person: logged_in.person(),
        other_account: visit.other_account(),
        groups: groups(&catalogue, &question.new, refused),
        before: question.before.iter().map(|name| in_words(&catalogue, name)).collect(),
        leads_to: leads_to(&request.return_address.redirect_uri),
        problem: refused.map(|_| NOTHING_TICKED.to_owned()),
        csrf: logged_in.csrf(),
        to: visit.destination().text(),
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    page(status, &shown, Some(&visit.form_leads_to()))
}

async fn decide(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    form: OwnForm,
) -> Result<Response, PageFault> {
    let Destination::Authorization(pending) = Destination::parse(form.value("to")) else {
        return Err(PageFault::Form);
    };
    let visit = match Visit::open(&server, &fields, pending).await? {
        Ok(visit) => visit,
        Err(answer) => return Ok(answer),
    };
    let step = visit.step(&server);
    // What was decided before the session ended does not count, and is asked again after the login.
    let Some(logged_in) = &visit.logged_in else { return authorize::take(&server, &fields, visit, step).await };
    if !logged_in.is_csrf(form.value("csrf")) {
        return Err(PageFault::Foreign);
    }
    match step {
        Step::Ask(question) => answer(&server, &visit, logged_in, &question, &form).await,
        // It was decided in another window meanwhile, or the login has become too old.
        other @ (Step::LogIn | Step::ChangePassword | Step::ChooseAccount | Step::Issue | Step::Refuse(_)) => {
            authorize::take(&server, &fields, visit, other).await
        }
    }
}

async fn answer(
    server: &AuthorizationServer,
    visit: &Visit,
    logged_in: &LoggedIn,
    question: &Question,
    form: &OwnForm,
) -> Result<Response, PageFault> {
    let request = &visit.request;
    let allows = form.value("decision") == "allow";
    // INVARIANT: what was not on the page cannot be approved with it, whatever the form says.
    let ticked = form.scopes().collect::<ScopeNames>().intersection(&question.new);
    let accepted = if allows { ticked } else { ScopeNames::default() };
    let would_hold = grant::granted(&request.grantable, &visit.approved.union(&accepted), &request.requested);
    match (allows, would_hold.is_empty()) {
        (true, true) => show(server, visit, logged_in, question, Some(&accepted)),
        (false, holds_nothing) if holds_nothing || request.prompt.consent => {
            page_events::denied(&logged_in.session.user.id, &request.client.id);
            see_other(&request.return_address.error(AuthorizationFault::AccessDenied, &server.settings.issuer))
        }
        // A user who denies what is new still has what was approved before.
        (true | false, _) => issue_code::issue(server, visit, logged_in, &accepted).await,
    }
}

/// User scopes first, then administrator scopes. User scopes come ticked; the whole tenant is opened only by a tick of the user's own.
fn groups(catalogue: &Catalogue, names: &ScopeNames, ticked: Option<&ScopeNames>) -> Vec<ScopeGroup> {
    let group = |is_admin: bool| {
        let tick = |name: &str| ticked.map_or(!is_admin, |ticked| ticked.contains(name));
        let scopes = names.iter().map(|name| Scope { ticked: tick(name), ..in_words(catalogue, name) });
        let mut scopes: Vec<Scope> = scopes.filter(|scope| scope.is_admin == is_admin).collect();
        // How long comes after what.
        scopes.sort_by_key(|scope| scope.name == grant::OFFLINE_ACCESS);
        ScopeGroup { is_admin, scopes }
    };
    [group(false), group(true)].into_iter().filter(|group| !group.scopes.is_empty()).collect()
}

/// A scope in the catalogue's words, or by its name where there are none.
pub(super) fn in_words(catalogue: &Catalogue, name: &str) -> Scope {
    let known = catalogue.find(name);
    let words = known.map(|scope| scope.describe.clone()).filter(|words| !words.is_empty());
    Scope {
        name: name.to_owned(),
        describe: words.unwrap_or_else(|| name.to_owned()),
        is_admin: known.map_or(name.starts_with("admin."), |scope| scope.side == Side::Admin),
        ticked: false,
    }
}
