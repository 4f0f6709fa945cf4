//! A server on a socket with a database of its own, and browsers that visit it, for the tests of the pages.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::password::hash_password;
use super::session::CookieValue;
use super::url_encoded::UrlEncoded;
use super::{AuthorizationServer, AuthorizationServerSettings, Catalogue, Lifetimes, serve};
use crate::clock::Clock;
use crate::scope::Catalog;
use crate::store::{GrantType, NewClient, NewUser, Password, ScopeNames, Seconds, Store};

/// The time at which every stage begins.
pub(super) const NOW: Seconds = 1_700_000_000;
pub(super) const ANN: &str = "usr_ann";
pub(super) const PASSWORD: &str = "quiet lamp forty river";
pub(super) const CALLBACK: &str = "https://app.example/callback";
/// What the client `app` may have.
pub(super) const ALLOW_LIST: &str = "openid profile admin.users offline_access";

/// A server that serves until the test ends.
pub(super) struct Stage {
    _folder: TempDir,
    pub(super) server: Arc<AuthorizationServer>,
    pub(super) address: SocketAddr,
}

impl Stage {
    /// With the users `ann` and `bob`, whose passwords are [`PASSWORD`], and `new`, whose password is the same and works once.
    pub(super) async fn start() -> Self {
        Self::start_as(None).await
    }

    /// With an issuer other than the address that it listens at, as behind a proxy.
    pub(super) async fn start_as(issuer: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let database = folder.path().join("database.sqlite");
        let (store, _) = Store::open(&database, 300).await.unwrap();
        let settings = AuthorizationServerSettings {
            issuer: issuer.map_or_else(|| format!("http://{address}"), str::to_owned),
            address,
            database,
            audience: vec!["https://api.example".to_owned()],
            lifetimes: Lifetimes {
                access_token: Duration::from_secs(300),
                refresh_token: Duration::from_secs(3_600),
                session: Duration::from_secs(600),
                signing_key: Duration::from_secs(3_600),
            },
            gateway_token: None,
            trusted_peers: Vec::new(),
        };
        let clock = Clock::fixed(Duration::from_secs(NOW.unsigned_abs()));
        let server = AuthorizationServer::new(settings, Catalogue::new(&Catalog::default()), store, clock);
        let stage = Self { _folder: folder, server: Arc::clone(&server), address };
        stage.fill().await;
        tokio::spawn(serve(listener, server, std::future::pending()));
        stage
    }

    async fn fill(&self) {
        static HASH: OnceLock<String> = OnceLock::new();
        let hash = HASH.get_or_init(|| hash_password(PASSWORD).unwrap());
        let mut change = self.server.store.change().await.unwrap();
        for (login, one_time) in [("ann", false), ("bob", false), ("new", true)] {
            let user = NewUser {
                id: format!("usr_{login}"),
                login: login.to_owned(),
                name: format!("The user {login}"),
                password: Password { hash: hash.clone(), one_time },
                roles: BTreeSet::new(),
            };
            change.add_user(&user, NOW).await.unwrap();
        }
        let client = NewClient {
            id: "app".to_owned(),
            name: "App".to_owned(),
            secret: None,
            redirect_uris: BTreeSet::from([CALLBACK.to_owned(), "com.example.app:/callback".to_owned()]),
            grant_types: BTreeSet::from([GrantType::AuthorizationCode, GrantType::RefreshToken]),
            allow_list: ScopeNames::parse(ALLOW_LIST),
            trusted: false,
            introspects: false,
        };
        change.add_client(&client, NOW).await.unwrap();
        change.commit().await.unwrap();
    }

    /// What Ann approved.
    pub(super) async fn approved(&self) -> String {
        self.server.store.approved(ANN, "app").await.unwrap().to_string()
    }

    /// A browser that nobody has used.
    pub(super) fn browser(&self) -> Browser {
        let issuer = self.server.settings.issuer.clone();
        Browser { address: self.address, issuer, cookies: BTreeMap::new() }
    }

    /// A browser in which `login` logged in so many seconds ago.
    pub(super) async fn browser_of(&self, login: &str, age: Seconds) -> Browser {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let cookie = format!("{number:0>43}");
        let hash = CookieValue::new(cookie.clone()).hash();
        let mut change = self.server.store.change().await.unwrap();
        change.add_session(&hash, &format!("usr_{login}"), NOW - age, NOW - age + 600).await.unwrap();
        change.commit().await.unwrap();
        let mut browser = self.browser();
        browser.cookies.insert("scopegate".to_owned(), cookie);
        browser
    }
}

/// A browser: cookies, and what it tells of itself.
#[derive(Clone)]
pub(super) struct Browser {
    address: SocketAddr,
    issuer: String,
    pub(super) cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(super) async fn get(&mut self, target: &str) -> Answer {
        self.send("GET", target, "Accept: text/html\r\n", "").await
    }

    /// Sends a form from a page of the server's own.
    pub(super) async fn post(&mut self, target: &str, fields: &[(&str, &str)]) -> Answer {
        let origin = format!("Origin: {}\r\nSec-Fetch-Site: same-origin\r\n", self.issuer);
        self.post_from(&origin, target, fields).await
    }

    /// Sends a form with these fields of the head.
    pub(super) async fn post_from(&mut self, head: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send("POST", target, &format!("{head}Content-Type: application/x-www-form-urlencoded\r\n"), &body).await
    }

    pub(super) async fn send(&mut self, method: &str, target: &str, head: &str, body: &str) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = if cookies.is_empty() { String::new() } else { format!("Cookie: {}\r\n", cookies.join("; ")) };
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\n{head}{cookies}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let answer = Answer::parse(&String::from_utf8(bytes).unwrap());
        for (name, value, is_forgotten) in answer.cookies() {
            if is_forgotten {
                self.cookies.remove(&name)
            } else {
                self.cookies.insert(name, value)
            };
        }
        answer
    }

    /// Logs in from a page that has a login form.
    pub(super) async fn log_in(&mut self, page: &Answer, login: &str, password: &str) -> Answer {
        let (csrf, to) = (page.hidden("csrf"), page.hidden("to"));
        self.post("/login", &[("csrf", &csrf), ("to", &to), ("login", login), ("password", password)]).await
    }

    /// Goes where an answer leads, by redirect or by itself.
    pub(super) async fn follow(&mut self, answer: &Answer) -> Answer {
        let target = answer.leads_to().expect("the answer leads on");
        self.get(&target).await
    }
}

/// What the server answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: String,
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let field =
            |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned())).unwrap();
        Self { status, fields: lines.map(field).collect(), body: body.to_owned() }
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Name, value, and whether it is to be forgotten.
    fn cookies(&self) -> Vec<(String, String, bool)> {
        let set = self.fields.iter().filter(|(name, _)| name == "set-cookie");
        set.map(|(_, value)| {
            let (name, rest) = value.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            (name.to_owned(), value.to_owned(), rest.contains("Max-Age=0"))
        })
        .collect()
    }

    pub(super) fn leads_to(&self) -> Option<String> {
        let refresh = self.field("refresh").and_then(|refresh| refresh.strip_prefix("0; url="));
        self.field("location").or(refresh).map(str::to_owned)
    }

    /// What the client is told, where the answer leads to it.
    pub(super) fn told(&self) -> Option<UrlEncoded> {
        let location = self.field("location")?;
        let query = location.strip_prefix(CALLBACK)?.strip_prefix('?')?;
        UrlEncoded::parse(query.as_bytes()).ok()
    }

    /// The `error` that the client is told.
    pub(super) fn error(&self) -> Option<String> {
        self.told()?.one("error").map(str::to_owned)
    }

    /// The value of the first hidden field of this name.
    pub(super) fn hidden(&self, name: &str) -> String {
        let (_, rest) = self.body.split_once(&format!("type=\"hidden\" name=\"{name}\" value=\"")).expect("the field");
        let value = rest.split('"').next().unwrap();
        [("&#38;", "&"), ("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'")]
            .into_iter()
            .fold(value.to_owned(), |value, (escaped, letter)| value.replace(escaped, letter))
    }

    /// The text of the first heading.
    pub(super) fn heading(&self) -> String {
        let (_, rest) = self.body.split_once("<h1>").unwrap_or_default();
        let heading = rest.split("</h1>").next().unwrap_or_default();
        heading.split(['<', '>']).step_by(2).collect::<String>().trim().to_owned()
    }
}

/// An authorization request of `app`, with `more` put in place of its parameters.
pub(super) fn asks(more: &str) -> String {
    format!("/oauth/authorize?{}", super::authorization_request_tests::query(more))
}

/// Ann's browser at the consent page for `scope`, and what its form carries.
pub(super) async fn at_consent(stage: &Stage, scope: &str) -> (Browser, String, String) {
    let mut browser = stage.browser_of("ann", 5).await;
    let page = browser.get(&asks(&format!("scope={scope}"))).await;
    assert_eq!(page.heading(), "App asks for access");
    (browser, page.hidden("csrf"), page.hidden("to"))
}

pub(super) async fn allow(browser: &mut Browser, csrf: &str, to: &str, scopes: &[&str]) -> Answer {
    let scopes = scopes.iter().map(|scope| ("scope", *scope));
    let fields: Vec<_> = [("csrf", csrf), ("to", to), ("decision", "allow")].into_iter().chain(scopes).collect();
    browser.post("/consent", &fields).await
}

pub(super) fn written(name: &str, value: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
}
