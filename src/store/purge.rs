//! What has ended leaves the database.

use super::{Seconds, Store, StoreFault};

/// What has ended at `$1`. Tokens go first, for a redeemed code stays as long as a token of its family.
const ENDED: [&str; 5] = [
    "DELETE FROM access_tokens WHERE expires_at <= $1",
    "DELETE FROM refresh_tokens WHERE expires_at <= $1",
    "DELETE FROM codes WHERE expires_at <= $1 AND (NOT redeemed OR (
         NOT EXISTS (SELECT 1 FROM access_tokens WHERE access_tokens.family = codes.family)
         AND NOT EXISTS (SELECT 1 FROM refresh_tokens WHERE refresh_tokens.family = codes.family)))",
    "DELETE FROM sessions WHERE expires_at <= $1",
    "DELETE FROM revocations WHERE expires_at <= $1",
];

impl Store {
    /// Removes what has ended: codes, tokens, sessions and entries of the feed past their time, and signing keys whose last token is gone.
    ///
    /// A redeemed code stays until the last token of its grant has ended, and a used refresh token until it would have ended itself: a
    /// second use of either is still told. A signing key goes when a later one has signed for the longest lifetime of a token.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn purge(&self, now: Seconds) -> Result<(), StoreFault> {
        let mut change = self.change().await?;
        for statement in ENDED {
            sqlx::query(statement).bind(now).execute(&mut *change.transaction).await?;
        }
        // The last condition is for tokens of a time when the configured lifetime was longer.
        sqlx::query(
            "DELETE FROM signing_keys WHERE EXISTS (
                 SELECT 1 FROM signing_keys AS later
                 WHERE later.signs_from > signing_keys.signs_from AND later.signs_from <= $1
                 AND NOT EXISTS (SELECT 1 FROM access_tokens WHERE issued_at <= later.signs_from))",
        )
        .bind(now.saturating_sub(self.longest_lifetime))
        .execute(&mut *change.transaction)
        .await?;
        change.commit().await
    }
}
