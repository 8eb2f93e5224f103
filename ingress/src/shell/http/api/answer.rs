//! The form of answers, and reading what a call gives.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use serde::Serialize;

use super::problem::Problem;
use crate::domain::input::Input;
use crate::shell::http::Parts;

/// Largest body of a call to the API, in bytes.
const BODY_BYTES_MAX: usize = 65_536;

/// What a handler returns.
pub(super) type Answer = Result<Response, Problem>;

/// A page of a list.
#[derive(Serialize)]
pub(super) struct List<T> {
    /// The items.
    pub(super) items: Vec<T>,
    /// Where the next page begins; none after the last one.
    pub(super) next_cursor: Option<String>,
}

/// Answers 200 with a JSON body.
pub(super) fn ok(body: &impl Serialize) -> Answer {
    Ok(json(StatusCode::OK, body))
}

/// Answers with a JSON body. It is never kept by caches: it belongs to one token.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("an answer has only plain values");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Answers 201 with the new thing and its place.
pub(super) fn created(app: &Parts, path: &str, body: &impl Serialize) -> Answer {
    let mut response = json(StatusCode::CREATED, body);
    if let Ok(location) = HeaderValue::from_str(&format!("{}/api/v1/workspaces/{path}", app.public_url)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Answers 204.
pub(super) fn no_content() -> Answer {
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Reads the body's JSON object.
pub(super) async fn input(app: &Parts, headers: &HeaderMap, body: Body) -> Result<Input, Problem> {
    let body = app.bodies.read(headers, body, BODY_BYTES_MAX).await?;
    Ok(Input::from_json(&body.bytes)?)
}

/// Reads the body of a call that takes nothing: empty, or an object without fields.
pub(super) async fn no_input(app: &Parts, headers: &HeaderMap, body: Body) -> Result<(), Problem> {
    Ok(input(app, headers, body).await?.finish()?)
}

/// Reads the query's parameters.
pub(super) fn query(uri: &Uri) -> Result<Input, Problem> {
    Ok(Input::from_query(uri.query().unwrap_or_default())?)
}
