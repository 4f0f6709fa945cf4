//! Values that nobody can guess.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::fault::DemoFault;

/// Letters and digits that nobody takes for another; 32 of them, so each tells five bits.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Makes a value of 256 bits: 43 letters of base64url.
///
/// # Errors
///
/// [`DemoFault::NoRandomness`].
pub(super) fn secret() -> Result<String, DemoFault> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// Makes an identifier of 128 bits: 22 letters of base64url.
///
/// # Errors
///
/// [`DemoFault::NoRandomness`].
pub(super) fn identifier() -> Result<String, DemoFault> {
    Ok(URL_SAFE_NO_PAD.encode(random::<16>()?))
}

/// Makes a password of 60 bits that can be typed: `abcd-efgh-ijkm`.
///
/// # Errors
///
/// [`DemoFault::NoRandomness`].
pub(super) fn password() -> Result<String, DemoFault> {
    let letters = random::<12>()?.map(|byte| LETTERS.get(usize::from(byte % 32)).copied().map_or('x', char::from));
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    Ok(groups.join("-"))
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], DemoFault> {
    let mut bytes = [0; BYTES];
    rand::fill(&mut bytes).map_err(|_| DemoFault::NoRandomness)?;
    Ok(bytes)
}

/// SHA-256 in base64url: a `code_challenge` (RFC 7636 §4.2).
pub(super) fn hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.as_bytes()))
}
