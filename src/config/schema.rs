//! The JSON Schema of every file, for editors, made from the one description of keys.

use serde_json::{Map, Value, json};

use super::keys::{Key, Shape};
use super::{authorization_server_keys, gateway_keys, policy_keys};

/// Makes the JSON Schema (2020-12) of a policy file.
pub fn schema_policy() -> Value {
    document("scopegate policy file", policy_keys::ROOT)
}

/// Makes the JSON Schema (2020-12) of a gateway file.
pub fn schema_gateway() -> Value {
    document("scopegate gateway file", gateway_keys::ROOT)
}

/// Makes the JSON Schema (2020-12) of an authorization server's file.
pub fn schema_authorization_server() -> Value {
    document("scopegate authorization server file", authorization_server_keys::ROOT)
}

fn document(title: &str, keys: &[Key]) -> Value {
    let mut schema = section(keys);
    if let Value::Object(members) = &mut schema {
        members.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        members.insert("title".to_owned(), json!(title));
        members.insert("$defs".to_owned(), json!({ "requirement": requirement() }));
    }
    schema
}

fn section(keys: &[Key]) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn property(key: &Key) -> Value {
    let mut schema = shape(&key.shape);
    if let Value::Object(members) = &mut schema {
        members.insert("description".to_owned(), json!(key.about));
        if let Some(default) = key.default {
            members.insert("default".to_owned(), default_value(default, &key.shape));
        }
    }
    schema
}

/// A default as JSON has it; lists are written in YAML's flow form, whose words have no quotes.
fn default_value(text: &str, shape: &Shape) -> Value {
    match shape {
        Shape::Boolean => json!(matches!(text, "on" | "true")),
        Shape::Count(..) | Shape::Share | Shape::Ratio => text.parse().map_or(Value::Null, Value::Number),
        Shape::List(_) | Shape::Texts => {
            let inner = text.trim_start_matches('[').trim_end_matches(']');
            json!(inner.split(", ").filter(|word| !word.is_empty()).collect::<Vec<_>>())
        }
        Shape::Text
        | Shape::Duration(..)
        | Shape::Size(..)
        | Shape::Scalar
        | Shape::Choice(_)
        | Shape::Secret
        | Shape::Map(..)
        | Shape::Section(_)
        | Shape::Entry
        | Shape::Expectation => json!(text),
    }
}

fn shape(shape: &Shape) -> Value {
    match shape {
        // Plain YAML numbers and booleans are texts where a text is expected.
        Shape::Text => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Boolean => json!({ "enum": [true, false, "on", "off"] }),
        Shape::Duration(..) => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$" }),
        Shape::Size(..) => json!({ "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)$" }),
        Shape::Count(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Shape::Share => json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1 }),
        Shape::Ratio => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        Shape::Scalar => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Choice(words) => json!({ "enum": words }),
        Shape::Secret => json!({ "oneOf": [{ "type": "string" }, one_key("file"), one_key("env")] }),
        Shape::List(item) => json!({ "type": "array", "items": self::shape(item) }),
        Shape::Texts => {
            json!({ "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
        }
        Shape::Map(_, value) => json!({ "type": "object", "additionalProperties": self::shape(value) }),
        Shape::Section(keys) => section(keys),
        Shape::Entry => entry(),
        Shape::Expectation => json!({ "oneOf": [
            { "type": "object", "properties": { "allow": { "enum": ["user", "admin", "authenticated", "public"] } },
              "required": ["allow"], "additionalProperties": false },
            one_key("deny"),
        ] }),
    }
}

fn one_key(name: &str) -> Value {
    let mut properties = Map::new();
    properties.insert(name.to_owned(), json!({ "type": "string" }));
    json!({ "type": "object", "properties": properties, "required": [name], "additionalProperties": false })
}

/// A scope, or a formula of scopes.
fn requirement() -> Value {
    let list = json!({ "type": "array", "items": { "$ref": "#/$defs/requirement" }, "minItems": 1 });
    json!({ "oneOf": [
        { "type": "string" },
        { "type": "object", "properties": { "any_of": list }, "required": ["any_of"], "additionalProperties": false },
        { "type": "object", "properties": { "all_of": list }, "required": ["all_of"], "additionalProperties": false },
    ] })
}

/// A requirement, a pair of them, or one of the words `public` and `authenticated`, which are strings too.
fn entry() -> Value {
    let side = json!({ "$ref": "#/$defs/requirement" });
    json!({ "oneOf": [
        { "$ref": "#/$defs/requirement" },
        { "type": "object", "properties": { "user": side, "admin": side }, "minProperties": 1,
          "additionalProperties": false },
    ] })
}
