use std::pin::pin;
use std::time::Duration;

use serde_json::{Value, json};

use super::issuers::Issuers;
use super::refusal::{Provenance, Refusal};
use super::settings::{ClientAuthentication, ClientProof, ClientSecret, IntrospectionSettings, IssuerSettings};
use super::testing::{World, from_file, set_of, show};
use super::verifier::Verifier;
use crate::net::fetch_testing::{Behaviour, Server};
use crate::token::testing::{AUDIENCE, ISSUER, NOW, Signer, fields};
use crate::token::{BearerToken, Outage, TokenDigest, TokenFault};

const CACHE: Duration = Duration::from_secs(30);
const INACTIVE: Result<Provenance, Refusal> = Err(Refusal::Fault(TokenFault::Inactive));
const UNAVAILABLE: Result<Provenance, Refusal> = Err(Refusal::Unavailable(Outage::Introspection));

/// One issuer that a server answers for, and one worker.
struct Asking {
    world: World,
    server: Server,
    folder: tempfile::TempDir,
    issuers: Issuers,
    verifier: Verifier<u32>,
}

fn active(more: &Value) -> Behaviour {
    let mut answer =
        json!({"active": true, "aud": AUDIENCE, "client_id": "client-1", "sub": "user-1", "exp": NOW + 3_600});
    answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Behaviour::ok(&answer.to_string())
}

fn digest(token: &str) -> TokenDigest {
    BearerToken::from_fields(&fields(token), 65_536).unwrap().digest()
}

fn inactive() -> Behaviour {
    Behaviour::ok("{\"active\": false}")
}

impl Asking {
    async fn new(behaviour: Behaviour) -> Self {
        let (world, server, folder) = (World::new(), Server::start(behaviour).await, tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("jwks.json"), set_of(&[Signer::es256().jwk()])).unwrap();
        let issuers = world.issuers(vec![settings(&folder, &server, "gateway")]);
        let verifier = Verifier::new(100, 0.5, world.clock.clone(), world.metrics.clone());
        Self { world, server, folder, issuers, verifier }
    }

    async fn show(&self, token: &str) -> Result<Provenance, Refusal> {
        show(&self.verifier, &self.issuers, token, |_| false).await.map(|(_, provenance)| provenance)
    }

    fn pass(&self, seconds: u64) {
        self.world.pass(Duration::from_secs(seconds));
    }
}

fn settings(folder: &tempfile::TempDir, server: &Server, client_id: &str) -> IssuerSettings {
    let introspection = IntrospectionSettings {
        prefix: None,
        url: Some(server.url()),
        insecure_http: false,
        client: ClientAuthentication {
            client_id: client_id.into(),
            proof: ClientProof::Secret(ClientSecret("s3cret".into())),
        },
        cache: CACHE,
        timeout: Duration::from_secs(2),
        ca: None,
    };
    IssuerSettings { introspection: Some(introspection), ..from_file(&folder.path().join("jwks.json")) }
}

#[tokio::test]
async fn an_answer_is_remembered_and_confirmed_after_two_seconds() {
    let asking = Asking::new(active(&json!({}))).await;
    assert_eq!(asking.show("opaque").await, Ok(Provenance::Introspection));
    asking.pass(1);
    assert_eq!((asking.show("opaque").await, asking.server.requests()), (Ok(Provenance::Cached), 1));
    asking.pass(1);
    assert_eq!((asking.show("opaque").await, asking.server.requests()), (Ok(Provenance::Introspection), 2));
    assert_eq!((asking.show("opaque").await, asking.server.requests()), (Ok(Provenance::Cached), 2));
    asking.server.behave(inactive());
    asking.pass(2);
    assert_eq!((asking.show("opaque").await, asking.server.requests()), (INACTIVE, 3));
}

#[tokio::test]
async fn a_refusal_is_remembered_for_five_seconds() {
    let asking = Asking::new(inactive()).await;
    for _ in 0..100 {
        assert_eq!(asking.show("opaque").await, INACTIVE);
    }
    asking.pass(4);
    assert_eq!((asking.show("opaque").await, asking.server.requests()), (INACTIVE, 1));
    asking.server.behave(active(&json!({})));
    asking.pass(1);
    assert_eq!((asking.show("opaque").await, asking.server.requests()), (Ok(Provenance::Introspection), 2));
}

#[tokio::test]
async fn in_an_outage_the_last_answer_is_believed_until_its_time_is_over_and_not_longer() {
    let asking = Asking::new(active(&json!({}))).await;
    assert_eq!(asking.show("opaque").await, Ok(Provenance::Introspection));
    asking.server.behave(Behaviour::status("500 Broken"));
    for second in 1..30 {
        asking.pass(1);
        assert_eq!(asking.show("opaque").await, Ok(Provenance::Cached), "{second}");
    }
    let asked = asking.server.requests();
    assert!(asked > 5 && asked <= 16, "{asked}: one question each two seconds");
    asking.pass(1);
    assert_eq!(asking.show("opaque").await, UNAVAILABLE);
    assert_eq!(asking.show("another").await, UNAVAILABLE, "nothing else was ever believed");
    asking.server.behave(active(&json!({})));
    assert_eq!(asking.show("opaque").await, Ok(Provenance::Introspection));
}

/// Shows a due token while its issuer is silent, does something while the question waits, and returns what came of it.
async fn shown_in_an_outage(more: &Value, meanwhile: impl FnOnce(&Asking)) -> Result<Provenance, Refusal> {
    let asking = Asking::new(active(more)).await;
    assert_eq!(asking.show("opaque").await, Ok(Provenance::Introspection));
    asking.server.behave(Behaviour::Hang(vec![]));
    asking.pass(2);
    let mut shown = pin!(asking.show("opaque"));
    assert!(futures_util::poll!(&mut shown).is_pending());
    meanwhile(&asking);
    shown.await
}

#[tokio::test]
async fn what_happens_while_an_answer_is_waited_for_in_vain_is_told_apart() {
    let evicted = |asking: &Asking| asking.verifier.forget(&digest("opaque"));
    assert_eq!(shown_in_an_outage(&json!({}), evicted).await, Ok(Provenance::Cached));
    let ended = shown_in_an_outage(&json!({"exp": NOW + 10}), |asking| asking.pass(8)).await;
    assert_eq!(ended, Err(Refusal::Fault(TokenFault::Expired)));
    assert_eq!(shown_in_an_outage(&json!({}), |asking| asking.pass(28)).await, UNAVAILABLE);
    let refused = |asking: &Asking| {
        let subject = (asking.issuers.introspecting("opaque").unwrap().generation, digest("opaque"));
        let now = asking.world.clock.now();
        let believed = (now, now + Duration::from_secs(5));
        asking.verifier.refused.borrow_mut().insert(subject, TokenFault::Inactive, believed);
        asking.verifier.forget(&digest("opaque"));
    };
    assert_eq!(shown_in_an_outage(&json!({}), refused).await, INACTIVE);
}

#[tokio::test]
async fn while_questions_fail_remembered_tokens_do_not_wait_one_by_one() {
    let asking = Asking::new(active(&json!({}))).await;
    for number in 0..20 {
        assert_eq!(asking.show(&format!("opaque-{number}")).await, Ok(Provenance::Introspection));
    }
    asking.server.behave(Behaviour::Hang(vec![]));
    asking.pass(2);
    for number in 0..20 {
        assert_eq!(asking.show(&format!("opaque-{number}")).await, Ok(Provenance::Cached));
    }
    assert_eq!(asking.server.requests(), 21, "the first found out for all");
}

#[tokio::test]
async fn a_token_that_a_server_chokes_on_keeps_no_revoked_token_alive() {
    for choking in [Behaviour::status("400 Too Long"), Behaviour::status("500 Broken"), Behaviour::ok("<html>")] {
        let asking = Asking::new(active(&json!({}))).await;
        assert_eq!(asking.show("opaque").await, Ok(Provenance::Introspection));
        asking.pass(2);
        asking.server.behave(choking);
        assert_eq!(asking.show("poison").await, UNAVAILABLE);
        asking.server.behave(inactive());
        assert_eq!(asking.show("opaque").await, INACTIVE);
    }
}

#[tokio::test]
async fn without_memory_every_request_asks() {
    let mut asking = Asking::new(active(&json!({}))).await;
    let mut forgetful = settings(&asking.folder, &asking.server, "gateway");
    forgetful.introspection =
        forgetful.introspection.map(|asked| IntrospectionSettings { cache: Duration::ZERO, ..asked });
    asking.issuers = asking.world.issuers(vec![forgetful]);
    for number in 1..5 {
        assert_eq!((asking.show("opaque").await, asking.server.requests()), (Ok(Provenance::Introspection), number));
    }
}

#[tokio::test]
async fn exp_ends_an_answer_before_its_time() {
    let asking = Asking::new(active(&json!({"exp": NOW + 1}))).await;
    assert_eq!(asking.show("opaque").await, Ok(Provenance::Introspection));
    asking.pass(1);
    assert_eq!((asking.show("opaque").await, asking.server.requests()), (Err(Refusal::Fault(TokenFault::Expired)), 2));
}

#[tokio::test]
async fn a_clock_that_is_set_back_makes_no_answer_last_longer() {
    let asking = Asking::new(active(&json!({}))).await;
    assert_eq!(asking.show("opaque").await, Ok(Provenance::Introspection));
    asking.world.clock.set(Duration::from_secs(NOW - 10));
    assert_eq!((asking.show("opaque").await, asking.server.requests()), (Ok(Provenance::Introspection), 2));
}

#[tokio::test]
async fn of_many_requests_with_one_token_only_one_asks() {
    let asking = Asking::new(active(&json!({}))).await;
    let outcomes = futures_util::future::join_all((0..50).map(|_| asking.show("opaque"))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Ok(Provenance::Introspection)), "{outcomes:?}");
    assert_eq!(asking.server.requests(), 1);
    asking.server.behave(Behaviour::status("500 Broken"));
    let outcomes = futures_util::future::join_all((0..50).map(|_| asking.show("another"))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == UNAVAILABLE), "{outcomes:?}");
    assert_eq!(asking.server.requests(), 2, "an outage is shared too, by those who wait for it");
}

#[tokio::test]
async fn the_number_of_requests_that_wait_for_answers_is_bounded() {
    let asking = Asking::new(Behaviour::Hang(vec![])).await;
    let tokens: Vec<_> = (0..1_100).map(|number| format!("opaque-{number}")).collect();
    let outcomes = futures_util::future::join_all(tokens.iter().map(|token| asking.show(token))).await;
    let count = |wanted: Result<Provenance, Refusal>| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    assert_eq!((count(UNAVAILABLE), count(Err(Refusal::Overloaded))), (1_024, 76));
}

#[tokio::test]
async fn a_changed_issuer_begins_anew_and_takes_its_metrics_over() {
    let mut asking = Asking::new(active(&json!({}))).await;
    assert_eq!((asking.show("opaque").await, asking.server.requests()), (Ok(Provenance::Introspection), 1));
    let same = asking.world.reloaded(vec![settings(&asking.folder, &asking.server, "gateway")], Some(&asking.issuers));
    asking.issuers = same;
    assert_eq!((asking.show("opaque").await, asking.server.requests()), (Ok(Provenance::Cached), 1));
    let other = settings(&asking.folder, &asking.server, "another-client");
    asking.issuers = asking.world.reloaded(vec![other], Some(&asking.issuers));
    assert_eq!((asking.show("opaque").await, asking.server.requests()), (Ok(Provenance::Introspection), 2));
    let sample = format!("scopegate_introspection_total{{issuer=\"{ISSUER}\",result=\"active\"}}");
    assert_eq!(asking.world.metric(&sample).as_deref(), Some("2"));
    let plain = IssuerSettings { introspection: None, ..settings(&asking.folder, &asking.server, "") };
    asking.issuers = asking.world.reloaded(vec![plain], Some(&asking.issuers));
    assert_eq!(asking.show("opaque").await, Err(Refusal::Fault(TokenFault::UnknownIssuer)));
    assert_eq!(asking.world.metric(&sample), None);
}
