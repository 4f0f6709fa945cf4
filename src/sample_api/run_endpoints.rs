//! Runs over HTTP.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{CONTENT_DISPOSITION, HeaderValue};

use super::caller::Caller;
use super::content::{Numbers, Page};
use super::fault::Fault;
use super::rows::Rows;
use super::writing;

/// Everything below a door to the automations.
pub(super) fn routes() -> Router<Rows> {
    Router::new()
        .route("/{id}/runs", get(list).post(start))
        .route("/{id}/runs/{run}", get(read))
        .route("/{id}/runs/{run}/debug", get(read))
        .route("/{id}/runs/{run}/actions/export", post(export))
        .route("/{id}/runs/{run}/actions/retry", post(retry))
        .route("/{id}/runs/{run}/actions/stop", post(stop))
}

async fn list(State(rows): State<Rows>, caller: Caller, numbers: Numbers, page: Page) -> Result<Response, Fault> {
    let runs = rows.runs(&caller, numbers.id, page.bounds()?).await?;
    Ok(writing::rows(&caller, "runs", &runs))
}

async fn start(State(rows): State<Rows>, caller: Caller, Numbers { id, .. }: Numbers) -> Result<Response, Fault> {
    let run = rows.start(&caller, id).await?;
    Ok(writing::created(&format!("/api/v1/automations/{id}/runs/{}", run.id), &run))
}

async fn read(State(rows): State<Rows>, caller: Caller, numbers: Numbers) -> Result<Response, Fault> {
    Ok(writing::value(&rows.run(&caller, numbers.id, numbers.run).await?))
}

/// The run as a file to keep.
async fn export(State(rows): State<Rows>, caller: Caller, numbers: Numbers) -> Result<Response, Fault> {
    let run = rows.run(&caller, numbers.id, numbers.run).await?;
    let name = HeaderValue::from_static(r#"attachment; filename="run.json""#);
    Ok(([(CONTENT_DISPOSITION, name)], writing::value(&run)).into_response())
}

async fn retry(State(rows): State<Rows>, caller: Caller, Numbers { id, run }: Numbers) -> Result<Response, Fault> {
    let run = rows.retry(&caller, id, run).await?;
    Ok(writing::created(&format!("/api/v1/automations/{id}/runs/{}", run.id), &run))
}

async fn stop(State(rows): State<Rows>, caller: Caller, numbers: Numbers) -> Result<Response, Fault> {
    Ok(writing::value(&rows.stop(&caller, numbers.id, numbers.run).await?))
}
