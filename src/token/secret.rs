//! A secret that is compared and never shown.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};

/// A secret text, of which only the SHA-256 is kept; shown as `…`.
#[derive(Clone)]
pub struct Secret(Digest);

impl Secret {
    /// Takes the secret as it is to be presented, byte for byte.
    pub fn new(text: &str) -> Self {
        Self(digest(&SHA256, text.as_bytes()))
    }

    /// Returns whether `candidate` is the secret; how long this takes says nothing about where they differ.
    pub fn matches(&self, candidate: &str) -> bool {
        verify_slices_are_equal(self.0.as_ref(), digest(&SHA256, candidate.as_bytes()).as_ref()).is_ok()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(self.0.as_ref(), other.0.as_ref()).is_ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_itself_matches_and_it_is_never_shown() {
        let secret = Secret::new("correct horse");
        for (candidate, expected) in
            [("correct horse", true), ("correct hors", false), ("correct horse ", false), ("", false)]
        {
            assert_eq!(secret.matches(candidate), expected, "`{candidate}`");
        }
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}
