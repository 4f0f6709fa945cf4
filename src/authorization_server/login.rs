//! Login.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;

use super::csrf::Purpose;
use super::destination::Destination;
use super::lead_on::{beyond, lead_on};
use super::page::{page, see_other, with_cookie};
use super::page_fault::{PageFault, retry_after, waiting};
use super::page_form::OwnForm;
use super::peer::Peer;
use super::session::{CookieKind, CookieValue, LoggedIn};
use super::url_encoded::UrlEncoded;
use super::{AuthorizationServer, page_events, secrets, visit};
use crate::pages::LoginPage;
use crate::store::{Password, Seconds, User};

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
    let refusal = match authenticate(&server, peer, &fields, &form).await? {
        Ok((user, password)) => match begin_session(&server, &fields, &user, &password).await? {
            Some(cookie) => {
                page_events::logged_in(&user.id, peer);
                return go_on(&server, &cookie, destination).await;
            }
            None => {
                page_events::login_failed(Some(&user.id), peer);
                Refusal::Wrong
            }
        },
        Err(refusal) => refusal,
    };
    let (status, problem) = refusal.words();
    let again = LoginForm { status, login: form.value("login").trim().to_owned(), problem: Some(problem) };
    let mut response = show(&server, &fields, &destination, again).await?;
    if let Refusal::TooOften(wait) = refusal {
        response.headers_mut().insert(RETRY_AFTER, retry_after(wait));
    }
    Ok(response)
}

/// Why nobody is logged in.
enum Refusal {
    /// The form is not one that this browser was given.
    TooOld,
    /// How long to wait.
    TooOften(Duration),
    /// Login or password.
    Wrong,
}

impl Refusal {
    fn words(&self) -> (StatusCode, String) {
        match self {
            Self::TooOld => (StatusCode::FORBIDDEN, "This page was too old. Please log in once more.".to_owned()),
            Self::TooOften(wait) => (StatusCode::TOO_MANY_REQUESTS, too_often(*wait)),
            Self::Wrong => (StatusCode::FORBIDDEN, "The login or the password is wrong.".to_owned()),
        }
    }
}

/// What is said after too many attempts.
pub(super) fn too_often(wait: Duration) -> String {
    format!("There were too many attempts. Please wait {}, and try again.", waiting(wait))
}

/// Finds who knows the password. A login that nobody has, one that is disabled, and a wrong password are refused alike, and as slowly.
async fn authenticate(
    server: &AuthorizationServer,
    peer: IpAddr,
    fields: &HeaderMap,
    form: &OwnForm,
) -> Result<Result<(User, Password), Refusal>, PageFault> {
    let cookie = CookieKind::Login.read(server, fields);
    if !cookie.is_some_and(|cookie| cookie.is_tag(form.value("csrf"), Purpose::LoginForm, "")) {
        return Ok(Err(Refusal::TooOld));
    }
    let account = form.value("login").trim().to_lowercase();
    if let Err(wait) = server.attempts.count(peer, &account) {
        page_events::too_many_attempts(peer);
        return Ok(Err(Refusal::TooOften(wait)));
    }
    let known = server.store.user_by_login(&account).await?;
    let kept = known.as_ref().map(|(_, password)| &*password.hash);
    let is_right = server.passwords.verify(form.value("password"), kept).await;
    match known {
        Some((user, password)) if is_right && !user.disabled => Ok(Ok((user, password))),
        known @ (Some(_) | None) => {
            page_events::login_failed(known.as_ref().map(|(user, _)| &*user.id), peer);
            Ok(Err(Refusal::Wrong))
        }
    }
}

/// Begins a session under a name that nobody has seen before, in place of any that this browser had: a cookie that somebody planted
/// before the login is worth nothing after it. `None` when the password was replaced, or the user disabled, while it was compared.
async fn begin_session(
    server: &AuthorizationServer,
    fields: &HeaderMap,
    user: &User,
    password: &Password,
) -> Result<Option<CookieValue>, PageFault> {
    let cookie = CookieValue::new(secrets::secret()?);
    let now = server.now();
    let lifetime = Seconds::try_from(server.settings.lifetimes.session.as_secs()).unwrap_or(Seconds::MAX);
    let mut change = server.store.change().await?;
    if !change.lets_in(&user.id, &password.hash).await? {
        return Ok(None);
    }
    if let Some(before) = CookieKind::Session.read(server, fields) {
        change.end_session(&before.hash()).await?;
    }
    change.add_session(&cookie.hash(), &user.id, now, now.saturating_add(lifetime)).await?;
    change.commit().await?;
    Ok(Some(cookie))
}

/// Leads to what the login was for, and shows there that it was for this.
async fn go_on(
    server: &AuthorizationServer,
    cookie: &CookieValue,
    destination: Destination,
) -> Result<Response, PageFault> {
    let destination = match destination {
        Destination::Authorization(pending) => {
            let proof = cookie.tag(Purpose::LoggedInFor, &pending.text);
            Destination::Authorization(pending.proven(proof))
        }
        other @ (Destination::Home | Destination::Approvals | Destination::Password) => other,
    };
    with_cookie(lead_on(server, &destination).await?, &CookieKind::Session.keep(server, cookie))
}
