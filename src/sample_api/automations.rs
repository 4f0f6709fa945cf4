//! Automations: who may see which, and change them.

use serde::{Deserialize, Serialize};
use sqlx::{FromRow, Sqlite, SqliteConnection, Transaction};

use super::caller::Caller;
use super::fault::Fault;
use super::rows::Rows;
use super::spaces;

/// Automations that the tenant may have at most: the demo's disk is bounded.
const MOST: i64 = 1000;
/// Characters of a name at most.
const LONGEST_NAME: usize = 120;

/// An automation as its readers see it.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, Serialize)]
pub(super) struct Automation {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) owner: String,
    /// The space that it lies in; `None` is its owner's personal space.
    pub(super) space: Option<i64>,
    pub(super) enabled: bool,
    /// Whether this caller may change it.
    pub(super) editable: bool,
}

/// An automation to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAutomation {
    name: String,
    space: Option<i64>,
}

/// What a `PUT` replaces: owner, space and state have actions of their own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedAutomation {
    name: String,
}

/// How much there is of everything.
#[derive(Debug, FromRow, Serialize)]
pub(super) struct Usage {
    automations: i64,
    enabled: i64,
    owners: i64,
    spaces: i64,
    runs: i64,
}

/// What `caller` may see, after the identifier `after`, at most `limit`; with `id`, that one alone.
async fn select(
    connection: &mut SqliteConnection,
    caller: &Caller,
    id: Option<i64>,
    (after, limit): (i64, i64),
) -> Result<Vec<Automation>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, name, owner, space, enabled,
                ?1 OR owner = ?2
                   OR COALESCE(space IN (SELECT space FROM members WHERE subject = ?2 AND role = 'editor'), FALSE) AS editable
           FROM automations
          WHERE (?1 OR owner = ?2 OR space IN (SELECT space FROM members WHERE subject = ?2))
            AND (?3 IS NULL OR id = ?3) AND id > ?4
          ORDER BY id LIMIT ?5",
    )
    .bind(caller.admin)
    .bind(&caller.subject)
    .bind(id)
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// One that `caller` may see; what may not be seen is not there.
pub(super) async fn visible(connection: &mut SqliteConnection, caller: &Caller, id: i64) -> Result<Automation, Fault> {
    let found = select(connection, caller, Some(id), (0, 1)).await?;
    found.into_iter().next().ok_or(Fault::Missing("automation"))
}

/// One that `caller` may change.
pub(super) async fn editable(connection: &mut SqliteConnection, caller: &Caller, id: i64) -> Result<Automation, Fault> {
    let automation = visible(connection, caller, id).await?;
    if automation.editable { Ok(automation) } else { Err(Fault::ViewerOnly) }
}

impl Rows {
    /// What the caller may see, after the identifier `after`, at most `limit`.
    pub(super) async fn automations(&self, caller: &Caller, after: i64, limit: i64) -> Result<Vec<Automation>, Fault> {
        Ok(select(&mut *self.pool.acquire().await?, caller, None, (after, limit)).await?)
    }

    /// One that the caller may see.
    pub(super) async fn automation(&self, caller: &Caller, id: i64) -> Result<Automation, Fault> {
        visible(&mut *self.pool.acquire().await?, caller, id).await
    }

    /// Makes one of the caller's own, in a space if one is named.
    pub(super) async fn create(&self, caller: &Caller, new: &NewAutomation) -> Result<Automation, Fault> {
        let mut change = self.change().await?;
        if let Some(space) = new.space {
            spaces::editable(&mut change, caller, space).await?;
        }
        let automation = insert(&mut change, caller, name(&new.name)?, new.space).await?;
        change.commit().await?;
        Ok(automation)
    }

    /// Copies one that the caller may see into the caller's personal space.
    pub(super) async fn copy(&self, caller: &Caller, id: i64) -> Result<Automation, Fault> {
        let mut change = self.change().await?;
        let original = visible(&mut change, caller, id).await?;
        let called: String = format!("Copy of {}", original.name).chars().take(LONGEST_NAME).collect();
        let automation = insert(&mut change, caller, &called, None).await?;
        change.commit().await?;
        Ok(automation)
    }

    /// Gives one another name.
    pub(super) async fn rename(
        &self,
        caller: &Caller,
        id: i64,
        changed: &ChangedAutomation,
    ) -> Result<Automation, Fault> {
        let mut change = self.change().await?;
        editable(&mut change, caller, id).await?;
        sqlx::query("UPDATE automations SET name = ?2 WHERE id = ?1")
            .bind(id)
            .bind(name(&changed.name)?)
            .execute(&mut *change)
            .await?;
        changed_to(change, caller, id).await
    }

    /// Switches one on or off.
    pub(super) async fn set_enabled(&self, caller: &Caller, id: i64, enabled: bool) -> Result<Automation, Fault> {
        let mut change = self.change().await?;
        editable(&mut change, caller, id).await?;
        sqlx::query("UPDATE automations SET enabled = ?2 WHERE id = ?1")
            .bind(id)
            .bind(enabled)
            .execute(&mut *change)
            .await?;
        changed_to(change, caller, id).await
    }

    /// Puts one into a space that the caller may edit, or, with `None`, into its owner's personal space.
    pub(super) async fn set_space(&self, caller: &Caller, id: i64, space: Option<i64>) -> Result<Automation, Fault> {
        let mut change = self.change().await?;
        let automation = editable(&mut change, caller, id).await?;
        match space {
            Some(space) => spaces::editable(&mut change, caller, space).await?,
            // Out of a space it is its owner's alone: nobody else takes it away from the others.
            None if !caller.admin && automation.owner != caller.subject => return Err(Fault::OwnerOnly),
            None => {}
        }
        sqlx::query("UPDATE automations SET space = ?2 WHERE id = ?1")
            .bind(id)
            .bind(space)
            .execute(&mut *change)
            .await?;
        changed_to(change, caller, id).await
    }

    /// Gives one to another subject.
    pub(super) async fn set_owner(&self, caller: &Caller, id: i64, owner: &str) -> Result<Automation, Fault> {
        caller.admin_only()?;
        let mut change = self.change().await?;
        editable(&mut change, caller, id).await?;
        sqlx::query("UPDATE automations SET owner = ?2 WHERE id = ?1")
            .bind(id)
            .bind(name(owner)?)
            .execute(&mut *change)
            .await?;
        changed_to(change, caller, id).await
    }

    /// Removes one with its runs.
    pub(super) async fn delete(&self, caller: &Caller, id: i64) -> Result<(), Fault> {
        let mut change = self.change().await?;
        editable(&mut change, caller, id).await?;
        sqlx::query("DELETE FROM automations WHERE id = ?1").bind(id).execute(&mut *change).await?;
        Ok(change.commit().await?)
    }

    /// How much there is of everything, in the whole tenant.
    pub(super) async fn usage(&self, caller: &Caller) -> Result<Usage, Fault> {
        caller.admin_only()?;
        let usage = sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM automations) AS automations,
                    (SELECT COUNT(*) FROM automations WHERE enabled) AS enabled,
                    (SELECT COUNT(DISTINCT owner) FROM automations) AS owners,
                    (SELECT COUNT(*) FROM spaces) AS spaces,
                    (SELECT COUNT(*) FROM runs) AS runs",
        );
        Ok(usage.fetch_one(&self.pool).await?)
    }
}

async fn insert(
    connection: &mut SqliteConnection,
    caller: &Caller,
    name: &str,
    space: Option<i64>,
) -> Result<Automation, Fault> {
    let id = sqlx::query_scalar(
        "INSERT INTO automations (name, owner, space)
         SELECT ?1, ?2, ?3 WHERE (SELECT COUNT(*) FROM automations) < ?4 RETURNING id",
    )
    .bind(name)
    .bind(&caller.subject)
    .bind(space)
    .bind(MOST)
    .fetch_optional(&mut *connection)
    .await?;
    visible(connection, caller, id.ok_or(Fault::Conflict("the tenant has as many automations as it may have"))?).await
}

/// Commits, and shows what has become of the automation.
async fn changed_to(mut change: Transaction<'static, Sqlite>, caller: &Caller, id: i64) -> Result<Automation, Fault> {
    let automation = visible(&mut change, caller, id).await?;
    change.commit().await?;
    Ok(automation)
}

/// A name that people can read: 1 to 120 characters, none of them a control character.
fn name(text: &str) -> Result<&str, Fault> {
    let length = text.chars().count();
    if (1..=LONGEST_NAME).contains(&length) && !text.chars().any(char::is_control) && text.trim() == text {
        Ok(text)
    } else {
        Err(Fault::Malformed("a name has 1 to 120 characters, no control characters, and no space around it"))
    }
}
