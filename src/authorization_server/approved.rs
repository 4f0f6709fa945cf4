//! What stands approved.

use crate::store::{Change, Client, ScopeNames, StoreFault};

/// What `user` approved for `client`. A trusted client asks nobody: its whole allow list counts as approved.
///
/// # Errors
///
/// [`StoreFault::Database`].
pub(super) async fn approved(change: &mut Change, client: &Client, user: &str) -> Result<ScopeNames, StoreFault> {
    if client.trusted { Ok(client.allow_list.clone()) } else { change.approved(user, &client.id).await }
}
