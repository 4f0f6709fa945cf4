//! Values that nobody can guess.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::fault::DemoFault;

/// Makes a value of 256 bits: 43 letters of base64url.
///
/// # Errors
///
/// [`DemoFault::NoRandomness`].
pub(super) fn secret() -> Result<String, DemoFault> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| DemoFault::NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// SHA-256 in base64url: a `code_challenge` (RFC 7636 §4.2).
pub(super) fn hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.as_bytes()))
}
