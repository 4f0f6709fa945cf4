//! Passwords: how they are kept, compared and made.
//!
//! Kept as Argon2id (RFC 9106) with 19 MiB, two passes and one lane, which is what OWASP asks for at least. Each costs a core some
//! tens of milliseconds, so they are computed apart from whatever answers, and only as many at one time as there are cores.

use std::num::NonZero;
use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use aws_lc_rs::rand;
use tokio::sync::Semaphore;

use super::fault::NoRandomness;

/// What an unknown login is compared with: no password has this hash, and comparing takes as long as with one that is kept.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// Bytes of a password at most: nobody types more, and nobody makes us digest more.
pub const LONGEST_PASSWORD: usize = 256;
/// Letters and digits that nobody takes for another; 32 of them, so each tells five bits.
const READABLE: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const GROUPS: usize = 4;
const GROUP: usize = 5;

/// Computes Argon2id, a bounded number at one time.
#[derive(Debug)]
pub(super) struct Passwords(Arc<Semaphore>);

impl Default for Passwords {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, NonZero::get))))
    }
}

impl Passwords {
    /// Makes what is kept of a password: a PHC string.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`] for the salt.
    pub(super) async fn hash(&self, password: &str) -> Result<String, NoRandomness> {
        let password = password.to_owned();
        self.apart(move || hash_password(&password)).await.unwrap_or(Err(NoRandomness))
    }

    /// Returns whether `password` is the one of which `kept` was made. `None` takes as long, and is never right.
    pub(super) async fn verify(&self, password: &str, kept: Option<&str>) -> bool {
        let (password, known) = (password.to_owned(), kept.is_some());
        let kept = kept.unwrap_or(NOBODYS).to_owned();
        let fits = move || {
            let digestible = password.len() <= LONGEST_PASSWORD;
            argon2().is_some_and(|argon2| digestible && argon2.verify_password(password.as_bytes(), &*kept).is_ok())
        };
        self.apart(fits).await.unwrap_or(false) && known
    }

    /// On a thread where it holds up nobody; `None` when it did not end.
    async fn apart<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let place = Arc::clone(&self.0).acquire_owned().await.ok()?;
        let worked = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        worked.await.ok()
    }
}

/// Makes what is kept of a password, here and now: some tens of milliseconds.
///
/// # Errors
///
/// [`NoRandomness`] for the salt.
pub fn hash_password(password: &str) -> Result<String, NoRandomness> {
    let mut salt = [0; 16];
    rand::fill(&mut salt).map_err(|_| NoRandomness)?;
    let hash = argon2().and_then(|argon2| argon2.hash_password_with_salt(password.as_bytes(), &salt).ok());
    hash.map(|hash| hash.to_string()).ok_or(NoRandomness)
}

/// Makes a password that a person can read out and type: `abcde-fghjk-mnpqr-stuvw`, 100 bits.
pub(super) fn one_time_password() -> Result<String, NoRandomness> {
    let mut bytes = [0; GROUPS * GROUP];
    rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    let letter = |byte: &u8| READABLE.get(usize::from(byte % 32)).copied().map_or('x', char::from);
    let groups: Vec<String> = bytes.chunks(GROUP).map(|group| group.iter().map(letter).collect()).collect();
    Ok(groups.join("-"))
}

/// 19 MiB, two passes, one lane; never `None` with these.
fn argon2() -> Option<Argon2<'static>> {
    let params = Params::new(19 * 1024, 2, 1, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_itself_is_right_and_it_is_kept_with_the_stated_parameters() {
        let passwords = Passwords::default();
        let kept = passwords.hash("correct horse").await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        for (name, password, against, expected) in [
            ("the password", "correct horse", Some(&*kept), true),
            ("another", "correct horse ", Some(&*kept), false),
            ("nothing", "", Some(&*kept), false),
            ("no such login", "correct horse", None, false),
            ("the nobody's own hash", "", None, false),
            ("what is kept is broken", "correct horse", Some("$argon2id$"), false),
        ] {
            assert_eq!(passwords.verify(password, against).await, expected, "{name}");
        }
        assert_ne!(passwords.hash("correct horse").await.unwrap(), kept, "a salt of its own");
        let long = "x".repeat(LONGEST_PASSWORD + 1);
        let kept = passwords.hash(&long).await.unwrap();
        assert!(!passwords.verify(&long, Some(&kept)).await, "too long to be looked at");
    }

    #[test]
    fn the_hash_that_nobody_has_is_computed_like_any_other() {
        assert!(argon2().unwrap().verify_password(b"", NOBODYS).unwrap_err().to_string().contains("password"));
    }

    #[test]
    fn one_time_passwords_are_readable_and_each_its_own() {
        let (first, second) = (one_time_password().unwrap(), one_time_password().unwrap());
        assert_ne!(first, second);
        let groups: Vec<&str> = first.split('-').collect();
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [5; 4]);
        assert!(first.bytes().all(|byte| byte == b'-' || READABLE.contains(&byte)), "{first}");
        assert_eq!(READABLE.iter().collect::<std::collections::HashSet<_>>().len(), 32);
    }
}
