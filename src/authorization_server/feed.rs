//! The revocation feed: what was taken back and may still stand in a token, for the gateway to read on and on.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::AuthorizationServer;
use super::bearer::of_gateway;
use super::fault::{OAuthFault, uncached};
use super::parameters::Parameters;
use crate::store::FeedEntry;

/// Entries of one answer, at most.
const PAGE: u32 = 1_000;

pub(super) fn routes() -> Router<Arc<AuthorizationServer>> {
    Router::new().route("/oauth/revocations", get(revocations))
}

async fn revocations(
    State(server): State<Arc<AuthorizationServer>>,
    fields: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, OAuthFault> {
    if server.settings.gateway_token.is_none() {
        return Ok(StatusCode::NOT_FOUND.into_response());
    }
    if let Err(fault) = of_gateway(&server, &fields) {
        return Ok(fault.into_response());
    }
    let parameters = Parameters::parse(query.unwrap_or_default().as_bytes())?;
    let identity = server.store.identity().await?;
    let after = parameters.get("cursor").and_then(|cursor| position(cursor, &identity)).unwrap_or(0);
    let page = server.store.feed(after, PAGE, server.now()).await?;
    let issuer = &server.settings.issuer;
    let entries: Vec<Value> = page.entries.iter().map(|entry| written(entry, issuer)).collect();
    let cursor = format!("{identity}.{}", page.last);
    Ok(uncached(Json(json!({"entries": entries, "cursor": cursor, "more": page.more}))))
}

/// The number in a cursor of this database; another database's tells nothing here.
fn position(cursor: &str, identity: &str) -> Option<i64> {
    let number = cursor.strip_prefix(identity)?.strip_prefix('.')?;
    number.parse().ok().filter(|number| *number >= 0)
}

fn written(entry: &FeedEntry, issuer: &str) -> Value {
    match entry {
        FeedEntry::Token { jti, exp } => json!({"iss": issuer, "jti": jti, "exp": exp}),
        FeedEntry::IssuedBefore { subject, client, issued_before, exp } => {
            let mut entry = json!({"iss": issuer, "issued_before": issued_before, "exp": exp});
            if let Some(members) = entry.as_object_mut() {
                members.extend(subject.iter().map(|subject| ("sub".to_owned(), subject.as_str().into())));
                members.extend(client.iter().map(|client| ("client_id".to_owned(), client.as_str().into())));
            }
            entry
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_counts_in_its_own_database_alone() {
        for (cursor, expected) in [
            ("abc.0", Some(0)),
            ("abc.17", Some(17)),
            ("abd.17", None),
            ("abc17", None),
            ("abc.", None),
            ("abc.-1", None),
            ("abc.99999999999999999999", None),
            ("", None),
        ] {
            assert_eq!(position(cursor, "abc"), expected, "`{cursor}`");
        }
    }
}
