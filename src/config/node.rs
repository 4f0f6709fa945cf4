//! The tree that a file is read into.

use std::borrow::Cow;

use super::source::Place;

/// One value and where it is written.
#[derive(Clone, Debug)]
pub(super) struct Node<'t> {
    pub(super) place: Place,
    pub(super) value: Value<'t>,
}

/// What is written.
#[derive(Clone, Debug)]
pub(super) enum Value<'t> {
    /// Nothing, `~` or `null`.
    Null,
    /// Something with a fault that has been told already; nothing more is said of it.
    Unreadable,
    /// A scalar; `plain` is one without quotes.
    Text { text: Cow<'t, str>, plain: bool },
    /// A sequence.
    List(Vec<Node<'t>>),
    /// A mapping; no key occurs twice.
    Map(Vec<Entry<'t>>),
}

/// One key of a map.
#[derive(Clone, Debug)]
pub(super) struct Entry<'t> {
    pub(super) key: Cow<'t, str>,
    pub(super) place: Place,
    pub(super) value: Node<'t>,
}

impl Value<'_> {
    /// What it is, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null | Self::Unreadable => "nothing",
            Self::Text { .. } => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

impl<'t> Node<'t> {
    /// Nodes in it, itself included.
    pub(super) fn count(&self) -> usize {
        match &self.value {
            Value::Null | Value::Unreadable | Value::Text { .. } => 1,
            Value::List(items) => 1 + items.iter().map(Node::count).sum::<usize>(),
            Value::Map(entries) => 1 + entries.iter().map(|entry| entry.value.count()).sum::<usize>(),
        }
    }

    /// The value of one key, when this is a map that has it.
    pub(super) fn find(&self, key: &str) -> Option<&Node<'t>> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            Value::Null | Value::Unreadable | Value::Text { .. } | Value::List(_) => None,
        }
    }

    /// How many keys it has, when this is a map.
    pub(super) fn len(&self) -> Option<usize> {
        match &self.value {
            Value::Map(entries) => Some(entries.len()),
            Value::Null | Value::Unreadable | Value::Text { .. } | Value::List(_) => None,
        }
    }

    /// How many items it has, when this is a list.
    pub(super) fn items(&self) -> Option<usize> {
        match &self.value {
            Value::List(items) => Some(items.len()),
            Value::Null | Value::Unreadable | Value::Text { .. } | Value::Map(_) => None,
        }
    }

    /// The text, when this is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text { text, .. } => Some(text),
            Value::Null | Value::Unreadable | Value::List(_) | Value::Map(_) => None,
        }
    }
}
