//! Whether the process lives, whether a call would be taken, and what it counts.

use std::time::Duration;

use angelia_shared::query::{self, AskPosition};
use angelia_shared::roll_call::{DISPATCHER, DispatcherHealth};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;

use super::{App, Parts};
use crate::shell::prometheus;

/// How long another service may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// `GET /livez`.
pub(super) async fn live() -> &'static str {
    "alive\n"
}

/// `GET /metrics`.
pub(super) async fn metrics() -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], prometheus::render()).into_response()
}

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
    /// Shown only while it is on: no installation that others can reach should have it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    attachments_allow_loopback: bool,
}

/// `GET /readyz`: 200 when a webhook call would succeed and its message would be sent.
pub(super) async fn ready(State(app): State<App>) -> Response {
    let (ledger, dispatcher) = tokio::join!(ledger(&app), dispatcher(&app));
    let own = [gate(&app), broker(&app), directory(&app), app.admission.is_ready()];
    let attachments_allow_loopback = dispatcher.as_ref().is_ok_and(|health| health.attachments_allow_loopback);
    let others = [ledger, dispatcher.map(|_| ())];
    let mut reasons: Vec<String> = own.into_iter().chain(others).filter_map(Result::err).collect();
    reasons.dedup();
    let (code, status) =
        if reasons.is_empty() { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready") };
    let body = serde_json::to_vec(&Readiness { status, reasons, attachments_allow_loopback });
    let body = body.expect("readiness has only plain values");
    (code, [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body).into_response()
}

fn gate(app: &Parts) -> Result<(), String> {
    if *app.gate.borrow() { Ok(()) } else { Err("the installation is still being prepared".to_owned()) }
}

fn broker(app: &Parts) -> Result<(), String> {
    if app.log.is_connected() { Ok(()) } else { Err("the broker is not connected".to_owned()) }
}

fn directory(app: &Parts) -> Result<(), String> {
    if app.directory.is_complete() { Ok(()) } else { Err("the directory is still being read".to_owned()) }
}

async fn ledger(app: &Parts) -> Result<(), String> {
    let answer = tokio::time::timeout(PATIENCE, query::ask(app.log.client(), AskPosition {}, 0)).await;
    match answer {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) | Err(_) => Err("no ledger answers".to_owned()),
    }
}

async fn dispatcher(app: &Parts) -> Result<DispatcherHealth, String> {
    let request = async_nats::Request::new().timeout(Some(PATIENCE));
    let answer = app.log.client().send_request(DISPATCHER, request).await;
    let answer = answer.map_err(|_| "no dispatcher answers".to_owned())?;
    // One that says nothing more is alive all the same.
    Ok(serde_json::from_slice(&answer.payload).unwrap_or_default())
}
