//! The keys of every file: the one description that the readers, the JSON Schema and the documentation share.

use std::time::Duration;

use super::{authorization_server_keys, gateway_keys, policy_keys};

pub(super) const DAY: Duration = Duration::from_hours(24);
/// A time limit that limits: neither none at all nor for ever.
pub(super) const LIMIT: Shape = Shape::Duration(Duration::from_millis(1), DAY);
/// Bytes or entries that a process can still hold.
pub(super) const MANY: usize = 1 << 30;

/// One key: its name, what it takes, what it means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    /// One sentence without its full stop.
    pub(super) about: &'static str,
    /// As it would be written.
    pub(super) default: Option<&'static str>,
    pub(super) required: bool,
    /// Whether a change needs a restart.
    pub(super) restart: bool,
}

impl Key {
    pub(super) const fn new(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self { name, shape, about, default: None, required: false, restart: false }
    }

    pub(super) const fn default(self, text: &'static str) -> Self {
        Self { default: Some(text), ..self }
    }

    pub(super) const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub(super) const fn restart(self) -> Self {
        Self { restart: true, ..self }
    }
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Text,
    /// `true`, `false`, `on`, `off`.
    Boolean,
    /// `250ms`, `30s`, `5m`, `1h`, between two bounds.
    Duration(Duration, Duration),
    /// `16KiB`, between two bounds in bytes.
    Size(usize, usize),
    /// A whole number between two bounds.
    Count(usize, usize),
    /// A number above 0, up to 1.
    Share,
    /// A number from 0 to 1.
    Ratio,
    /// Any scalar, with its YAML type.
    Scalar,
    Choice(&'static [&'static str]),
    /// A text, `{file: PATH}` or `{env: NAME}`.
    Secret,
    List(&'static Shape),
    /// One text, or a list of them.
    Texts,
    /// Names of the operator's choice, and what each takes; the first part stands for the name in documentation.
    Map(&'static str, &'static Shape),
    Section(&'static [Key]),
    /// What one method of a route asks for.
    Entry,
    /// `{allow: SIDE}` or `{deny: REASON}`.
    Expectation,
}

/// One key as documentation shows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct KeyDescription {
    /// `gateway`, `policy` or `authorization-server`.
    pub file: &'static str,
    /// Such as `upstreams.<name>.timeouts.connect` or `routes[].path`.
    pub path: String,
    /// What it means: one sentence without its full stop.
    pub about: &'static str,
    /// As it would be written; `None` when the key is absent by default.
    pub default: Option<&'static str>,
    /// Whether its section cannot do without it.
    pub required: bool,
    /// Whether a change needs a restart.
    pub restart: bool,
}

/// Lists every key of every file, sections before what they hold, in the order of the files.
pub fn keys() -> Vec<KeyDescription> {
    let mut list = Vec::new();
    describe("gateway", "", gateway_keys::ROOT, &mut list);
    describe("policy", "", policy_keys::ROOT, &mut list);
    describe("authorization-server", "", authorization_server_keys::ROOT, &mut list);
    list
}

fn describe(file: &'static str, prefix: &str, keys: &'static [Key], list: &mut Vec<KeyDescription>) {
    for key in keys {
        let Key { name, about, default, required, restart, .. } = *key;
        let path = format!("{prefix}{name}");
        list.push(KeyDescription { file, path: path.clone(), about, default, required, restart });
        describe_inner(file, &path, &key.shape, list);
    }
}

fn describe_inner(file: &'static str, path: &str, shape: &'static Shape, list: &mut Vec<KeyDescription>) {
    match shape {
        Shape::Section(keys) => describe(file, &format!("{path}."), keys, list),
        Shape::List(item) => describe_inner(file, &format!("{path}[]"), item, list),
        Shape::Map(name, value) => describe_inner(file, &format!("{path}.<{name}>"), value, list),
        Shape::Text
        | Shape::Boolean
        | Shape::Duration(..)
        | Shape::Size(..)
        | Shape::Count(..)
        | Shape::Share
        | Shape::Ratio
        | Shape::Scalar
        | Shape::Choice(_)
        | Shape::Secret
        | Shape::Texts
        | Shape::Entry
        | Shape::Expectation => {}
    }
}
