//! The keys of a gateway file.

use std::time::Duration;

use super::keys::{DAY, Key, LIMIT, MANY, Shape};
use super::{tls_keys, traces_keys, upstream_keys};

const FORMAT: Key =
    Key::new("format", Shape::Choice(&["json", "text"]), "One JSON object a line, or text for people").default("json");
const LEVEL: Key = Key::new(
    "level",
    Shape::Choice(&["error", "warn", "info", "debug", "trace"]),
    "The least important events that are written",
)
.default("info");

/// A gateway file.
pub(super) static ROOT: &[Key] = &[
    Key::new("listeners", Shape::List(&Shape::Section(LISTENER)), "Where the gateway listens; at least one")
        .required()
        .restart(),
    Key::new("admin", Shape::Section(ADMIN), "The admin listener"),
    Key::new("workers", Shape::Count(0, 1024), "Threads that serve requests; 0 is one a core").default("0").restart(),
    Key::new(
        "issuers",
        Shape::List(&Shape::Section(ISSUER)),
        "Whose tokens are believed; needed as soon as one method is not public",
    ),
    Key::new("roles", Shape::Section(ROLES), "Where the scopes of roles come from besides the policy file"),
    Key::new("ceilings", Shape::Section(CEILINGS), "Which ceilings limit what a token may do"),
    Key::new(
        "reveal_routes",
        Shape::Choice(&["always", "authenticated"]),
        "Whether 404 and 405 are told before a valid token is shown",
    )
    .default("always"),
    Key::new(
        "upstreams",
        Shape::Map("name", &Shape::Section(upstream_keys::UPSTREAM)),
        "Where requests are forwarded to",
    )
    .required(),
    Key::new("limits", Shape::Section(LIMITS), "What one peer, and all of them, may take"),
    Key::new("realm", Shape::Text, "The `realm` of challenges").default("api"),
    Key::new(
        "drain_timeout",
        Shape::Duration(Duration::ZERO, DAY),
        "How long requests in flight may take to end after SIGTERM or a hand-over",
    )
    .default("30s"),
    Key::new(
        "handover_timeout",
        Shape::Duration(Duration::from_secs(1), Duration::from_hours(1)),
        "How long a new process may take to be ready after SIGUSR2, before it is ended",
    )
    .default("60s"),
    Key::new("log", Shape::Section(LOG), "What is logged, and how"),
    Key::new(
        "traces",
        Shape::Section(traces_keys::TRACES),
        "Where spans go, and of which requests; in builds with `otel`",
    ),
    Key::new(
        "policy",
        Shape::List(&Shape::Text),
        "Policy files or globs, relative to this file; at least one, and each must match a file",
    )
    .required(),
];

pub(super) static LISTENER: &[Key] = &[
    Key::new("address", Shape::Text, "IP address and port, or `unix:` and an absolute path").required().restart(),
    Key::new(
        "protocols",
        Shape::List(&Shape::Choice(&["http1", "http2"])),
        "Versions of HTTP that are spoken there: HTTP/2 by ALPN under TLS, by prior knowledge in clear text",
    )
    .default("[http1, http2]"),
    Key::new(
        "public_url",
        Shape::Text,
        "Scheme and authority under which clients reach this listener, for what upstreams are told",
    ),
    Key::new(
        "trusted_peers",
        Shape::List(&Shape::Text),
        "Networks, or `unix` for a unix socket, whose `Forwarded` and `X-Forwarded-*` fields are kept",
    )
    .default("[]"),
    Key::new(
        "tls",
        Shape::Section(tls_keys::LISTENER),
        "TLS with clients, who are then spoken to in no other way; what is in it reloads, that it is there does not",
    ),
];

static ADMIN: &[Key] = &[
    Key::new("address", Shape::Text, "IP address and port").default("127.0.0.1:9901").restart(),
    Key::new(
        "token",
        Shape::Secret,
        "The bearer token that the admin listener asks for; demanded when the address is not loopback",
    )
    .restart(),
    Key::new("open_metrics", Shape::Boolean, "Whether `/metrics` is open without that token")
        .default("false")
        .restart(),
];

pub(super) static ISSUER: &[Key] = &[
    Key::new("issuer", Shape::Text, "The `iss` of its tokens, byte for byte").required(),
    Key::new("required", Shape::Boolean, "Whether `/readyz` waits for this issuer's keys once, at start")
        .default("true"),
    Key::new("audience", Shape::Texts, "Values of `aud` that mean this gateway; a token must have one of them")
        .required(),
    Key::new("keys", Shape::Section(KEYS), "Where its keys are: `{file: PATH}`, `{url: URL}` or `{discovery: true}`")
        .required(),
    Key::new(
        "algorithms",
        Shape::List(&Shape::Choice(&["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"])),
        "Signature algorithms that its tokens may use",
    )
    .default("[RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA]"),
    Key::new(
        "type",
        Shape::Choice(&["access_token", "strict"]),
        "Header `typ`: `access_token` takes `at+jwt`, `JWT` or none; `strict` takes `at+jwt` only",
    )
    .default("access_token"),
    Key::new(
        "leeway",
        Shape::Duration(Duration::ZERO, Duration::from_mins(1)),
        "How far `nbf` and `iat` may be ahead; `exp` has no leeway",
    )
    .default("5s"),
    Key::new(
        "max_lifetime",
        Shape::Duration(Duration::from_secs(1), Duration::from_hours(24 * 366)),
        "How long a token may live, from `iat` to `exp`",
    )
    .default("24h"),
    Key::new(
        "claims",
        Shape::Section(CLAIMS),
        "Where its tokens hold scopes, roles and the client: JSON pointers (RFC 6901)",
    ),
    Key::new("client_only", Shape::Section(CLIENT_ONLY), "How it marks tokens without a user"),
    Key::new(
        "introspection",
        Shape::Section(INTROSPECTION),
        "How it is asked about tokens that are no JWT (RFC 7662); without it they are refused",
    ),
    Key::new("revocations", Shape::Section(REVOCATIONS), "Where it says which of its tokens are revoked"),
];

static REVOCATIONS: &[Key] = &[
    Key::new("url", Shape::Text, "The feed's address: https, or http to a loopback address").required(),
    Key::new("token", Shape::Secret, "The bearer token that the gateway shows there").required(),
    INTERVAL,
    Key::new(
        "max_stale",
        Shape::Duration(Duration::from_secs(1), DAY),
        "How long ago the latest whole reading may have begun",
    )
    .default("60s"),
    Key::new(
        "when_stale",
        Shape::Choice(&["refuse", "serve"]),
        "Whether the issuer's tokens are refused when it is longer ago, or served as if nothing more were revoked",
    )
    .default("refuse"),
    TIMEOUT,
    CA,
    INSECURE_HTTP,
];

pub(super) static ROLES: &[Key] =
    &[Key::new("directory", Shape::Section(DIRECTORY), "A server of roles and the scopes that they permit").required()];

static DIRECTORY: &[Key] = &[
    Key::new("url", Shape::Text, "The directory's address: https, or http to a loopback address").required(),
    Key::new("token", Shape::Secret, "The bearer token that the gateway shows there").required(),
    INTERVAL,
    Key::new(
        "max_stale",
        Shape::Duration(Duration::from_secs(1), Duration::from_hours(24 * 366)),
        "How long its roles permit on when it cannot be fetched",
    )
    .default("1h"),
    TIMEOUT,
    CA,
    INSECURE_HTTP,
];

const INTERVAL: Key = Key::new(
    "interval",
    Shape::Duration(Duration::from_millis(100), Duration::from_hours(1)),
    "How long after one answer it is asked again",
)
.default("2s");
const TIMEOUT: Key = Key::new(
    "timeout",
    Shape::Duration(Duration::from_millis(10), Duration::from_mins(1)),
    "How long one answer may take",
)
.default("3s");
const CA: Key =
    Key::new("ca", Shape::Text, "Certificates (PEM) that are trusted for this address instead of the system's");
const INSECURE_HTTP: Key = Key::new(
    "insecure_http",
    Shape::Boolean,
    "Whether the address may be http beyond loopback; warned about at each load",
)
.default("false");

static KEYS: &[Key] = &[
    Key::new("file", Shape::Text, "A JWK Set on disk, relative to this file"),
    Key::new("url", Shape::Text, "A JWK Set's address: https, or http to a loopback address"),
    Key::new(
        "discovery",
        Shape::Boolean,
        "Whether the address is looked up in the issuer's own metadata (RFC 8414, OpenID Connect Discovery)",
    )
    .default("false"),
    Key::new("refresh", Shape::Duration(Duration::from_secs(1), DAY), "How often the key set is fetched").default("5m"),
    Key::new(
        "max_stale",
        Shape::Duration(Duration::from_secs(1), Duration::from_hours(24 * 366)),
        "How long keys serve on when they cannot be fetched",
    )
    .default("24h"),
    Key::new(
        "cooldown",
        Shape::Duration(Duration::from_millis(100), DAY),
        "The least time between two fetches that unknown keys cause",
    )
    .default("30s"),
    Key::new(
        "timeout",
        Shape::Duration(Duration::from_millis(10), Duration::from_mins(1)),
        "How long a fetch may take",
    )
    .default("3s"),
    Key::new("ca", Shape::Text, "Certificates (PEM) that are trusted for these addresses instead of the system's"),
    Key::new(
        "insecure_http",
        Shape::Boolean,
        "Whether the address may be http beyond loopback; warned about at each load",
    )
    .default("false"),
];

static INTROSPECTION: &[Key] = &[
    Key::new("prefix", Shape::Text, "How such tokens of this issuer begin; needed where several issuers are asked"),
    Key::new(
        "url",
        Shape::Text,
        "Where it is asked: https, or http to a loopback address; with `keys: {discovery: true}` by default what its metadata says",
    ),
    Key::new("client_id", Shape::Text, "As whom the gateway asks").required(),
    Key::new("client_secret", Shape::Secret, "Its secret (`client_secret_basic`); or else `private_key`"),
    Key::new(
        "private_key",
        Shape::Section(PRIVATE_KEY),
        "Its key (`private_key_jwt`, RFC 7523); or else `client_secret`",
    ),
    Key::new(
        "cache",
        Shape::Duration(Duration::ZERO, Duration::from_hours(1)),
        "How long an answer is believed, at most: also how long a token that was revoked may still be taken",
    )
    .default("30s"),
    Key::new(
        "timeout",
        Shape::Duration(Duration::from_millis(10), Duration::from_mins(1)),
        "How long a question and its answer may take",
    )
    .default("2s"),
    Key::new("ca", Shape::Text, "Certificates (PEM) that are trusted for this address instead of the system's"),
    Key::new(
        "insecure_http",
        Shape::Boolean,
        "Whether the address may be http beyond loopback; warned about at each load",
    )
    .default("false"),
];

static PRIVATE_KEY: &[Key] =
    &[Key::new("file", Shape::Text, "A P-256, Ed25519 or RSA key (PEM), relative to this file").required()];

static CLAIMS: &[Key] = &[
    Key::new("scope", Shape::Texts, "Claims that hold scopes; they are united").default("[/scope, /scp]"),
    Key::new("roles", Shape::Text, "The claim that holds roles").default("/roles"),
    Key::new("client", Shape::Texts, "Claims that name the client; they must agree").default("[/client_id, /azp]"),
];

static CLIENT_ONLY: &[Key] = &[
    Key::new("pointer", Shape::Text, "The claim that says so").required(),
    Key::new("equals", Shape::Scalar, "The value that it then has").required(),
];

static CEILINGS: &[Key] = &[
    Key::new("roles", Shape::Boolean, "Whether a token's roles limit it to what they permit").default("off"),
    Key::new("clients", Shape::Boolean, "Whether a token's client limits it to what that client may use")
        .default("off"),
];

static LIMITS: &[Key] = &[
    Key::new("header_bytes", Shape::Size(1 << 10, 1 << 20), "Names and values of a request's fields").default("64KiB"),
    Key::new("fields", Shape::Count(1, 1_000), "Fields of a request").default("100"),
    Key::new("target_bytes", Shape::Size(64, 1 << 16), "A request's target").default("8KiB"),
    Key::new("token_bytes", Shape::Size(64, 1 << 20), "A token").default("16KiB"),
    Key::new("header_time", LIMIT, "From a request's first byte to the end of its fields").default("10s"),
    Key::new("body_idle", LIMIT, "Between two parts of a request's body").default("30s"),
    Key::new("keep_alive", LIMIT, "How long a connection waits for its next request").default("75s"),
    Key::new("streams", Shape::Count(1, 65_535), "Requests at one time on one HTTP/2 connection").default("128"),
    Key::new(
        "resets",
        Shape::Count(1, 65_535),
        "Streams that a client may reset in one minute on one HTTP/2 connection",
    )
    .default("64"),
    Key::new("requests_in_flight", Shape::Count(1, MANY), "Requests at one time, for the process").default("10000"),
    Key::new("tunnels", Shape::Count(0, MANY), "WebSocket connections at one time, for the process").default("10000"),
    Key::new("connections", Shape::Count(1, MANY), "Connections at one time, for the process")
        .default("20000")
        .restart(),
    Key::new("remembered_tokens", Shape::Count(1, MANY), "Verified tokens that are remembered, for the process")
        .default("65536")
        .restart(),
    Key::new("verification", Shape::Share, "The share of a worker's time that unknown tokens may take").default("0.5"),
];

static LOG: &[Key] = &[
    FORMAT,
    LEVEL,
    Key::new("access", Shape::Choice(&["all", "denied"]), "Which requests have a record").default("denied"),
    Key::new("subject", Shape::Choice(&["plain", "hashed"]), "How a record names the subject").default("plain"),
];

/// `log` of a server without records of requests.
pub(super) static LOG_LINES: &[Key] = &[FORMAT, LEVEL];
