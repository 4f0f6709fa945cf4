//! `/api/v1/role-directory`: what each role permits, for the gateway to read on and on.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::AuthorizationServer;
use super::api_problem::{Problem, Refused};
use super::bearer::of_gateway;
use super::secrets::hash;
use super::views::LevelView;

pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    Router::new().route("/role-directory", get(role_directory))
}

/// What each role permits.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleDirectory {
    /// By name.
    roles: BTreeMap<String, DirectoryRole>,
}

/// What a role permits.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DirectoryRole {
    /// How far it reaches.
    level: LevelView,
    /// What it permits.
    scopes: Vec<String>,
}

/// Tells what each role permits.
#[utoipa::path(get, path = "/api/v1/role-directory", tag = "gateway", security(("gateway" = [])),
    params(("If-None-Match" = Option<String>, Header, description = "Entity tags that the gateway has")),
    responses((status = 200, description = "The roles", body = RoleDirectory, headers(("ETag" = String, description = "The content's entity tag"))),
        (status = 304, description = "The gateway has it"), Refused))]
pub(super) async fn role_directory(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
) -> Result<Response, Problem> {
    if server.settings.gateway_token.is_none() {
        return Err(Problem::missing("directory"));
    }
    of_gateway(&server, &fields)?;
    let roles = server.store.roles().await?.into_iter().map(|role| {
        let scopes = role.scopes.iter().map(str::to_owned).collect();
        (role.name, DirectoryRole { level: role.level.into(), scopes })
    });
    let text = serde_json::to_string(&RoleDirectory { roles: roles.collect() }).unwrap_or_default();
    let tag = format!("\"{}\"", hash(&text));
    let known = is_known(&fields, &tag);
    let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
    // The gateway keeps it under its tag, and asks each time.
    let about = [(header::ETAG, tag), (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"))];
    if known {
        return Ok((StatusCode::NOT_MODIFIED, about).into_response());
    }
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((about, content_type, text).into_response())
}

/// RFC 9110 §13.1.2: any of the tags, compared weakly, or `*`.
fn is_known(fields: &HeaderMap, tag: &str) -> bool {
    let values = fields.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_9110_13_1_2_a_tag_is_known_in_any_list_and_compared_weakly() {
        for (written, expected) in [
            (&[][..], false),
            (&["\"a\""], true),
            (&["W/\"a\""], true),
            (&["\"b\", \"a\""], true),
            (&["\"b\"", "\"a\""], true),
            (&["*"], true),
            (&["a"], false),
            (&["\"b\""], false),
        ] {
            let mut fields = HeaderMap::new();
            for value in written {
                fields.append(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            }
            assert_eq!(is_known(&fields, "\"a\""), expected, "{written:?}");
        }
    }
}
