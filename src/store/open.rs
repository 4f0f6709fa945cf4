//! The database file: opened, brought up to date, read, changed.

use std::path::Path;

use sqlx::{Sqlite, SqlitePool, Transaction};

use super::{Seconds, StoreFault};

/// The database. Cheap to clone; every clone is the same database.
#[derive(Clone, Debug)]
pub struct Store {
    /// For reading; several connections.
    pub(super) readers: SqlitePool,
    /// For writing; one connection, for SQLite has one writer.
    pub(super) writer: SqlitePool,
    pub(super) longest_lifetime: Seconds,
}

/// Whether the file was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It was made just now, and is empty.
    New,
    /// It was there.
    Existing,
}

/// Writes that become true together at [`Change::commit`], or not at all. While one is open no other can begin, in any process.
#[derive(Debug)]
pub struct Change {
    pub(super) transaction: Transaction<'static, Sqlite>,
    pub(super) longest_lifetime: Seconds,
}

impl Store {
    /// Opens the database at `path`, which is made if it is not there, and brings its tables up to date.
    ///
    /// `longest_lifetime` is the longest that any access token lives, in seconds: an entry of the revocation feed ends so long after the
    /// moment that it names, and a withdrawn signing key is published for so long.
    ///
    /// # Errors
    ///
    /// [`StoreFault::File`] when the file cannot be made or others than its owner may read it; [`StoreFault::Migration`] when it is of
    /// a later version; [`StoreFault::Database`] for all else.
    pub async fn open(path: &Path, longest_lifetime: Seconds) -> Result<(Self, Opened), StoreFault> {
        todo!()
    }

    /// A name of this database that no other has: with the number of an entry it makes a cursor of the feed.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn identity(&self) -> Result<String, StoreFault> {
        todo!()
    }

    /// Begins a change; waits for others to end, at most 5 seconds.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`], also when others did not end in time.
    pub async fn change(&self) -> Result<Change, StoreFault> {
        todo!()
    }

    /// Removes what has ended: codes, tokens, sessions and entries of the feed past their time, and signing keys whose last token is gone.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn purge(&self, now: Seconds) -> Result<(), StoreFault> {
        todo!()
    }

    /// Closes every connection, after writing the log back into the file.
    pub async fn close(self) {
        todo!()
    }
}

impl Change {
    /// Makes the change true, on disk, before it returns.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`]; then nothing of it is true.
    pub async fn commit(self) -> Result<(), StoreFault> {
        todo!()
    }
}
