//! The database file: opened, brought up to date, read, changed.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, SqlitePool, Transaction};

use super::{Seconds, StoreFault, file};

static MIGRATIONS: Migrator = sqlx::migrate!("src/store");

/// How long one who wants to write waits for another.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Connections for reading; what comes beyond them waits its turn.
const READERS: u32 = 4;

/// The database. Cheap to clone; every clone is the same database.
#[derive(Clone, Debug)]
pub struct Store {
    /// For reading; several connections.
    pub(super) readers: SqlitePool,
    /// For writing; one connection, for SQLite has one writer.
    pub(super) writer: SqlitePool,
    pub(super) longest_lifetime: Seconds,
}

/// Whether anything is in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It holds neither a user nor a client: it was made just now, or a crash came before the first was kept.
    New,
    /// It holds a user or a client.
    Existing,
}

/// Writes that become true together at [`Change::commit`], or not at all. While one is open no other can begin, in any process.
///
/// Dropping it undoes it, and after a fault it must be dropped: half of what failed may be in it. A reader sees nothing of it until it
/// is committed.
#[derive(Debug)]
pub struct Change {
    pub(super) transaction: Transaction<'static, Sqlite>,
    pub(super) longest_lifetime: Seconds,
}

impl Store {
    /// Opens the database at `path`, which is made if it is not there, and brings its tables up to date.
    ///
    /// `longest_lifetime` is the longest that any access token lives, in seconds: an entry of the revocation feed ends so long after the
    /// moment that it names, and a withdrawn signing key is published for so long. Other processes may have it open at the same time.
    ///
    /// # Errors
    ///
    /// [`StoreFault::File`] when the file cannot be made or others than its owner may read it; [`StoreFault::Migration`] when it is of
    /// a later version; [`StoreFault::Database`] for all else.
    pub async fn open(path: &Path, longest_lifetime: Seconds) -> Result<(Self, Opened), StoreFault> {
        let path = file::prepare(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .foreign_keys(true)
            .busy_timeout(LONGEST_WAIT)
            .disable_statement_logging();
        let writer = writer(&options).await?;
        bring_up_to_date(&writer).await?;
        let readers = readers(&options).await?;
        let store = Self { readers, writer, longest_lifetime };
        let opened = store.opened().await?;
        Ok((store, opened))
    }

    /// A name of this database that no other has: with the number of an entry it makes a cursor of the feed.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn identity(&self) -> Result<String, StoreFault> {
        Ok(sqlx::query_scalar("SELECT identity FROM state").fetch_one(&self.readers).await?)
    }

    /// Begins a change; waits for others to end: at most 5 seconds for those of this process, and 5 for those of other processes.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`], also when others did not end in time.
    pub async fn change(&self) -> Result<Change, StoreFault> {
        // A transaction that begins by reading could find its data outdated when it comes to write; this one cannot.
        let transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Change { transaction, longest_lifetime: self.longest_lifetime })
    }

    /// Closes every connection, after writing the log back into the file. Waits for open changes to end.
    pub async fn close(self) {
        // The last connection writes the log back, and a reader's cannot.
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn opened(&self) -> Result<Opened, StoreFault> {
        let holds_any = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users) OR EXISTS (SELECT 1 FROM clients)")
            .fetch_one(&self.readers)
            .await?;
        Ok(if holds_any { Opened::Existing } else { Opened::New })
    }
}

impl Change {
    /// Makes the change true, on disk, before it returns.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`]; then nothing of it is true.
    pub async fn commit(self) -> Result<(), StoreFault> {
        Ok(self.transaction.commit().await?)
    }
}

/// Opens the one connection that writes.
async fn writer(options: &SqliteConnectOptions) -> Result<SqlitePool, StoreFault> {
    let options = options.clone().journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
    let pool = lasting_connections(1).before_acquire(|connection, _| {
        // A disk error makes SQLite undo a transaction by itself, which the pool does not notice. Such a connection begins no other.
        Box::pin(async move { Ok(!connection.is_in_transaction()) })
    });
    let deadline = Instant::now() + LONGEST_WAIT;
    loop {
        match pool.clone().connect_with(options.clone()).await {
            // The switch to WAL does not wait for other processes, which may be making the same database.
            Err(error) if is_busy(&error) && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            connected => return Ok(connected?),
        }
    }
}

async fn readers(options: &SqliteConnectOptions) -> Result<SqlitePool, StoreFault> {
    Ok(lasting_connections(READERS).connect_with(options.clone().read_only(true)).await?)
}

/// Connections that are kept: when a database's last one closes, SQLite writes its log back and removes it.
fn lasting_connections(most: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(most).acquire_timeout(LONGEST_WAIT).idle_timeout(None).max_lifetime(None)
}

/// `SQLITE_BUSY` is the low byte of an extended code.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
    code.is_some_and(|code| code & 0xFF == 5)
}

async fn bring_up_to_date(writer: &SqlitePool) -> Result<(), StoreFault> {
    // SQLite gives migrations no lock of their own; this transaction keeps other processes out.
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    // `run` would do, were its future `Send` for a connection that is borrowed.
    MIGRATIONS.run_direct(None, &mut *transaction, false).await?;
    sqlx::query("INSERT INTO state (only_row, identity, last_entry) VALUES (1, $1, 0) ON CONFLICT DO NOTHING")
        .bind(new_identity()?)
        .execute(&mut *transaction)
        .await?;
    Ok(transaction.commit().await?)
}

fn new_identity() -> Result<String, StoreFault> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| sqlx::Error::Io(io::Error::other("the machine gives no randomness")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
