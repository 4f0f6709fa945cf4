//! What each path answers.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::json;

use crate::policy::Terms;
use crate::telemetry::{REVISION, VERSION};

use super::explain::Question;
use super::guard::{Guard, screen};
use super::handles::{AdminHandles, InForce};
use super::problem::Problem;
use super::routes::expanded;

/// Bytes of a request's body, at most.
const BODY: usize = 64 * 1024;
/// All paths, behind the guard; a body may take `body_time`.
pub(super) fn router(guard: Guard, handles: AdminHandles, body_time: Duration) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/routes", get(routes))
        .route("/explain", post(move |handles, body| explain(handles, body, body_time)))
        .route("/reload", post(reload))
        .route("/version", get(version))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path has other methods")
        })
        .with_state(handles)
        .layer(from_fn_with_state(guard, screen))
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(handles): State<AdminHandles>) -> Response {
    let readiness = (handles.readiness)();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    document(status, &readiness)
}

async fn metrics(State(handles): State<AdminHandles>) -> Result<Response, Problem> {
    let text = apart(move || (handles.metrics)()).await?;
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}

async fn routes(State(handles): State<AdminHandles>) -> Result<Response, Problem> {
    let table = (handles.table)();
    Ok(document(StatusCode::OK, &apart(move || expanded(&table)).await?))
}

async fn explain(State(handles): State<AdminHandles>, body: Body, time: Duration) -> Result<Response, Problem> {
    let question = Question::read(&read(body, time).await?)?;
    let InForce { table, directory } = (handles.terms)();
    let answer = apart(move || question.answer(Terms { table: &table, directory: directory.as_deref() })).await??;
    Ok(document(StatusCode::OK, &answer))
}

async fn reload(State(handles): State<AdminHandles>) -> Result<Response, Problem> {
    // A task of its own: a reload once begun ends, whether or not the asker waits for it.
    match tokio::spawn((handles.reload)()).await {
        Ok(Ok(outcome)) => Ok(document(StatusCode::OK, &outcome)),
        Ok(Err(errors)) => {
            let detail = "the files have faults, and what was in force stays in force";
            Err(Problem { errors, ..Problem::new(StatusCode::CONFLICT, detail) })
        }
        Err(_) => Err(defect()),
    }
}

async fn version() -> Response {
    document(StatusCode::OK, &json!({ "version": VERSION, "revision": REVISION }))
}

/// Reads a body whole, within its bounds of bytes and time.
async fn read(body: Body, time: Duration) -> Result<bytes::Bytes, Problem> {
    match tokio::time::timeout(time, axum::body::to_bytes(body, BODY)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body broke off or is beyond 64 KiB")),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
    }
}

/// Runs what grows with the table on a thread where it holds up nobody.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| defect())
}

fn defect() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the gateway met a defect of its own; the log may say more")
}

fn document(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_string_pretty(value) {
        Ok(text) => {
            let content_type = HeaderValue::from_static("application/json");
            (status, [(header::CONTENT_TYPE, content_type)], text + "\n").into_response()
        }
        Err(_) => defect().into_response(),
    }
}
