//! What every endpoint shares.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::attempts::Attempts;
use super::password::Passwords;
use super::{AuthorizationServerSettings, Catalogue};
use crate::clock::Clock;
use crate::store::{Seconds, Store};

/// What every endpoint shares.
#[derive(Debug)]
pub struct AuthorizationServer {
    /// As the file describes it.
    pub settings: AuthorizationServerSettings,
    /// The scopes that may be granted; replaced when the policy files change.
    pub catalogue: ArcSwap<Catalogue>,
    /// The database.
    pub store: Store,
    /// The wall clock.
    pub clock: Clock,
    pub(super) attempts: Attempts,
    pub(super) passwords: Passwords,
}

impl AuthorizationServer {
    /// Puts one together; nothing is opened and nothing runs yet.
    pub fn new(settings: AuthorizationServerSettings, catalogue: Catalogue, store: Store, clock: Clock) -> Arc<Self> {
        let catalogue = ArcSwap::from_pointee(catalogue);
        let (attempts, passwords) = (Attempts::default(), Passwords::default());
        Arc::new(Self { settings, catalogue, store, clock, attempts, passwords })
    }

    /// Whole seconds since the Unix epoch.
    pub(super) fn now(&self) -> Seconds {
        Seconds::try_from(self.clock.now().as_secs()).unwrap_or(Seconds::MAX)
    }
}
