//! What the server says of itself (RFC 8414, OpenID Connect Discovery) and the keys that it signs with (RFC 7517).

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::AuthorizationServer;
use super::cross_origin::{self, preflight};
use super::fault::OAuthFault;
use super::signing_keys::{key_set, published_ahead};
use crate::store::GrantType;

/// How long the metadata may be kept, in seconds.
const METADATA_AGE: i64 = 300;

pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    let routes = Router::new()
        .route("/.well-known/oauth-authorization-server", get(metadata).options(preflight))
        .route("/.well-known/openid-configuration", get(metadata).options(preflight))
        .route("/.well-known/jwks.json", get(keys).options(preflight));
    cross_origin::open(routes)
}

/// RFC 8414 §3 and OpenID Connect Discovery §4: one document serves both, for the issuer has no path.
async fn metadata(State(server): State<Arc<AuthorizationServer>>) -> Response {
    cacheable(Json(document(&server)), METADATA_AGE)
}

async fn keys(State(server): State<Arc<AuthorizationServer>>) -> Result<Response, OAuthFault> {
    let keys = server.store.signing_keys().await?;
    // Half of the time that a key is published ahead: whoever keeps the set that long still learns of the key before it signs.
    Ok(cacheable(Json(key_set(&keys)), published_ahead(&server.settings.lifetimes) / 2))
}

fn cacheable(answer: impl IntoResponse, seconds: i64) -> Response {
    let mut response = answer.into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("public, max-age={seconds}")) {
        response.headers_mut().insert(CACHE_CONTROL, value);
    }
    response
}

fn document(server: &AuthorizationServer) -> Value {
    let issuer = &server.settings.issuer;
    let at = |path: &str| format!("{issuer}{path}");
    let scopes = server.catalogue.load().for_tokens();
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at("/oauth/token"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "revocation_endpoint": at("/oauth/revoke"),
        "introspection_endpoint": at("/oauth/introspect"),
        "userinfo_endpoint": at("/userinfo"),
        "scopes_supported": scopes.iter().collect::<Vec<_>>(),
    });
    if let (Some(all), Value::Object(abilities)) = (document.as_object_mut(), abilities()) {
        all.extend(abilities);
    }
    document
}

/// What is the same for every issuer.
fn abilities() -> Value {
    json!({
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": GrantType::ALL.map(GrantType::as_str),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        // RFC 7636 §6.2.
        "code_challenge_methods_supported": ["S256"],
        // RFC 9207 §3.
        "authorization_response_iss_parameter_supported": true,
        // OpenID Connect Discovery §3.
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "claim_types_supported": ["normal"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "name", "preferred_username",
        ],
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        // What is left out here would count as supported.
        "request_uri_parameter_supported": false,
        // OpenID Connect Prompt Create §4.
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
    })
}
