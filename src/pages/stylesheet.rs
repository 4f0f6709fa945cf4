//! The style sheet, and the address that changes when it does.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The style sheet of every page.
pub const STYLESHEET: &str = include_str!("style.css");
/// Where the pages look for it.
pub const STYLESHEET_PATH: &str = "/style.css";

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let hash = digest(&SHA256, STYLESHEET.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.as_ref().get(..12).unwrap_or_default())
});
static ADDRESS: LazyLock<String> = LazyLock::new(|| format!("{STYLESHEET_PATH}?v={}", *VERSION));

/// What distinguishes this style sheet from every other one: 16 letters of base64url.
pub fn stylesheet_version() -> &'static str {
    &VERSION
}

/// The address that the pages name: it may be cached for ever.
pub fn stylesheet_address() -> &'static str {
    &ADDRESS
}
