//! The memory of verified tokens: one worker's, bounded, keyed by SHA-256.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::unsync::Cache;

use super::introspection::milliseconds;
use crate::token::{TokenDigest, TokenId, VerificationKey, VerifiedToken};

/// A verified token and the caller's note on it.
#[derive(Debug)]
pub struct Remembered<N> {
    /// The facts.
    pub token: VerifiedToken,
    /// What the caller keeps beside them; it dies with them.
    pub note: N,
    /// What logs call it.
    pub id: TokenId,
    /// The generation of its issuer.
    pub(super) issuer: u64,
    /// The generation of the issuer's latest revocations that were seen not to name the token; 0 before any.
    pub(super) revocations: Cell<u64>,
}

/// What is kept of a token beside its facts, to see whether they still hold.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// The generation of the issuer.
    pub(super) issuer: u64,
    pub(super) basis: Basis,
}

impl Origin {
    /// Whether the issuer is to be asked again.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        match &self.basis {
            Basis::Signature { .. } => false,
            Basis::Introspection { due, .. } => due.get() <= milliseconds(now),
        }
    }
}

/// What the facts about a token stand on.
#[derive(Clone, Debug)]
pub(super) enum Basis {
    /// A signature.
    Signature {
        /// The key that signed.
        key: Arc<VerificationKey>,
        /// The generation of the latest key set that was seen to hold the key.
        key_set: Cell<u64>,
    },
    /// An answer of the issuer, believed for a while; times in milliseconds since the Unix epoch, for they are kept of every
    /// token.
    Introspection {
        /// When the issuer was asked.
        from: u64,
        /// From when on the answer is not believed any more.
        until: u64,
        /// When the issuer is to be asked again, though its answer is believed as long as it has no other.
        due: Cell<u64>,
    },
}

/// Remembered tokens, at most so many.
///
/// A flood of tokens that are shown once passes by: what is shown again is kept before what is not (as in CLOCK-Pro and
/// S3-FIFO).
pub(super) struct Memory<N> {
    entries: Cache<TokenDigest, Entry<N>, ByBytes>,
}

struct Entry<N> {
    remembered: Rc<Remembered<N>>,
    origin: Origin,
}

/// A token with many claims counts for several, so that the bound holds for bytes too.
#[derive(Clone)]
struct ByBytes;

impl<N> Weighter<TokenDigest, Entry<N>> for ByBytes {
    fn weight(&self, _: &TokenDigest, entry: &Entry<N>) -> u64 {
        1 + entry.remembered.token.heap_bytes() as u64 / 512
    }
}

impl<N> Memory<N> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { entries: Cache::with_weighter(capacity, capacity as u64, ByBytes) }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Finds a token that was verified, whether or not the facts still hold.
    pub(super) fn find(&self, digest: &TokenDigest) -> Option<(&Rc<Remembered<N>>, &Origin)> {
        self.entries.get(digest).map(|entry| (&entry.remembered, &entry.origin))
    }

    /// Puts off the question whether an answer about a token still holds.
    pub(super) fn postpone(&self, digest: &TokenDigest, to: Duration) {
        if let Some(Entry { origin: Origin { basis: Basis::Introspection { due, .. }, .. }, .. }) =
            self.entries.get(digest)
        {
            due.set(milliseconds(to));
        }
    }

    pub(super) fn remove(&mut self, digest: &TokenDigest) {
        self.entries.remove(digest);
    }

    pub(super) fn insert(&mut self, digest: TokenDigest, remembered: Rc<Remembered<N>>, origin: Origin) {
        self.entries.insert(digest, Entry { remembered, origin });
    }
}

impl<N> fmt::Debug for Memory<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::token::testing::Signer;
    use crate::token::{BearerToken, NameDigest};

    fn digest(number: usize) -> TokenDigest {
        let value = HeaderValue::from_str(&format!("Bearer token-{number}")).unwrap();
        let fields = HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
        BearerToken::from_fields(&fields, 100).unwrap().digest()
    }

    fn token(scope: &str) -> VerifiedToken {
        VerifiedToken {
            issuer: "https://as.test".into(),
            subject: Some("9f0c2a34-1b7a-4f64-9a8e-0c4d7c3f2b11".into()),
            client: Some("a-client-of-some-length".into()),
            scope: scope.into(),
            roles: Box::from(["TenantAdmin".into(), "AnalyticsAdmin".into()]),
            exp: Duration::from_secs(100),
            nbf: None,
            iat: None,
            jti: Some(NameDigest::of(&["3f1c2a34-1b7a-4f64-9a8e-0c4d7c3f2b11"])),
            client_only: false,
        }
    }

    struct Filling {
        memory: Memory<()>,
        origin: Origin,
    }

    impl Filling {
        fn new(capacity: usize) -> Self {
            let basis = Basis::Signature { key: Arc::new(Signer::es256().key()), key_set: Cell::new(1) };
            let origin = Origin { issuer: 1, basis };
            Self { memory: Memory::new(capacity), origin }
        }

        fn insert(&mut self, number: usize, scope: &str) {
            let (digest, revocations) = (digest(number), Cell::new(0));
            let remembered = Remembered { token: token(scope), note: (), id: digest.id(), issuer: 1, revocations };
            self.memory.insert(digest, Rc::new(remembered), self.origin.clone());
        }

        fn has(&self, number: usize) -> bool {
            self.memory.find(&digest(number)).is_some()
        }
    }

    #[test]
    fn what_is_inserted_is_found_until_it_is_removed() {
        let mut filling = Filling::new(10);
        filling.insert(1, "a");
        assert!(filling.has(1) && !filling.has(2));
        filling.memory.remove(&digest(1));
        assert!(!filling.has(1));
    }

    #[test]
    fn the_number_of_tokens_is_bounded() {
        for capacity in [0, 1, 7, 100] {
            let mut filling = Filling::new(capacity);
            (0..1_000).for_each(|number| filling.insert(number, "a"));
            assert!(filling.memory.len() <= capacity, "{capacity}");
        }
    }

    #[test]
    fn the_bytes_of_large_tokens_are_bounded_too() {
        let mut filling = Filling::new(100);
        (0..1_000).for_each(|number| filling.insert(number, &"scope ".repeat(1_000)));
        assert!(filling.memory.len() <= 9, "{}", filling.memory.len());
    }

    #[test]
    fn tokens_in_use_survive_a_flood_of_tokens_shown_once() {
        let mut filling = Filling::new(1_000);
        (0..500).for_each(|number| filling.insert(number, "a"));
        for flood in 0..20_000 {
            filling.insert(1_000 + flood, "a");
            filling.has(flood % 500);
        }
        let kept = (0..500).filter(|number| filling.has(*number)).count();
        assert!(kept >= 495, "{kept}");
    }

    #[test]
    fn a_token_takes_at_most_700_bytes() {
        // The caller's note, as large as a set of 256 scopes, three words and three flags.
        type Note = [u64; 9];
        // The cache keeps two link words, a state and a counter beside key and value, and half as many slots again for
        // names that it lately dropped; its table takes one word at half load.
        let slot = size_of::<TokenDigest>() + size_of::<Entry<Note>>() + 16;
        let rc = 2 * size_of::<usize>() + size_of::<Remembered<Note>>();
        let scope = "automations automations:read apps:read spaces:read data-connections";
        // Six allocations with a header of 16 bytes each.
        let texts = token(scope).heap_bytes() + 6 * 16;
        let total = slot + slot / 2 + 10 + rc + texts;
        assert!(total <= 700, "{total}");
    }
}
