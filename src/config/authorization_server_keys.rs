//! The keys of an authorization server's file.

use std::time::Duration;

use super::gateway_keys::LOG_LINES;
use super::keys::{Key, Shape};

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_hours(24 * 366);

/// An authorization server's file.
pub(super) static ROOT: &[Key] = &[
    Key::new(
        "issuer",
        Shape::Text,
        "Scheme and authority under which everybody reaches it, and the `iss` of its tokens: https, or http on loopback",
    )
    .required()
    .restart(),
    Key::new("address", Shape::Text, "IP address and port where it listens, in plain HTTP").required().restart(),
    Key::new("database", Shape::Text, "The SQLite file, relative to this file; it is made if it is not there")
        .required()
        .restart(),
    Key::new(
        "audience",
        Shape::Texts,
        "The `aud` of access tokens, and the values that `resource` may have; at least one",
    )
    .required()
    .restart(),
    Key::new(
        "policy",
        Shape::List(&Shape::Text),
        "Policy files or globs, relative to this file, whose scopes may be granted; at least one, and each must match a file",
    )
    .required(),
    Key::new(
        "gateway_token",
        Shape::Secret,
        "The bearer token that gateways present for the role directory and the revocation feed; without it neither is served",
    )
    .restart(),
    Key::new(
        "trusted_peers",
        Shape::List(&Shape::Text),
        "Networks whose `X-Forwarded-For` tells the address that attempts are counted by",
    )
    .default("[]")
    .restart(),
    Key::new("lifetimes", Shape::Section(LIFETIMES), "How long things live").restart(),
    Key::new("log", Shape::Section(LOG_LINES), "What is logged, and how"),
];

static LIFETIMES: &[Key] = &[
    Key::new("access_token", Shape::Duration(SECOND, Duration::from_hours(24)), "An access token")
        .default("5m")
        .restart(),
    Key::new("refresh_token", Shape::Duration(SECOND, YEAR), "A refresh token, anew at each use")
        .default("720h")
        .restart(),
    Key::new("session", Shape::Duration(SECOND, YEAR), "A browser session").default("12h").restart(),
    Key::new(
        "signing_key",
        Shape::Duration(Duration::from_mins(1), YEAR),
        "A signing key, until the next one signs; never shorter than `access_token`",
    )
    .default("720h")
    .restart(),
];
