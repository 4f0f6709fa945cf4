use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::issuer::Refetch;
use super::issuers::{IssuerFault, IssuerState, Issuers};
use super::settings::IssuerSettings;
use super::testing::{World, from_file, from_url, named, ready, serving, set_of, timed, until};
use crate::net::fetch_testing::{Behaviour, Server};
use crate::token::IssuerRules;
use crate::token::testing::{ISSUER, Signer, rules};

fn write(path: &Path, keys: &[serde_json::Value]) {
    std::fs::write(path, set_of(keys)).unwrap();
}

fn generation(issuers: &Issuers) -> u64 {
    issuers.named(ISSUER).unwrap().generation
}

#[test]
fn a_key_file_is_in_force_at_once_and_never_stale() {
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let path = folder.path().join("jwks.json");
    write(&path, &[Signer::es256().jwk(), json!({"kty": "oct", "k": "AAAA"})]);
    let issuers = world.issuers(vec![from_file(&path)]);
    world.pass(Duration::from_secs(10_000_000));
    let expected = IssuerState {
        issuer: ISSUER.into(),
        required: true,
        had_keys: true,
        keys: 1,
        age_seconds: Some(10_000_000),
        fresh: true,
        revocations: None,
    };
    assert_eq!(issuers.readiness(), [expected]);
    assert_eq!(world.metric(&format!("scopegate_keys{{issuer=\"{ISSUER}\"}}")).as_deref(), Some("1"));
}

#[test]
fn every_bad_key_file_is_a_fault_of_its_own() {
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        named(from_file(&path), name)
    };
    let mut settings = vec![
        file("good", &set_of(&[Signer::es256().jwk()])),
        file("garbage", "<html>"),
        file("empty", &set_of(&[])),
        file("secret", &set_of(&[json!({"kty": "oct", "k": "AAAA"})])),
    ];
    settings.push(named(from_file(&folder.path().join("missing")), "missing"));
    let faults = Issuers::start(settings, None, world.clock.clone(), world.metrics.clone()).unwrap_err();
    let texts: Vec<_> = faults.iter().map(ToString::to_string).collect();
    let shown = |name: &str, why: &str| {
        let message = format!("key file `{}`: {why}", folder.path().join(name).display());
        IssuerFault { issuer: name.into(), message }.to_string()
    };
    assert_eq!(
        texts[..3],
        [
            shown("garbage", "the text is not JSON"),
            shown("empty", "the set has no usable key"),
            shown("secret", "the set has no usable key: the first was left out because it is a shared secret"),
        ]
    );
    assert!(texts.len() == 4 && texts[3].starts_with(&shown("missing", "")), "{texts:?}");
}

#[test]
fn a_reload_reads_key_files_again_and_a_failed_one_changes_nothing() {
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let path = folder.path().join("jwks.json");
    write(&path, &[Signer::es256().jwk()]);
    let first = world.issuers(vec![from_file(&path)]);
    write(&path, &[Signer::es256().jwk(), Signer::es256().jwk()]);
    let second = world.reloaded(vec![from_file(&path)], Some(&first));
    assert_eq!(second.readiness()[0].keys, 2);
    // Requests that began before see the newest keys too.
    assert_eq!(first.readiness()[0].keys, 2);
    assert_eq!(generation(&first), generation(&second));
    write(&path, &[Signer::es256().jwk()]);
    let missing = named(from_file(&folder.path().join("missing")), "missing");
    let settings = vec![from_file(&path), missing];
    assert!(Issuers::start(settings, Some(&second), world.clock.clone(), world.metrics.clone()).is_err());
    assert_eq!(second.readiness()[0].keys, 2);
}

#[tokio::test]
async fn a_reload_keeps_keys_and_task_of_an_unchanged_issuer_only() {
    let world = World::new();
    let server = Server::start(serving(&[&Signer::es256()])).await;
    let settings = from_url(&server);
    let first = ready(&world, settings.clone()).await;
    let same = world.reloaded(vec![settings.clone()], Some(&first));
    assert!(same.readiness()[0].fresh);
    assert_eq!((generation(&same), server.requests()), (generation(&first), 1));
    let changed = IssuerSettings { rules: IssuerRules { audience: vec!["urn:other".into()], ..rules() }, ..settings };
    let other = world.reloaded(vec![changed], Some(&same));
    assert_ne!(generation(&other), generation(&same));
    assert!(!other.readiness()[0].had_keys);
    until("the changed issuer fetches its keys", || other.readiness()[0].fresh).await;
    assert_eq!(server.requests(), 2);
    drop((first, same));
    tokio::task::yield_now().await;
    assert_eq!(world.metric(&format!("scopegate_keys{{issuer=\"{ISSUER}\"}}")).as_deref(), Some("1"));
}

#[tokio::test]
async fn dropping_the_last_snapshot_ends_the_task_and_the_metrics() {
    let world = World::new();
    let server = Server::start(serving(&[&Signer::es256()])).await;
    let issuers = ready(&world, timed(from_url(&server), |refresh, _, _| *refresh = Duration::from_millis(5))).await;
    let second = world
        .reloaded(vec![timed(from_url(&server), |refresh, _, _| *refresh = Duration::from_millis(5))], Some(&issuers));
    drop(issuers);
    let seen = server.requests();
    until("the shared issuer is fetched on", || server.requests() > seen + 2).await;
    drop(second);
    until("the issuer is forgotten", || !world.metrics.render(world.clock.now()).contains(ISSUER)).await;
}

#[tokio::test]
async fn an_issuer_that_a_reload_drops_is_dead_at_once_while_requests_hold_it() {
    let world = World::new();
    let server = Server::start(serving(&[&Signer::es256()])).await;
    let settings = timed(from_url(&server), |refresh, _, _| *refresh = Duration::from_millis(5));
    let first = ready(&world, settings.clone()).await;
    let seen = server.requests();
    until("it is fetched on", || server.requests() > seen + 2).await;
    let without = world.reloaded(vec![], Some(&first));
    let shown = || world.metrics.render(world.clock.now()).contains(ISSUER);
    assert!(!shown(), "its metrics end with the reload");
    until("its task ends", || first.live(ISSUER).unwrap().is_idle()).await;
    assert!(!shown(), "and do not come back");
    let held = first.named(ISSUER).unwrap();
    assert_eq!(held.keys(world.clock.now()).unwrap().len(), 1, "requests that hold it have its last keys");
    assert_eq!(held.refetch().await, Refetch::Declined, "and do not wait for newer ones");
    let again = world.reloaded(vec![settings.clone()], Some(&without));
    until("the issuer that came back has keys", || again.readiness()[0].fresh).await;
    drop((first, without));
    assert_eq!(world.metric(&format!("scopegate_keys{{issuer=\"{ISSUER}\"}}")).as_deref(), Some("1"), "a late drop");
    let changed = IssuerSettings { required: false, ..settings };
    let last = world.reloaded(vec![changed], Some(&again));
    until("the task of the one that was changed ends", || again.live(ISSUER).unwrap().is_idle()).await;
    until("the changed one has keys", || last.readiness()[0].fresh).await;
    drop(again);
    assert_eq!(world.metric(&format!("scopegate_keys{{issuer=\"{ISSUER}\"}}")).as_deref(), Some("1"), "of the heir");
}

#[tokio::test]
async fn who_waits_for_the_keys_of_an_issuer_that_retires_is_answered() {
    let world = World::new();
    let server = Server::start(Behaviour::Hang(vec![])).await;
    let hours = |settings| timed(settings, |_, _, timeout| *timeout = Duration::from_secs(3_600));
    let first = world.issuers(vec![hours(from_url(&server))]);
    until("the fetch hangs", || server.requests() > 0).await;
    let waiting = first.named(ISSUER).unwrap().refetch();
    let reload = async {
        tokio::task::yield_now().await;
        world.reloaded(vec![], Some(&first))
    };
    let both = async { tokio::join!(waiting, reload) };
    let (outcome, _) = tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
    assert_eq!(outcome, Refetch::Failed);
    assert!(first.named(ISSUER).unwrap().keys(world.clock.now()).is_err(), "it never had any");
}

#[tokio::test]
async fn a_reload_that_fails_retires_nobody() {
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let server = Server::start(serving(&[&Signer::es256()])).await;
    let first = ready(&world, timed(from_url(&server), |refresh, _, _| *refresh = Duration::from_millis(5))).await;
    let missing = named(from_file(&folder.path().join("missing")), "missing");
    assert!(Issuers::start(vec![missing], Some(&first), world.clock.clone(), world.metrics.clone()).is_err());
    let seen = server.requests();
    until("it is fetched on", || server.requests() > seen + 2).await;
    assert_eq!(world.metric(&format!("scopegate_keys{{issuer=\"{ISSUER}\"}}")).as_deref(), Some("1"));
}

#[tokio::test]
async fn keys_are_fetched_on_the_schedule_and_max_age_shortens_it() {
    let world = World::new();
    let (old, new) = (Signer::new(crate::token::Algorithm::Es256, "old"), Signer::es256());
    for (field, refresh, cooldown) in [("X-Test: 1", 20, 0), ("Cache-Control: max-age=0", 3_600_000, 20)] {
        let server = Server::start(Behaviour::ok_with(field, &set_of(&[old.jwk()]))).await;
        let settings = timed(from_url(&server), |of_refresh, of_cooldown, _| {
            *of_refresh = Duration::from_millis(refresh);
            *of_cooldown = Duration::from_millis(cooldown);
        });
        let issuers = ready(&world, settings).await;
        server.behave(Behaviour::ok_with(field, &set_of(&[old.jwk(), new.jwk()])));
        until("the second key comes", || issuers.readiness()[0].keys == 2).await;
        server.behave(Behaviour::ok_with(field, &set_of(&[new.jwk()])));
        until("the first key goes", || issuers.readiness()[0].keys == 1).await;
    }
}

#[tokio::test]
async fn one_issuer_never_waits_for_another() {
    let world = World::new();
    let (hung, good) =
        (Server::start(Behaviour::Hang(vec![])).await, Server::start(serving(&[&Signer::es256()])).await);
    let slow =
        timed(named(from_url(&hung), "https://slow.test"), |_, _, timeout| *timeout = Duration::from_secs(3_600));
    let issuers = world.issuers(vec![slow, from_url(&good)]);
    until("the good issuer has keys", || issuers.readiness()[1].fresh).await;
    let state = &issuers.readiness()[0];
    assert_eq!((state.issuer.as_str(), state.had_keys, state.fresh), ("https://slow.test", false, false));
}

#[tokio::test]
async fn an_outage_shows_in_age_and_count_and_ends_by_itself() {
    let world = World::new();
    let signer = Signer::es256();
    let server = Server::start(Behaviour::status("500 Broken")).await;
    let issuers = world.issuers(vec![timed(from_url(&server), |refresh, _, _| *refresh = Duration::from_millis(5))]);
    let count = |result: &str| {
        let name = format!("scopegate_keys_fetch_total{{issuer=\"{ISSUER}\",result=\"{result}\"}}");
        world.metric(&name).map_or(0, |count| count.parse::<u64>().unwrap())
    };
    until("two fetches fail", || count("failed") >= 2).await;
    assert_eq!(issuers.readiness()[0].age_seconds, None);
    server.behave(serving(&[&signer]));
    until("keys come", || issuers.readiness()[0].fresh).await;
    server.behave(Behaviour::ok("garbage"));
    until("garbage is counted", || count("malformed") >= 1).await;
    world.pass(Duration::from_secs(100));
    let age = format!("scopegate_keys_age_seconds{{issuer=\"{ISSUER}\"}}");
    assert_eq!((issuers.readiness()[0].age_seconds, world.metric(&age).as_deref()), (Some(100), Some("100")));
    assert!(issuers.readiness()[0].fresh);
    world.pass(Duration::from_secs(86_400));
    let state = &issuers.readiness()[0];
    assert_eq!((state.had_keys, state.keys, state.fresh), (true, 1, false));
    server.behave(serving(&[&signer]));
    until("keys are fresh again", || issuers.readiness()[0].fresh).await;
}
