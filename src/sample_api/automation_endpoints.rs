//! Automations over HTTP.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::automations::{ChangedAutomation, NewAutomation};
use super::caller::Caller;
use super::content::{Content, Numbers, Page};
use super::fault::Fault;
use super::rows::Rows;
use super::writing;

/// Everything below a door to the automations.
pub(super) fn routes() -> Router<Rows> {
    Router::new()
        .route("/", get(list).post(create))
        .route("/usage", get(usage))
        .route("/{id}", get(read).put(rename).delete(delete))
        .route("/{id}/actions/enable", post(enable))
        .route("/{id}/actions/disable", post(disable))
        .route("/{id}/actions/copy", post(copy))
        .route("/{id}/actions/change-space", post(change_space))
        .route("/{id}/actions/change-owner", post(change_owner))
        .route("/{id}/actions/move", post(relocate))
}

/// Which space something goes to; `null` is the owner's personal one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    space: Option<i64>,
}

/// Who owns something from now on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Owner {
    owner: String,
}

async fn list(State(rows): State<Rows>, caller: Caller, page: Page) -> Result<Response, Fault> {
    let (after, limit) = page.bounds()?;
    let automations = rows.automations(&caller, after, limit).await?;
    Ok(writing::rows(&caller, "automations", &automations))
}

async fn create(
    State(rows): State<Rows>,
    caller: Caller,
    Content(new): Content<NewAutomation>,
) -> Result<Response, Fault> {
    let automation = rows.create(&caller, &new).await?;
    Ok(writing::created(&format!("/api/v1/automations/{}", automation.id), &automation))
}

async fn usage(State(rows): State<Rows>, caller: Caller) -> Result<Response, Fault> {
    let usage = rows.usage(&caller).await?;
    Ok(writing::value(&json!({"access": caller.access(), "subject": caller.subject, "usage": usage})))
}

async fn read(State(rows): State<Rows>, caller: Caller, numbers: Numbers) -> Result<Response, Fault> {
    Ok(writing::value(&rows.automation(&caller, numbers.id).await?))
}

async fn rename(
    State(rows): State<Rows>,
    caller: Caller,
    numbers: Numbers,
    Content(changed): Content<ChangedAutomation>,
) -> Result<Response, Fault> {
    Ok(writing::value(&rows.rename(&caller, numbers.id, &changed).await?))
}

async fn delete(State(rows): State<Rows>, caller: Caller, numbers: Numbers) -> Result<StatusCode, Fault> {
    rows.delete(&caller, numbers.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn enable(State(rows): State<Rows>, caller: Caller, numbers: Numbers) -> Result<Response, Fault> {
    Ok(writing::value(&rows.set_enabled(&caller, numbers.id, true).await?))
}

async fn disable(State(rows): State<Rows>, caller: Caller, numbers: Numbers) -> Result<Response, Fault> {
    Ok(writing::value(&rows.set_enabled(&caller, numbers.id, false).await?))
}

async fn copy(State(rows): State<Rows>, caller: Caller, numbers: Numbers) -> Result<Response, Fault> {
    let automation = rows.copy(&caller, numbers.id).await?;
    Ok(writing::created(&format!("/api/v1/automations/{}", automation.id), &automation))
}

async fn change_space(
    State(rows): State<Rows>,
    caller: Caller,
    numbers: Numbers,
    Content(place): Content<Place>,
) -> Result<Response, Fault> {
    Ok(writing::value(&rows.set_space(&caller, numbers.id, place.space).await?))
}

async fn change_owner(
    State(rows): State<Rows>,
    caller: Caller,
    numbers: Numbers,
    Content(owner): Content<Owner>,
) -> Result<Response, Fault> {
    Ok(writing::value(&rows.set_owner(&caller, numbers.id, &owner.owner).await?))
}

/// `change-space` for administrators.
async fn relocate(
    State(rows): State<Rows>,
    caller: Caller,
    numbers: Numbers,
    content: Content<Place>,
) -> Result<Response, Fault> {
    caller.admin_only()?;
    change_space(State(rows), caller, numbers, content).await
}
