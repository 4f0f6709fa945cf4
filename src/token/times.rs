//! `exp`, `nbf` and `iat` (RFC 7519 §4.1.4 to §4.1.6).

use std::time::Duration;

use super::fault::TokenFault;
use super::json::Object;
use super::rules::TrustedIssuer;

/// The first number that is no time: from here on a double skips whole seconds.
const BEYOND: f64 = 9_007_199_254_740_992.0;

/// The times of a token, since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) exp: Duration,
    pub(super) nbf: Option<Duration>,
    pub(super) iat: Option<Duration>,
}

impl Times {
    /// Reads the times and holds them against `now`.
    ///
    /// # Errors
    ///
    /// [`TokenFault::BadClaims`] for a missing `exp`, a time that is no number from 0 to below 2^53, or a lifetime beyond
    /// the issuer's; [`TokenFault::Expired`]; [`TokenFault::NotYetValid`].
    pub(super) fn check(claims: &Object<'_>, issuer: &TrustedIssuer, now: Duration) -> Result<Self, TokenFault> {
        let exp = time(claims, "exp")?.ok_or(TokenFault::BadClaims)?;
        Self { exp, nbf: time(claims, "nbf")?, iat: time(claims, "iat")? }.held(issuer, now)
    }

    /// The same for an answer that may leave `exp` out: then the facts end at `otherwise`, and no lifetime is known.
    ///
    /// # Errors
    ///
    /// As [`Times::check`], but for a missing `exp`.
    pub(super) fn check_or(
        claims: &Object<'_>,
        issuer: &TrustedIssuer,
        now: Duration,
        otherwise: Duration,
    ) -> Result<Self, TokenFault> {
        if claims.get("exp").is_some() {
            return Self::check(claims, issuer, now);
        }
        // What names no end has not ended, however short the facts are believed.
        let endless = Self { exp: Duration::MAX, nbf: time(claims, "nbf")?, iat: time(claims, "iat")? };
        endless.hold_at(now, issuer.leeway)?;
        Ok(Self { exp: otherwise, ..endless })
    }

    fn held(self, issuer: &TrustedIssuer, now: Duration) -> Result<Self, TokenFault> {
        let times = self;
        times.hold_at(now, issuer.leeway)?;
        if times.iat.is_some_and(|iat| times.exp.saturating_sub(iat) > issuer.max_lifetime) {
            return Err(TokenFault::BadClaims);
        }
        Ok(times)
    }

    /// Holds the times against `now`; `leeway` is for `nbf` and `iat`, `exp` has none.
    pub(super) fn hold_at(self, now: Duration, leeway: Duration) -> Result<(), TokenFault> {
        // RFC 7519 §4.1.4: on or after `exp` the token must not be accepted.
        if self.exp <= now {
            return Err(TokenFault::Expired);
        }
        // RFC 7519 §4.1.5; a token issued in the future comes from a wrong clock or a forger.
        let latest = now.saturating_add(leeway);
        if [self.nbf, self.iat].into_iter().flatten().any(|time| time > latest) {
            return Err(TokenFault::NotYetValid);
        }
        Ok(())
    }
}

/// RFC 7519 §2: a NumericDate is a JSON number of seconds, parts of a second allowed.
fn time(claims: &Object<'_>, name: &str) -> Result<Option<Duration>, TokenFault> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..BEYOND).contains(seconds)).ok_or(TokenFault::BadClaims)?;
    Duration::try_from_secs_f64(seconds).map(Some).map_err(|_| TokenFault::BadClaims)
}
