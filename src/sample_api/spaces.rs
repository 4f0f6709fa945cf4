//! Spaces, and who has which role in them.

use serde::Serialize;
use sqlx::{FromRow, SqliteConnection};

use super::caller::Caller;
use super::fault::Fault;
use super::rows::Rows;

/// A space as its readers see it.
#[derive(Debug, FromRow, Serialize)]
pub(super) struct Space {
    id: i64,
    name: String,
    /// The caller's own role; `None` for an administrator who is no member.
    role: Option<String>,
}

/// A member of a space.
#[derive(Debug, FromRow, Serialize)]
pub(super) struct Member {
    subject: String,
    role: String,
}

impl Rows {
    /// What the caller may see, after the identifier `after`, at most `limit`; with `id`, that one alone.
    pub(super) async fn spaces(
        &self,
        caller: &Caller,
        id: Option<i64>,
        (after, limit): (i64, i64),
    ) -> Result<Vec<Space>, Fault> {
        let spaces = sqlx::query_as(
            "SELECT id, name, role FROM spaces LEFT JOIN members ON space = id AND subject = ?2
              WHERE (?1 OR role IS NOT NULL) AND (?3 IS NULL OR id = ?3) AND id > ?4 ORDER BY id LIMIT ?5",
        );
        let spaces = spaces.bind(caller.admin).bind(&caller.subject).bind(id).bind(after).bind(limit);
        Ok(spaces.fetch_all(&self.pool).await?)
    }

    /// The members of a space that the caller may see, by subject.
    pub(super) async fn members(&self, caller: &Caller, id: i64) -> Result<Vec<Member>, Fault> {
        if self.spaces(caller, Some(id), (0, 1)).await?.is_empty() {
            return Err(Fault::Missing("space"));
        }
        let members = sqlx::query_as("SELECT subject, role FROM members WHERE space = ?1 ORDER BY subject");
        Ok(members.bind(id).fetch_all(&self.pool).await?)
    }
}

/// Passes where `caller` may put something into the space; what may not be seen is not there.
pub(super) async fn editable(connection: &mut SqliteConnection, caller: &Caller, id: i64) -> Result<(), Fault> {
    let role: Option<(Option<String>,)> =
        sqlx::query_as("SELECT role FROM spaces LEFT JOIN members ON space = id AND subject = ?2 WHERE id = ?1")
            .bind(id)
            .bind(&caller.subject)
            .fetch_optional(connection)
            .await?;
    match role {
        Some(_) if caller.admin => Ok(()),
        Some((Some(role),)) if role == "editor" => Ok(()),
        Some((Some(_),)) => Err(Fault::NotAnEditor),
        Some((None,)) | None => Err(Fault::Missing("space")),
    }
}
