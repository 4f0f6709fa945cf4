//! Values that nobody can guess, and how they are kept.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::fault::NoRandomness;

/// Makes a value of 256 bits: 43 letters of base64url.
pub(super) fn secret() -> Result<String, NoRandomness> {
    random::<32>()
}

/// Makes an identifier of 128 bits: 22 letters of base64url.
pub(super) fn identifier() -> Result<String, NoRandomness> {
    random::<16>()
}

fn random<const BYTES: usize>() -> Result<String, NoRandomness> {
    let mut bytes = [0; BYTES];
    rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// SHA-256 of a secret, as it is kept: base64url. Enough for values of 256 bits; a password takes Argon2id.
pub(super) fn hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.as_bytes()))
}
