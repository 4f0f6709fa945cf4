//! How a revocation feed is read, and what it does to tokens, remembered or not.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::feed::Feed;
use super::feed_reader::FeedReader;
use super::issuer::Issuer;
use super::issuers::Issuers;
use super::refusal::{Provenance, Refusal};
use super::settings::{IssuerSettings, RevocationSettings};
use super::testing::{World, from_file, set_of, show, until};
use super::verifier::Verifier;
use crate::net::fetch_testing::{Behaviour, Server};
use crate::net::{Credentials, Polled};
use crate::telemetry::FetchResult;
use crate::token::testing::{ISSUER, NOW, Signer, rules, verify};
use crate::token::{Outage, TokenFault, TrustedIssuer};

const MAX_STALE: Duration = Duration::from_secs(60);
const REVOKED: Result<Provenance, Refusal> = Err(Refusal::Fault(TokenFault::Revoked));
const UNAVAILABLE: Result<Provenance, Refusal> = Err(Refusal::Unavailable(Outage::Revocations));

fn page(entries: &[Value], cursor: &str, more: bool) -> Behaviour {
    Behaviour::ok(&json!({"entries": entries, "cursor": cursor, "more": more}).to_string())
}

fn id(jti: &str) -> Value {
    json!({"iss": ISSUER, "jti": jti, "exp": NOW + 3_600})
}

fn polled(server: &Server) -> Polled {
    Polled {
        url: server.url(),
        interval: Duration::from_millis(2),
        max_stale: MAX_STALE,
        timeout: Duration::from_millis(500),
        ca: None,
        credentials: Credentials::new("Bearer feed-token").unwrap(),
    }
}

/// A feed whose reader reads when it is told to.
struct Reading {
    reader: FeedReader,
    issuer: Arc<Issuer>,
}

impl Reading {
    fn new(world: &World, server: &Server) -> Self {
        let feed = Some(Feed::new(MAX_STALE, false, None));
        let issuer = Arc::new(Issuer::new(TrustedIssuer::new(&rules()), None, feed, world.metrics.clone()));
        Self { reader: FeedReader::new(issuer.clone(), polled(server), world.clock.clone()), issuer }
    }

    fn feed(&self) -> &Feed {
        self.issuer.feed.as_ref().unwrap()
    }

    async fn read(&mut self) -> FetchResult {
        let issuer = self.issuer.clone();
        self.reader.reading(issuer.feed.as_ref().unwrap()).await
    }
}

/// The target of the latest request.
fn asked(server: &Server) -> String {
    server.latest().split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn the_first_reading_begins_at_the_beginning_and_the_next_where_it_ended() {
    let world = World::new();
    let server = Server::start(page(&[id("a")], "c/1", false)).await;
    let mut reading = Reading::new(&world, &server);
    assert_eq!(reading.read().await, FetchResult::Ok);
    assert_eq!(asked(&server), "/keys?a=1");
    assert!(server.latest().to_ascii_lowercase().contains("\r\nauthorization: bearer feed-token\r\n"));
    server.behave(page(&[id("b")], "2", false));
    assert_eq!(reading.read().await, FetchResult::Ok);
    assert_eq!((asked(&server), reading.feed().len()), ("/keys?a=1&cursor=c%2F1".to_owned(), 2));
    for status in ["410 Gone", "404 Not Found", "400 Bad Request"] {
        server.behave(Behaviour::status(status));
        assert_eq!(reading.read().await, FetchResult::Failed);
        server.behave(page(&[], "3", false));
        assert_eq!(reading.read().await, FetchResult::Ok);
        assert_eq!(asked(&server), "/keys?a=1", "after {status} the beginning is asked for");
    }
}

#[tokio::test]
async fn a_failed_reading_changes_nothing_and_the_age_goes_on() {
    let world = World::new();
    let server = Server::start(page(&[id("a")], "1", false)).await;
    let mut reading = Reading::new(&world, &server);
    assert_eq!(reading.feed().age(world.clock.now()), None);
    reading.read().await;
    let full = json!({"entries": [id("b"), {"iss": ISSUER}], "cursor": "2", "more": false}).to_string();
    for (name, behaviour, expected) in [
        ("status", Behaviour::status("503 Broken"), FetchResult::Failed),
        ("unauthorized", Behaviour::status("401 Unauthorized"), FetchResult::Failed),
        ("not modified", Behaviour::status("304 Not Modified"), FetchResult::Failed),
        ("closed", Behaviour::Raw(vec![]), FetchResult::Failed),
        ("hung", Behaviour::Hang(vec![]), FetchResult::TimedOut),
        ("garbage", Behaviour::ok("<html>"), FetchResult::Malformed),
        ("one bad entry", Behaviour::ok(&full), FetchResult::Malformed),
        ("more at a place of its own", page(&[], "2", true), FetchResult::Malformed),
        ("more at the same place", page(&[id("a")], "1", true), FetchResult::Malformed),
        ("large", Behaviour::chunks(2 << 20), FetchResult::TooLarge),
    ] {
        world.pass(Duration::from_secs(1));
        server.behave(behaviour);
        assert_eq!(reading.read().await, expected, "{name}");
        assert_eq!(reading.feed().len(), 1, "{name}");
    }
    assert_eq!(reading.feed().age(world.clock.now()), Some(Duration::from_secs(10)));
    assert_eq!(asked(&server), "/keys?a=1&cursor=1", "it goes on where the last good answer ended");
    let entries = format!("scopegate_revocations_entries{{issuer=\"{ISSUER}\"}}");
    let age = format!("scopegate_revocations_age_seconds{{issuer=\"{ISSUER}\"}}");
    assert_eq!((world.metric(&entries).as_deref(), world.metric(&age).as_deref()), (Some("1"), Some("10")));
}

#[tokio::test]
async fn after_the_clock_was_set_back_everything_is_read_again() {
    let world = World::new();
    let server = Server::start(page(&[id("a")], "1", false)).await;
    let mut reading = Reading::new(&world, &server);
    reading.read().await;
    let before = world.clock.now();
    world.pass(Duration::from_secs(7_200));
    server.behave(page(&[], "2", false));
    reading.read().await;
    assert_eq!(reading.feed().len(), 0, "what has ended is left out");
    world.clock.set(before);
    server.behave(page(&[id("a")], "2", false));
    reading.read().await;
    assert_eq!((asked(&server), reading.feed().len()), ("/keys?a=1".to_owned(), 1));
}

#[tokio::test]
async fn freshness_is_lost_by_age_and_by_a_clock_that_leaps() {
    let feed = Feed::new(MAX_STALE, false, None);
    let at = |seconds: u64| feed.is_fresh(Duration::from_secs(seconds));
    assert!(!at(0) && !at(1_000));
    feed.confirm(Duration::from_secs(1_000));
    assert!(at(1_000) && at(1_060) && !at(1_061));
    assert!(at(940) && !at(939), "set back further than `max_stale`");
}

#[tokio::test]
async fn a_token_is_looked_up_again_only_when_more_was_revoked() {
    let world = World::new();
    let server = Server::start(page(&[id("a")], "1", false)).await;
    let mut reading = Reading::new(&world, &server);
    reading.read().await;
    let signer = Signer::es256();
    let named = |jti: &str| {
        let token = signer.token(&[], &[("jti", json!(jti))]);
        verify(&rules(), &[signer.key()], &token).unwrap()
    };
    let (seen, now) = (Cell::new(0), world.clock.now());
    assert_eq!(reading.feed().admit(&named("b"), &seen, now), Ok(()));
    let generation = seen.get();
    assert_eq!(reading.feed().admit(&named("a"), &Cell::new(0), now), Err(TokenFault::Revoked.into()));
    server.behave(page(&[], "2", false));
    reading.read().await;
    assert_eq!(reading.feed().admit(&named("b"), &seen, now), Ok(()));
    assert_eq!(seen.get(), generation, "a reading without entries costs nobody anything");
    server.behave(page(&[id("b")], "3", false));
    reading.read().await;
    assert_eq!(reading.feed().admit(&named("b"), &seen, now), Err(TokenFault::Revoked.into()));
    assert_eq!(seen.get(), generation, "one that is named is never taken for seen");
}

/// An issuer with keys in a file and a feed, and one worker.
struct Gateway {
    world: World,
    server: Server,
    signer: Signer,
    issuers: Issuers,
    verifier: Verifier<u32>,
    settings: IssuerSettings,
    _folder: tempfile::TempDir,
}

impl Gateway {
    async fn start(first: Behaviour, serve_stale: bool) -> Self {
        let (world, folder, signer) = (World::new(), tempfile::tempdir().unwrap(), Signer::es256());
        let path = folder.path().join("jwks.json");
        std::fs::write(&path, set_of(&[signer.jwk()])).unwrap();
        let server = Server::start(first).await;
        let revocations = RevocationSettings { feed: polled(&server), serve_stale };
        let settings = IssuerSettings { revocations: Some(revocations), ..from_file(&path) };
        let issuers = world.issuers(vec![settings.clone()]);
        let verifier = Verifier::new(100, 0.5, world.clock.clone(), world.metrics.clone());
        Self { world, server, signer, issuers, verifier, settings, _folder: folder }
    }

    fn token(&self, jti: &str) -> String {
        self.signer.token(&[], &[("jti", json!(jti))])
    }

    async fn outcome(&self, token: &str) -> Result<Provenance, Refusal> {
        show(&self.verifier, &self.issuers, token, |_| false).await.map(|(_, provenance)| provenance)
    }

    /// Waits until a reading that began after this call has ended.
    async fn read_again(&self) {
        let seen = self.server.requests();
        until("it is read again", || self.server.requests() > seen + 1).await;
    }

    fn is_fresh(&self) -> bool {
        self.issuers.readiness()[0].revocations.as_ref().unwrap().fresh
    }
}

#[tokio::test]
async fn a_revoked_token_is_refused_also_when_it_is_remembered() {
    let gateway = Gateway::start(page(&[], "1", false), false).await;
    until("the feed is read", || gateway.is_fresh()).await;
    let (first, second) = (gateway.token("a"), gateway.token("b"));
    assert_eq!(gateway.outcome(&first).await, Ok(Provenance::Jwt));
    assert_eq!(gateway.outcome(&first).await, Ok(Provenance::Cached));
    gateway.server.behave(page(&[id("a"), id("c")], "2", false));
    gateway.read_again().await;
    assert_eq!(gateway.outcome(&first).await, REVOKED);
    assert_eq!(gateway.outcome(&second).await, Ok(Provenance::Jwt));
    // Shown for the first time, and then from memory: no signature is checked again for it.
    let third = gateway.token("c");
    assert_eq!(gateway.outcome(&third).await, REVOKED);
    let hits = "scopegate_token_cache_lookups_total{result=\"hit\"}";
    let before = gateway.world.metric(hits);
    assert_eq!(gateway.outcome(&third).await, REVOKED);
    assert_ne!(gateway.world.metric(hits), before);
}

#[tokio::test]
async fn a_feed_that_is_not_fresh_refuses_or_serves_as_it_is_told() {
    for (serve_stale, expected) in [(false, UNAVAILABLE), (true, Ok(Provenance::Cached))] {
        let gateway = Gateway::start(Behaviour::status("500 Broken"), serve_stale).await;
        let (token, revoked) = (gateway.token("a"), gateway.token("b"));
        let first = if serve_stale { Ok(Provenance::Jwt) } else { UNAVAILABLE };
        assert_eq!(gateway.outcome(&token).await, first, "never read");
        assert_eq!(gateway.issuers.readiness()[0].lacks().is_empty(), serve_stale);
        gateway.server.behave(page(&[id("b")], "1", false));
        until("it is read", || gateway.is_fresh()).await;
        assert_eq!(gateway.outcome(&token).await, Ok(Provenance::Cached));
        gateway.server.behave(Behaviour::status("500 Broken"));
        gateway.read_again().await;
        gateway.world.pass(MAX_STALE);
        assert_eq!(gateway.outcome(&token).await, Ok(Provenance::Cached), "just not too old");
        gateway.world.pass(Duration::from_secs(1));
        assert_eq!(gateway.outcome(&token).await, expected, "too old");
        assert_eq!(gateway.outcome(&revoked).await, REVOKED, "what is known is known");
        assert_eq!(gateway.issuers.readiness()[0].lacks(), Vec::<String>::new(), "readiness waits once");
        gateway.server.behave(page(&[], "2", false));
        until("it is fresh again", || gateway.is_fresh()).await;
        assert_eq!(gateway.outcome(&token).await, Ok(Provenance::Cached));
    }
}

#[tokio::test]
async fn bad_tokens_are_refused_for_what_they_are_while_the_feed_is_down() {
    let gateway = Gateway::start(Behaviour::status("500 Broken"), false).await;
    let forged = Signer::es256().token(&[], &[]);
    assert_eq!(gateway.outcome(&forged).await, Err(Refusal::Fault(TokenFault::BadSignature)));
}

#[tokio::test]
async fn a_reload_keeps_the_feed_of_an_unchanged_issuer_and_starts_a_changed_one_anew() {
    let mut gateway = Gateway::start(page(&[id("a")], "1", false), false).await;
    until("the feed is read", || gateway.is_fresh()).await;
    let entries = format!("scopegate_revocations_entries{{issuer=\"{ISSUER}\"}}");
    gateway.server.behave(Behaviour::status("500 Broken"));
    gateway.issuers = gateway.world.reloaded(vec![gateway.settings.clone()], Some(&gateway.issuers));
    assert!(gateway.is_fresh());
    assert_eq!(gateway.outcome(&gateway.token("a")).await, REVOKED);
    let mut changed = gateway.settings.clone();
    changed.revocations.as_mut().unwrap().feed.interval = Duration::from_millis(3);
    gateway.issuers = gateway.world.reloaded(vec![changed.clone()], Some(&gateway.issuers));
    assert!(!gateway.is_fresh());
    assert_eq!(gateway.outcome(&gateway.token("b")).await, UNAVAILABLE);
    assert_eq!(gateway.outcome(&gateway.token("a")).await, REVOKED, "what the same feed has said is known");
    assert_eq!(gateway.world.metric(&entries).as_deref(), Some("1"));
    changed.revocations.as_mut().unwrap().feed.url = "http://127.0.0.1:1/".parse().unwrap();
    gateway.issuers = gateway.world.reloaded(vec![changed.clone()], Some(&gateway.issuers));
    assert_eq!(gateway.outcome(&gateway.token("a")).await, UNAVAILABLE, "another feed has said nothing yet");
    assert_eq!(gateway.world.metric(&entries).as_deref(), Some("0"));
    changed.revocations = None;
    let without = gateway.world.reloaded(vec![changed], Some(&gateway.issuers));
    assert_eq!(gateway.world.metric(&entries), None, "an issuer without a feed has no metric of one");
    assert_eq!(without.readiness()[0].revocations, None);
    let seen = gateway.server.requests();
    tokio::time::timeout(Duration::from_millis(50), std::future::pending::<()>()).await.unwrap_err();
    assert!(gateway.server.requests() <= seen + 1, "nobody reads the feed any more");
}
