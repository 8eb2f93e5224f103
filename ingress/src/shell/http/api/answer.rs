//! The forms of answers. What a route answers is in its handler's return type; [`super::described`] reads it there.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::problem::Problem;
use crate::shell::http::Parts;

/// What a handler returns.
pub(super) type Answer<T> = Result<T, Problem>;

/// A page of a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub(super) struct List<T> {
    /// The items.
    pub(super) items: Vec<T>,
    /// Where the next page begins: the `cursor` to ask for it; null after the last one.
    pub(super) next_cursor: Option<String>,
}

/// 200 with a JSON body.
pub(super) struct Shown<T>(pub(super) T);

/// 201 with the new thing and its place.
pub(super) struct Created<T> {
    place: Option<HeaderValue>,
    thing: T,
}

/// 202: it is stored that this is to happen.
pub(super) struct Requested<T>(pub(super) T);

/// 200 with what was there before, changed, or 201 with what is new.
pub(super) enum Put<T> {
    /// It was there.
    Changed(Shown<T>),
    /// It is new.
    Created(Created<T>),
}

/// 204.
pub(super) struct Done;

/// A file to be kept.
pub(super) struct File(pub(super) Response);

/// 200 with a page of a list, or with the whole of it as one CSV file.
pub(super) struct ListOrCsv<T>(pub(super) Response, pub(super) std::marker::PhantomData<T>);

impl<T> Created<T> {
    /// A new thing; `path` is its path below the workspaces.
    pub(super) fn new(app: &Parts, path: &str, thing: T) -> Self {
        let place = HeaderValue::from_str(&format!("{}/api/v1/workspaces/{path}", app.public_url));
        Self { place: place.ok(), thing }
    }

    /// A new thing without a place of its own.
    pub(super) fn without_place(thing: T) -> Self {
        Self { place: None, thing }
    }
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

impl<T: Serialize> IntoResponse for Shown<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0)
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = json(StatusCode::CREATED, &self.thing);
        if let Some(place) = self.place {
            response.headers_mut().insert(LOCATION, place);
        }
        response
    }
}

impl<T: Serialize> IntoResponse for Requested<T> {
    fn into_response(self) -> Response {
        json(StatusCode::ACCEPTED, &self.0)
    }
}

impl<T: Serialize> IntoResponse for Put<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Changed(shown) => shown.into_response(),
            Self::Created(created) => created.into_response(),
        }
    }
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl IntoResponse for File {
    fn into_response(self) -> Response {
        self.0
    }
}

impl<T> IntoResponse for ListOrCsv<T> {
    fn into_response(self) -> Response {
        self.0
    }
}

/// A time as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Time(String);

impl From<angelia_shared::units::UnixMillis> for Time {
    fn from(time: angelia_shared::units::UnixMillis) -> Self {
        Self(time.to_rfc3339())
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "date-time"})
    }
}
