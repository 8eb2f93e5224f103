//! Calls of the HTTP API, and what becomes of them.
//!
//! Shape: a call -> JSON, or [`Refused`] (the server said no, and says no again), or [`NoAnswer`] (it may say yes later).

use std::time::Duration;

use anyhow::Context as _;
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde_json::Value;

use crate::audit::place::Unusable;

/// Longer than any call takes: a link's check has 20 s.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

/// The server refused: the same call is refused again (exit status 1).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(pub(crate) String);

/// Nobody can say what would have come of it: trying again may help (exit status 2).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NoAnswer(pub(crate) String);

/// The API under one token.
pub(super) struct Api {
    http: reqwest::Client,
    base: String,
    token: String,
}

/// A client for calls to `url`.
///
/// # Errors
/// [`Unusable`] when that is no URL.
pub(super) fn client(url: &str) -> anyhow::Result<reqwest::Client> {
    let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let parsed = parsed.ok_or_else(|| Unusable(format!("{url} is not an http or https URL")))?;
    let is_here = matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let http = reqwest::Client::builder().timeout(ANSWERS_WITHIN).connect_timeout(CONNECTS_WITHIN);
    // A redirect would carry the call to a server that nobody named.
    let http = http.redirect(reqwest::redirect::Policy::none());
    // No proxy reaches this machine for us.
    let http = if is_here { http.no_proxy() } else { http };
    http.build().context("cannot set up HTTP")
}

/// A part of a path, whatever is in it.
pub(super) fn segment(text: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|b| if is_plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

impl Api {
    /// The API at `base`, called with `token`.
    ///
    /// # Errors
    /// [`Unusable`] when `base` is no URL or the token cannot be one.
    pub(super) fn new(base: &str, token: &str) -> anyhow::Result<Self> {
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Unusable("the token is empty or has characters that no token has".to_owned()).into());
        }
        Ok(Self { http: client(base)?, base: base.to_owned(), token: token.to_owned() })
    }

    /// Makes a call; gives the answer's body, null when it has none.
    ///
    /// # Errors
    /// [`Refused`] and [`NoAnswer`].
    pub(super) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let text = answered(request).await?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|_| NoAnswer(format!("{} does not speak Angelia's API", self.base)).into())
    }

    /// `GET`.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None).await
    }

    /// `GET` of a CSV file.
    pub(super) async fn csv(&self, path: &str) -> anyhow::Result<String> {
        answered(self.request(Method::GET, path).header("accept", "text/csv")).await
    }

    /// Reads a list page by page; `each` is given every item and says whether to go on.
    pub(super) async fn list(
        &self,
        path: &str,
        query: &[(&str, Option<String>)],
        mut each: impl FnMut(&Value) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let mut cursor: Option<String> = None;
        loop {
            let parameters = query.iter().cloned().chain([("cursor", cursor.take())]);
            let parameters = parameters.filter_map(|(name, value)| Some(format!("{name}={}", segment(&value?))));
            let page = self.get(&format!("{path}?{}", parameters.collect::<Vec<_>>().join("&"))).await?;
            for item in page["items"].as_array().into_iter().flatten() {
                if !each(item)? {
                    return Ok(());
                }
            }
            match page["next_cursor"].as_str() {
                None => return Ok(()),
                Some(next) => cursor = Some(next.to_owned()),
            }
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }
}

/// Sends a request; gives the text of an answer that is a success.
///
/// # Errors
/// [`Refused`] and [`NoAnswer`], both with the server's own words.
pub(super) async fn answered(request: RequestBuilder) -> anyhow::Result<String> {
    // The URL is not in the message: a webhook's is its credential.
    let answer = request.send().await.map_err(|error| NoAnswer(reason(error.without_url())))?;
    let status = answer.status();
    let text = answer.text().await.map_err(|error| NoAnswer(reason(error.without_url())))?;
    if status.is_success() {
        return Ok(text);
    }
    let said = words(&text).unwrap_or_else(|| "without a reason".to_owned());
    let said = super::shown::plain(&format!("the server answered {}: {said}", status.as_u16()));
    let may_be_later = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::TOO_EARLY);
    Err(if may_be_later { NoAnswer(said).into() } else { Refused(said).into() })
}

/// What a problem document or a webhook's refusal says.
fn words(text: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(text).ok()?;
    let said = answer["detail"].as_str().or_else(|| answer["message"].as_str())?;
    let kind = answer["type"].as_str().map(|kind| format!(" ({kind})")).unwrap_or_default();
    Some(format!("{said}{kind}"))
}

/// The last cause is the one that says something.
fn reason(error: reqwest::Error) -> String {
    let what = if error.is_timeout() { "the server does not answer in time" } else { "the server cannot be reached" };
    let causes = std::iter::successors(std::error::Error::source(&error), |error| error.source());
    causes.last().map_or_else(|| what.to_owned(), |cause| format!("{what}: {cause}"))
}
