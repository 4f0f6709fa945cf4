//! Spaces over HTTP: to be read; whoever starts the API makes them.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::caller::Caller;
use super::content::{Numbers, Page};
use super::fault::Fault;
use super::rows::Rows;
use super::writing;

/// Everything below the door to the spaces.
pub(super) fn routes() -> Router<Rows> {
    Router::new().route("/", get(list)).route("/{id}", get(read)).route("/{id}/assignments", get(assignments))
}

async fn list(State(rows): State<Rows>, caller: Caller, page: Page) -> Result<Response, Fault> {
    let spaces = rows.spaces(&caller, None, page.bounds()?).await?;
    Ok(writing::rows(&caller, "spaces", &spaces))
}

async fn read(State(rows): State<Rows>, caller: Caller, numbers: Numbers) -> Result<Response, Fault> {
    let spaces = rows.spaces(&caller, Some(numbers.id), (0, 1)).await?;
    spaces.first().map(writing::value).ok_or(Fault::Missing("space"))
}

async fn assignments(State(rows): State<Rows>, caller: Caller, numbers: Numbers) -> Result<Response, Fault> {
    let members = rows.members(&caller, numbers.id).await?;
    Ok(writing::rows(&caller, "assignments", &members))
}
