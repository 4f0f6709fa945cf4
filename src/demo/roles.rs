//! What Ben's role permits: asked and changed at the authorization server's Roles API.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::client::{Client, ClientFault};
use super::exchange;
use super::people::{ROLE, ROLE_EXTRA, role};

/// Whether the role permits the administrator's scope; `None` when the server does not say.
pub(super) async fn permitted(operator: &Client, issuer: &str) -> Option<bool> {
    #[derive(Deserialize)]
    struct Role {
        scopes: Vec<String>,
    }
    let answer = ask(operator, issuer, Method::GET, String::new()).await.ok()?;
    let role: Role = answer.json().ok()?;
    Some(role.scopes.iter().any(|scope| scope == ROLE_EXTRA))
}

/// Lets the role permit the administrator's scope, or no longer.
///
/// # Errors
///
/// [`ClientFault`]; then the role is as it was.
pub(super) async fn change(operator: &Client, issuer: &str, permit: bool) -> Result<(), ClientFault> {
    let role = role(permit);
    let scopes: Vec<_> = role.scopes.iter().collect();
    let content = json!({"scopes": scopes}).to_string();
    ask(operator, issuer, Method::PATCH, content).await.map(drop)
}

async fn ask(
    operator: &Client,
    issuer: &str,
    method: Method,
    content: String,
) -> Result<exchange::Answer, ClientFault> {
    let token = operator.own_token("admin.roles").await?.access_token;
    let request = Request::builder()
        .method(method)
        .uri(format!("{issuer}/api/v1/roles/{ROLE}"))
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .header(CONTENT_TYPE, "application/merge-patch+json")
        .body(content)?;
    let answer = exchange::send(request).await?;
    match answer.status {
        StatusCode::OK | StatusCode::NO_CONTENT => Ok(answer),
        status => Err(ClientFault::RolesApi(status)),
    }
}
