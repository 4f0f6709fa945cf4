//! What requests bring: numbers in the path, a page in the query, JSON in the content.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::fault::Fault;

/// Bytes of content at most.
pub(super) const LARGEST: usize = 16 * 1024;
/// Rows of an answer at most, and by default.
const LONGEST_PAGE: i64 = 100;

/// The numbers in the path: an automation or a space, and perhaps a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub(super) id: i64,
    pub(super) run: i64,
}

impl<S: Send + Sync> FromRequestParts<S> for Numbers {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let parameters = RawPathParams::from_request_parts(parts, state).await.map_err(|_| Fault::NoPath)?;
        let mut numbers = Self { id: 0, run: 0 };
        for (name, value) in &parameters {
            // What is no number names no row.
            let (place, what) = match name {
                "run" => (&mut numbers.run, "run"),
                _ => (&mut numbers.id, "row"),
            };
            *place = value.parse().map_err(|_| Fault::Missing(what))?;
        }
        Ok(numbers)
    }
}

/// `?after=ID&limit=N`: from where on, and how many rows.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Page {
    after: Option<i64>,
    limit: Option<i64>,
}

impl Page {
    /// After which identifier, and how many: 1 to 100.
    pub(super) fn bounds(self) -> Result<(i64, i64), Fault> {
        let limit = self.limit.unwrap_or(LONGEST_PAGE);
        if (1..=LONGEST_PAGE).contains(&limit) {
            Ok((self.after.unwrap_or_default(), limit))
        } else {
            Err(Fault::Malformed("`limit` is a number from 1 to 100"))
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let malformed = |_| Fault::Malformed("`after` and `limit` are numbers");
        Query::from_request_parts(parts, state).await.map(|Query(page)| page).map_err(malformed)
    }
}

/// Content in JSON.
#[derive(Debug)]
pub(super) struct Content<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Content<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        if !is_json(request.headers()) {
            return Err(Fault::NotJson);
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Fault::TooLarge,
            _ => Fault::Malformed("the content could not be read to its end"),
        })?;
        let malformed = |_| Fault::Malformed("the content is not the JSON object that is asked for here");
        serde_json::from_slice(&bytes).map(Self).map_err(malformed)
    }
}

/// A page of another origin can send other types without asking; it cannot send this one.
fn is_json(fields: &HeaderMap) -> bool {
    let value = fields.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}
