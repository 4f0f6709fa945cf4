//! Makes signing keys.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::fault::NoRandomness;
use crate::store::{Seconds, SigningKey};

/// Bytes of one coordinate of a P-256 point.
const COORDINATE: usize = 32;

/// Makes an ES256 key (RFC 7518 §3.4) that signs from `signs_from` on.
///
/// # Errors
///
/// [`NoRandomness`].
pub(super) fn new_signing_key(signs_from: Seconds) -> Result<SigningKey, NoRandomness> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| NoRandomness)?;
    let pkcs8 = pair.to_pkcs8v1().map_err(|_| NoRandomness)?.as_ref().to_vec();
    let (x, y) = coordinates(&pair).ok_or(NoRandomness)?;
    // RFC 7638 §3: the digest of the required members, in this order, without white space.
    let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    Ok(SigningKey { kid: URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes())), pkcs8, signs_from })
}

/// The public half, base64url: `x` and `y` of a JWK (RFC 7518 §6.2.1).
pub(super) fn coordinates(pair: &EcdsaKeyPair) -> Option<(String, String)> {
    // SEC 1 §2.3.3: 0x04, then both coordinates.
    let point = pair.public_key().as_ref().get(1..)?;
    let (x, y) = point.split_at_checked(COORDINATE)?;
    Some((URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y)))
}
