//! Lines of the log, held to the schema that is shipped for those who read them.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

/// `docs/log.schema.json`.
pub static LOG_SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/log.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the schema")).expect("JSON")
});

static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::draft202012::new(&LOG_SCHEMA).expect("a schema of 2020-12"));

/// What is wrong with a line. One that is no JSON object is nothing that the schema speaks of.
pub fn fault_of(line: &str) -> Option<String> {
    let value: Value = serde_json::from_str(line).ok()?;
    let fault = VALIDATOR.validate(&value).err();
    fault.filter(|_| value.is_object()).map(|fault| format!("{fault}: {line}"))
}
