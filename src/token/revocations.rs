//! What an issuer has revoked, and whether that names a token.

use std::collections::HashMap;
use std::time::Duration;

use super::name_digest::NameDigest;
use super::revocation_page::{Named, RevocationEntry};
use super::verified::VerifiedToken;

/// So many entries of one issuer are kept at most.
pub const MOST_REVOCATIONS: usize = 262_144;

/// Everything that one issuer has revoked and that could still be in use. Immutable; more entries make another one.
///
/// An entry takes the same room however long its names are. Of entries that name the same, the widest counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations {
    ids: HashMap<NameDigest, u64>,
    subjects: HashMap<NameDigest, Bound>,
    clients: HashMap<NameDigest, Bound>,
    pairs: HashMap<NameDigest, Bound>,
}

/// How far an entry reaches; seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bound {
    issued_before: u64,
    exp: u64,
}

impl Revocations {
    /// Returns these with `entries` besides, and without those that `now` has outlived; `None` beyond [`MOST_REVOCATIONS`].
    ///
    /// An entry may go once no token that it names can be in use: from the second after its `exp` on, and `leeway` later still.
    #[must_use]
    pub fn with(&self, entries: &[RevocationEntry], now: Duration, leeway: Duration) -> Option<Self> {
        let oldest = now.saturating_sub(leeway).as_secs();
        let mut all = self.clone();
        all.drop_before(oldest);
        entries.iter().filter(|entry| entry.exp >= oldest).for_each(|entry| all.add(entry));
        (all.len() <= MOST_REVOCATIONS).then_some(all)
    }

    /// Tells whether an entry names the token.
    ///
    /// What a token does not say (`jti`, `sub`, `client_id`) no entry can name it by; one that does not say when it was issued
    /// was issued before anything.
    pub fn name(&self, token: &VerifiedToken) -> bool {
        let issued = token.iat.map_or(0, |iat| iat.as_secs());
        let reaches = |named: &HashMap<NameDigest, Bound>, texts: &[&str]| {
            named.get(&NameDigest::of(texts)).is_some_and(|bound| issued <= bound.issued_before)
        };
        let (subject, client) = (token.subject.as_deref(), token.client.as_deref());
        // Nothing is digested for a kind of entry that there is none of.
        (!self.ids.is_empty() && token.jti.is_some_and(|id| self.ids.contains_key(&id)))
            || (!self.subjects.is_empty() && subject.is_some_and(|subject| reaches(&self.subjects, &[subject])))
            || (!self.clients.is_empty() && client.is_some_and(|client| reaches(&self.clients, &[client])))
            || (!self.pairs.is_empty()
                && subject.zip(client).is_some_and(|(subject, client)| reaches(&self.pairs, &[subject, client])))
    }

    /// Counts the entries.
    pub fn len(&self) -> usize {
        self.ids.len() + self.subjects.len() + self.clients.len() + self.pairs.len()
    }

    /// Says whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn add(&mut self, entry: &RevocationEntry) {
        let (named, name, issued_before) = match entry.named {
            Named::Id(id) => {
                let exp = self.ids.entry(id).or_default();
                *exp = entry.exp.max(*exp);
                return;
            }
            Named::Subject(subject, before) => (&mut self.subjects, subject, before),
            Named::Client(client, before) => (&mut self.clients, client, before),
            Named::Pair(pair, before) => (&mut self.pairs, pair, before),
        };
        let bound = named.entry(name).or_default();
        *bound = Bound { issued_before: issued_before.max(bound.issued_before), exp: entry.exp.max(bound.exp) };
    }

    fn drop_before(&mut self, oldest: u64) {
        self.ids.retain(|_, exp| *exp >= oldest);
        for named in [&mut self.subjects, &mut self.clients, &mut self.pairs] {
            named.retain(|_, bound| bound.exp >= oldest);
        }
    }
}
