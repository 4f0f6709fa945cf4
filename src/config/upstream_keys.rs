//! The keys of `upstreams` in a gateway file.

use super::keys::{Key, LIMIT, MANY, Shape};
use super::tls_keys;

pub(super) static UPSTREAM: &[Key] = &[
    Key::new(
        "protocol",
        Shape::Choice(&["http1", "http2"]),
        "What it speaks; `http2` in clear text is spoken without asking",
    )
    .default("http1"),
    Key::new(
        "endpoints",
        Shape::List(&Shape::Text),
        "Its address, as `http://host:port`, `https://host:port` for TLS, or `unix:/path` of a socket; exactly one",
    )
    .required(),
    Key::new("forward_token", Shape::Boolean, "Whether it receives the token").default("true"),
    Key::new(
        "host",
        Shape::Text,
        "The `Host` that it receives: `keep` for the client's, `endpoint` for its own, or a fixed name",
    )
    .default("keep"),
    Key::new(
        "forwarded",
        Shape::Choice(&["x-forwarded", "forwarded", "both", "none"]),
        "Which fields tell it of the client",
    )
    .default("x-forwarded"),
    Key::new("remove", Shape::List(&Shape::Text), "More request fields to take away").default("[]"),
    Key::new(
        "readings",
        Shape::Section(READINGS),
        "In which other ways it might read a path: a request whose readings disagree is refused",
    ),
    Key::new(
        "refuse_query",
        Shape::List(&Shape::Text),
        "Query parameters that a request may not have, for it takes the method from them",
    )
    .default("[_method]"),
    Key::new("base_path", Shape::Text, "Put in front of every path").default("/"),
    Key::new("timeouts", Shape::Section(TIMEOUTS), "How long it may take"),
    Key::new("tunnels", Shape::Section(TUNNELS), "What WebSocket connections to it may do"),
    Key::new("connections", Shape::Section(CONNECTIONS), "Connections to it, for each worker"),
    Key::new(
        "tls",
        Shape::Section(tls_keys::UPSTREAM),
        "How it is known over `https`; its certificate is verified always",
    ),
];

static READINGS: &[Key] = &[
    Key::new("decoding", Shape::Boolean, "It decodes escapes").default("on"),
    Key::new("encoded_slash", Shape::Boolean, r"It takes `%2F`, `\` and `%5C` for a slash").default("on"),
    Key::new("path_parameters", Shape::Boolean, "It cuts `;…` from each segment").default("on"),
    Key::new("merged_slashes", Shape::Boolean, "It takes several slashes for one").default("on"),
    Key::new("query_in_path", Shape::Boolean, "It cuts the path at a decoded `?` or `#`").default("on"),
    Key::new("trailing_slash", Shape::Boolean, "It adds or removes a slash at the end").default("on"),
    Key::new("letter_case", Shape::Boolean, "It takes capitals for small letters").default("on"),
    Key::new("suffix", Shape::Boolean, "It cuts `.json` and the like").default("off"),
    Key::new("trailing_dot", Shape::Boolean, "It cuts dots from the end of a segment").default("off"),
];

static TIMEOUTS: &[Key] = &[
    Key::new("connect", LIMIT, "Until a connection stands").default("2s"),
    Key::new("response", LIMIT, "Until its answer's fields are there").default("30s"),
    Key::new("idle", LIMIT, "Between two parts of a body").default("60s"),
];

static TUNNELS: &[Key] = &[
    Key::new("websocket", Shape::Boolean, "Whether handshakes are passed on; if not they go on as plain requests")
        .default("on"),
    Key::new("idle", LIMIT, "How long one may carry nothing").default("1h"),
    Key::new("end_with_token", Shape::Boolean, "Whether one ends when the token that opened it expires or is revoked")
        .default("off"),
];

static CONNECTIONS: &[Key] = &[
    Key::new("max", Shape::Count(1, 65_535), "Connections at most").default("256"),
    Key::new("queue", Shape::Count(0, MANY), "Requests that may wait for one").default("64"),
    Key::new("idle", LIMIT, "How long an unused one is kept").default("90s"),
];
