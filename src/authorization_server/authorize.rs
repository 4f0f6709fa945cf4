//! The authorization endpoint (RFC 6749 §3.1, OpenID Connect Core §3.1.2).

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header::ALLOW;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::authorization_fault::ShownFault;
use super::authorization_step::Step;
use super::destination::{AUTHORIZE, Destination, Pending};
use super::login::{self, LoginForm};
use super::page::see_other;
use super::page_fault::PageFault;
use super::page_form::AnyForm;
use super::visit::Visit;
use super::{AuthorizationServer, account_choice, consent, issue_code, password_change};
use crate::store::ScopeNames;

/// The authorization endpoint.
pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    Router::new().route(AUTHORIZE, get(by_query).post(by_form).head(other_method).fallback(other_method))
}

/// HEAD too: it is a safe method (RFC 9110 §9.2.1), for links to be looked at with, and GET may issue a code.
async fn other_method() -> impl IntoResponse {
    (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, POST")])
}

async fn by_query(
    State(server): State<Arc<AuthorizationServer>>,
    RawQuery(query): RawQuery,
    fields: HeaderMap,
) -> Result<Response, PageFault> {
    let pending = Pending::parse(query.unwrap_or_default().as_bytes());
    let pending = pending.map_err(|_| PageFault::Request(ShownFault::Malformed))?;
    match Visit::open(&server, &fields, pending).await? {
        Ok(visit) => {
            let step = visit.step(&server);
            take(&server, &fields, visit, step).await
        }
        Err(answer) => Ok(answer),
    }
}

/// OpenID Connect Core §3.1.2.1 wants POST too. It comes from another site, so no cookie comes with it (`SameSite`); with the same request
/// by GET they do.
async fn by_form(AnyForm(body): AnyForm) -> Result<Response, PageFault> {
    let pending = Pending::parse(&body).map_err(|_| PageFault::Request(ShownFault::Malformed))?;
    see_other(&Destination::Authorization(pending).location())
}

/// Takes the next step of an authorization request.
pub(super) async fn take(
    server: &AuthorizationServer,
    fields: &HeaderMap,
    visit: Visit,
    step: Step,
) -> Result<Response, PageFault> {
    let Some(logged_in) = visit.logged_in.as_ref().filter(|_| step != Step::LogIn) else {
        return match step {
            Step::Refuse(fault) => see_other(&visit.request.return_address.error(fault, &server.settings.issuer)),
            Step::LogIn | Step::ChangePassword | Step::ChooseAccount | Step::Ask(_) | Step::Issue => {
                let login = visit.request.login_hint.clone().unwrap_or_default();
                login::show(server, fields, &visit.destination(), LoginForm::empty(login)).await
            }
        };
    };
    match step {
        Step::LogIn | Step::ChangePassword => {
            password_change::show(server, logged_in, &visit.destination(), None).await
        }
        Step::ChooseAccount => account_choice::show(&visit, logged_in),
        Step::Ask(question) => consent::show(server, &visit, logged_in, &question, None),
        Step::Issue => issue_code::issue(server, &visit, logged_in, &ScopeNames::default()).await,
        Step::Refuse(fault) => see_other(&visit.request.return_address.error(fault, &server.settings.issuer)),
    }
}
