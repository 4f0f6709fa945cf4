//! Login.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;

use super::AuthorizationServer;
use super::csrf::Purpose;
use super::destination::Destination;
use super::lead_on::{beyond, lead_on};
use super::page::{page, see_other, with_cookie};
use super::page_fault::{PageFault, retry_after, waiting};
use super::page_form::OwnForm;
use super::peer::Peer;
use super::secrets;
use super::session::{CookieKind, CookieValue, LoggedIn};
use super::url_encoded::UrlEncoded;
use super::visit;
use crate::pages::LoginPage;
use crate::store::{Seconds, User};

const TOO_OLD: &str = "This page was too old. Please log in once more.";
/// The same for a login that nobody has, one that is disabled, and a wrong password.
const WRONG: &str = "The login or the password is wrong.";

/// Login.
pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    Router::new().route("/login", get(ask).post(log_in))
}

/// What a login page shows.
#[derive(Debug)]
pub(super) struct LoginForm {
    status: StatusCode,
    login: String,
    problem: Option<String>,
}

impl LoginForm {
    /// A form that nobody has filled in, but for the login that is expected.
    pub(super) fn empty(login: String) -> Self {
        Self { status: StatusCode::OK, login, problem: None }
    }
}

/// Shows the login page.
pub(super) async fn show(
    server: &AuthorizationServer,
    fields: &HeaderMap,
    destination: &Destination,
    form: LoginForm,
) -> Result<Response, PageFault> {
    let waiting = match destination {
        Destination::Authorization(pending) => visit::check(server, pending).await?.ok(),
        Destination::Home | Destination::Approvals | Destination::Password => None,
    };
    let known = CookieKind::Login.read(server, fields);
    let cookie = match &known {
        Some(cookie) => cookie.clone(),
        None => CookieValue::new(secrets::secret()?),
    };
    let shown = LoginPage {
        client: waiting.as_ref().map(|request| request.client.name.clone()),
        login: form.login,
        problem: form.problem,
        csrf: cookie.tag(Purpose::LoginForm, ""),
        to: destination.text(),
    };
    let response = page(form.status, &shown, beyond(server, destination).await?.as_deref())?;
    match known {
        Some(_) => Ok(response),
        None => with_cookie(response, &CookieKind::Login.keep(server, &cookie)),
    }
}

/// The login page by itself, or for another account than the one that is logged in.
async fn ask(
    State(server): State<Arc<AuthorizationServer>>,
    RawQuery(query): RawQuery,
    fields: HeaderMap,
) -> Result<Response, PageFault> {
    let query = UrlEncoded::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let to = query.one("to");
    if to.is_none() && LoggedIn::find(&server, &fields).await?.is_some() {
        return see_other(&Destination::Home.location());
    }
    let destination = Destination::parse(to.unwrap_or_default());
    show(&server, &fields, &destination, LoginForm::empty(String::new())).await
}

async fn log_in(
    State(server): State<Arc<AuthorizationServer>>,
    Peer(peer): Peer,
    fields: HeaderMap,
    form: OwnForm,
) -> Result<Response, PageFault> {
    let destination = Destination::parse(form.value("to"));
    let login = form.value("login").trim().to_owned();
    let refused = |status, problem: String| LoginForm { status, login: login.clone(), problem: Some(problem) };
    let cookie = CookieKind::Login.read(&server, &fields);
    if !cookie.is_some_and(|cookie| cookie.is_tag(form.value("csrf"), Purpose::LoginForm, "")) {
        return show(&server, &fields, &destination, refused(StatusCode::FORBIDDEN, TOO_OLD.to_owned())).await;
    }
    let account = login.to_lowercase();
    if let Err(wait) = server.attempts.count(peer, &account) {
        tracing::warn!(%peer, "too many attempts to log in");
        let problem = format!("There were too many attempts. Please wait {}, and try again.", waiting(wait));
        let form = refused(StatusCode::TOO_MANY_REQUESTS, problem);
        let mut response = show(&server, &fields, &destination, form).await?;
        response.headers_mut().insert(RETRY_AFTER, retry_after(wait));
        return Ok(response);
    }
    let known = server.store.user_by_login(&account).await?;
    let kept = known.as_ref().map(|(_, password)| &*password.hash);
    let is_right = server.passwords.verify(form.value("password"), kept).await;
    match known.filter(|(user, _)| is_right && !user.disabled) {
        Some((user, _)) => {
            tracing::info!(subject = %user.id, %peer, "a user logged in");
            begin_session(&server, &fields, &user, destination).await
        }
        None => {
            tracing::warn!(%peer, "a login failed");
            show(&server, &fields, &destination, refused(StatusCode::FORBIDDEN, WRONG.to_owned())).await
        }
    }
}

/// Begins a session under a name that nobody has seen before, in place of any that this browser had: a cookie that somebody planted
/// before the login is worth nothing after it.
async fn begin_session(
    server: &AuthorizationServer,
    fields: &HeaderMap,
    user: &User,
    destination: Destination,
) -> Result<Response, PageFault> {
    let cookie = CookieValue::new(secrets::secret()?);
    let now = server.now();
    let lifetime = Seconds::try_from(server.settings.lifetimes.session.as_secs()).unwrap_or(Seconds::MAX);
    let mut change = server.store.change().await?;
    if let Some(before) = CookieKind::Session.read(server, fields) {
        change.end_session(&before.hash()).await?;
    }
    change.add_session(&cookie.hash(), &user.id, now, now.saturating_add(lifetime)).await?;
    change.commit().await?;
    let destination = match destination {
        Destination::Authorization(pending) => {
            let proof = cookie.tag(Purpose::LoggedInFor, &pending.text);
            Destination::Authorization(pending.proven(proof))
        }
        other @ (Destination::Home | Destination::Approvals | Destination::Password) => other,
    };
    with_cookie(lead_on(server, &destination).await?, &CookieKind::Session.keep(server, &cookie))
}
