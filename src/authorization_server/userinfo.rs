//! The UserInfo endpoint (OpenID Connect Core §5.3).

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::AuthorizationServer;
use super::bearer::{BearerFault, presented};
use super::cross_origin::{self, preflight};
use super::fault::uncached;
use super::id_token::OPENID;

/// The scope that shows name and login (OpenID Connect Core §5.4).
const PROFILE: &str = "profile";

pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    // OpenID Connect Core §5.3.1: by GET and by POST.
    cross_origin::open(Router::new().route("/userinfo", get(userinfo).post(userinfo).options(preflight)))
}

async fn userinfo(State(server): State<Arc<AuthorizationServer>>, fields: HeaderMap) -> Result<Response, BearerFault> {
    let presented = presented(&server, &fields).await?;
    presented.demand(OPENID)?;
    // A client's own token tells of nobody.
    let user = presented.user.ok_or(BearerFault::InvalidToken)?;
    let claims = if presented.token.scope.contains(PROFILE) {
        json!({"sub": user.id, "name": user.name, "preferred_username": user.login})
    } else {
        json!({"sub": user.id})
    };
    Ok(uncached(Json(claims)))
}
