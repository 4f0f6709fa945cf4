//! The short way to a remembered token.

use std::rc::Rc;

use super::issuers::Issuers;
use super::memory::Remembered;
use super::verifier::{Recalled, Verifier};
use crate::telemetry::CacheResult;
use crate::token::BearerCredentials;

impl<N: Default> Verifier<N> {
    /// Finds a token that was shown a moment ago and is remembered, by its bytes, and checks whatever [`Verifier::verify`] checks of
    /// such a token. `None` says nothing of the token: it is to be verified.
    pub fn recognize(
        &self,
        issuers: &Issuers,
        shown: BearerCredentials<'_>,
        acts_alone: impl Fn(&str) -> bool,
    ) -> Option<Rc<Remembered<N>>> {
        let digest = self.lately_shown.borrow().digest(shown)?;
        let Recalled::Good(remembered) = self.look(issuers, &digest, acts_alone) else { return None };
        self.admit(issuers, &remembered).ok()?;
        self.metrics.token_lookup(CacheResult::Hit);
        Some(remembered)
    }

    /// Lets go of the text of tokens that were not shown since it was called before.
    pub fn sweep(&self) {
        self.lately_shown.borrow_mut().sweep();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::super::refusal::{Provenance, Refusal};
    use super::super::settings::IssuerSettings;
    use super::super::testing::{World, from_file, set_of, show};
    use super::*;
    use crate::token::testing::{NOW, Signer, absent, fields};
    use crate::token::{IssuerRules, TokenFault};

    struct Worker {
        world: World,
        verifier: Verifier<()>,
        settings: IssuerSettings,
        issuers: Issuers,
        signer: Signer,
        _folder: tempfile::TempDir,
    }

    impl Worker {
        fn new() -> Self {
            let (world, signer, folder) = (World::new(), Signer::es256(), tempfile::tempdir().unwrap());
            let path = folder.path().join("jwks.json");
            std::fs::write(&path, set_of(&[signer.jwk()])).unwrap();
            let settings = from_file(&path);
            let issuers = world.issuers(vec![settings.clone()]);
            let verifier = Verifier::new(100, 0.5, world.clock.clone(), world.metrics.clone());
            Self { world, verifier, settings, issuers, signer, _folder: folder }
        }

        /// A token that was shown often enough to be recognized.
        async fn known(&self, more: (&str, serde_json::Value)) -> String {
            let token = self.signer.token(&[], &[("client_id", json!("robot")), more]);
            for expected in [Provenance::Jwt, Provenance::Cached, Provenance::Cached] {
                let shown = show(&self.verifier, &self.issuers, &token, |_| true).await;
                assert_eq!(shown.map(|(_, provenance)| provenance), Ok(expected));
            }
            assert!(self.recognizes(&self.issuers, &token, true));
            token
        }

        fn recognizes(&self, issuers: &Issuers, token: &str, acts_alone: bool) -> bool {
            let fields = fields(token);
            let shown = BearerCredentials::from_fields(&fields, 65_536).unwrap();
            self.verifier.recognize(issuers, shown, |_| acts_alone).is_some()
        }
    }

    #[tokio::test]
    async fn a_token_is_recognized_from_the_second_time_on() {
        let worker = Worker::new();
        let token = worker.signer.token(&[], &[]);
        for (count, provenance) in [Provenance::Jwt, Provenance::Cached].into_iter().enumerate() {
            assert!(!worker.recognizes(&worker.issuers, &token, true), "{count}");
            let shown = show(&worker.verifier, &worker.issuers, &token, |_| false).await;
            assert_eq!(shown.map(|(_, provenance)| provenance), Ok(provenance));
        }
        assert!(worker.recognizes(&worker.issuers, &token, true));
        let hits = worker.world.metric("scopegate_token_cache_lookups_total{result=\"hit\"}");
        assert_eq!(hits.as_deref(), Some("2"), "one by its digest, one by its bytes");
    }

    #[tokio::test]
    async fn what_would_not_be_verified_is_not_recognized() {
        let worker = Worker::new();
        let token = worker.known(("sub", absent())).await;
        assert!(!worker.recognizes(&worker.issuers, &token, false), "its client may not act alone");
        let strict = IssuerRules { audience: vec!["urn:another".into()], ..worker.settings.rules.clone() };
        let changed = IssuerSettings { rules: strict, ..worker.settings.clone() };
        let changed = worker.world.reloaded(vec![changed], Some(&worker.issuers));
        assert!(!worker.recognizes(&changed, &token, true), "its issuer is another");
        worker.world.clock.set(Duration::from_secs(NOW + 10_000));
        assert!(!worker.recognizes(&worker.issuers, &token, true), "it has ended");
        let refused = show(&worker.verifier, &worker.issuers, &token, |_| true).await.map(|_| ());
        assert_eq!(refused, Err(Refusal::Fault(TokenFault::Expired)));
        worker.world.clock.set(Duration::from_secs(NOW));
        assert!(!worker.recognizes(&worker.issuers, &token, true), "it is forgotten");
    }

    #[tokio::test]
    async fn the_text_of_a_token_that_nobody_shows_is_let_go_of() {
        let worker = Worker::new();
        let token = worker.known(("jti", json!("1"))).await;
        worker.verifier.sweep();
        assert!(worker.recognizes(&worker.issuers, &token, true));
        worker.verifier.sweep();
        worker.verifier.sweep();
        assert!(!worker.recognizes(&worker.issuers, &token, true));
        let shown = show(&worker.verifier, &worker.issuers, &token, |_| false).await;
        assert_eq!(shown.map(|(_, provenance)| provenance), Ok(Provenance::Cached), "the facts are still remembered");
    }
}
