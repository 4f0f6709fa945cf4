//! The name under which a token is remembered and logged.

use std::fmt;

use aws_lc_rs::digest;

/// The SHA-256 digest of a token: the key of the memory of verified tokens.
///
/// `Display` and `Debug` show its [`TokenId`], which tells nothing of the token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

/// The first 8 bytes of a token's digest: `token_id` in logs, where `Display` shows them as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenId(u64);

impl TokenDigest {
    /// Digests the token as it was shown.
    pub(super) fn of(token: &[u8]) -> Self {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(digest::digest(&digest::SHA256, token).as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }

    /// What logs call the token.
    pub fn id(&self) -> TokenId {
        TokenId(self.0.first_chunk().map_or(0, |first| u64::from_be_bytes(*first)))
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenId({self})")
    }
}

impl fmt::Display for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id().fmt(f)
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenDigest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_sixteen_digits_of_sha_256() {
        // FIPS 180-4's sample: SHA-256("abc") begins so.
        assert_eq!(TokenDigest::of(b"abc").id().to_string(), "ba7816bf8f01cfea");
        assert_eq!(format!("{:?}", TokenDigest::of(b"abc").id()), "TokenId(ba7816bf8f01cfea)");
        assert_eq!(format!("{:?}", TokenDigest::of(b"abc")), "TokenDigest(ba7816bf8f01cfea)");
    }

    #[test]
    fn every_byte_counts() {
        assert_ne!(TokenDigest::of(b"a.b.c"), TokenDigest::of(b"a.b.d"));
    }
}
