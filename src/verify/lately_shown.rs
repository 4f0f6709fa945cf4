//! Tokens that were shown a moment ago, with their digests: who shows one again is known by its bytes.

use std::cell::Cell;
use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::token::{BearerCredentials, TokenDigest};

/// So many tokens are kept at most.
const SLOTS: usize = 256;
/// A longer token is not kept, in bytes.
const LONGEST: usize = 2048;
/// How many bytes at a token's end choose its slot: where tokens differ, in their signatures.
const TAIL: usize = 16;

/// Tokens of one worker that are remembered and were shown more than once, each in the one slot that is its own: another that has
/// the same slot takes its place. Bounded by 256 tokens of 2 KiB.
///
/// INVARIANT: a slot has the bytes of one b64token and their digest, or nothing.
pub(super) struct LatelyShown {
    slots: Box<[Slot]>,
}

#[derive(Default)]
struct Slot {
    token: Vec<u8>,
    /// The token's last bytes, to tell others apart at once.
    tail: u128,
    digest: Option<TokenDigest>,
    /// Shown since the last sweep.
    is_fresh: Cell<bool>,
}

impl LatelyShown {
    pub(super) fn new() -> Self {
        Self { slots: std::iter::repeat_with(Slot::default).take(SLOTS).collect() }
    }

    /// The digest of a token that is kept.
    pub(super) fn digest(&self, shown: BearerCredentials<'_>) -> Option<TokenDigest> {
        let tail = tail(shown.as_bytes())?;
        let slot = self.slots.get(place(tail))?;
        // How long this takes tells a peer whether all of the tail is right, which nobody guesses, and nothing of the rest.
        if slot.tail != tail {
            return None;
        }
        verify_slices_are_equal(&slot.token, shown.as_bytes()).ok()?;
        slot.is_fresh.set(true);
        slot.digest
    }

    /// Keeps a token in its slot, unless it is too long or too short.
    pub(super) fn keep(&mut self, token: &str, digest: TokenDigest) {
        let token = token.as_bytes();
        let Some(tail) = tail(token) else { return };
        let Some(slot) = self.slots.get_mut(place(tail)) else { return };
        slot.clear();
        slot.token.extend_from_slice(token);
        slot.tail = tail;
        slot.digest = Some(digest);
        slot.is_fresh.set(true);
    }

    /// Lets go of a token that is no longer remembered.
    pub(super) fn forget(&mut self, digest: &TokenDigest) {
        self.slots.iter_mut().filter(|slot| slot.digest.as_ref() == Some(digest)).for_each(Slot::clear);
    }

    /// Lets go of what was not shown since the last sweep.
    pub(super) fn sweep(&mut self) {
        self.slots.iter_mut().filter(|slot| !slot.is_fresh.take()).for_each(Slot::clear);
    }
}

impl Slot {
    /// Overwrites the token, and keeps the room for the next.
    fn clear(&mut self) {
        self.token.fill(0);
        self.token.clear();
        self.tail = 0;
        self.digest = None;
    }
}

impl fmt::Debug for LatelyShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LatelyShown(…)")
    }
}

/// The last bytes of a token that may be kept.
fn tail(token: &[u8]) -> Option<u128> {
    let fits = token.len() <= LONGEST;
    token.last_chunk::<TAIL>().filter(|_| fits).map(|tail| u128::from_le_bytes(*tail))
}

/// The slot of a token with such a tail.
fn place(tail: u128) -> usize {
    // Fibonacci hashing of both halves: every byte has a say in the highest bits of the product.
    let mixed = (tail as u64 ^ ((tail >> 64) as u64).rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::from(mixed.to_be_bytes()[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::BearerToken;
    use crate::token::testing::fields;

    fn digest(token: &str) -> TokenDigest {
        BearerToken::from_fields(&fields(token), 65_536).unwrap().digest()
    }

    fn found(lately: &LatelyShown, token: &str) -> Option<TokenDigest> {
        lately.digest(BearerCredentials::from_fields(&fields(token), 65_536).unwrap())
    }

    fn kept(tokens: &[&str]) -> LatelyShown {
        let mut lately = LatelyShown::new();
        tokens.iter().for_each(|token| lately.keep(token, digest(token)));
        lately
    }

    #[test]
    fn only_the_very_token_is_known() {
        let token = "header.payload.a-signature-of-some-length";
        let lately = kept(&[token]);
        assert_eq!(found(&lately, token), Some(digest(token)));
        for position in 0..token.len() {
            let mut other = token.to_owned();
            other.replace_range(position..=position, "_");
            assert_eq!(found(&lately, &other), None, "{other}");
        }
        for other in ["x", token.strip_prefix('h').unwrap(), &format!("x{token}"), &format!("{token}=")] {
            assert_eq!(found(&lately, other), None, "{other}");
        }
    }

    #[test]
    fn bytes_that_are_no_token_are_never_known() {
        let lately = LatelyShown::new();
        for shown in ["", "=", &"\u{fc}".repeat(16), &"\t".repeat(20)] {
            let value = http::HeaderValue::from_bytes(format!("Bearer {shown}").as_bytes()).unwrap();
            let fields = http::HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
            assert_eq!(lately.digest(BearerCredentials::from_fields(&fields, 100).unwrap()), None, "{shown:?}");
        }
    }

    #[test]
    fn a_token_that_is_forgotten_or_not_shown_for_two_sweeps_is_wiped() {
        let (one, two) = ("header.payload.signature-number-1", "header.payload.signature-number-2");
        let mut lately = kept(&[one, two]);
        lately.forget(&digest(one));
        assert_eq!((found(&lately, one), found(&lately, two)), (None, Some(digest(two))));
        lately.sweep();
        assert_eq!(found(&lately, two), Some(digest(two)));
        lately.sweep();
        lately.sweep();
        assert_eq!(found(&lately, two), None);
        for slot in &mut lately.slots {
            let room = slot.token.capacity();
            slot.token.resize(room, 0);
            assert!(slot.token.iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn a_flood_of_tokens_takes_bounded_room() {
        let mut lately = LatelyShown::new();
        for number in 0..3_000 {
            let token = format!("{}.{number:020}", "x".repeat(number % 3_000));
            lately.keep(&token, digest(&token));
        }
        assert_eq!(lately.slots.len(), SLOTS);
        assert!(lately.slots.iter().all(|slot| slot.token.capacity() <= 2 * LONGEST));
        let taken = lately.slots.iter().filter(|slot| slot.digest.is_some()).count();
        assert!(taken > SLOTS / 2, "tokens spread over the slots: {taken}");
    }

    #[test]
    fn no_token_is_shown_by_debug() {
        assert_eq!(format!("{:?}", kept(&["header.payload.signature-secret"])), "LatelyShown(…)");
    }
}
