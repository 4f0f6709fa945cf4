//! The revocation feed: what was taken back and may still stand in a token.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

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
    /// Reads the entries with a number above `after` that have not ended, at most `limit` (at least one).
    ///
    /// A number that was never given, as of a database that was put back to an earlier state, is read as the beginning.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn feed(&self, after: i64, limit: u32, now: Seconds) -> Result<FeedPage, StoreFault> {
        // INVARIANT: entries and the number of the last one are of the same moment.
        let limit = limit.max(1);
        let mut reading = self.readers.begin().await?;
        let last_entry: i64 = sqlx::query_scalar("SELECT last_entry FROM state").fetch_one(&mut *reading).await?;
        let rows =
            sqlx::query("SELECT * FROM revocations WHERE number > $1 AND expires_at > $2 ORDER BY number LIMIT $3")
                .bind(if after > last_entry { 0 } else { after })
                .bind(now)
                .bind(i64::from(limit).saturating_add(1))
                .fetch_all(&mut *reading)
                .await?;
        page(&rows, usize::try_from(limit).unwrap_or(usize::MAX), last_entry)
    }
}

impl Change {
    /// The latest `issued_before` that names tokens of this subject and client: until it is past, nothing may be signed for the two.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn revoked_until(&mut self, subject: &str, client: &str) -> Result<Option<Seconds>, StoreFault> {
        let latest = sqlx::query_scalar(
            "SELECT MAX(named.issued_before) FROM (
                 SELECT issued_before FROM revocations WHERE subject = $1 AND client_id IS NULL
                 UNION ALL SELECT issued_before FROM revocations WHERE subject = $1 AND client_id = $2
                 UNION ALL SELECT issued_before FROM revocations WHERE subject IS NULL AND client_id = $2
             ) AS named",
        )
        .bind(subject)
        .bind(client)
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(latest)
    }

    /// Takes back every token that is named: introspection does not find it any more, and an entry of the feed says so. An earlier entry
    /// with the same names gives way to this one, so that they do not pile up.
    ///
    /// INVARIANT: the entry names every token that was issued before this change. `now` may be of a moment before it, for a change waits
    /// for others to end; a token that one of them issued is of a later second, and the entry reaches as far as that.
    pub(super) async fn withdraw(&mut self, named: Named<'_>, now: Seconds) -> Result<(), StoreFault> {
        let (subject, client) = named.names();
        let earlier: Vec<(Seconds, Seconds)> = sqlx::query_as(
            "DELETE FROM revocations WHERE issued_before IS NOT NULL
             AND subject IS NOT DISTINCT FROM $1 AND client_id IS NOT DISTINCT FROM $2 RETURNING issued_before, expires_at",
        )
        .bind(subject)
        .bind(client)
        .fetch_all(&mut *self.transaction)
        .await?;
        let tokens = self.forget_access_tokens(named).await?;
        let said = earlier.iter().chain(&tokens);
        let issued_before = said.clone().map(|(moment, _)| *moment).fold(now, Seconds::max);
        // Not always within the longest lifetime: the configured one may have been longer when a token was issued.
        let longest = issued_before.saturating_add(self.longest_lifetime);
        let exp = said.map(|(_, exp)| *exp).fold(longest, Seconds::max);
        let (subject, client) = (subject.map(str::to_owned), client.map(str::to_owned));
        self.write_entry(&FeedEntry::IssuedBefore { subject, client, issued_before, exp }).await
    }

    /// Writes the entry of one token.
    pub(super) async fn write_token_entry(&mut self, jti: &str, exp: Seconds) -> Result<(), StoreFault> {
        self.write_entry(&FeedEntry::Token { jti: jti.to_owned(), exp }).await
    }

    async fn write_entry(&mut self, entry: &FeedEntry) -> Result<(), StoreFault> {
        // The counter orders entries by their commit: no other change counts until this one has ended.
        let number: i64 = sqlx::query_scalar("UPDATE state SET last_entry = last_entry + 1 RETURNING last_entry")
            .fetch_one(&mut *self.transaction)
            .await?;
        let (jti, subject, client, issued_before, exp) = match entry {
            FeedEntry::Token { jti, exp } => (Some(jti), None, None, None, exp),
            FeedEntry::IssuedBefore { subject, client, issued_before, exp } => {
                (None, subject.as_ref(), client.as_ref(), Some(issued_before), exp)
            }
        };
        sqlx::query(
            "INSERT INTO revocations (number, jti, subject, client_id, issued_before, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(number)
        .bind(jti)
        .bind(subject)
        .bind(client)
        .bind(issued_before)
        .bind(exp)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Returns when each was issued, and when it would have ended.
    async fn forget_access_tokens(&mut self, named: Named<'_>) -> Result<Vec<(Seconds, Seconds)>, StoreFault> {
        let delete = match named {
            Named::Subject(subject) => {
                sqlx::query_as("DELETE FROM access_tokens WHERE subject = $1 RETURNING issued_at, expires_at")
                    .bind(subject)
            }
            Named::Client(client) => {
                sqlx::query_as("DELETE FROM access_tokens WHERE client_id = $1 RETURNING issued_at, expires_at")
                    .bind(client)
            }
            Named::Pair(subject, client) => {
                let pair =
                    "DELETE FROM access_tokens WHERE subject = $1 AND client_id = $2 RETURNING issued_at, expires_at";
                sqlx::query_as(pair).bind(subject).bind(client)
            }
        };
        Ok(delete.fetch_all(&mut *self.transaction).await?)
    }
}

/// Whose tokens are taken back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Named<'a> {
    /// Those of a `sub`.
    Subject(&'a str),
    /// Those of a `client_id`.
    Client(&'a str),
    /// Those of both together.
    Pair(&'a str, &'a str),
}

impl<'a> Named<'a> {
    fn names(self) -> (Option<&'a str>, Option<&'a str>) {
        match self {
            Self::Subject(subject) => (Some(subject), None),
            Self::Client(client) => (None, Some(client)),
            Self::Pair(subject, client) => (Some(subject), Some(client)),
        }
    }
}

/// Makes a page of `limit` entries out of rows, of which there may be one more.
fn page(rows: &[SqliteRow], limit: usize, last_entry: i64) -> Result<FeedPage, StoreFault> {
    let more = rows.len() > limit;
    let rows = rows.iter().take(limit);
    let last = match rows.clone().next_back() {
        Some(row) if more => row.try_get("number")?,
        Some(_) | None => last_entry,
    };
    Ok(FeedPage { entries: rows.map(entry).collect::<Result<_, _>>()?, last, more })
}

fn entry(row: &SqliteRow) -> Result<FeedEntry, StoreFault> {
    let exp = row.try_get("expires_at")?;
    if let Some(jti) = row.try_get("jti")? {
        return Ok(FeedEntry::Token { jti, exp });
    }
    Ok(FeedEntry::IssuedBefore {
        subject: row.try_get("subject")?,
        client: row.try_get("client_id")?,
        issued_before: row.try_get("issued_before")?,
        exp,
    })
}
