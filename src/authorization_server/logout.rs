//! Logout.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;

use super::page::{page, see_other, with_cookie};
use super::page_fault::PageFault;
use super::page_form::OwnForm;
use super::session::{CookieKind, LoggedIn};
use super::{AuthorizationServer, page_events};
use crate::pages::{Link, LogoutPage, MessagePage};

/// Logout.
pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    Router::new().route("/logout", get(ask).post(log_out))
}

/// A link of another site can bring a user here, and no further: only the form ends a session.
async fn ask(State(server): State<Arc<AuthorizationServer>>, fields: HeaderMap) -> Result<Response, PageFault> {
    let Some(logged_in) = LoggedIn::find(&server, &fields).await? else {
        let said = MessagePage {
            title: "You are logged out".to_owned(),
            what: "Nobody is logged in here in this browser.".to_owned(),
            advice: "Applications keep what you allowed them until you take it back.".to_owned(),
            link: Some(Link { address: "/login".to_owned(), text: "Log in" }),
            code: None,
        };
        return page(StatusCode::OK, &said, None);
    };
    page(StatusCode::OK, &LogoutPage { person: logged_in.person(), csrf: logged_in.csrf() }, None)
}

async fn log_out(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    form: OwnForm,
) -> Result<Response, PageFault> {
    if let Some(logged_in) = LoggedIn::find(&server, &fields).await? {
        if !logged_in.is_csrf(form.value("csrf")) {
            return Err(PageFault::Foreign);
        }
        let mut change = server.store.change().await?;
        change.end_session(&logged_in.session.hash).await?;
        change.commit().await?;
        page_events::logged_out(&logged_in.session.user.id);
    }
    with_cookie(see_other("/logout")?, &CookieKind::Session.forget(&server))
}
