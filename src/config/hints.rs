//! What the commonest mistakes look like in the tree, and what to write instead.

use super::keys::Key;
use super::node::{Node, Value};
use super::suggest::{did_you_mean_word, nearest};
use super::{authorization_server_keys, gateway_keys, policy_keys};

/// The key of the section that a key which it does not have was meant to be, where a few letters differ.
pub(super) fn misspelt(written: &str, keys: &'static [Key]) -> Option<&'static str> {
    if belongs_elsewhere(written, keys).is_some() {
        return None;
    }
    nearest(written, keys.iter().map(|key| key.name))
}

/// For a key that its section does not have.
pub(super) fn unknown_key(written: &str, keys: &'static [Key]) -> Option<String> {
    let is_root = std::ptr::eq(keys, policy_keys::ROOT) || std::ptr::eq(keys, gateway_keys::ROOT);
    let elsewhere = is_root && authorization_server_keys::ROOT.iter().any(|key| key.name == written);
    let there = || format!("`{written}` belongs in the authorization server's file, the one that has `database`");
    belongs_elsewhere(written, keys)
        .or_else(|| did_you_mean_word(written, keys.iter().map(|key| key.name)))
        .or_else(|| elsewhere.then(there))
}

/// For a key of another file or section, whatever it looks like here.
fn belongs_elsewhere(written: &str, keys: &'static [Key]) -> Option<String> {
    let has = |keys: &[Key]| keys.iter().any(|key| key.name == written);
    let is_server = std::ptr::eq(keys, gateway_keys::ROOT) || std::ptr::eq(keys, authorization_server_keys::ROOT);
    if is_server && has(policy_keys::ROOT) {
        return Some(format!("`{written}` belongs in a policy file, one that `policy` lists"));
    }
    if (std::ptr::eq(keys, policy_keys::ROOT) || std::ptr::eq(keys, authorization_server_keys::ROOT))
        && has(gateway_keys::ROOT)
    {
        return Some(format!("`{written}` belongs in the gateway file, the one that has `listeners`"));
    }
    if std::ptr::eq(keys, gateway_keys::ROLES) && !has(gateway_keys::ROLES) {
        return Some("roles with their scopes belong in a policy file, one that `policy` lists".to_owned());
    }
    None
}

/// For something else where a mapping is expected.
pub(super) fn mapping(found: &Value<'_>, keys: &[Key]) -> Option<String> {
    let first = keys.first()?.name;
    match found {
        Value::Null if keys.iter().any(|key| key.required) => None,
        Value::Null => Some("write `{}` if nothing is to be said".to_owned()),
        Value::List(_) => Some("remove the `-` or the brackets".to_owned()),
        Value::Text { text, .. } if text.contains(':') => Some("write a space after each `:`".to_owned()),
        Value::Text { .. } => Some(format!("write keys and values, as in `{first}: …`")),
        Value::Map(_) | Value::Unreadable => None,
    }
}

/// For a value of another kind: what is wrong with it, and what to write.
pub(super) fn kind(node: &Node<'_>, must: &str) -> (String, Option<String>) {
    let kind = node.value.kind();
    let what = match node.value {
        Value::Null => format!("has no value; it {must}"),
        Value::Unreadable | Value::Text { .. } | Value::List(_) | Value::Map(_) => format!("{must}, not {kind}"),
    };
    let hint = match &node.value {
        Value::Text { text, .. } if must.ends_with("list") => Some(format!("write `[{text}]`")),
        Value::Map(_) if must.ends_with("value") && !is_bracketed(node) => split_name_hint(node),
        Value::Null if must.ends_with("list") => Some("write `[]`, or remove the key".to_owned()),
        Value::Null if must.ends_with("mapping") => Some("write `{}`, or remove the key".to_owned()),
        Value::Null | Value::Unreadable | Value::Text { .. } | Value::List(_) | Value::Map(_) => None,
    };
    (what, hint)
}

/// Whether a mapping has its braces: without them, `a: b` may be meant as a name.
fn is_bracketed(node: &Node<'_>) -> bool {
    let Value::Map(entries) = &node.value else { return true };
    entries.first().is_none_or(|entry| entry.place != node.place)
}

/// For `a: b` where `a:b` was probably meant.
pub(super) fn split_name_hint(node: &Node<'_>) -> Option<String> {
    let Value::Map(entries) = &node.value else { return None };
    let [entry] = entries.as_slice() else { return None };
    let name = format!("{}:{}", entry.key, entry.value.text()?);
    Some(format!("`: ` makes a mapping: write `{name}` without the space, and quote scopes that contain `: `"))
}
