//! A small HTTP client: calls a webhook or the API, gives back status, headers and body.

use std::sync::Once;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

/// No answer of the program takes longer; a test that waits longer has found something.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// A fresh client. Each test has its own: connections belong to the test's runtime.
///
/// # Panics
/// When it cannot be made, which has no cause outside.
pub fn http() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // An error says that somebody else installed one, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        .no_proxy()
        .timeout(ANSWERS_WITHIN)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client without settings of its own can be built")
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// Sends `request` and reads the whole answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn to(request: reqwest::RequestBuilder) -> reqwest::Result<Self> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, body: response.bytes().await? })
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("not JSON ({error}), status {}: {}", self.status, self.text()),
        }
    }

    /// A header's value, when it is there and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Checks the status and gives the JSON body.
    ///
    /// # Panics
    /// When the status is another one.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// Checks that this is a webhook's refusal with exactly this message.
    ///
    /// # Panics
    /// When anything differs.
    #[track_caller]
    pub fn refused_with(&self, status: u16, message: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.json(), json!({"status": status, "data": {}, "message": message}));
        self.is_json();
    }

    /// Checks that this is a webhook's refusal of the promised shape; gives its message.
    ///
    /// # Panics
    /// When it is not, or has another status.
    #[track_caller]
    pub fn refused(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        let message = self.json()["message"].as_str().expect("a refusal has a message").to_owned();
        self.refused_with(status, &message);
        assert!(!message.is_empty(), "a refusal says why");
        message
    }

    /// Checks that this is a webhook's success of the promised shape; gives the message id.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn accepted(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text());
        let id = self.json()["data"]["message_id"].as_str().expect("a success names the message").to_owned();
        assert_eq!(self.json(), json!({"status": "success", "data": {"message_id": id}}));
        let digits = id.strip_prefix("wa_backend:3EB0").expect("the id begins as promised");
        let is_hex = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
        assert!(digits.len() == 16 && digits.bytes().all(is_hex), "not 16 upper-case hex digits: {id}");
        self.is_json();
        id
    }

    /// Checks that this is an RFC 9457 problem document; gives it.
    ///
    /// # Panics
    /// When it is not, or has another status.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        let kind = self.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/problem+json"), "a problem document has its own type, not {kind}");
        let problem = self.json();
        assert!(problem["type"].as_str().is_some_and(|kind| !kind.is_empty()), "no type: {problem}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "no title: {problem}");
        assert_eq!(problem["status"], json!(status), "{problem}");
        problem
    }

    #[track_caller]
    fn is_json(&self) {
        let kind = self.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/json"), "the answer says that it is {kind}, not JSON");
    }
}

/// The API under one token.
#[derive(Clone, Debug)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Api {
    /// The API at `base`, called with `token`.
    pub fn new(base: &str, token: Option<&str>) -> Self {
        Self { http: http(), base: base.to_owned(), token: token.map(str::to_owned) }
    }

    /// The same API under another token.
    #[must_use]
    pub fn as_token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    /// Any call.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.call_with(method, path, body, &[]).await
    }

    /// Any call with more headers.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn call_with(&self, method: Method, path: &str, body: Option<&Value>, more: &[(&str, &str)]) -> Answer {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        Answer::to(request).await.unwrap_or_else(|error| panic!("no answer to {method} {path}: {error:?}"))
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    /// `POST`.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(&body)).await
    }

    /// `PUT`.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PUT, path, Some(&body)).await
    }

    /// `PATCH`.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(&body)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// Every item of a list, page by page.
    ///
    /// # Panics
    /// When a page is not a list, or the cursor never ends.
    pub async fn list(&self, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        for _ in 0..1_000 {
            let joint = if path.contains('?') { '&' } else { '?' };
            let page = match &cursor {
                None => self.get(path).await,
                Some(cursor) => self.get(&format!("{path}{joint}cursor={cursor}")).await,
            };
            let page = page.expect(200);
            items.extend(page["items"].as_array().expect("a list has items").iter().cloned());
            match &page["next_cursor"] {
                Value::Null => return items,
                next => cursor = Some(next.as_str().expect("a cursor is text").to_owned()),
            }
        }
        panic!("{path} never ends");
    }
}

/// One webhook URL.
#[derive(Clone, Debug)]
pub struct Hook {
    http: reqwest::Client,
    /// The URL.
    pub url: String,
}

impl Hook {
    /// The webhook at `url`.
    pub fn new(url: &str) -> Self {
        Self { http: http(), url: url.to_owned() }
    }

    /// Calls it with a JSON body.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn call(&self, body: &Value) -> Answer {
        self.try_call(&body.to_string(), None).await.expect("the webhook answers")
    }

    /// Calls it with these bytes.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn call_bytes(&self, body: impl Into<Bytes>) -> Answer {
        Answer::to(self.request(Method::POST).body(body.into())).await.expect("the webhook answers")
    }

    /// Calls it with a JSON body and an idempotency key.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn call_keyed(&self, key: &str, body: &Value) -> Answer {
        self.try_call(&body.to_string(), Some(key)).await.expect("the webhook answers")
    }

    /// Calls it; no answer is an error, as it may be while something is killed.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn try_call(&self, body: &str, key: Option<&str>) -> reqwest::Result<Answer> {
        let mut request = self.request(Method::POST).header("content-type", "application/json").body(body.to_owned());
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        Answer::to(request).await
    }

    /// A request to it, to be completed.
    pub fn request(&self, method: Method) -> reqwest::RequestBuilder {
        self.http.request(method, &self.url)
    }
}
