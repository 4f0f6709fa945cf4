//! How often a password, a secret or a code may be tried, by account and by address.
//!
//! Attempts at a *password* count from the first, good or bad, by login and by address: two that come at once must not both
//! pass as the last. A *client's* secret has 256 bits that nobody guesses, and who knows a `client_id` must not be able to
//! lock its owner out; so there only failures count, by address, and by client at one address. A busy client that authenticates
//! is never made to wait.
//!
//! A blocked address is refused before the account is counted, so that it cannot go on to use up somebody else's quota. Addresses
//! of IPv6 count by their first 64 bits, which is what one subscriber has.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;

use super::limit::Limit;

/// Attempts to log in to one account: so many at once, and then so many a minute.
pub(super) const LOGINS_OF_ACCOUNT: NonZeroU32 = number(10);
/// Attempts to log in from one address, to any account: so many at once, and then so many a minute. Many people share an address.
pub(super) const LOGINS_FROM_ADDRESS: NonZeroU32 = number(100);
/// Failures of one client at one address: so many at once, and then so many a minute.
pub(super) const FAILURES_OF_CLIENT: NonZeroU32 = number(20);
/// Failures of any clients, codes and tokens at one address: so many at once, and then so many a minute.
pub(super) const FAILURES_FROM_ADDRESS: NonZeroU32 = number(100);

/// What has been tried of late. Bounded; it does not outlive the process.
#[derive(Debug)]
pub(super) struct Attempts {
    names: RandomState,
    logins_of_account: Limit,
    logins_from_address: Limit,
    failures_of_client: Limit,
    failures_from_address: Limit,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            names: RandomState::new(),
            logins_of_account: Limit::new(Quota::per_minute(LOGINS_OF_ACCOUNT)),
            logins_from_address: Limit::new(Quota::per_minute(LOGINS_FROM_ADDRESS)),
            failures_of_client: Limit::new(Quota::per_minute(FAILURES_OF_CLIENT)),
            failures_from_address: Limit::new(Quota::per_minute(FAILURES_FROM_ADDRESS)),
        }
    }
}

impl Attempts {
    /// Counts one attempt to log in from `address` as `account` (a login in lower case, known or not).
    ///
    /// # Errors
    ///
    /// How long to wait when either has tried too often.
    pub(super) fn count(&self, address: IpAddr, account: &str) -> Result<(), Duration> {
        self.logins_from_address.count(self.name(block(address)))?;
        self.logins_of_account.count(self.name(account))
    }

    /// Asks whether a client may authenticate from `address`; counts nothing.
    ///
    /// # Errors
    ///
    /// How long to wait after too many failures there.
    pub(super) fn may_authenticate(&self, address: IpAddr, client: &str) -> Result<(), Duration> {
        self.failures_from_address.look(self.name(block(address)))?;
        self.failures_of_client.look(self.name((block(address), client)))
    }

    /// Counts a client that did not authenticate as it must.
    pub(super) fn authentication_failed(&self, address: IpAddr, client: &str) {
        self.something_failed(address);
        // Who is over the limit already stays there.
        let _ = self.failures_of_client.count(self.name((block(address), client)));
    }

    /// Counts a code or token that was no good, of somebody who did not authenticate.
    pub(super) fn something_failed(&self, address: IpAddr) {
        let _ = self.failures_from_address.count(self.name(block(address)));
    }

    /// Accounts are kept as hashes that nobody outside can aim at.
    fn name(&self, of: impl Hash) -> u64 {
        self.names.hash_one(of)
    }
}

/// What one subscriber has: an IPv4 address, or 64 bits of IPv6 ones.
fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

const fn number(count: u32) -> NonZeroU32 {
    match NonZeroU32::new(count) {
        Some(count) => count,
        None => NonZeroU32::MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(of: impl Fn() -> Result<(), Duration>) -> usize {
        (0..1_000).take_while(|_| of().is_ok()).count()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn passwords_are_limited_by_account_and_by_address() {
        let attempts = Attempts::default();
        assert_eq!(tries(|| attempts.count(address("192.0.2.1"), "nora")), 10);
        assert_eq!(tries(|| attempts.count(address("192.0.2.2"), "nora")), 0, "from any address");
        assert_eq!(tries(|| attempts.count(address("192.0.2.2"), "adam")), 10, "nobody else is held back");
        let wait = attempts.count(address("192.0.2.3"), "nora").unwrap_err();
        assert!(wait <= Duration::from_secs(6) && wait > Duration::from_secs(3), "{wait:?}");
        let attempts = Attempts::default();
        let names: Vec<String> = (0..200).map(|number| format!("user{number}")).collect();
        let accepted = names.iter().filter(|name| attempts.count(address("2001:db8::1"), name).is_ok()).count();
        assert_eq!(accepted, 100, "one password at many accounts");
        assert!(attempts.count(address("2001:db8::ffff"), "another").is_err(), "the same 64 bits");
        assert!(attempts.count(address("2001:db8:0:1::1"), "another").is_ok(), "others");
    }

    #[test]
    fn a_blocked_address_does_not_use_up_an_accounts_quota() {
        let attempts = Attempts::default();
        assert_eq!(tries(|| attempts.count(address("192.0.2.1"), &format!("{:?}", std::time::Instant::now()))), 100);
        assert_eq!(tries(|| attempts.count(address("192.0.2.1"), "nora")), 0);
        assert_eq!(tries(|| attempts.count(address("192.0.2.2"), "nora")), 10);
    }

    #[test]
    fn of_clients_only_failures_count_and_nobody_locks_another_out() {
        let attempts = Attempts::default();
        let (here, elsewhere) = (address("192.0.2.1"), address("192.0.2.2"));
        assert_eq!(tries(|| attempts.may_authenticate(here, "billing")), 1_000);
        let failures = tries(|| {
            attempts.may_authenticate(here, "billing")?;
            attempts.authentication_failed(here, "billing");
            Ok(())
        });
        assert_eq!(failures, 20);
        assert!(attempts.may_authenticate(here, "reports").is_ok());
        assert!(attempts.may_authenticate(elsewhere, "billing").is_ok());
        (0..80).for_each(|_| attempts.something_failed(here));
        assert!(attempts.may_authenticate(here, "reports").is_err(), "the address has failed 100 times");
        assert!(attempts.may_authenticate(elsewhere, "reports").is_ok());
    }
}
