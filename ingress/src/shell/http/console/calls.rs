//! Questions to the API, inside the process: the same router that callers reach, with the session's token.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::ServiceExt as _;

use super::trouble::Trouble;
use super::visit::Visit;

/// Largest answer that is read: a page of a list is below a few megabytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

impl Visit {
    /// Asks the API; gives the answer as it is.
    pub(super) async fn raw(&self, method: Method, path: &str, accept: &str, body: Body) -> Result<Response, Trouble> {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(ACCEPT, accept)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        let request = request.map_err(|_| Trouble::NotFound)?;
        let response = self.console.api.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        if response.status().is_success() { Ok(response) } else { Err(Trouble::of(response).await) }
    }

    /// Reads something.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        let response = self.raw(Method::GET, path, "application/json", Body::empty()).await?;
        parsed(response).await
    }

    /// Changes something; gives what the API answers, null for nothing.
    pub(super) async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value, Trouble> {
        let body = Body::from(body.to_string());
        let bytes = read(self.raw(method, path, "application/json", body).await?).await?;
        if bytes.is_empty() { Ok(Value::Null) } else { from_json(&bytes) }
    }
}

/// Reads a whole answer.
pub(super) async fn read(response: Response) -> Result<Bytes, Trouble> {
    let body = http_body_util::Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    body.map(|body| body.to_bytes()).map_err(|_| Trouble::Broken("an answer of the API is too large".to_owned()))
}

async fn parsed<T: DeserializeOwned>(response: Response) -> Result<T, Trouble> {
    from_json(&read(response).await?)
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Trouble> {
    serde_json::from_slice(bytes).map_err(|error| {
        tracing::error!(error = %error, "the console does not understand the API");
        Trouble::Broken("an answer of the API cannot be read".to_owned())
    })
}
