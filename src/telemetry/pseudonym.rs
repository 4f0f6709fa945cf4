//! Subjects that can be told apart but not recognised.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;

/// Turns subjects into hashes under a key that no other process has.
pub(super) struct Pseudonyms {
    /// `None` if the system gave no randomness; then no pseudonym is better than one that can be recomputed.
    key: Option<hmac::Key>,
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Pseudonyms(…)")
    }
}

impl Pseudonyms {
    /// Makes a key from the system's randomness.
    pub(super) fn random() -> Self {
        Self { key: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok() }
    }

    /// The first 16 hex digits of the subject's HMAC-SHA256 (RFC 2104).
    pub(super) fn of(&self, subject: &str) -> Option<String> {
        let tag = hmac::sign(self.key.as_ref()?, subject.as_bytes());
        Some(tag.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_has_one_pseudonym_in_one_process_only() {
        let (here, elsewhere) = (Pseudonyms::random(), Pseudonyms::random());
        let alice = here.of("alice").unwrap();
        assert!(alice.len() == 16 && alice.bytes().all(|byte| byte.is_ascii_hexdigit()), "{alice}");
        assert_eq!(here.of("alice").unwrap(), alice);
        assert_ne!(here.of("bob").unwrap(), alice);
        assert_ne!(elsewhere.of("alice").unwrap(), alice);
    }
}
