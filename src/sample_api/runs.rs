//! Runs of automations. Nothing is done in them: a run lasts until it is stopped.

use serde::Serialize;
use sqlx::{FromRow, SqliteConnection};

use super::automations::{editable, visible};
use super::caller::Caller;
use super::fault::Fault;
use super::rows::Rows;

/// Runs of one automation at most.
const MOST: i64 = 100;

/// One run.
#[derive(Debug, FromRow, Serialize)]
pub(super) struct Run {
    pub(super) id: i64,
    automation: i64,
    started_by: String,
    /// `running` or `stopped`.
    state: String,
}

impl Rows {
    /// The runs of an automation that the caller may see, after the identifier `after`, at most `limit`.
    pub(super) async fn runs(
        &self,
        caller: &Caller,
        automation: i64,
        (after, limit): (i64, i64),
    ) -> Result<Vec<Run>, Fault> {
        let mut connection = self.pool.acquire().await?;
        visible(&mut connection, caller, automation).await?;
        let runs = sqlx::query_as(
            "SELECT id, automation, started_by, state FROM runs WHERE automation = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
        );
        Ok(runs.bind(automation).bind(after).bind(limit).fetch_all(&mut *connection).await?)
    }

    /// One run of an automation that the caller may see.
    pub(super) async fn run(&self, caller: &Caller, automation: i64, id: i64) -> Result<Run, Fault> {
        let mut connection = self.pool.acquire().await?;
        visible(&mut connection, caller, automation).await?;
        find(&mut connection, automation, id).await
    }

    /// Starts an automation that the caller may change and that is enabled.
    pub(super) async fn start(&self, caller: &Caller, automation: i64) -> Result<Run, Fault> {
        let mut change = self.change().await?;
        let run = insert(&mut change, caller, automation).await?;
        change.commit().await?;
        Ok(run)
    }

    /// Starts the automation of a run that was stopped once more.
    pub(super) async fn retry(&self, caller: &Caller, automation: i64, id: i64) -> Result<Run, Fault> {
        let mut change = self.change().await?;
        editable(&mut change, caller, automation).await?;
        if find(&mut change, automation, id).await?.state == "running" {
            return Err(Fault::Conflict("the run has not ended"));
        }
        let run = insert(&mut change, caller, automation).await?;
        change.commit().await?;
        Ok(run)
    }

    /// Stops a run.
    pub(super) async fn stop(&self, caller: &Caller, automation: i64, id: i64) -> Result<Run, Fault> {
        let mut change = self.change().await?;
        editable(&mut change, caller, automation).await?;
        if find(&mut change, automation, id).await?.state == "stopped" {
            return Err(Fault::Conflict("the run has ended"));
        }
        sqlx::query("UPDATE runs SET state = 'stopped' WHERE id = ?1").bind(id).execute(&mut *change).await?;
        let run = find(&mut change, automation, id).await?;
        change.commit().await?;
        Ok(run)
    }
}

async fn find(connection: &mut SqliteConnection, automation: i64, id: i64) -> Result<Run, Fault> {
    sqlx::query_as("SELECT id, automation, started_by, state FROM runs WHERE automation = ?1 AND id = ?2")
        .bind(automation)
        .bind(id)
        .fetch_optional(connection)
        .await?
        .ok_or(Fault::Missing("run"))
}

async fn insert(connection: &mut SqliteConnection, caller: &Caller, automation: i64) -> Result<Run, Fault> {
    if !editable(connection, caller, automation).await?.enabled {
        return Err(Fault::Conflict("the automation is switched off"));
    }
    sqlx::query_as(
        "INSERT INTO runs (automation, started_by, state)
         SELECT ?1, ?2, 'running' WHERE (SELECT COUNT(*) FROM runs WHERE automation = ?1) < ?3
         RETURNING id, automation, started_by, state",
    )
    .bind(automation)
    .bind(&caller.subject)
    .bind(MOST)
    .fetch_optional(connection)
    .await?
    .ok_or(Fault::Conflict("the automation has as many runs as it may have"))
}
