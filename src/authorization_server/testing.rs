//! What the tests of this room stand on: a real database, a real listener, and a clock that stands still until a test moves it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::secrets::{hash, secret};
use super::signing_key::new_signing_key;
use super::{AuthorizationServer, AuthorizationServerSettings, Catalogue, Lifetimes};
use crate::clock::Clock;
use crate::scope::{Catalog, Scope, ScopeEntry, Uses};
use crate::store::{Change, ClientSecret, Code, GrantType, NewClient, NewUser, Password, ScopeNames, Seconds, Store};
use crate::token::Secret;

/// When every test begins.
pub(crate) const START: Seconds = 1_800_000_000;
/// The `aud` of tokens.
pub(crate) const API: &str = "https://api.test";
/// Another.
pub(crate) const OTHER_API: &str = "https://other.test";
/// The issuer.
pub(crate) const ISSUER: &str = "http://127.0.0.1:9";
/// Where clients are sent back to.
pub(crate) const CALLBACK: &str = "https://app.test/callback";
/// The verifier of RFC 7636 appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Its challenge.
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// The secret of every confidential client.
pub(crate) const SECRET: &str = "s+cr:t of/each%client";
/// What the gateway shows.
pub(crate) const GATEWAY_TOKEN: &str = "the-gateways-own-token";

/// An authorization server that listens, and its database.
pub(crate) struct World {
    pub(crate) server: Arc<AuthorizationServer>,
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Bytes,
}

impl World {
    /// Starts one with the scopes of the worked examples, default roles, a key, and nobody.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path().join("database.sqlite"));
        let lifetime = i64::try_from(settings.lifetimes.access_token.as_secs()).unwrap();
        let (store, _) = Store::open(&settings.database, lifetime).await.unwrap();
        let clock = Clock::fixed(Duration::from_secs(START.cast_unsigned()));
        let server = AuthorizationServer::new(settings, Catalogue::new(&catalog()), store, clock);
        let mut change = server.store.change().await.unwrap();
        change.set_default_roles(&server.catalogue.load().default_roles()).await.unwrap();
        change.add_signing_key(&new_signing_key(START).unwrap()).await.unwrap();
        change.commit().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(super::serve(listener, Arc::clone(&server), stop.clone().cancelled_owned()));
        Self { server, address, stop, _folder: folder }
    }

    pub(crate) fn now(&self) -> Seconds {
        self.server.now()
    }

    /// Moves the clock on.
    pub(crate) fn pass(&self, seconds: u64) {
        self.server.clock.set(self.server.clock.now() + Duration::from_secs(seconds));
    }

    /// Makes one change.
    pub(crate) async fn change<T>(&self, of: impl AsyncFnOnce(&mut Change) -> T) -> T {
        let mut change = self.server.store.change().await.unwrap();
        let outcome = of(&mut change).await;
        change.commit().await.unwrap();
        outcome
    }

    /// Adds a user and gives the `sub`.
    pub(crate) async fn user(&self, login: &str, roles: &[&str]) -> String {
        let user = NewUser {
            id: format!("usr_{login}"),
            login: login.to_owned(),
            name: login.to_uppercase(),
            password: Password { hash: "$argon2id$".to_owned(), one_time: false },
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        };
        self.change(async |change| change.add_user(&user, START).await.unwrap()).await;
        user.id
    }

    /// Adds a client that may do everything, with [`SECRET`].
    pub(crate) async fn client(&self, id: &str, allow_list: &str) -> String {
        self.client_with(id, allow_list, |_| {}).await
    }

    /// Adds a client, changed from the one of [`World::client`].
    pub(crate) async fn client_with(&self, id: &str, allow_list: &str, with: impl FnOnce(&mut NewClient)) -> String {
        let mut client = NewClient {
            id: id.to_owned(),
            name: id.to_uppercase(),
            secret: Some(kept(SECRET)),
            redirect_uris: [CALLBACK.to_owned()].into(),
            grant_types: GrantType::ALL.into(),
            allow_list: ScopeNames::parse(allow_list),
            trusted: false,
            introspects: false,
        };
        with(&mut client);
        self.change(async |change| change.add_client(&client, START).await.unwrap()).await;
        client.id
    }

    /// Has the user approve scopes.
    pub(crate) async fn approve(&self, user: &str, client: &str, scopes: &str) {
        let (scopes, now) = (ScopeNames::parse(scopes), self.now());
        self.change(async |change| change.approve(user, client, &scopes, now).await.unwrap()).await;
    }

    /// Takes an approval back.
    pub(crate) async fn disapprove(&self, user: &str, client: &str, scope: &str) {
        let now = self.now();
        self.change(async |change| change.remove_approval(user, client, Some(scope), now).await.unwrap()).await;
    }

    /// How many scopes the user approved for the client.
    pub(crate) async fn approve_count(&self, user: &str, client: &str) -> usize {
        self.server.store.approved(user, client).await.unwrap().len()
    }

    /// A code as the authorization endpoint keeps it.
    pub(crate) async fn code(&self, user: &str, client: &str, requested: &str) -> String {
        self.code_with(user, client, requested, |_| {}).await
    }

    /// A code, changed from the one of [`World::code`].
    pub(crate) async fn code_with(
        &self,
        user: &str,
        client: &str,
        requested: &str,
        with: impl FnOnce(&mut Code),
    ) -> String {
        let text = secret().unwrap();
        let mut code = Code {
            hash: hash(&text),
            family: secret().unwrap(),
            client: client.to_owned(),
            user: user.to_owned(),
            redirect_uri: CALLBACK.to_owned(),
            code_challenge: CHALLENGE.to_owned(),
            requested: ScopeNames::parse(requested),
            resources: Vec::new(),
            nonce: None,
            authenticated_at: START - 30,
            expires_at: self.now() + 60,
        };
        with(&mut code);
        self.change(async |change| change.add_code(&code).await.unwrap()).await;
        text
    }

    /// Redeems a code as a confidential client.
    pub(crate) async fn redeem(&self, client: &str, code: &str) -> Answer {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.post_as(client, "/oauth/token", &form).await
    }

    /// A code and its tokens at once.
    pub(crate) async fn tokens(&self, user: &str, client: &str, requested: &str) -> Answer {
        let code = self.code(user, client, requested).await;
        self.redeem(client, &code).await
    }

    /// Uses a refresh token as a confidential client.
    pub(crate) async fn refresh(&self, client: &str, token: &str) -> Answer {
        self.post_as(client, "/oauth/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// Introspects as a confidential client.
    pub(crate) async fn introspect(&self, client: &str, token: &str) -> Value {
        let answer = self.post_as(client, "/oauth/introspect", &[("token", token)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    }

    /// Sends a form with `client_secret_basic`.
    pub(crate) async fn post_as(&self, client: &str, path: &str, form: &[(&str, &str)]) -> Answer {
        self.post(path, &[(AUTHORIZATION.as_str(), &basic(client, SECRET))], form).await
    }

    /// Sends a form.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)], form: &[(&str, &str)]) -> Answer {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(form);
        let fields = [&[(CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded")], fields].concat();
        self.ask("POST", path, &fields, &body.finish()).await
    }

    /// `GET` with a bearer token.
    pub(crate) async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        let value = token.map(|token| format!("Bearer {token}"));
        let fields: Vec<_> = value.iter().map(|value| (AUTHORIZATION.as_str(), value.as_str())).collect();
        self.ask("GET", path, &fields, "").await
    }

    /// Sends a request on a connection of its own.
    pub(crate) async fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", self.address.to_string());
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, fields: head.headers, body }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// A member that is a text; `-` where there is none.
    #[track_caller]
    pub(crate) fn text(&self, member: &str) -> String {
        self.json().get(member).and_then(Value::as_str).unwrap_or("-").to_owned()
    }

    /// The `scope` that was granted, or the `error`.
    pub(crate) fn granted(&self) -> String {
        self.text(if self.status == StatusCode::OK { "scope" } else { "error" })
    }

    pub(crate) fn has(&self, member: &str) -> bool {
        self.json().get(member).is_some()
    }

    /// The claims of the access token, unverified.
    pub(crate) fn claims(&self) -> Value {
        claims(&self.text("access_token"))
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// The claims of a JWT, unverified.
pub(crate) fn claims(token: &str) -> Value {
    part(token, 1)
}

/// One part of a JWT, unverified.
pub(crate) fn part(token: &str, position: usize) -> Value {
    let part = token.split('.').nth(position).unwrap_or_else(|| panic!("no JWT: {token}"));
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// RFC 6749 §2.3.1.
pub(crate) fn basic(client: &str, secret: &str) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(client), encoded(secret))))
}

/// A client's secret as it is kept.
pub(crate) fn kept(secret: &str) -> ClientSecret {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes());
    ClientSecret(digest.as_ref().try_into().unwrap())
}

fn settings(database: std::path::PathBuf) -> AuthorizationServerSettings {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    AuthorizationServerSettings {
        issuer: ISSUER.to_owned(),
        address: "127.0.0.1:0".parse().unwrap(),
        database,
        audience: vec![API.to_owned(), OTHER_API.to_owned()],
        lifetimes: Lifetimes {
            access_token: minutes(5),
            refresh_token: minutes(720 * 60),
            session: minutes(12 * 60),
            signing_key: minutes(720 * 60),
        },
        gateway_token: Some(Secret::new(GATEWAY_TOKEN)),
        trusted_peers: Vec::new(),
    }
}

fn catalog() -> Catalog {
    let entry = |name: &str, uses: Uses| ScopeEntry {
        name: Scope::parse(name).unwrap(),
        describe: name.to_uppercase(),
        implies: Vec::new(),
        twin: None,
        side: None,
        uses,
    };
    let both = Uses { token: true, role: true };
    let names = ["automations", "admin.automations", "apps:read", "user_default"];
    let mut entries: Vec<_> = names.map(|name| entry(name, both)).into();
    entries.push(entry("api-keys", Uses { token: false, role: true }));
    Catalog::build(entries).unwrap()
}
