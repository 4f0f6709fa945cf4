//! The browser: its cookies, and who is logged in.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use cookie::{Cookie, SameSite};

use super::AuthorizationServer;
use super::authorization_step::Proof;
use super::csrf::{self, Purpose};
use super::secrets;
use crate::pages::Person;
use crate::store::{Session, StoreFault};

/// Letters of what [`secrets::secret`] makes.
const SECRET_LENGTH: usize = 43;

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub(super) struct LoggedIn {
    /// Who, since when.
    pub(super) session: Session,
    cookie: CookieValue,
}

/// The value of a cookie of ours. Debug shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct CookieValue(String);

impl std::fmt::Debug for CookieValue {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("CookieValue(…)")
    }
}

/// A cookie of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CookieKind {
    /// Names a session.
    Session,
    /// Binds a login form to the browser that asked for it.
    Login,
}

impl CookieKind {
    /// With the prefix `__Host-` no other host, and nothing without TLS, can set the cookie (RFC 6265bis §4.1.3.2).
    fn name(self, server: &AuthorizationServer) -> &'static str {
        match (self, is_https(server)) {
            (Self::Session, true) => "__Host-scopegate",
            (Self::Session, false) => "scopegate",
            (Self::Login, true) => "__Host-scopegate-login",
            (Self::Login, false) => "scopegate-login",
        }
    }

    /// A `Set-Cookie` field that keeps a value until the browser is closed.
    pub(super) fn keep(self, server: &AuthorizationServer, value: &CookieValue) -> String {
        self.build(server, value.0.clone()).to_string()
    }

    /// A `Set-Cookie` field that forgets it.
    pub(super) fn forget(self, server: &AuthorizationServer) -> String {
        let mut cookie = self.build(server, String::new());
        cookie.set_max_age(cookie::time::Duration::ZERO);
        cookie.to_string()
    }

    fn build(self, server: &AuthorizationServer, value: String) -> Cookie<'static> {
        // `Lax`, for an authorization request comes from another site and must find the session.
        let cookie = Cookie::build((self.name(server), value)).path("/").http_only(true).same_site(SameSite::Lax);
        cookie.secure(is_https(server)).build()
    }

    /// The value that a request carries. Two of one name were not both set by us, and neither can be told from the other.
    pub(super) fn read(self, server: &AuthorizationServer, fields: &HeaderMap) -> Option<CookieValue> {
        let sent = fields.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut values = sent
            .flat_map(Cookie::split_parse)
            .filter_map(Result::ok)
            .filter(|cookie| cookie.name() == self.name(server))
            .map(|cookie| cookie.value().to_owned());
        let first = values.next().filter(|value| value.len() == SECRET_LENGTH);
        first.filter(|_| values.next().is_none()).map(CookieValue)
    }
}

impl CookieValue {
    /// Takes a value that was just made by [`secrets::secret`].
    pub(super) fn new(secret: String) -> Self {
        Self(secret)
    }

    /// What the database knows it by.
    pub(super) fn hash(&self) -> String {
        secrets::hash(&self.0)
    }

    /// See [`csrf::tag`].
    pub(super) fn tag(&self, purpose: Purpose, text: &str) -> String {
        csrf::tag(&self.0, purpose, text)
    }

    /// See [`csrf::is_tag`].
    pub(super) fn is_tag(&self, presented: &str, purpose: Purpose, text: &str) -> bool {
        csrf::is_tag(presented, &self.0, purpose, text)
    }
}

impl LoggedIn {
    /// Finds who is logged in.
    pub(super) async fn find(server: &AuthorizationServer, fields: &HeaderMap) -> Result<Option<Self>, StoreFault> {
        let Some(cookie) = CookieKind::Session.read(server, fields) else { return Ok(None) };
        let session = server.store.session(&cookie.hash(), server.now()).await?;
        Ok(session.map(|session| Self { session, cookie }))
    }

    /// What a form of this session carries.
    pub(super) fn csrf(&self) -> String {
        self.cookie.tag(Purpose::Form, "")
    }

    /// Whether a form is one of this session.
    pub(super) fn is_csrf(&self, presented: &str) -> bool {
        self.cookie.is_tag(presented, Purpose::Form, "")
    }

    /// What the user can be shown to have done for the authorization request `request`.
    pub(super) fn proof(&self, presented: &str, request: &str) -> Proof {
        if self.cookie.is_tag(presented, Purpose::LoggedInFor, request) {
            Proof::LoggedIn
        } else if self.cookie.is_tag(presented, Purpose::ChoseAccountFor, request) {
            Proof::ChoseAccount
        } else {
            Proof::Nothing
        }
    }

    /// Shows that the user chose this account for the authorization request `request`.
    pub(super) fn chose_account_for(&self, request: &str) -> String {
        self.cookie.tag(Purpose::ChoseAccountFor, request)
    }

    /// For people to read.
    pub(super) fn person(&self) -> Person {
        Person { name: self.session.user.name.clone(), login: self.session.user.login.clone() }
    }
}

fn is_https(server: &AuthorizationServer) -> bool {
    server.settings.issuer.starts_with("https://")
}
