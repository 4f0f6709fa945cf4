//! Approvals: which scopes a user lets a client have.

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
        todo!()
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
        todo!()
    }
}

impl Change {
    /// See [`Store::approved`].
    ///
    /// # Errors
    ///
    /// [`StoreFault::Database`].
    pub async fn approved(&mut self, user: &str, client: &str) -> Result<ScopeNames, StoreFault> {
        todo!()
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
        todo!()
    }

    /// Removes one approval, or all of the pair: the refresh tokens of the pair lose the scope (and end without `offline_access`), codes
    /// not redeemed yet end, and an entry of the feed names the pair. Returns whether there was anything to remove.
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
        todo!()
    }
}
