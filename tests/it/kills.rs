//! The authorization server is killed in a loop under load: no confirmed approval is lost, no code is redeemed twice, no refresh token
//! is good twice. `KILLS=200 cargo test kills` kills as often as that.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::support::{API, AuthorizationServer, AuthorizationServerSetup, Browser, Client, Page, Response, eventually};

const USERS: usize = 4;
const CLIENTS: usize = 4;
/// So many that there is always one to approve anew.
const SCOPES: usize = 450;
const REDIRECT: &str = "http://127.0.0.1:1/callback";
/// Long enough for PKCE (RFC 7636 §4.1).
const VERIFIER: &str = "a-verifier-of-this-test-that-is-long-enough-for-it";

#[test]
fn kills_under_load_lose_no_approval_and_let_nothing_be_used_twice() {
    let kills = std::env::var("KILLS").ok().and_then(|number| number.parse().ok()).unwrap_or(20);
    let mut server = AuthorizationServerSetup { policy: policy(), ..Default::default() }.start();
    let clients: Vec<ClientAccount> = (0..CLIENTS).map(|number| ClientAccount::add(&server, number)).collect();
    let users: Vec<User> = (0..USERS).map(|number| User::add(&server, number)).collect();
    let stop = AtomicBool::new(false);

    let ledgers: Vec<(String, Ledger)> = thread::scope(|scope| {
        let (clients, stop) = (&clients, &stop);
        let workers: Vec<_> = users.into_iter().map(|user| scope.spawn(move || user.work(clients, stop))).collect();
        let mut chance = 0x2545_f491_u32;
        for _ in 0..kills {
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Whenever it comes: during a request, a commit, or the start.
            thread::park_timeout(Duration::from_millis(u64::from(20 + (chance >> 16) % 230)));
            server.restart();
        }
        stop.store(true, Ordering::Relaxed);
        workers.into_iter().map(|worker| worker.join().expect("a worker")).collect()
    });

    let standing = standing(&server);
    let (mut confirmed, mut interrupted) = (0, 0);
    for (user, ledger) in &ledgers {
        for (client, scope) in &ledger.confirmed {
            assert!(standing.contains(&(user.clone(), client.clone(), scope.clone())), "lost: {user} {client} {scope}");
        }
        confirmed += ledger.confirmed.len();
        interrupted += ledger.interrupted;
        ledger.present_again(&server, &clients);
    }
    println!("{kills} kills, {confirmed} approvals confirmed, {interrupted} requests broken off");
    assert!(confirmed > 0, "nothing was approved");
    assert!(interrupted > 0, "no kill met a request");
}

fn policy() -> String {
    let scopes = (0..SCOPES).map(|number| format!("  s{number}: {{describe: Use part {number}}}\n"));
    format!("scopes:\n{}", scopes.collect::<String>())
}

/// Every approval that stands: user, client, scope.
fn standing(server: &AuthorizationServer) -> BTreeSet<(String, String, String)> {
    let listed = server.administer(&["approvals", "list"]);
    let text = |approval: &Value, member: &str| approval[member].as_str().expect("a text").to_owned();
    let approvals = listed.as_array().expect("a list").iter();
    approvals.map(|one| (text(one, "user"), text(one, "client"), text(one, "scope"))).collect()
}

struct ClientAccount {
    id: String,
    credentials: String,
}

impl ClientAccount {
    fn add(server: &AuthorizationServer, number: usize) -> Self {
        let id = format!("client-{number}");
        let scopes: Vec<String> = (0..SCOPES).map(|number| format!("--scope=s{number}")).collect();
        let mut arguments =
            vec!["client", "add", &id, "--name", &id, "--redirect-uri", REDIRECT, "--scope=offline_access"];
        arguments.extend(scopes.iter().map(String::as_str));
        let added = server.administer(&arguments);
        let secret = added["client_secret"].as_str().expect("a secret");
        let credentials = STANDARD.encode(format!("{id}:{secret}"));
        Self { id, credentials }
    }

    /// One request to the token endpoint.
    fn token(&self, server: SocketAddr, form: &[(&str, &str)]) -> io::Result<Response> {
        let content = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut client = Client::try_connect(server)?;
        client.try_send(format!(
            "POST /oauth/token HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\nAuthorization: Basic {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{content}",
            self.credentials,
            content.len()
        ))?;
        client.try_response_to("POST")?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn redeem(&self, server: SocketAddr, code: &str) -> io::Result<Response> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        self.token(server, &form)
    }

    fn refresh(&self, server: SocketAddr, token: &str) -> io::Result<Response> {
        self.token(server, &[("grant_type", "refresh_token"), ("refresh_token", token)])
    }
}

/// What one user's browser and clients have seen.
#[derive(Default)]
struct Ledger {
    /// Client and scope, once the redirect after the consent has come.
    confirmed: Vec<(String, String)>,
    /// Codes and refresh tokens: which client's, and how often each was taken.
    codes: BTreeMap<String, (usize, usize)>,
    refresh_tokens: BTreeMap<String, (usize, usize)>,
    /// Requests that a kill broke off.
    interrupted: usize,
}

impl Ledger {
    /// Presents once more what was taken: nothing is taken again.
    fn present_again(&self, server: &AuthorizationServer, clients: &[ClientAccount]) {
        for (token, (client, taken)) in &self.refresh_tokens {
            assert!(*taken <= 1, "a refresh token was good {taken} times");
            if *taken == 1 {
                let answer = clients[*client].refresh(server.address, token).expect("an answer");
                assert_eq!((answer.status, &answer.json()["error"]), (400, &"invalid_grant".into()));
            }
        }
        for (code, (client, taken)) in &self.codes {
            assert!(*taken <= 1, "a code was redeemed {taken} times");
            if *taken == 1 {
                let answer = clients[*client].redeem(server.address, code).expect("an answer");
                assert_eq!((answer.status, &answer.json()["error"]), (400, &"invalid_grant".into()));
            }
        }
    }
}

struct User {
    id: String,
    browser: Browser,
    server: SocketAddr,
    ledger: Ledger,
}

impl User {
    /// Makes a user, who logs in and chooses a password.
    fn add(server: &AuthorizationServer, number: usize) -> Self {
        let login = format!("user-{number}");
        let added = server.administer(&["user", "add", &login, "--role", "User"]);
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let mut browser = Browser::new(server.address);
        let form = browser.get("/login").form("/login");
        browser.submit(&form.with("login", &login).with("password", &text(&added["one_time_password"])));
        let form = browser.get("/password").form("/password");
        let password = "four words for one test";
        let changed = browser.submit(&form.with("new", password).with("again", password));
        assert_eq!(changed.status(), 303, "{}", changed.text());
        Self { id: text(&added["user"]["id"]), browser, server: server.address, ledger: Ledger::default() }
    }

    /// Approves one scope after the other, redeems codes and refreshes tokens, until it is told to stop.
    fn work(mut self, clients: &[ClientAccount], stop: &AtomicBool) -> (String, Ledger) {
        for round in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let (client, scope) = (round % CLIENTS, format!("s{}", round / CLIENTS % SCOPES));
            let code = match self.approve(&clients[client], &scope) {
                Ok(code) => code,
                Err(_) => {
                    self.wait();
                    continue;
                }
            };
            self.ledger.confirmed.push((clients[client].id.clone(), scope));
            self.use_up(clients, client, code);
        }
        (self.id, self.ledger)
    }

    /// Goes from the authorization request to the code, through the consent page where there is one.
    fn approve(&mut self, client: &ClientAccount, scope: &str) -> io::Result<String> {
        let challenge =
            URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, VERIFIER.as_bytes()));
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("response_type", "code"),
                ("client_id", &*client.id),
                ("redirect_uri", REDIRECT),
                ("scope", &format!("offline_access {scope}")),
                ("code_challenge", &challenge),
                ("code_challenge_method", "S256"),
                ("resource", API),
            ])
            .finish();
        let mut page = self.browser.try_get(&format!("/oauth/authorize?{query}"))?;
        if page.status() == 200 {
            page = self.browser.try_submit(&page.form("/consent").with("decision", "allow"))?;
        }
        Ok(code(&page))
    }

    /// Redeems the code and refreshes three times, each until there is an answer.
    fn use_up(&mut self, clients: &[ClientAccount], client: usize, code: String) {
        let account = &clients[client];
        let redeemed = self.until_answered(|server| account.redeem(server, &code));
        let mut answer = taken(&redeemed);
        self.ledger.codes.insert(code, (client, usize::from(answer.is_some())));
        for _ in 0..3 {
            let Some(token) = answer.take() else { return };
            let refreshed = self.until_answered(|server| account.refresh(server, &token));
            answer = taken(&refreshed);
            let uses = self.ledger.refresh_tokens.entry(token).or_insert((client, 0));
            uses.1 += usize::from(answer.is_some());
        }
        self.ledger.refresh_tokens.extend(answer.map(|token| (token, (client, 0))));
    }

    /// Asks until there is an answer: what a client does that was broken off.
    fn until_answered(&mut self, request: impl Fn(SocketAddr) -> io::Result<Response>) -> Response {
        loop {
            match request(self.server) {
                Ok(response) => return response,
                Err(_) => self.wait(),
            }
        }
    }

    /// Waits until the server takes connections again.
    fn wait(&mut self) {
        self.ledger.interrupted += 1;
        eventually("the server is back", || Client::try_connect(self.server).ok());
    }
}

/// The code of the redirect to the client.
#[track_caller]
fn code(page: &Page) -> String {
    page.parameter("code").unwrap_or_else(|| panic!("no code: {} {:?} {}", page.status(), page.location(), page.text()))
}

/// The refresh token of an answer with tokens; `None` for a refusal, which can only be `invalid_grant`: what was asked before the kill
/// may have come true.
#[track_caller]
fn taken(response: &Response) -> Option<String> {
    let answer = response.json();
    if response.status == 200 {
        return Some(answer["refresh_token"].as_str().expect("a refresh token").to_owned());
    }
    assert_eq!((response.status, &answer["error"]), (400, &Value::from("invalid_grant")), "{answer}");
    None
}
