//! What the demo's sample API answers: a few automations, filtered by the access that the gateway granted.

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value, json};

/// Name, owner, space: the rows of the tenant. Nora owns two; a third is shared with her through the space.
const AUTOMATIONS: [Automation; 4] = [
    Automation { id: 7, name: "Nightly report", owner: "nora", space: None },
    Automation { id: 8, name: "Clean up old apps", owner: "nora", space: Some("Marketing") },
    Automation { id: 9, name: "Campaign mail", owner: "omar", space: Some("Marketing") },
    Automation { id: 10, name: "Payroll", owner: "omar", space: None },
];

const COLLECTIONS: [&str; 2] = ["/api/v1/automations", "/api/workflows/automations"];

#[derive(Debug)]
struct Automation {
    id: u32,
    name: &'static str,
    owner: &'static str,
    space: Option<&'static str>,
}

/// Answers one request, as an API does that leaves scopes to the gateway and filters its rows by `Scopegate-Access`.
pub(super) fn answer(method: &Method, path: &str, fields: &HeaderMap) -> (StatusCode, Value) {
    let rows: Vec<_> = AUTOMATIONS.iter().filter(|row| row.is_visible(fields)).collect();
    let below = COLLECTIONS.iter().find_map(|collection| path.strip_prefix(collection));
    let (status, what) = match below.map(|rest| rest.trim_start_matches('/')) {
        Some("") => (StatusCode::OK, json!(rows.iter().map(|row| row.json()).collect::<Vec<_>>())),
        Some("usage") => (StatusCode::OK, json!({"automations": AUTOMATIONS.len(), "visible": rows.len()})),
        Some(rest) => match rows.iter().find(|row| rest.split('/').next() == Some(&row.id.to_string())) {
            Some(row) => (StatusCode::OK, row.json()),
            None => (StatusCode::NOT_FOUND, json!("no such automation, or none of yours")),
        },
        None => (StatusCode::OK, json!("the API did its work")),
    };
    (status, json!({"request": format!("{method} {path}"), "answer": what, "from_the_gateway": received(fields)}))
}

impl Automation {
    /// The whole tenant with admin access; with user access what the subject owns, or has through a space.
    fn is_visible(&self, fields: &HeaderMap) -> bool {
        match text(fields, "scopegate-access") {
            "admin" => true,
            "user" => self.owner == text(fields, "scopegate-subject") || self.space.is_some(),
            _ => false,
        }
    }

    fn json(&self) -> Value {
        json!({"id": self.id, "name": self.name, "owner": self.owner, "space": self.space})
    }
}

/// The `Scopegate-*` fields, as they came.
fn received(fields: &HeaderMap) -> Map<String, Value> {
    let ours = fields.keys().filter(|name| name.as_str().starts_with("scopegate-"));
    ours.map(|name| (name.to_string(), json!(text(fields, name.as_str())))).collect()
}

fn text<'a>(fields: &'a HeaderMap, name: &str) -> &'a str {
    fields.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn fields(access: &'static str) -> HeaderMap {
        let mut fields = HeaderMap::new();
        fields.insert("scopegate-access", HeaderValue::from_static(access));
        fields.insert("scopegate-subject", HeaderValue::from_static("nora"));
        fields
    }

    #[test]
    fn rows_follow_the_access_that_was_granted() {
        for (access, expected) in [("user", 3), ("admin", 4), ("public", 0)] {
            let (status, body) = answer(&Method::GET, "/api/v1/automations", &fields(access));
            assert_eq!((status, body["answer"].as_array().map(Vec::len)), (StatusCode::OK, Some(expected)), "{access}");
            assert_eq!(body["from_the_gateway"]["scopegate-access"], access);
        }
    }

    #[test]
    fn another_users_row_is_not_found_without_admin_access() {
        for (access, path, expected) in [
            ("user", "/api/v1/automations/7", StatusCode::OK),
            ("user", "/api/v1/automations/10", StatusCode::NOT_FOUND),
            ("admin", "/api/workflows/automations/10/actions/move", StatusCode::OK),
            ("admin", "/api/v1/automations/11", StatusCode::NOT_FOUND),
            ("admin", "/health", StatusCode::OK),
        ] {
            assert_eq!(answer(&Method::GET, path, &fields(access)).0, expected, "{access} {path}");
        }
    }
}
