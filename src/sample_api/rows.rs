//! The database: opened, and filled by whoever starts the API.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};

use super::fault::RowsFault;

/// Connections to the file: SQLite has one writer, and a demo few readers.
const CONNECTIONS: u32 = 4;
/// How long a change waits for another to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// The rows of one tenant. Cheap to clone; every clone is the same database.
#[derive(Clone, Debug)]
pub struct Rows {
    pub(super) pool: SqlitePool,
}

/// What a member of a space may do there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceRole {
    /// See what lies in it.
    Viewer,
    /// Change it too.
    Editor,
}

impl SpaceRole {
    fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
        }
    }
}

impl Rows {
    /// Opens the database at `path`, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// [`RowsFault`].
    pub async fn open(path: &Path) -> Result<Self, RowsFault> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(PATIENCE);
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await?;
        sqlx::migrate!("src/sample_api").run(&pool).await?;
        Ok(Self { pool })
    }

    /// Adds a space with its members, each a subject and a role, and returns its identifier.
    ///
    /// # Errors
    ///
    /// [`RowsFault::Database`], also for a subject that is named twice.
    pub async fn add_space(&self, name: &str, members: &[(&str, SpaceRole)]) -> Result<i64, RowsFault> {
        let mut change = self.change().await?;
        let space = sqlx::query_scalar("INSERT INTO spaces (name) VALUES (?1) RETURNING id")
            .bind(name)
            .fetch_one(&mut *change)
            .await?;
        for (subject, role) in members {
            sqlx::query("INSERT INTO members (space, subject, role) VALUES (?1, ?2, ?3)")
                .bind(space)
                .bind(subject)
                .bind(role.as_str())
                .execute(&mut *change)
                .await?;
        }
        change.commit().await?;
        Ok(space)
    }

    /// Adds an automation, in its owner's personal space or in the one named, and returns its identifier.
    ///
    /// # Errors
    ///
    /// [`RowsFault::Database`], also for a space that is not there.
    pub async fn add_automation(&self, name: &str, owner: &str, space: Option<i64>) -> Result<i64, RowsFault> {
        let id = sqlx::query_scalar("INSERT INTO automations (name, owner, space) VALUES (?1, ?2, ?3) RETURNING id")
            .bind(name)
            .bind(owner)
            .bind(space)
            .fetch_one(&self.pool)
            .await?;
        Ok(id)
    }

    /// Closes every connection, after writing the log back into the file.
    pub async fn close(self) {
        self.pool.close().await;
    }

    /// Begins a change. What it reads stays true until it ends, for no other change can begin.
    pub(super) async fn change(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.pool.begin_with("BEGIN IMMEDIATE").await
    }
}
