//! Issuers, servers and tokens for the tests of this room.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{FairShare, IssuerSettings, Issuers, KeyAddress, KeySource, Provenance, Refusal, Remembered, Verifier};
use crate::clock::Clock;
use crate::net::fetch_testing::{Behaviour, Server};
use crate::telemetry::Metrics;
use crate::token::testing::{ISSUER, Signer, fields, now, rules};
use crate::token::{BearerCredentials, IssuerRules};

/// A clock that stands at [`now`] and fresh metrics.
pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) metrics: Arc<Metrics>,
}

impl World {
    pub(super) fn new() -> Self {
        Self { clock: Clock::fixed(now()), metrics: Arc::new(Metrics::new()) }
    }

    pub(super) fn issuers(&self, settings: Vec<IssuerSettings>) -> Issuers {
        self.reloaded(settings, None)
    }

    pub(super) fn reloaded(&self, settings: Vec<IssuerSettings>, previous: Option<&Issuers>) -> Issuers {
        Issuers::start(settings, previous, self.clock.clone(), self.metrics.clone()).unwrap()
    }

    /// The value of a metric, as the text has it.
    pub(super) fn metric(&self, name: &str) -> Option<String> {
        let text = self.metrics.render(self.clock.now());
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned))
    }

    /// Moves the clock on from where it stands.
    pub(super) fn pass(&self, time: Duration) {
        self.clock.set(self.clock.now() + time);
    }
}

pub(super) fn set_of(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

pub(super) fn serving(signers: &[&Signer]) -> Behaviour {
    Behaviour::ok(&set_of(&signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()))
}

pub(super) fn from_file(path: &Path) -> IssuerSettings {
    IssuerSettings {
        rules: rules(),
        required: true,
        keys: KeySource::File(path.to_owned()),
        introspection: None,
        revocations: None,
    }
}

/// Times that fit a test: everything is quick but the schedule.
pub(super) fn from_url(server: &Server) -> IssuerSettings {
    let keys = KeySource::Remote {
        address: KeyAddress::Url(server.url()),
        refresh: Duration::from_secs(3_600),
        max_stale: Duration::from_secs(86_400),
        cooldown: Duration::ZERO,
        timeout: Duration::from_millis(500),
        ca: None,
    };
    IssuerSettings { rules: rules(), required: true, keys, introspection: None, revocations: None }
}

/// The same with other times.
pub(super) fn timed(
    settings: IssuerSettings,
    change: impl FnOnce(&mut Duration, &mut Duration, &mut Duration),
) -> IssuerSettings {
    let mut settings = settings;
    if let KeySource::Remote { refresh, cooldown, timeout, .. } = &mut settings.keys {
        change(refresh, cooldown, timeout);
    }
    settings
}

pub(super) fn named(settings: IssuerSettings, issuer: &str) -> IssuerSettings {
    IssuerSettings { rules: IssuerRules { issuer: issuer.into(), ..settings.rules }, ..settings }
}

/// Shows a token as the gateway does: what is recognized is not verified.
pub(super) async fn show<N: Default>(
    verifier: &Verifier<N>,
    issuers: &Issuers,
    token: &str,
    acts_alone: impl Fn(&str) -> bool,
) -> Result<(Rc<Remembered<N>>, Provenance), Refusal> {
    let fields = fields(token);
    let shown = BearerCredentials::from_fields(&fields, 65_536).unwrap();
    match verifier.recognize(issuers, shown, &acts_alone) {
        Some(recognized) => Ok((recognized, Provenance::Cached)),
        None => verifier.verify(issuers, shown.token().unwrap(), &FairShare::default(), acts_alone).await,
    }
}

/// Waits for a condition, at most ten seconds.
pub(super) async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Issuers with one whose keys a server has given.
pub(super) async fn ready(world: &World, settings: IssuerSettings) -> Issuers {
    let issuers = world.issuers(vec![settings]);
    until("keys are fetched", || issuers.readiness().iter().all(|state| state.fresh)).await;
    assert!(issuers.named(ISSUER).is_some());
    issuers
}
