//! Answers: JSON that people can read.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, LOCATION};
use serde::Serialize;
use serde_json::{Value, json};

use super::caller::Caller;

/// 200 with one value.
pub(super) fn value(value: &impl Serialize) -> Response {
    (StatusCode::OK, [(CONTENT_TYPE, "application/json")], text(value)).into_response()
}

/// 200 with rows under their name, and how they were filtered.
pub(super) fn rows(caller: &Caller, name: &str, rows: &[impl Serialize]) -> Response {
    value(&json!({"access": caller.access(), "subject": caller.subject, name: rows}))
}

/// 201 with what was made, and where it is (RFC 9110 §15.3.2).
pub(super) fn created(place: &str, value: &impl Serialize) -> Response {
    let fields = [(CONTENT_TYPE, "application/json"), (LOCATION, place)];
    (StatusCode::CREATED, fields, text(value)).into_response()
}

fn text(value: &impl Serialize) -> String {
    // Rows of numbers, texts and truth values always have a JSON form.
    format!("{:#}\n", serde_json::to_value(value).unwrap_or(Value::Null))
}
