use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::issuers::Issuers;
use super::memory::Remembered;
use super::refusal::{Provenance, Refusal};
use super::settings::IssuerSettings;
use super::testing::{World, from_file, from_url, named, ready, serving, set_of, show, timed, until};
use super::verifier::Verifier;
use crate::net::fetch_testing::{Behaviour, Server};
use crate::token::testing::{ISSUER, NOW, Signer, absent, rules};
use crate::token::{Algorithm, IssuerRules, Outage, TokenFault};

type Outcome = Result<(Rc<Remembered<u32>>, Provenance), Refusal>;

fn verifier(world: &World, share: f64) -> Verifier<u32> {
    Verifier::new(100, share, world.clock.clone(), world.metrics.clone())
}

async fn check(verifier: &Verifier<u32>, issuers: &Issuers, token: &str) -> Outcome {
    show(verifier, issuers, token, |client| client == "robot").await
}

/// Where the facts came from, or why there are none.
async fn outcome(verifier: &Verifier<u32>, issuers: &Issuers, token: &str) -> Result<Provenance, Refusal> {
    check(verifier, issuers, token).await.map(|(_, provenance)| provenance)
}

/// Key files of one folder, by issuer.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn issuer(&self, issuer: &str, signers: &[&Signer]) -> IssuerSettings {
        let path = self.0.path().join(issuer.replace(['/', ':'], "_"));
        std::fs::write(&path, set_of(&signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>())).unwrap();
        named(from_file(&path), issuer)
    }
}

const UNKNOWN_KEY: Result<Provenance, Refusal> = Err(Refusal::Fault(TokenFault::UnknownKey));

#[tokio::test]
async fn a_token_is_verified_once_and_then_remembered_with_its_note() {
    let (world, files, signer) = (World::new(), Files::new(), Signer::es256());
    let issuers = world.issuers(vec![files.issuer(ISSUER, &[&signer])]);
    let verifier = verifier(&world, 0.5);
    let token = signer.token(&[], &[]);
    let (first, provenance) = check(&verifier, &issuers, &token).await.unwrap();
    assert_eq!((provenance, first.token.subject.as_deref()), (Provenance::Jwt, Some("user-1")));
    let (second, provenance) = check(&verifier, &issuers, &token).await.unwrap();
    assert!(provenance == Provenance::Cached && Rc::ptr_eq(&first, &second));
    let other = signer.token(&[], &[("jti", json!("2"))]);
    assert_eq!(outcome(&verifier, &issuers, &other).await, Ok(Provenance::Jwt));
    let lookups =
        |result: &str| world.metric(&format!("scopegate_token_cache_lookups_total{{result=\"{result}\"}}")).unwrap();
    assert_eq!((lookups("hit"), lookups("miss"), lookups("stale")), ("1".into(), "2".into(), "0".into()));
    assert_eq!(world.metric("scopegate_token_cache_entries").as_deref(), Some("2"));
    drop(verifier);
    assert_eq!(world.metric("scopegate_token_cache_entries").as_deref(), Some("0"));
}

#[tokio::test]
async fn what_is_refused_is_never_remembered() {
    let (world, files, signer) = (World::new(), Files::new(), Signer::es256());
    let issuers = world.issuers(vec![files.issuer(ISSUER, &[&signer])]);
    let verifier = verifier(&world, 0.5);
    let forged = Signer::es256().token(&[], &[]);
    for (token, fault) in [
        (forged.as_str(), TokenFault::BadSignature),
        (&signer.token(&[], &[("exp", json!(NOW - 1))]), TokenFault::Expired),
        (&signer.token(&[("alg", json!("none"))], &[]), TokenFault::AlgNotAllowed),
        (&signer.token(&[], &[("iss", json!("https://evil.test"))]), TokenFault::UnknownIssuer),
        (&signer.token(&[], &[("cnf", json!({"jkt": "x"}))]), TokenFault::SenderConstraint),
        ("opaque", TokenFault::UnknownIssuer),
    ] {
        for _ in 0..2 {
            assert_eq!(outcome(&verifier, &issuers, token).await, Err(Refusal::Fault(fault)));
        }
    }
    assert_eq!(world.metric("scopegate_token_cache_entries").as_deref(), Some("0"));
}

#[tokio::test]
async fn times_are_checked_again_on_every_hit() {
    let (world, files, signer) = (World::new(), Files::new(), Signer::es256());
    let issuers = world.issuers(vec![files.issuer(ISSUER, &[&signer])]);
    let verifier = verifier(&world, 0.5);
    let token = signer.token(&[], &[("exp", json!(NOW + 30)), ("nbf", json!(NOW - 60))]);
    assert_eq!(outcome(&verifier, &issuers, &token).await, Ok(Provenance::Jwt));
    world.clock.set(Duration::from_secs(NOW + 30) - Duration::from_millis(1));
    assert_eq!(outcome(&verifier, &issuers, &token).await, Ok(Provenance::Cached));
    world.clock.set(Duration::from_secs(NOW + 30));
    assert_eq!(outcome(&verifier, &issuers, &token).await, Err(Refusal::Fault(TokenFault::Expired)));
    assert_eq!(world.metric("scopegate_token_cache_entries").as_deref(), Some("0"));
    world.clock.set(Duration::from_secs(NOW));
    assert_eq!(outcome(&verifier, &issuers, &token).await, Ok(Provenance::Jwt));
    world.clock.set(Duration::from_secs(NOW - 66));
    assert_eq!(outcome(&verifier, &issuers, &token).await, Err(Refusal::Fault(TokenFault::NotYetValid)));
}

#[tokio::test]
async fn a_reload_that_drops_or_changes_an_issuer_kills_its_remembered_tokens() {
    let (world, files, signer) = (World::new(), Files::new(), Signer::es256());
    let settings = files.issuer(ISSUER, &[&signer]);
    let other = files.issuer("https://other.test", &[&signer]);
    let before = world.issuers(vec![settings.clone(), other.clone()]);
    let verifier = verifier(&world, 0.5);
    let token = signer.token(&[], &[]);
    assert_eq!(outcome(&verifier, &before, &token).await, Ok(Provenance::Jwt));
    let unchanged = world.reloaded(vec![other.clone(), settings.clone()], Some(&before));
    assert_eq!(outcome(&verifier, &unchanged, &token).await, Ok(Provenance::Cached));
    let strict = IssuerRules { audience: vec!["urn:another".into()], ..rules() };
    let changed = world.reloaded(vec![IssuerSettings { rules: strict, ..settings.clone() }], Some(&unchanged));
    assert_eq!(outcome(&verifier, &changed, &token).await, Err(Refusal::Fault(TokenFault::BadAudience)));
    // A request that began before the reload keeps its issuers.
    assert_eq!(outcome(&verifier, &unchanged, &token).await, Ok(Provenance::Jwt));
    let dropped = world.reloaded(vec![other], Some(&unchanged));
    assert_eq!(outcome(&verifier, &dropped, &token).await, Err(Refusal::Fault(TokenFault::UnknownIssuer)));
}

#[tokio::test]
async fn a_key_that_rotates_out_takes_its_remembered_tokens_with_it() {
    let (world, files) = (World::new(), Files::new());
    let (old, new) = (Signer::new(Algorithm::Es256, "old"), Signer::new(Algorithm::Es256, "new"));
    let same_name = Signer::new(Algorithm::Es256, "old");
    let issuers = world.issuers(vec![files.issuer(ISSUER, &[&old])]);
    let verifier = verifier(&world, 0.5);
    let token = old.token(&[], &[]);
    assert_eq!(outcome(&verifier, &issuers, &token).await, Ok(Provenance::Jwt));
    let issuers = world.reloaded(vec![files.issuer(ISSUER, &[&new, &old])], Some(&issuers));
    assert_eq!(outcome(&verifier, &issuers, &token).await, Ok(Provenance::Cached));
    let gone = world.reloaded(vec![files.issuer(ISSUER, &[&new])], Some(&issuers));
    assert_eq!(outcome(&verifier, &gone, &token).await, UNKNOWN_KEY);
    let back = world.reloaded(vec![files.issuer(ISSUER, &[&old])], Some(&gone));
    assert_eq!(outcome(&verifier, &back, &token).await, Ok(Provenance::Jwt));
    let replaced = world.reloaded(vec![files.issuer(ISSUER, &[&same_name])], Some(&back));
    assert_eq!(outcome(&verifier, &replaced, &token).await, Err(Refusal::Fault(TokenFault::BadSignature)));
}

#[tokio::test]
async fn the_right_to_act_alone_is_checked_again_on_every_hit() {
    let (world, files, signer) = (World::new(), Files::new(), Signer::es256());
    let issuers = world.issuers(vec![files.issuer(ISSUER, &[&signer])]);
    let verifier = verifier(&world, 0.5);
    let token = signer.token(&[], &[("sub", absent()), ("client_id", json!("robot"))]);
    assert_eq!(outcome(&verifier, &issuers, &token).await, Ok(Provenance::Jwt));
    assert_eq!(outcome(&verifier, &issuers, &token).await, Ok(Provenance::Cached));
    let refused = show(&verifier, &issuers, &token, |_| false).await.map(|_| ());
    assert_eq!(refused, Err(Refusal::Fault(TokenFault::BadClaims)));
}

#[tokio::test]
async fn keys_are_looked_up_within_the_issuer_that_the_token_names() {
    let (world, files) = (World::new(), Files::new());
    let (ours, theirs) = (Signer::es256(), Signer::es256());
    let other = "https://other.test";
    let issuers = world.issuers(vec![files.issuer(ISSUER, &[&ours]), files.issuer(other, &[&theirs])]);
    let verifier = verifier(&world, 0.5);
    for (signer, issuer, expected) in [
        (&ours, ISSUER, Ok(Provenance::Jwt)),
        (&theirs, other, Ok(Provenance::Jwt)),
        (&ours, other, Err(Refusal::Fault(TokenFault::BadSignature))),
        (&theirs, ISSUER, Err(Refusal::Fault(TokenFault::BadSignature))),
    ] {
        let token = signer.token(&[], &[("iss", json!(issuer))]);
        assert_eq!(outcome(&verifier, &issuers, &token).await, expected);
    }
}

#[tokio::test]
async fn without_kid_every_fitting_key_is_tried_and_no_newer_set_is_asked_for() {
    let world = World::new();
    let signers: Vec<_> = (0..6).map(|number| Signer::new(Algorithm::Es256, &format!("key-{number}"))).collect();
    let server = Server::start(serving(&signers.iter().collect::<Vec<_>>())).await;
    let issuers = ready(&world, from_url(&server)).await;
    let verifier = verifier(&world, 0.5);
    for (number, signer) in signers.iter().enumerate() {
        let expected = if number < 4 { Ok(Provenance::Jwt) } else { Err(Refusal::Fault(TokenFault::BadSignature)) };
        let token = signer.token(&[("kid", absent())], &[]);
        assert_eq!(outcome(&verifier, &issuers, &token).await, expected, "{number}");
    }
    let other_type = Signer::new(Algorithm::EdDsa, "x").token(&[("kid", absent())], &[]);
    assert_eq!(outcome(&verifier, &issuers, &other_type).await, UNKNOWN_KEY);
    let other_alg = Signer::new(Algorithm::EdDsa, "key-1").token(&[], &[]);
    assert_eq!(outcome(&verifier, &issuers, &other_alg).await, UNKNOWN_KEY);
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn without_keys_or_with_keys_too_old_nothing_is_verified_nor_remembered() {
    let (world, signer) = (World::new(), Signer::es256());
    let server = Server::start(Behaviour::status("500 Broken")).await;
    let unavailable = Err(Refusal::Unavailable(Outage::Keys));
    let verifier = verifier(&world, 0.5);
    let issuers = world.issuers(vec![from_url(&server)]);
    let token = signer.token(&[], &[]);
    assert_eq!(outcome(&verifier, &issuers, &token).await, unavailable);
    // What is refused without a key is refused for its own reason.
    let expired = signer.token(&[], &[("exp", json!(NOW - 1))]);
    assert_eq!(outcome(&verifier, &issuers, &expired).await, Err(Refusal::Fault(TokenFault::Expired)));
    server.behave(serving(&[&signer]));
    until("keys come", || issuers.readiness()[0].fresh).await;
    let long = signer.token(&[], &[("iat", absent()), ("exp", json!(NOW + 1_000_000))]);
    assert_eq!(outcome(&verifier, &issuers, &long).await, Ok(Provenance::Jwt));
    server.behave(Behaviour::Hang(vec![]));
    world.pass(Duration::from_secs(86_400));
    assert_eq!(outcome(&verifier, &issuers, &long).await, Ok(Provenance::Cached));
    world.pass(Duration::from_secs(1));
    assert_eq!(outcome(&verifier, &issuers, &long).await, unavailable);
    server.behave(serving(&[&signer]));
    until("keys are fresh again", || issuers.readiness()[0].fresh).await;
    assert_eq!(outcome(&verifier, &issuers, &long).await, Ok(Provenance::Jwt));
}

#[tokio::test]
async fn an_unknown_kid_is_answered_after_one_refetch_for_all_who_wait() {
    let world = World::new();
    let (old, new) = (Signer::new(Algorithm::Es256, "old"), Signer::new(Algorithm::Es256, "new"));
    let server = Server::start(serving(&[&old])).await;
    let issuers = ready(&world, from_url(&server)).await;
    let verifier = verifier(&world, 1.0);
    server.behave(serving(&[&old, &new]));
    let tokens: Vec<_> = (0..50).map(|number| new.token(&[], &[("jti", json!(number.to_string()))])).collect();
    let outcomes = futures_util::future::join_all(tokens.iter().map(|token| outcome(&verifier, &issuers, token))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Ok(Provenance::Jwt)), "{outcomes:?}");
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn workers_on_other_threads_wait_for_the_same_refetch() {
    let world = World::new();
    let (old, new) = (Signer::new(Algorithm::Es256, "old"), Signer::new(Algorithm::Es256, "new"));
    let server = Server::start(serving(&[&old])).await;
    let issuers =
        std::sync::Arc::new(ready(&world, timed(from_url(&server), |_, cooldown, _| *cooldown = Duration::ZERO)).await);
    server.behave(serving(&[&new]));
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let (issuers, token) = (issuers.clone(), new.token(&[], &[]));
            let (clock, metrics) = (world.clock.clone(), world.metrics.clone());
            tokio::task::spawn_blocking(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let verifier = Verifier::<u32>::new(100, 0.5, clock, metrics);
                runtime.block_on(outcome(&verifier, &issuers, &token))
            })
        })
        .collect();
    for worker in workers {
        assert_eq!(worker.await.unwrap(), Ok(Provenance::Jwt));
    }
    assert_eq!(issuers.readiness()[0].keys, 1);
}

/// Shows a token with an unknown key again and again, until the server was asked so often.
async fn show_until_asked(requests: usize, server: &Server, show: impl AsyncFn() -> Result<Provenance, Refusal>) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.requests() < requests {
        assert_eq!(show().await, UNKNOWN_KEY);
        assert!(Instant::now() < deadline, "the server is asked {requests} times");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_kid_that_nobody_has_is_not_asked_for_at_the_end_of_every_cooldown() {
    const COOLDOWN: Duration = Duration::from_millis(10);
    let world = World::new();
    let server = Server::start(serving(&[&Signer::es256()])).await;
    let issuers = ready(&world, timed(from_url(&server), |_, cooldown, _| *cooldown = COOLDOWN)).await;
    let verifier = verifier(&world, 0.5);
    let token = Signer::new(Algorithm::Es256, "nope").token(&[], &[]);
    let show = || outcome(&verifier, &issuers, &token);
    show_until_asked(2, &server, show).await;
    let cooldowns = Instant::now() + 5 * COOLDOWN;
    while Instant::now() < cooldowns {
        assert_eq!(show().await, UNKNOWN_KEY);
        tokio::task::yield_now().await;
    }
    assert_eq!(server.requests(), 2);
    // The name is forgotten after two cooldowns of the clock, which has stood still.
    world.pass(2 * COOLDOWN);
    show_until_asked(3, &server, show).await;
}

#[tokio::test]
async fn the_number_of_requests_that_wait_for_keys_is_bounded() {
    let world = World::new();
    let server = Server::start(serving(&[&Signer::es256()])).await;
    let issuers = ready(&world, from_url(&server)).await;
    let verifier = verifier(&world, 0.5);
    server.behave(Behaviour::Hang(vec![]));
    let token = Signer::new(Algorithm::Es256, "nope").token(&[], &[]);
    let outcomes = futures_util::future::join_all((0..1_100).map(|_| outcome(&verifier, &issuers, &token))).await;
    let count = |wanted: Result<Provenance, Refusal>| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    assert_eq!((count(UNKNOWN_KEY), count(Err(Refusal::Overloaded))), (1_024, 76));
}

#[tokio::test]
async fn the_cooldown_bounds_what_unknown_kids_can_cause() {
    let world = World::new();
    let server = Server::start(serving(&[&Signer::es256()])).await;
    let settings = timed(from_url(&server), |_, cooldown, _| *cooldown = Duration::from_secs(3_600));
    let issuers = ready(&world, settings).await;
    let verifier = verifier(&world, 0.5);
    for number in 0..200 {
        let token = Signer::new(Algorithm::Es256, &format!("nope-{number}")).token(&[], &[]);
        assert_eq!(outcome(&verifier, &issuers, &token).await, UNKNOWN_KEY);
    }
    assert_eq!(server.requests(), 2, "the planned fetch, and one that was asked for");
}

#[tokio::test]
async fn the_wait_for_a_hung_key_server_is_bounded_and_known_keys_do_not_wait() {
    let world = World::new();
    let (known, unknown) = (Signer::es256(), Signer::new(Algorithm::Es256, "nope"));
    let server = Server::start(serving(&[&known])).await;
    let issuers = ready(&world, timed(from_url(&server), |_, _, timeout| *timeout = Duration::from_millis(300))).await;
    let verifier = verifier(&world, 0.5);
    server.behave(Behaviour::Hang(vec![]));
    let (unknown, known) = (unknown.token(&[], &[]), known.token(&[], &[]));
    let began = Instant::now();
    let (refused, (verified, after)) = tokio::join!(outcome(&verifier, &issuers, &unknown), async {
        (outcome(&verifier, &issuers, &known).await, began.elapsed())
    });
    let whole = began.elapsed();
    assert_eq!((refused, verified), (UNKNOWN_KEY, Ok(Provenance::Jwt)));
    assert!(
        after < whole && whole >= Duration::from_millis(300) && whole < Duration::from_secs(10),
        "{after:?} {whole:?}"
    );
}

#[tokio::test]
async fn a_spent_budget_refuses_unknown_tokens_and_never_remembered_ones() {
    let (world, files, signer) = (World::new(), Files::new(), Signer::es256());
    let issuers = world.issuers(vec![files.issuer(ISSUER, &[&signer])]);
    let verifier = verifier(&world, 0.5);
    let known = signer.token(&[], &[]);
    assert_eq!(outcome(&verifier, &issuers, &known).await, Ok(Provenance::Jwt));
    verifier.set_share(0.0);
    let unknown = signer.token(&[], &[("jti", json!("2"))]);
    assert_eq!(outcome(&verifier, &issuers, &unknown).await, Err(Refusal::Overloaded));
    assert_eq!(outcome(&verifier, &issuers, &known).await, Ok(Provenance::Cached));
    // What is refused before the signature costs nothing and is refused for its own reason.
    let expired = signer.token(&[], &[("exp", json!(NOW - 1))]);
    assert_eq!(outcome(&verifier, &issuers, &expired).await, Err(Refusal::Fault(TokenFault::Expired)));
    verifier.set_share(1.0);
    assert_eq!(outcome(&verifier, &issuers, &unknown).await, Ok(Provenance::Jwt));
}

#[tokio::test]
async fn a_flood_of_unknown_tokens_lets_others_run_and_ends_in_overload() {
    let (world, files, signer) = (World::new(), Files::new(), Signer::es256());
    let issuers = world.issuers(vec![files.issuer(ISSUER, &[&signer])]);
    let verifier = verifier(&world, 0.01);
    let token = |number: usize| signer.token(&[], &[("jti", json!(number.to_string()))]);
    let tokens: Vec<_> = (0..200).map(token).collect();
    let outcomes = futures_util::future::join_all(tokens.iter().map(|token| outcome(&verifier, &issuers, token))).await;
    let count = |wanted: Result<Provenance, Refusal>| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    assert!(count(Ok(Provenance::Jwt)) >= 1 && count(Err(Refusal::Overloaded)) >= 1, "{outcomes:?}");
    assert_eq!(count(Ok(Provenance::Jwt)) + count(Err(Refusal::Overloaded)), 200);
}

#[tokio::test]
async fn of_several_requests_that_wait_with_one_token_only_the_first_pays() {
    let (world, files, signer) = (World::new(), Files::new(), Signer::es256());
    let issuers = world.issuers(vec![files.issuer(ISSUER, &[&signer])]);
    // So small a share that all but the first tokens have to wait.
    let verifier = verifier(&world, 0.02);
    let mut waited = 0;
    for number in 0..20 {
        let token = signer.token(&[], &[("jti", json!(number.to_string()))]);
        let began = Instant::now();
        let show = || outcome(&verifier, &issuers, &token);
        let outcomes: [_; 3] = tokio::join!(show(), show(), show()).into();
        let paid = outcomes.iter().filter(|outcome| **outcome == Ok(Provenance::Jwt)).count();
        assert!(paid <= 1, "{outcomes:?}");
        waited += usize::from(outcomes.iter().all(Result::is_ok) && began.elapsed() > Duration::from_millis(1));
    }
    assert!(waited > 0);
}
