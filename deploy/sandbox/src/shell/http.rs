//! The routes, and what they share: the token, reading a body, Graph's errors.

mod history;
mod journal;
mod media;
mod messages;
mod page;

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequestParts, RawPathParams};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::StreamExt;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::timeout;

use crate::domain::delays::Delays;
use crate::domain::graph::{GraphError, Refusal};

use super::clock;
use super::connections::Arrived;
use super::journal::Journal;

/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// How much of a body that is too large is still read, so that its sender hears the answer instead of a reset.
const DRAINED_MOST: u64 = 64 << 20;

/// What handlers need.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) journal: Journal,
    pub(crate) access_token: Option<std::sync::Arc<str>>,
    pub(crate) delays: Delays,
}

/// All routes of the sandbox.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/", get(page::about))
        .route("/healthz", get(page::health))
        .route("/sandbox/journal", get(journal::lines))
        .route("/{version}/{id}/messages", post(messages::send))
        .route("/{version}/{id}/media", post(media::upload))
        .route("/{version}/{id}/message_history", get(history::show))
        .route("/{version}/{id}", get(media::show))
        .fallback(async || refuse(&Refusal::UnknownPath))
        .method_not_allowed_fallback(async || refuse(&Refusal::UnsupportedMethod))
        // Each handler counts its own bytes, so that it can answer in Graph's form.
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}

/// The object that a Graph path names, and when the request arrived.
struct Target {
    id: String,
    received_at_ms: u64,
}

impl<S: Send + Sync> FromRequestParts<S> for Target {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let arrived = parts.extensions.get::<Arrived>().copied();
        let unknown = || refuse(&Refusal::UnknownPath);
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| unknown())?;
        let param = |name: &str| params.iter().find(|(key, _)| *key == name).map(|(_, value)| value);
        let id = param("id").filter(|id| !id.is_empty()).ok_or_else(unknown)?;
        if !param("version").is_some_and(is_version) {
            return Err(unknown());
        }
        let received_at_ms = arrived.map_or_else(clock::now_ms, |Arrived(at_ms)| at_ms);
        Ok(Self { id: id.to_owned(), received_at_ms })
    }
}

/// `v`, digits, a dot, digits.
fn is_version(version: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let numbers = version.strip_prefix('v').and_then(|numbers| numbers.split_once('.'));
    numbers.is_some_and(|(major, minor)| is_number(major) && is_number(minor))
}

impl App {
    /// Checks the bearer token.
    fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or(Refusal::NoToken)?;
        let token = match value.trim().split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            Some(_) | None => "",
        };
        match &self.access_token {
            _ if token.is_empty() => Err(Refusal::NoToken),
            Some(expected) if **expected != *token => Err(Refusal::WrongToken),
            Some(_) | None => Ok(()),
        }
    }
}

/// Why there is no body to judge.
enum Unread {
    /// The client left or was too slow: nobody is there to answer.
    Broken,
    TooLarge {
        /// What fits of it, for the journal.
        head: Vec<u8>,
    },
}

/// Reads a body of at most `most` bytes.
async fn read_body(body: Body, most: usize) -> Result<Vec<u8>, Unread> {
    let mut chunks = body.into_data_stream();
    let read = async {
        let (mut bytes, mut dropped) = (Vec::new(), 0_u64);
        while let Some(chunk) = chunks.next().await {
            let chunk: Bytes = chunk.map_err(|_| Unread::Broken)?;
            let fits = chunk.len().min(most - bytes.len());
            bytes.extend_from_slice(&chunk[..fits]);
            dropped += (chunk.len() - fits) as u64;
            if dropped > DRAINED_MOST {
                break;
            }
        }
        if dropped > 0 { Err(Unread::TooLarge { head: bytes }) } else { Ok(bytes) }
    };
    timeout(BODY_TIMEOUT, read).await.unwrap_or(Err(Unread::Broken))
}

fn json(status: u16, body: String) -> Response {
    let status = StatusCode::from_u16(status).expect("only statuses written in this crate");
    (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

fn graph_error(error: &GraphError) -> Response {
    let mut response = json(error.status, error.json(&clock::new_trace_id()));
    if error.status == 429 {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn refuse(refusal: &Refusal) -> Response {
    graph_error(&GraphError::from(refusal))
}

#[cfg(test)]
mod tests {
    use super::is_version;

    #[test]
    fn a_version_is_v_digits_dot_digits() {
        assert!(["v26.0", "v1.10"].into_iter().all(is_version));
        assert!(!["", "v", "v26", "26.0", "v26.", "v.0", "v26.0.1", "v2x.0", "V26.0"].into_iter().any(is_version));
    }
}
