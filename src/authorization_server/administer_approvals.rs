//! Approvals, on an administrator's behalf: they can be taken back, and only users give them.

use super::{Administration, AdministrationFault, events};

impl Administration<'_> {
    /// Removes one approval, or all that a user gave a client.
    ///
    /// # Errors
    ///
    /// [`AdministrationFault::Missing`] when there is none.
    pub async fn remove_approval(
        &self,
        user: &str,
        client: &str,
        scope: Option<&str>,
    ) -> Result<(), AdministrationFault> {
        let mut change = self.begin().await?;
        if !change.remove_approval(user, client, scope, self.now).await? {
            return Err(AdministrationFault::Missing("approval"));
        }
        change.commit().await?;
        events::approval_removed(self.caller.name(), user, client, scope);
        Ok(())
    }
}
