use super::faults::Faults;
use super::keys::{Key, Shape, keys};
use super::read::{Fields, Subject};
use super::source::{FileId, Place};
use super::{authorization_server_keys, gateway_keys, policy_keys, schema_gateway, schema_policy};

const HERE: Place = Place { file: FileId(0), start: 0, end: 0 };

/// Every section of a file, with the path that leads to it.
fn sections(path: &str, keys: &'static [Key], found: &mut Vec<(String, &'static [Key])>) {
    found.push((path.to_owned(), keys));
    for key in keys {
        inner(format!("{path}.{}", key.name), &key.shape, found);
    }
}

fn inner(path: String, shape: &'static Shape, found: &mut Vec<(String, &'static [Key])>) {
    match shape {
        Shape::Section(keys) => sections(&path, keys, found),
        Shape::List(item) | Shape::Map(_, item) => inner(path, item, found),
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

#[test]
fn every_default_is_one_that_could_be_written() {
    let mut all = Vec::new();
    sections("gateway", gateway_keys::ROOT, &mut all);
    sections("policy", policy_keys::ROOT, &mut all);
    sections("authorization server", authorization_server_keys::ROOT, &mut all);
    assert!(all.len() > 15);
    for (path, keys) in all {
        let faults = Faults::default();
        let fields = Fields::absent(keys, HERE, Subject::default(), &faults);
        for key in keys.iter().filter(|key| key.default.is_some()) {
            let name = key.name;
            let readable = match key.shape {
                Shape::Boolean => fields.parsed(name, super::scalars::boolean).is_some(),
                Shape::Duration(..) => fields.duration(name).is_some(),
                Shape::Size(..) => fields.size(name) > 0,
                Shape::Count(least, _) => fields.count(name) > 0 || least == 0,
                Shape::Share => fields.share(name) > 0.0,
                Shape::Ratio => fields.ratio(name) > 0.0,
                Shape::Choice(words) => words.contains(&fields.choice(name)),
                Shape::Text => fields.text(name).is_some(),
                Shape::List(Shape::Choice(_)) => !fields.choices(name).is_empty(),
                Shape::List(_) | Shape::Texts => key.default == Some("[]") || !fields.texts(name).is_empty(),
                Shape::Scalar
                | Shape::Secret
                | Shape::Map(..)
                | Shape::Section(_)
                | Shape::Entry
                | Shape::Expectation => false,
            };
            assert!(readable, "{path}.{name}");
            assert!(!key.required, "{path}.{name} is required and has a default");
        }
        assert!(!faults.has_errors(), "{path}");
    }
}

#[test]
fn every_key_is_described_once_in_one_sentence() {
    let keys = keys();
    let mut paths: Vec<(&str, &str)> = keys.iter().map(|key| (key.file, key.path.as_str())).collect();
    paths.sort_unstable();
    let count = paths.len();
    paths.dedup();
    assert_eq!(paths.len(), count);
    for key in &keys {
        assert!(!key.about.is_empty() && !key.about.ends_with('.'), "{}", key.path);
        assert!(key.about.starts_with(char::is_uppercase) || key.about.starts_with('`'), "{}", key.path);
    }
    for expected in [
        ("gateway", "upstreams.<name>.timeouts.connect"),
        ("gateway", "issuers[].keys.url"),
        ("policy", "routes[].methods"),
        ("policy", "tests[].token.scope"),
        ("policy", "scopes.<scope>.implies"),
    ] {
        assert!(paths.contains(&expected), "{expected:?}");
    }
}

#[test]
fn the_schema_has_every_key_with_description_and_default() {
    for (schema, file) in [(schema_gateway(), "gateway"), (schema_policy(), "policy")] {
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        for key in keys().into_iter().filter(|key| key.file == file) {
            let mut at = &schema;
            for part in key.path.split('.') {
                let name = part.trim_end_matches("[]");
                at = if name.starts_with('<') { &at["additionalProperties"] } else { &at["properties"][name] };
                if part.ends_with("[]") {
                    at = &at["items"];
                }
            }
            assert!(at.is_object(), "{}", key.path);
            assert_eq!(at["description"], key.about, "{}", key.path);
            assert_eq!(at.get("default").is_some(), key.default.is_some(), "{}", key.path);
        }
    }
}

#[test]
fn unbuilt_parts_have_no_keys() {
    let names: Vec<String> = keys().into_iter().map(|key| key.path).collect();
    for unbuilt in ["cors", "health", "rate", "shadow", "mode", "retries"] {
        assert!(!names.iter().any(|path| path.split('.').any(|part| part == unbuilt)), "{unbuilt}");
    }
}
