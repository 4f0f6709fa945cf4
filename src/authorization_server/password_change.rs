//! A new password: of the user's own accord, or in place of one that works once.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;

use super::authorization_step::Proof;
use super::csrf::Purpose;
use super::destination::Destination;
use super::lead_on::{beyond, lead_on};
use super::login::too_often;
use super::new_password::{SHORTEST, weakness};
use super::own_page::enter;
use super::page::{page, with_cookie};
use super::page_fault::{PageFault, retry_after};
use super::page_form::OwnForm;
use super::peer::Peer;
use super::session::{CookieKind, CookieValue, LoggedIn};
use super::{AuthorizationServer, page_events, secrets};
use crate::pages::{Link, MessagePage, PasswordPage};
use crate::store::Password;

/// The change of password.
pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    Router::new().route("/password", get(ask).post(change))
}

/// What went wrong with a new password.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    said: String,
}

impl Problem {
    fn unfit(said: String) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, said }
    }
}

/// Shows the form.
pub(super) async fn show(
    server: &AuthorizationServer,
    logged_in: &LoggedIn,
    destination: &Destination,
    problem: Option<Problem>,
) -> Result<Response, PageFault> {
    let status = problem.as_ref().map_or(StatusCode::OK, |problem| problem.status);
    let shown = PasswordPage {
        forced: logged_in.session.must_change_password,
        login: logged_in.session.user.login.clone(),
        shortest: SHORTEST,
        problem: problem.map(|problem| problem.said),
        csrf: logged_in.csrf(),
        to: destination.text(),
    };
    page(status, &shown, beyond(server, destination).await?.as_deref())
}

async fn ask(State(server): State<Arc<AuthorizationServer>>, fields: HeaderMap) -> Result<Response, PageFault> {
    match enter(&server, &fields, Destination::Password).await? {
        Ok(logged_in) => show(&server, &logged_in, &Destination::Home, None).await,
        Err(answer) => Ok(answer),
    }
}

async fn change(
    State(server): State<Arc<AuthorizationServer>>,
    Peer(peer): Peer,
    fields: HeaderMap,
    form: OwnForm,
) -> Result<Response, PageFault> {
    let destination = Destination::parse(form.value("to"));
    let Some(logged_in) = LoggedIn::find(&server, &fields).await? else { return Err(PageFault::Foreign) };
    if !logged_in.is_csrf(form.value("csrf")) {
        return Err(PageFault::Foreign);
    }
    let login = &logged_in.session.user.login;
    if let Err(wait) = server.attempts.count(peer, login) {
        let problem = Problem { status: StatusCode::TOO_MANY_REQUESTS, said: too_often(wait) };
        let mut response = show(&server, &logged_in, &destination, Some(problem)).await?;
        response.headers_mut().insert(RETRY_AFTER, retry_after(wait));
        return Ok(response);
    }
    let Some((_, kept)) = server.store.user_by_login(login).await? else { return Err(PageFault::Foreign) };
    match problem(&server, &logged_in, &kept, &form).await? {
        Some(problem) => show(&server, &logged_in, &destination, Some(problem)).await,
        None => replace(&server, &logged_in, &kept, form.value("new"), destination).await,
    }
}

async fn problem(
    server: &AuthorizationServer,
    logged_in: &LoggedIn,
    kept: &Password,
    form: &OwnForm,
) -> Result<Option<Problem>, PageFault> {
    let user = &logged_in.session.user;
    let is_forced = logged_in.session.must_change_password;
    if !is_forced && !server.passwords.verify(form.value("current"), Some(&kept.hash)).await {
        page_events::password_not_changed(&user.id);
        return Ok(Some(Problem {
            status: StatusCode::FORBIDDEN,
            said: "The password until now is wrong.".to_owned(),
        }));
    }
    let new = form.value("new");
    if let Some(said) = weakness(new, &[&user.login, &user.name, "scopegate"]) {
        return Ok(Some(Problem::unfit(said)));
    }
    if new != form.value("again") {
        return Ok(Some(Problem::unfit("The new password was not typed the same way twice.".to_owned())));
    }
    if server.passwords.verify(new, Some(&kept.hash)).await {
        return Ok(Some(Problem::unfit("The new password is the one until now. Choose another.".to_owned())));
    }
    Ok(None)
}

/// Keeps the new password, ends every session of the user's, and goes on in one with a new name: whoever knew the old name or the old
/// password is out. The login is as old as it was, for a password was set and not asked for. Of two who replace `kept` at the same time
/// only one does.
async fn replace(
    server: &AuthorizationServer,
    logged_in: &LoggedIn,
    kept: &Password,
    new: &str,
    destination: Destination,
) -> Result<Response, PageFault> {
    let session = &logged_in.session;
    let hash = server.passwords.hash(new).await?;
    let cookie = CookieValue::new(secrets::secret()?);
    let mut change = server.store.change().await?;
    if !change.lets_in(&session.user.id, &kept.hash).await? {
        return Err(PageFault::Foreign);
    }
    change.add_session(&cookie.hash(), &session.user.id, session.authenticated_at, session.expires_at).await?;
    change.set_password(&session.user.id, &Password { hash, one_time: false }, Some(&cookie.hash())).await?;
    change.commit().await?;
    page_events::password_changed(&session.user.id);
    let response = if session.must_change_password {
        lead_on(server, &renewed(logged_in, &cookie, destination)).await?
    } else {
        let said = MessagePage {
            title: "Your password is changed".to_owned(),
            what: "Your other sessions have ended.".to_owned(),
            advice: "Use the new password from now on.".to_owned(),
            link: Some(Link { address: "/".to_owned(), text: "Overview" }),
            code: None,
        };
        page(StatusCode::OK, &said, None)?
    };
    with_cookie(response, &CookieKind::Session.keep(server, &cookie))
}

/// The destination with what the user did for it shown under the new session.
fn renewed(logged_in: &LoggedIn, cookie: &CookieValue, destination: Destination) -> Destination {
    let Destination::Authorization(pending) = destination else { return destination };
    let presented = pending.proof.clone().unwrap_or_default();
    let purpose = match logged_in.proof(&presented, &pending.text) {
        Proof::LoggedIn => Purpose::LoggedInFor,
        Proof::ChoseAccount => Purpose::ChoseAccountFor,
        Proof::Nothing => return Destination::Authorization(pending),
    };
    let proof = cookie.tag(purpose, &pending.text);
    Destination::Authorization(pending.proven(proof))
}
