//! The keys of a policy file.

use std::time::Duration;

use super::keys::{Key, Shape};

/// A policy file.
pub(super) static ROOT: &[Key] = &[
    Key::new(
        "scopes",
        Shape::Map("scope", &Shape::Section(SCOPE)),
        "The catalogue: every scope that a route, role or client may name",
    ),
    Key::new("roles", Shape::Map("role", &Shape::Section(ROLE)), "What each role permits; needs `ceilings.roles: on`"),
    Key::new(
        "clients",
        Shape::Map("client", &Shape::Section(CLIENT)),
        "What each client may use; the entry `*` is for every client that is not listed",
    ),
    Key::new("routes", Shape::List(&Shape::Section(ROUTE)), "Which scope opens which path and method"),
    Key::new("tests", Shape::List(&Shape::Section(TEST)), "Requests whose decision is checked at every load"),
];

/// One scope of the catalogue.
pub(super) static SCOPE: &[Key] = &[
    Key::new("describe", Shape::Text, "What the scope allows, for people").default(""),
    Key::new("implies", Shape::List(&Shape::Text), "Scopes that it contains, and with them all that they contain")
        .default("[]"),
    Key::new(
        "admin",
        Shape::Text,
        "Its twin: the scope that opens for the whole tenant what this one opens for a user",
    ),
    Key::new(
        "side",
        Shape::Choice(&["user", "admin"]),
        "Its side; without it a name that begins with `admin.` is of side admin, any other of side user",
    ),
    Key::new(
        "uses",
        Shape::List(&Shape::Choice(&["token", "role"])),
        "Where it may be held; without `token` no token ever carries it",
    )
    .default("[token, role]"),
];

/// One role.
pub(super) static ROLE: &[Key] = &[Key::new(
    "scopes",
    Shape::List(&Shape::Text),
    "What the role permits: names, or beginnings of names with a `*` at the end",
)
.required()];

/// One client.
pub(super) static CLIENT: &[Key] = &[
    Key::new("scopes", Shape::List(&Shape::Text), "What the client may use; needs `ceilings.clients: on`"),
    Key::new("acts_alone", Shape::Boolean, "Whether its tokens without user and roles are free of the roles' ceiling")
        .default("false"),
];

/// One route, or a part of one.
pub(super) static ROUTE: &[Key] = &[
    Key::new("id", Shape::Text, "A unique name, for metrics and logs; by default host and path"),
    Key::new(
        "host",
        Shape::Text,
        "The host, or `*.` and a domain for every name below it; without it a route of every host that has none",
    ),
    Key::new("path", Shape::Text, "The template: literals, `{id}` for one segment, `{rest=**}` for one or more")
        .required(),
    Key::new("strip_prefix", Shape::Text, "Leading literal segments that the upstream does not see"),
    Key::new("add_prefix", Shape::Text, "Segments put in front of the path, after `strip_prefix`"),
    Key::new("upstream", Shape::Text, "Where the request goes: a name of the gateway file's `upstreams`"),
    Key::new(
        "timeout",
        Shape::Duration(Duration::from_millis(1), Duration::from_hours(1)),
        "How long the upstream may take until its answer begins; by default the upstream's `timeouts.response`",
    ),
    Key::new(
        "methods",
        Shape::Map("method", &Shape::Entry),
        "What each method asks for: a requirement, `{user: …, admin: …}`, `authenticated` or `public`",
    ),
];

/// One test.
pub(super) static TEST: &[Key] = &[
    Key::new("name", Shape::Text, "What it shows, in words").required(),
    Key::new("request", Shape::Text, "Method and target, as in `GET /api/v1/x` or `GET https://api.example.com/x`")
        .required(),
    Key::new("token", Shape::Section(TOKEN), "What the token says; without it a request without credentials"),
    Key::new(
        "expect",
        Shape::Expectation,
        "The decision: `{allow: user|admin|authenticated|public}` or `{deny: REASON}`",
    )
    .required(),
];

/// What a test's token says.
pub(super) static TOKEN: &[Key] = &[
    Key::new("scope", Shape::Text, "Its scopes, separated by spaces").default(""),
    Key::new("roles", Shape::List(&Shape::Text), "Its roles").default("[]"),
    Key::new("client", Shape::Text, "Its client; without it one that no ceiling limits"),
    Key::new(
        "subject",
        Shape::Text,
        "Its subject; without it a user's, and equal to `client` a client that acts alone",
    ),
    Key::new("issuer", Shape::Text, "Its issuer; without it the first of the gateway file"),
];
