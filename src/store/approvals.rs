//! Approvals: which scopes a user lets a client have.

use sqlx::SqliteConnection;

use super::clients::require_client;
use super::revocations::Named;
use super::users::require_user;
use super::{Change, ScopeNames, Seconds, Store, StoreFault};

/// One scope that a user approved for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The user's identifier.
    pub user: String,
    /// The client's identifier.
    pub client: String,
    /// The scope.
    pub scope: String,
    /// When it was approved, the first time.
    pub approved_at: Seconds,
}

/// Which approvals to list; `None` is any.
#[derive(Clone, Copy, Debug, Default)]
pub struct ApprovalFilter<'a> {
    /// A user's identifier.
    pub user: Option<&'a str>,
    /// A client's identifier.
    pub client: Option<&'a str>,
}

impl Store {
    /// What `user` approved for `client`.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn approved(&self, user: &str, client: &str) -> Result<ScopeNames, StoreFault> {
        approved(&mut *self.readers.acquire().await?, user, client).await
    }

    /// Lists approvals by ascending user, client and scope, after the one that `after` names by these three, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn approvals(
        &self,
        filter: ApprovalFilter<'_>,
        after: (&str, &str, &str),
        limit: u32,
    ) -> Result<Vec<Approval>, StoreFault> {
        // Each has an index of its own; one statement for all would read the whole table.
        let statement = match filter {
            ApprovalFilter { user: Some(_), .. } => {
                "SELECT user_id, client_id, scope, approved_at FROM approvals
                 WHERE (user_id, client_id, scope) > ($1, $2, $3)
                 AND user_id = $4 AND client_id = COALESCE($5, client_id)
                 ORDER BY user_id, client_id, scope LIMIT $6"
            }
            ApprovalFilter { user: None, client: Some(_) } => {
                "SELECT user_id, client_id, scope, approved_at FROM approvals
                 WHERE (user_id, client_id, scope) > ($1, $2, $3) AND client_id = COALESCE($5, $4)
                 ORDER BY user_id, client_id, scope LIMIT $6"
            }
            ApprovalFilter { user: None, client: None } => {
                "SELECT user_id, client_id, scope, approved_at FROM approvals
                 WHERE (user_id, client_id, scope) > ($1, $2, $3) AND COALESCE($4, $5) IS NULL
                 ORDER BY user_id, client_id, scope LIMIT $6"
            }
        };
        let rows: Vec<(String, String, String, Seconds)> = sqlx::query_as(statement)
            .bind(after.0)
            .bind(after.1)
            .bind(after.2)
            .bind(filter.user)
            .bind(filter.client)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        let approval = |(user, client, scope, approved_at)| Approval { user, client, scope, approved_at };
        Ok(rows.into_iter().map(approval).collect())
    }
}

impl Change {
    /// See [`Store::approved`].
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn approved(&mut self, user: &str, client: &str) -> Result<ScopeNames, StoreFault> {
        approved(&mut self.transaction, user, client).await
    }

    /// Adds approvals; one that stands already keeps its age.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Missing`] for a user or client that is not there.
    pub async fn approve(
        &mut self,
        user: &str,
        client: &str,
        scopes: &ScopeNames,
        now: Seconds,
    ) -> Result<(), StoreFault> {
        require_user(&mut self.transaction, user).await?;
        require_client(&mut self.transaction, client).await?;
        for scope in scopes.iter() {
            sqlx::query(
                "INSERT INTO approvals (user_id, client_id, scope, approved_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING",
            )
            .bind(user)
            .bind(client)
            .bind(scope)
            .bind(now)
            .execute(&mut *self.transaction)
            .await?;
        }
        Ok(())
    }

    /// Removes one approval, or all of the pair: the refresh tokens of the pair lose the scope (and end without `offline_access`), codes
    /// not redeemed yet end, and an entry of the feed names the pair. All of the pair ends its tokens also where nothing was approved, as
    /// with a trusted client. Returns whether there was anything to remove.
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn remove_approval(
        &mut self,
        user: &str,
        client: &str,
        scope: Option<&str>,
        now: Seconds,
    ) -> Result<bool, StoreFault> {
        let removed = self.delete_approvals(user, client, scope).await?;
        if removed == 0 && (scope.is_some() || !self.holds_any(user, client).await?) {
            return Ok(false);
        }
        self.narrow_refresh_tokens(client, Some(user), |token| match scope {
            Some(scope) => {
                let mut left = token.scope.clone();
                left.remove(scope);
                left
            }
            None => ScopeNames::default(),
        })
        .await?;
        sqlx::query("DELETE FROM codes WHERE user_id = $1 AND client_id = $2 AND NOT redeemed")
            .bind(user)
            .bind(client)
            .execute(&mut *self.transaction)
            .await?;
        self.withdraw(Named::Pair(user, client), now).await?;
        Ok(true)
    }

    async fn delete_approvals(&mut self, user: &str, client: &str, scope: Option<&str>) -> Result<u64, StoreFault> {
        let deleted =
            sqlx::query("DELETE FROM approvals WHERE user_id = $1 AND client_id = $2 AND scope = COALESCE($3, scope)")
                .bind(user)
                .bind(client)
                .bind(scope)
                .execute(&mut *self.transaction)
                .await?;
        Ok(deleted.rows_affected())
    }

    /// Whether the pair holds anything without an approval, as with a trusted client.
    async fn holds_any(&mut self, user: &str, client: &str) -> Result<bool, StoreFault> {
        let holds_any = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM refresh_tokens WHERE user_id = $1 AND client_id = $2)
             OR EXISTS (SELECT 1 FROM codes WHERE user_id = $1 AND client_id = $2 AND NOT redeemed)
             OR EXISTS (SELECT 1 FROM access_tokens WHERE subject = $1 AND client_id = $2)",
        )
        .bind(user)
        .bind(client)
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(holds_any)
    }
}

pub(super) async fn approved(
    connection: &mut SqliteConnection,
    user: &str,
    client: &str,
) -> Result<ScopeNames, StoreFault> {
    let scopes: Vec<String> = sqlx::query_scalar("SELECT scope FROM approvals WHERE user_id = $1 AND client_id = $2")
        .bind(user)
        .bind(client)
        .fetch_all(connection)
        .await?;
    Ok(scopes.into_iter().collect())
}
