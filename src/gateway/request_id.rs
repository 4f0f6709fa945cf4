//! `X-Request-Id`: the peer's if it is sound, else one of ours.

use std::cell::{Cell, RefCell};

use bytes::Bytes;
use http::HeaderValue;

/// The longest id that is taken over from a peer, in bytes.
const LONGEST: usize = 64;

/// The bytes of an id that is made here.
const DIGITS: usize = 16;

/// So many ids are made at once, in one piece of memory that they share.
const BATCH: usize = 64;

/// Makes request ids for one worker: 16 hex digits that do not repeat within 2⁶⁴ requests, and differ between workers and starts.
#[derive(Debug)]
pub(super) struct RequestIds {
    state: Cell<u64>,
    /// Digits of ids that were made and not given away.
    ready: RefCell<Bytes>,
}

impl RequestIds {
    /// Begins at `seed`, which is to be random.
    pub(super) fn new(seed: u64) -> Self {
        Self { state: Cell::new(seed), ready: RefCell::default() }
    }

    /// The peer's id if it is 1 to 64 of `[A-Za-z0-9._-]`, else a new one.
    pub(super) fn choose(&self, sent: Option<&HeaderValue>) -> HeaderValue {
        match sent {
            Some(id) if is_sound(id.as_bytes()) => id.clone(),
            Some(_) | None => self.next(),
        }
    }

    /// A number that does not repeat within 2⁶⁴ numbers and ids.
    pub(super) fn number(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        // The finaliser of SplitMix64: a permutation, so numbers repeat only when the counter does.
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn next(&self) -> HeaderValue {
        let mut ready = self.ready.borrow_mut();
        if ready.len() < DIGITS {
            let mut digits = Vec::with_capacity(BATCH * DIGITS);
            (0..BATCH).for_each(|_| digits.extend_from_slice(&hex_digits(self.number())));
            *ready = digits.into();
        }
        HeaderValue::from_maybe_shared(ready.split_to(DIGITS)).unwrap_or(HeaderValue::from_static("-"))
    }
}

/// The number in 16 digits, lower case.
fn hex_digits(number: u64) -> [u8; DIGITS] {
    // A digit a byte, eight bytes at a time.
    let eight = |half: u64| {
        let quarters = (half | half << 16) & 0x0000_ffff_0000_ffff;
        let bytes = (quarters | quarters << 8) & 0x00ff_00ff_00ff_00ff;
        let nibbles = (bytes | bytes << 4) & 0x0f0f_0f0f_0f0f_0f0f;
        // 1 in each byte whose nibble is 10 or more: 6 more make it 16.
        let letters = ((nibbles + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
        nibbles + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - 10 - b'0')
    };
    let digits = u128::from(eight(number >> 32)) << 64 | u128::from(eight(number & 0xffff_ffff));
    digits.to_be_bytes()
}

fn is_sound(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_id_is_kept_and_others_are_made_new() {
        let ids = RequestIds::new(1);
        let kept = |id: &'static str| ids.choose(Some(&HeaderValue::from_static(id))) == id;
        assert!(kept("a"));
        assert!(kept("Aa0._-"));
        assert!(!kept(""));
        assert!(!kept("a b"));
        assert!(!kept("{}"));
        let (longest, longer) = ("x".repeat(LONGEST), "x".repeat(LONGEST + 1));
        assert_eq!(ids.choose(Some(&HeaderValue::from_str(&longest).unwrap())), longest);
        assert_ne!(ids.choose(Some(&HeaderValue::from_str(&longer).unwrap())), longer);
    }

    #[test]
    fn made_ids_are_sixteen_hex_digits_and_differ() {
        let ids = RequestIds::new(7);
        let (first, second) = (ids.choose(None), ids.choose(None));
        assert_ne!(first, second);
        assert!(first.as_bytes().len() == 16 && first.as_bytes().iter().all(u8::is_ascii_hexdigit));
        let made: std::collections::HashSet<_> = (0..10 * BATCH).map(|_| ids.choose(None)).collect();
        assert_eq!(made.len(), 10 * BATCH);
        for number in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, 0x9a00_0000_0000_00f0] {
            assert_eq!(hex_digits(number), format!("{number:016x}").as_bytes());
        }
    }
}
