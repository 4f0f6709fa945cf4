//! Signing keys (RFC 7517, ES256): which one signs, which are published, and when the next follows.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};

use super::events;
use super::fault::NoRandomness;
use super::signing_key::{coordinates, new_signing_key};
use super::{AuthorizationServer, Lifetimes};
use crate::store::{Seconds, SigningKey, Store, StoreFault};

/// The longest that a key is published before it signs, in seconds.
const LONGEST_AHEAD: Seconds = 600;

/// Why the signing keys stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum KeyRotationFault {
    /// The database.
    #[error("the key could not be kept")]
    Store(#[from] StoreFault),
    /// The machine gives no randomness.
    #[error("the key could not be made")]
    NoRandomness(#[from] NoRandomness),
}

/// Has the next key follow: it is published at once and signs when everybody can have read it, at most ten minutes later. The
/// key before it is published until its last token has ended.
///
/// # Errors
///
/// [`KeyRotationFault`]; then nothing has changed.
pub async fn rotate_signing_key(
    store: &Store,
    lifetimes: &Lifetimes,
    now: Seconds,
) -> Result<SigningKey, KeyRotationFault> {
    keep(store, now + published_ahead(lifetimes)).await
}

/// Withdraws a key that others may know: it is published no more, and no token that it signed is believed by whoever has read the keys
/// since. If it is the one that signs, or no other has begun to, a new key follows in the same change and signs at once; it is returned.
///
/// # Errors
///
/// [`KeyRotationFault`], also for a `kid` that is not there; then nothing has changed.
pub async fn withdraw_signing_key(
    store: &Store,
    kid: &str,
    now: Seconds,
) -> Result<Option<SigningKey>, KeyRotationFault> {
    let mut change = store.change().await?;
    // While the change is open nobody else has the keys change.
    let keys = store.signing_keys().await?;
    change.remove_signing_key(kid).await?;
    let signs = current(&keys, now).is_some_and(|key| key.kid == kid);
    let another_signs = keys.iter().any(|key| key.kid != kid && key.signs_from <= now);
    let follows = if signs || !another_signs { Some(new_signing_key(now)?) } else { None };
    if let Some(key) = &follows {
        change.add_signing_key(key).await?;
    }
    change.commit().await?;
    Ok(follows)
}

/// Has the next key follow if the newest has signed, or is about to have signed, for its whole lifetime. Returns whether it did.
///
/// # Errors
///
/// [`KeyRotationFault`]; then nothing has changed.
pub(super) async fn rotate_when_due(server: &AuthorizationServer) -> Result<bool, KeyRotationFault> {
    let (now, lifetimes) = (server.now(), &server.settings.lifetimes);
    let keys = server.store.signing_keys().await?;
    let newest = keys.iter().map(|key| key.signs_from).max();
    let ahead = published_ahead(lifetimes);
    let due = newest.map_or(now, |newest| newest.saturating_add(whole_seconds(lifetimes.signing_key)));
    if due.saturating_sub(ahead) > now {
        return Ok(false);
    }
    // A server that has no key at all cannot wait for anybody to read the next.
    let signs_from = if newest.is_some() { due.max(now + ahead) } else { now };
    let key = keep(&server.store, signs_from).await?;
    events::signing_key_follows(&key.kid);
    Ok(true)
}

async fn keep(store: &Store, signs_from: Seconds) -> Result<SigningKey, KeyRotationFault> {
    let key = new_signing_key(signs_from)?;
    let mut change = store.change().await?;
    change.add_signing_key(&key).await?;
    change.commit().await?;
    Ok(key)
}

/// How long before it signs a key is published, in seconds: twice as long as a key set may be kept.
pub(super) fn published_ahead(lifetimes: &Lifetimes) -> Seconds {
    (whole_seconds(lifetimes.signing_key) / 2).min(LONGEST_AHEAD)
}

/// The key that signs at `now`: the latest whose time has come. Before the first one's time it is the first.
pub(super) fn current(keys: &[SigningKey], now: Seconds) -> Option<&SigningKey> {
    let begun = keys.iter().filter(|key| key.signs_from <= now).max_by_key(|key| key.signs_from);
    begun.or_else(|| keys.iter().min_by_key(|key| key.signs_from))
}

/// The public halves as a JWK Set (RFC 7517 §5); a key that cannot be read is left out.
pub(super) fn key_set(keys: &[SigningKey]) -> Value {
    let public = keys.iter().filter_map(|key| {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.pkcs8).ok()?;
        let (x, y) = coordinates(&pair)?;
        let kid = &key.kid;
        Some(json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": "ES256", "use": "sig", "kid": kid}))
    });
    json!({"keys": public.collect::<Vec<_>>()})
}

/// Whole seconds of a duration; parts of one are dropped.
pub(super) fn whole_seconds(time: std::time::Duration) -> Seconds {
    Seconds::try_from(time.as_secs()).unwrap_or(Seconds::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::token::JwkSet;

    #[test]
    fn the_latest_key_whose_time_has_come_signs() {
        let keys = [100, 200, 300].map(|from| new_signing_key(from).unwrap());
        for (now, expected) in [(0, 0), (99, 0), (100, 0), (199, 0), (200, 1), (299, 1), (300, 2), (9_999, 2)] {
            assert_eq!(current(&keys, now), keys.get(expected), "{now}");
        }
        assert_eq!(current(&[], 0), None);
    }

    #[test]
    fn rfc_7517_the_key_set_holds_public_halves_alone() {
        let keys = [1, 2].map(|from| new_signing_key(from).unwrap());
        let set = key_set(&keys);
        let read = JwkSet::read(set.to_string().as_bytes()).unwrap();
        assert_eq!(read.keys.iter().map(|key| key.id().unwrap()).collect::<Vec<_>>(), [&keys[0].kid, &keys[1].kid]);
        for key in set["keys"].as_array().unwrap() {
            assert!(key.get("d").is_none(), "{key}");
            assert_eq!((&key["alg"], &key["use"]), (&json!("ES256"), &json!("sig")));
        }
    }

    #[test]
    fn a_key_is_published_ahead_of_signing_but_not_for_longer_than_it_lives() {
        let ahead = |signing_key| {
            let second = Duration::from_secs(1);
            let signing_key = Duration::from_secs(signing_key);
            published_ahead(&Lifetimes { access_token: second, refresh_token: second, session: second, signing_key })
        };
        assert_eq!((ahead(720 * 3_600), ahead(600), ahead(2), ahead(1)), (600, 300, 1, 0));
    }
}
