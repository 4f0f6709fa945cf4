//! The revocation feed: what was taken back and may still stand in a token.

use super::{Change, Seconds, Store, StoreFault};

/// One entry of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedEntry {
    /// One token.
    Token {
        /// Its `jti`.
        jti: String,
        /// Its `exp`: from then on the entry says nothing.
        exp: Seconds,
    },
    /// Every token of a subject, of a client, or of both together, that was issued at `issued_before` or earlier.
    IssuedBefore {
        /// The `sub`; `None` for any.
        subject: Option<String>,
        /// The `client_id`; `None` for any. Never `None` together with `subject`.
        client: Option<String>,
        /// The last `iat` that is revoked.
        issued_before: Seconds,
        /// From then on the entry says nothing: every token that it names has ended.
        exp: Seconds,
    },
}

/// A part of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPage {
    /// In the order in which they were written.
    pub entries: Vec<FeedEntry>,
    /// The number of the last entry that was written, of those up to the end of this page; what to read after next.
    pub last: i64,
    /// Whether there is more behind.
    pub more: bool,
}

impl Store {
    /// Reads the entries with a number above `after` that have not ended, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn feed(&self, after: i64, limit: u32, now: Seconds) -> Result<FeedPage, StoreFault> {
        todo!()
    }
}

impl Change {
    /// The latest `issued_before` that names tokens of this subject and client: until it is past, nothing may be signed for the two.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn revoked_until(&mut self, subject: &str, client: &str) -> Result<Option<Seconds>, StoreFault> {
        todo!()
    }
}
