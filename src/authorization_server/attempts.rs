//! How often a password, a secret or a token may be tried, by account and by address.

use std::net::IpAddr;
use std::time::Duration;

/// What has been tried of late. Bounded; it does not outlive the process.
#[derive(Debug, Default)]
pub(super) struct Attempts {}

impl Attempts {
    /// Counts one attempt from `address` for `account` (a login or a `client_id`, known or not).
    ///
    /// # Errors
    ///
    /// How long to wait when either has tried too often.
    pub(super) fn count(&self, address: IpAddr, account: &str) -> Result<(), Duration> {
        todo!()
    }
}
