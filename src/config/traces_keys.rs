//! The keys of `traces`.

use std::time::Duration;

use super::keys::{Key, Shape};

pub(super) static TRACES: &[Key] = &[
    Key::new(
        "otlp",
        Shape::Text,
        "The collector's address for OTLP over HTTP: https, or http to a loopback address; `/v1/traces` is added",
    )
    .required(),
    Key::new("sample", Shape::Ratio, "The share of the traces beginning here that is recorded").default("0.01"),
    Key::new(
        "parents",
        Shape::Choice(&["all", "trusted", "none"]),
        "Whose `traceparent` is believed: `trusted` is that of the listener's `trusted_peers`",
    )
    .default("all"),
    Key::new(
        "resource",
        Shape::Map("name", &Shape::Secret),
        "Attributes of this process; `service.name` is `scopegate` unless it is here",
    ),
    Key::new(
        "headers",
        Shape::Map("name", &Shape::Section(HEADER)),
        "Fields of every request to the collector, such as credentials",
    ),
    Key::new(
        "interval",
        Shape::Duration(Duration::from_millis(10), Duration::from_mins(1)),
        "How long spans wait to be sent together, unless 512 requests wait before",
    )
    .default("5s"),
    Key::new("queue", Shape::Count(1, 65_536), "Recorded requests that wait; those of more are dropped and counted")
        .default("2048"),
    Key::new(
        "timeout",
        Shape::Duration(Duration::from_millis(10), Duration::from_mins(1)),
        "How long one answer of the collector may take",
    )
    .default("10s"),
    Key::new("ca", Shape::Text, "Certificates (PEM) that are trusted for this address instead of the system's"),
    Key::new(
        "insecure_http",
        Shape::Boolean,
        "Whether the address may be http beyond loopback; warned about at each load",
    )
    .default("false"),
];

static HEADER: &[Key] = &[
    Key::new("file", Shape::Text, "The file that holds its value, relative to this file"),
    Key::new("env", Shape::Text, "Or the variable of the environment that does"),
];
