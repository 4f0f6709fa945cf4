//! Tokens that their issuer was asked about and that are refused: for a short while it is not asked again.

use std::fmt;
use std::time::Duration;

use quick_cache::unsync::Cache;

use super::flights::Subject;
use crate::token::TokenFault;

/// So many are remembered at most.
const MOST: usize = 4096;

/// Refused tokens of one worker, each under the generation of the issuer that was asked.
pub(super) struct Refused {
    tokens: Cache<Subject, Entry>,
}

struct Entry {
    fault: TokenFault,
    believed: (Duration, Duration),
}

impl Refused {
    pub(super) fn new() -> Self {
        Self { tokens: Cache::new(MOST) }
    }

    /// Why the token is refused, as far as that is still believed at `now`.
    pub(super) fn find(&self, subject: &Subject, now: Duration) -> Option<TokenFault> {
        let entry = self.tokens.get(subject)?;
        let (from, until) = entry.believed;
        (from..until).contains(&now).then_some(entry.fault)
    }

    pub(super) fn insert(&mut self, subject: Subject, fault: TokenFault, believed: (Duration, Duration)) {
        self.tokens.insert(subject, Entry { fault, believed });
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("len", &self.tokens.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::BearerToken;
    use crate::token::testing::fields;

    fn subject(issuer: u64, number: usize) -> Subject {
        let fields = fields(&format!("token-{number}"));
        (issuer, BearerToken::from_fields(&fields, 100).unwrap().digest())
    }

    #[test]
    fn a_refusal_is_believed_for_its_time_and_issuer() {
        let at = Duration::from_secs;
        let mut refused = Refused::new();
        refused.insert(subject(1, 1), TokenFault::Inactive, (at(10), at(15)));
        for (issuer, number, now, expected) in [
            (1, 1, 10, Some(TokenFault::Inactive)),
            (1, 1, 14, Some(TokenFault::Inactive)),
            (1, 1, 15, None),
            // A clock that was set back makes nothing last longer.
            (1, 1, 9, None),
            (2, 1, 10, None),
            (1, 2, 10, None),
        ] {
            assert_eq!(refused.find(&subject(issuer, number), at(now)), expected, "{issuer} {number} {now}");
        }
    }

    #[test]
    fn a_flood_of_refused_tokens_takes_bounded_room() {
        let mut refused = Refused::new();
        for number in 0..3 * MOST {
            refused.insert(subject(1, number), TokenFault::Inactive, Default::default());
        }
        assert!(refused.tokens.len() <= MOST);
    }
}
