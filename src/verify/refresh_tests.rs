use std::sync::Arc;
use std::time::Duration;

use super::issuer::{Issuer, Refreshing};
use super::refresh::RemoteKeys;
use super::settings::KeyAddress;
use super::testing::{World, serving};
use crate::net::Schedule;
use crate::net::fetch_testing::{Behaviour, Server};
use crate::telemetry::FetchResult;
use crate::token::testing::{ISSUER, Signer, now, rules};
use crate::token::{Algorithm, TrustedIssuer, VerificationKey};

const TIMEOUT: Duration = Duration::from_millis(300);

struct Remote {
    keys: RemoteKeys,
    issuer: Arc<Issuer>,
}

impl Remote {
    fn new(world: &World, server: &Server) -> Self {
        let refreshing = Refreshing::new(Duration::from_secs(86_400), Duration::from_secs(30), TIMEOUT);
        let issuer = Arc::new(Issuer::new(TrustedIssuer::new(&rules()), Some(refreshing), None, world.metrics.clone()));
        let keys = RemoteKeys {
            issuer: issuer.clone(),
            address: KeyAddress::Url(server.url()),
            ca: None,
            schedule: Schedule { refresh: Duration::from_secs(300), cooldown: Duration::from_secs(30) },
            clock: world.clock.clone(),
            latest: None,
        };
        Self { keys, issuer }
    }

    async fn round(&mut self) -> FetchResult {
        let issuer = self.issuer.clone();
        self.keys.round(issuer.refreshing.as_ref().unwrap(), false).await.0
    }

    fn holds(&self, key: &VerificationKey) -> bool {
        self.issuer.keys(now()).is_ok_and(|keys| keys.holds(key.identity()))
    }

    fn generation(&self) -> u64 {
        self.issuer.keys(now()).unwrap().generation()
    }
}

#[tokio::test]
async fn whatever_a_key_server_does_the_old_keys_stay_until_new_ones_come() {
    let (world, signer) = (World::new(), Signer::es256());
    let server = Server::start(serving(&[&signer])).await;
    let mut remote = Remote::new(&world, &server);
    assert!(remote.issuer.keys(now()).is_err());
    assert_eq!(remote.round().await, FetchResult::Ok);
    for (name, behaviour, expected) in [
        ("status 500", Behaviour::status("500 Broken"), FetchResult::Failed),
        ("status 304", Behaviour::status("304 Not Modified"), FetchResult::Failed),
        ("redirect", Behaviour::status("302 Found\r\nLocation: /keys"), FetchResult::Failed),
        ("closed at once", Behaviour::Raw(vec![]), FetchResult::Failed),
        ("no HTTP", Behaviour::Raw(b"garbage".to_vec()), FetchResult::Failed),
        ("hung", Behaviour::Hang(vec![]), FetchResult::TimedOut),
        (
            "hung in the body",
            Behaviour::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_vec()),
            FetchResult::TimedOut,
        ),
        ("10 MB", Behaviour::chunks(10 << 20), FetchResult::TooLarge),
        ("garbage", Behaviour::ok("<html>"), FetchResult::Malformed),
        ("another document", Behaviour::ok("{\"jwks_uri\": \"x\"}"), FetchResult::Malformed),
        ("empty set", Behaviour::ok("{\"keys\": []}"), FetchResult::Malformed),
        ("only odd keys", Behaviour::ok(r#"{"keys": [{"kty": "oct", "k": "AAAA"}, 1]}"#), FetchResult::Malformed),
        ("the same set again", serving(&[&signer]), FetchResult::Ok),
    ] {
        server.behave(behaviour);
        assert_eq!(remote.round().await, expected, "{name}");
        assert!(remote.holds(&signer.key()), "{name}");
    }
    let rotated = Signer::new(Algorithm::EdDsa, "key-2");
    server.behave(serving(&[&rotated]));
    assert_eq!(remote.round().await, FetchResult::Ok);
    assert!(remote.holds(&rotated.key()) && !remote.holds(&signer.key()));
    drop(server);
    tokio::task::yield_now().await;
    assert_eq!(remote.round().await, FetchResult::Failed);
    assert!(remote.holds(&rotated.key()));
}

#[tokio::test]
async fn only_an_answer_with_keys_confirms_them() {
    let (world, signer) = (World::new(), Signer::es256());
    let server = Server::start(serving(&[&signer])).await;
    let mut remote = Remote::new(&world, &server);
    remote.round().await;
    let generation = remote.generation();
    world.pass(Duration::from_secs(50));
    server.behave(Behaviour::ok("garbage"));
    remote.round().await;
    assert_eq!(remote.issuer.age(world.clock.now()), Some(Duration::from_secs(50)));
    server.behave(serving(&[&signer]));
    remote.round().await;
    assert_eq!(remote.issuer.age(world.clock.now()), Some(Duration::ZERO));
    assert_eq!(remote.generation(), generation, "an unchanged set stays the same set");
    assert_eq!(world.metric(&format!("scopegate_keys_age_seconds{{issuer=\"{ISSUER}\"}}")).as_deref(), Some("0"));
}
