//! What one method asks for, as typed: names of scopes are not looked up yet.

use super::faults::{Fault, Faults};
use super::hints;
use super::node::{Entry, Node, Value};
use super::read::Subject;
use super::scalars::shown;
use super::source::{Place, Placed};
use super::suggest::did_you_mean;

/// A method's entry as typed.
#[derive(Clone, Debug)]
pub(super) enum RawEntry<'n> {
    Public,
    Authenticated,
    /// The short form: one requirement, whose scopes decide its side.
    Bare(RawRequirement<'n>),
    /// At least one side is there.
    Pair {
        user: Option<RawRequirement<'n>>,
        admin: Option<RawRequirement<'n>>,
    },
}

/// A formula over names of scopes.
#[derive(Clone, Debug)]
pub(super) enum RawRequirement<'n> {
    Scope(Placed<&'n str>),
    AnyOf(Vec<RawRequirement<'n>>),
    AllOf(Vec<RawRequirement<'n>>),
}

/// Reads a method's entry; `None` after a fault.
pub(super) fn read<'n>(method: &'n Entry<'_>, subject: &Subject, faults: &Faults) -> Option<RawEntry<'n>> {
    let reader = Reader { method: &method.key, subject, faults };
    match &method.value.value {
        Value::Text { text, .. } if text == "public" => Some(RawEntry::Public),
        Value::Text { text, .. } if text == "authenticated" => Some(RawEntry::Authenticated),
        Value::Map(entries) if entries.iter().any(|entry| entry.key == "user" || entry.key == "admin") => {
            reader.pair(entries)
        }
        Value::Text { .. } | Value::Map(_) | Value::List(_) | Value::Null | Value::Unreadable => {
            reader.requirement(&method.value).map(RawEntry::Bare)
        }
    }
}

struct Reader<'r> {
    method: &'r str,
    subject: &'r Subject,
    faults: &'r Faults,
}

impl Reader<'_> {
    fn pair<'n>(&self, entries: &'n [Entry<'_>]) -> Option<RawEntry<'n>> {
        let (mut user, mut admin, mut whole) = (None, None, true);
        for entry in entries {
            let side = match entry.key.as_ref() {
                "user" => &mut user,
                "admin" => &mut admin,
                other => {
                    let hint = did_you_mean(other, ["user", "admin"]);
                    self.refuse(entry.place, &format!("unknown key `{other}`; a pair has `user` and `admin`"), hint);
                    whole = false;
                    continue;
                }
            };
            *side = self.requirement(&entry.value);
            whole &= side.is_some();
        }
        whole.then_some(RawEntry::Pair { user, admin })
    }

    fn requirement<'n>(&self, node: &'n Node<'_>) -> Option<RawRequirement<'n>> {
        match &node.value {
            Value::Text { text, .. } => Some(RawRequirement::Scope(Placed { value: text, place: node.place })),
            Value::Map(entries) => match entries.as_slice() {
                [entry] if entry.key == "any_of" => self.children(entry).map(RawRequirement::AnyOf),
                [entry] if entry.key == "all_of" => self.children(entry).map(RawRequirement::AllOf),
                _ => self.refuse_mapping(node, entries),
            },
            Value::List(_) => {
                let hint = "write `{any_of: […]}` or `{all_of: […]}`".to_owned();
                self.refuse(node.place, "a list does not say whether all of it is asked for", Some(hint));
                None
            }
            Value::Unreadable => None,
            Value::Null => {
                let hint = "write a scope, `authenticated` or `public`".to_owned();
                self.refuse(node.place, "nothing is written", Some(hint));
                None
            }
        }
    }

    fn children<'n>(&self, entry: &'n Entry<'_>) -> Option<Vec<RawRequirement<'n>>> {
        let Value::List(items) = &entry.value.value else {
            let (what, hint) = hints::kind(&entry.value, "must be a list");
            self.refuse(entry.value.place, &format!("`{}` {what}", entry.key), hint);
            return None;
        };
        if items.is_empty() {
            self.refuse(entry.value.place, &format!("`{}` of nothing", entry.key), None);
            return None;
        }
        // Every item is read before any is missed: each may have a fault of its own.
        let children: Vec<Option<RawRequirement<'n>>> = items.iter().map(|item| self.requirement(item)).collect();
        children.into_iter().collect()
    }

    fn refuse_mapping<'n>(&self, node: &Node<'_>, entries: &[Entry<'_>]) -> Option<RawRequirement<'n>> {
        let known = |entry: &&Entry<'_>| matches!(entry.key.as_ref(), "any_of" | "all_of");
        let unknown = entries.iter().find(|entry| !known(entry));
        let (place, what) = match unknown {
            Some(entry) => (entry.place, format!("unknown key `{}`", shown(&entry.key))),
            None if entries.is_empty() => (node.place, "an empty mapping is no requirement".to_owned()),
            None => (node.place, "`any_of` and `all_of` stand beside each other".to_owned()),
        };
        let hint = match unknown {
            Some(entry) => {
                did_you_mean(&entry.key, ["any_of", "all_of", "user", "admin"]).or_else(|| hints::split_name_hint(node))
            }
            None if entries.is_empty() => Some("write a scope, `authenticated` or `public`".to_owned()),
            None => Some("nest one in the other: `{all_of: [a, {any_of: [b, c]}]}`".to_owned()),
        };
        self.refuse(place, &what, hint);
        None
    }

    fn refuse(&self, place: Place, what: &str, hint: Option<String>) {
        let message = self.subject.tell(format_args!("`{}`: {what}", self.method));
        self.faults.push(Fault::error(place, message).hint_if(hint));
    }
}
