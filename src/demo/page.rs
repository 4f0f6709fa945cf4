//! The page over HTTP: what a browser sends, and where it is sent on.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Form, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use tokio::net::TcpListener;

use crate::pages::{STYLESHEET, STYLESHEET_PATH};

use super::calls::Call;
use super::client::{Ask, Callback, Client};
use super::exchange::{self, ExchangeFault};
use super::explain::Shown;
use super::people::People;
use super::roles;
use super::sessions::{Session, Sessions};
use super::start::Addresses;
use super::view;

/// The cookie of a browser's session. Cookies know no ports: the authorization server's has another name.
const SESSION: &str = "scopegate-demo";
/// Bytes of a form at most.
const LARGEST_FORM: usize = 4 * 1024;
/// What is added to the pages' style sheet.
const MORE_STYLES: &str = include_str!("walkthrough.css");

/// What every request to the page shares.
#[derive(Clone, Debug)]
pub(super) struct Page(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    addresses: Addresses,
    people: People,
    client: Client,
    operator: Client,
    sessions: Sessions,
}

impl Page {
    /// `operator` is the client that changes what a role permits.
    pub(super) fn new(addresses: Addresses, people: People, client: Client, operator: Client) -> Self {
        Self(Arc::new(Shared { addresses, people, client, operator, sessions: Sessions::default() }))
    }

    pub(super) fn people(&self) -> &People {
        &self.0.people
    }

    /// The page's address as a browser writes it.
    fn origin(&self) -> String {
        format!("http://{}", self.0.addresses.page)
    }

    /// Changes the session of this browser.
    fn change(&self, cookie: &Cookie, work: impl FnOnce(&mut Session)) {
        self.0.sessions.with(&cookie.0, work);
    }
}

/// The cookie of the browser that asks; of a session that is there.
#[derive(Clone)]
struct Cookie(String);

/// Serves the page until `ended`, and finishes the requests that it has begun.
///
/// # Errors
///
/// What the listener says.
pub(super) async fn serve(
    listener: TcpListener,
    page: Page,
    ended: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router(page)).with_graceful_shutdown(ended).await
}

fn router(page: Page) -> Router {
    Router::new()
        .route("/", get(show))
        .route("/log-in", post(log_in))
        .route("/callback", get(callback))
        .route("/call", post(call))
        .route("/role", post(role))
        .layer(from_fn_with_state(page.clone(), with_session))
        .route(STYLESHEET_PATH, get(style))
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .layer(from_fn_with_state(page.clone(), guard))
        .with_state(page)
}

async fn show(State(page): State<Page>, Extension(cookie): Extension<Cookie>) -> Response {
    let role = roles::permitted(&page.0.operator, &page.0.addresses.issuer()).await;
    let session = page.0.sessions.with(&cookie.0, |session| {
        let shown = session.clone();
        session.notice = None;
        shown
    });
    match view::render(&page.0.addresses, &page.0.people, &session.unwrap_or_default(), role) {
        Ok(html) => ([(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], format!("{STYLESHEET}\n{MORE_STYLES}"))
}

/// What the login form sends, in any order: `scope` for each box that is ticked.
async fn log_in(
    State(page): State<Page>,
    Extension(cookie): Extension<Cookie>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let has = |name: &str, value: &str| fields.iter().any(|(key, held)| key == name && held == value);
    let ticked: Vec<_> =
        view::OFFERED.iter().filter(|offer| has("scope", offer.name)).map(|offer| offer.name).collect();
    // An empty `scope` and none are the same: nothing new is asked for.
    let scope = (!ticked.is_empty() && !has("ask", "nothing")).then(|| ticked.join(" "));
    let ask = Ask { scope, login: has("ask", "other") };
    match page.0.client.begin(&ask).await {
        Ok((address, pending)) => {
            page.change(&cookie, |session| session.pending = Some(pending));
            Redirect::to(&address).into_response()
        }
        Err(fault) => {
            page.change(&cookie, |session| session.say("ask", format!("No login: {fault}."), true));
            home("ask")
        }
    }
}

async fn callback(
    State(page): State<Page>,
    Extension(cookie): Extension<Cookie>,
    Query(callback): Query<Callback>,
) -> Response {
    // Taken before anything is awaited: one request is answered once.
    let pending = page.0.sessions.with(&cookie.0, |session| session.pending.take()).flatten();
    let granted = page.0.client.finish(pending, callback).await;
    page.change(&cookie, |session| match granted {
        Ok(granted) => {
            session.keep(granted.access_token, &granted.scope);
            session.say("token", format!("A new token. Its scope is “{}”.", granted.scope), false);
        }
        Err(fault) => session.say("token", format!("No token: {fault}."), true),
    });
    home("token")
}

/// Which request to send, by which of the browser's tokens.
#[derive(Deserialize)]
struct CallForm {
    call: String,
    /// A token's number; anything else is none.
    token: Option<String>,
}

async fn call(State(page): State<Page>, Extension(cookie): Extension<Cookie>, Form(form): Form<CallForm>) -> Response {
    let Some(call) = Call::parse(&form.call) else { return StatusCode::BAD_REQUEST.into_response() };
    let number: Option<usize> = form.token.and_then(|number| number.parse().ok());
    let token = page.0.sessions.with(&cookie.0, |session| {
        session.tokens.iter().find(|token| Some(token.number) == number).map(|token| (token.number, token.text.clone()))
    });
    let token = token.flatten();
    let shown = shown(page.0.addresses.gateway, call, token.as_ref().map(|(number, text)| (*number, &**text))).await;
    page.change(&cookie, |session| match shown {
        Ok(shown) => session.shown = Some(Shown { given: session.given, ..shown }),
        Err(fault) => session.say("answer", format!("No answer of the gateway: {fault}."), true),
    });
    home("answer")
}

async fn shown(gateway: SocketAddr, call: Call, token: Option<(usize, &str)>) -> Result<Shown, ExchangeFault> {
    let request = call.request(gateway, token.map(|(_, text)| text)).map_err(|_| ExchangeFault::NotLoopback)?;
    Ok(Shown::new(call, gateway, token, &exchange::send(request).await?))
}

/// Whether Ben's role is to permit the administrator's scope.
#[derive(Deserialize)]
struct RoleForm {
    permit: String,
}

async fn role(State(page): State<Page>, Extension(cookie): Extension<Cookie>, Form(form): Form<RoleForm>) -> Response {
    let permit = form.permit == "yes";
    let changed = roles::change(&page.0.operator, &page.0.addresses.issuer(), permit).await;
    page.change(&cookie, |session| match changed {
        Ok(()) => {
            let said = "The role is changed. Within five seconds the gateway knows, and no new token is needed.";
            session.say("role", said, false);
        }
        Err(fault) => session.say("role", format!("The role is as it was: {fault}."), true),
    });
    home("role")
}

/// Back to a part of the page.
fn home(part: &str) -> Response {
    Redirect::to(&format!("/#{part}")).into_response()
}

/// Finds the browser's session, or opens one.
async fn with_session(State(page): State<Page>, mut request: Request, next: Next) -> Response {
    let known = cookie_of(request.headers()).filter(|cookie| page.0.sessions.with(cookie, |_| ()).is_some());
    let (cookie, is_new) = match known {
        Some(cookie) => (cookie.to_owned(), false),
        None => match page.0.sessions.open() {
            Ok(cookie) => (cookie, true),
            Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
    };
    request.extensions_mut().insert(Cookie(cookie.clone()));
    let mut response = next.run(request).await;
    let field = format!("{SESSION}={cookie}; HttpOnly; SameSite=Lax; Path=/");
    if let (true, Ok(field)) = (is_new, HeaderValue::from_str(&field)) {
        response.headers_mut().append(SET_COOKIE, field);
    }
    response
}

fn cookie_of(fields: &HeaderMap) -> Option<&str> {
    let cookies =
        fields.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(';'));
    cookies
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(name, _)| *name == SESSION)
        .map(|(_, value)| value)
}

/// Lets in what comes to the page's own address, and forms from the page itself; and says what a browser may do with an answer.
async fn guard(State(page): State<Page>, request: Request, next: Next) -> Response {
    if let Some(refusal) = refusal(&page, request.method(), request.headers()) {
        return refusal;
    }
    let mut response = next.run(request).await;
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self' {}; base-uri 'none'; frame-ancestors 'none'",
        page.0.addresses.issuer()
    );
    let fields = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        fields.insert(CONTENT_SECURITY_POLICY, policy);
    }
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // With `no-referrer` a browser would call the origin of the page's own forms `null`.
    fields.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn refusal(page: &Page, method: &Method, fields: &HeaderMap) -> Option<Response> {
    let text = |name: HeaderName| fields.get(name).and_then(|value| value.to_str().ok());
    let address = page.0.addresses.page;
    let host = text(HOST).unwrap_or_default();
    if host == format!("localhost:{}", address.port()) && method == Method::GET {
        return Some(Redirect::to(&page.origin()).into_response());
    }
    // The page shows passwords: a name that anybody can point at this machine does not lead here.
    if host != address.to_string() {
        return Some((StatusCode::MISDIRECTED_REQUEST, "this is not the demo's address\n").into_response());
    }
    if method == Method::POST && text(ORIGIN) != Some(&*page.origin()) {
        return Some((StatusCode::FORBIDDEN, "this form is none of the demo's\n").into_response());
    }
    None
}
