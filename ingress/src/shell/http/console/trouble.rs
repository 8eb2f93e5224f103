//! What keeps a page from being shown or a change from being made, and the page that says so and what to do next.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::header::RETRY_AFTER;
use http::request::Parts as Head;
use http_body_util::BodyExt as _;
use maud::{Markup, html};
use serde::Deserialize;

use super::frame;
use super::pages::Page;
use super::visit::{Manner, Visit};
use crate::domain::console::words::{self as w, Text};

/// Most bytes of a problem document that are read.
const PROBLEM_BYTES_MAX: usize = 65_536;

/// What went wrong.
#[derive(Debug)]
pub(super) enum Trouble {
    /// No session, one that is over, or a token that was revoked.
    SignedOut,
    /// The post comes from elsewhere.
    CrossSite,
    /// Nothing is there, or it is another workspace's.
    NotFound,
    /// The token may not.
    Forbidden,
    /// A rule was broken: which one, in the API's words.
    Told {
        /// The status.
        status: StatusCode,
        /// What the API says.
        detail: String,
    },
    /// It will be possible again: why it is not now, in the API's words.
    Unavailable(String),
    /// The answer is on its way, and takes its time.
    Slow,
    /// A bug, or an installation that has to be mended.
    Broken(String),
}

#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    detail: String,
}

impl Trouble {
    /// A rule that the console itself checks.
    pub(super) fn told(status: u16, detail: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        Self::Told { status, detail: detail.into() }
    }

    /// What a problem of the API means here.
    pub(super) async fn of(response: Response) -> Self {
        let status = response.status();
        let body = http_body_util::Limited::new(response.into_body(), PROBLEM_BYTES_MAX).collect().await;
        let bytes = body.map(|body| body.to_bytes()).unwrap_or_default();
        let Problem { detail } = serde_json::from_slice(&bytes).unwrap_or_default();
        match status {
            StatusCode::UNAUTHORIZED => Self::SignedOut,
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable(detail),
            status if status.is_client_error() => Self::Told { status, detail },
            _ => Self::Broken(detail),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::SignedOut => StatusCode::UNAUTHORIZED,
            Self::CrossSite | Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Told { status, .. } => *status,
            Self::Unavailable(_) | Self::Slow => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn words(&self) -> (Text, Text, &str) {
        match self {
            Self::SignedOut => (w::SESSION_OVER, w::SIGN_IN_LEAD, ""),
            Self::CrossSite => (w::CROSS_SITE_TITLE, w::CROSS_SITE_LEAD, ""),
            Self::NotFound => (w::NOT_FOUND_TITLE, w::NOT_FOUND_LEAD, ""),
            Self::Forbidden => (w::FORBIDDEN_TITLE, w::FORBIDDEN_LEAD, ""),
            Self::Told { detail, .. } => (w::NOT_DONE, w::DONE, detail),
            Self::Unavailable(detail) => (w::UNAVAILABLE_TITLE, w::UNAVAILABLE_LEAD, detail),
            Self::Slow => (w::TAKES_LONG, w::UNAVAILABLE_LEAD, ""),
            Self::Broken(detail) => (w::BROKEN_TITLE, w::BROKEN_LEAD, detail),
        }
    }

    /// The short form, for a page that stays as it was.
    pub(super) fn sentence(&self, manner: Manner) -> String {
        let (title, _, detail) = self.words();
        let title = manner.t(title);
        if detail.is_empty() { title.to_owned() } else { format!("{title}: {detail}") }
    }

    /// Says it in place of a page.
    pub(super) fn page(&self, manner: Manner) -> Page {
        let (title, lead, detail) = self.words();
        let main: Markup = html! {
            div .card.trouble role="alert" {
                h1 { (manner.t(title)) }
                @if !matches!(self, Self::Told { .. }) { p { (manner.t(lead)) } }
                // The API's words have one language.
                @if !detail.is_empty() { p .detail lang="en" { (detail) } }
                p { a .button href="/console" { (manner.t(w::GO_HOME)) } }
            }
        };
        Page {
            title: manner.t(title).to_owned(),
            main,
            is_live: matches!(self, Self::Unavailable(_) | Self::Slow),
            at: None,
        }
    }

    /// The answer within the frame of a workspace.
    pub(super) async fn into_inner_page(self, visit: &Visit) -> Result<Response, Self> {
        match self {
            Self::SignedOut | Self::CrossSite => Err(self),
            trouble => {
                let status = trouble.status();
                let mut response = frame::whole(visit, trouble.page(visit.manner), status).await;
                hint_retry(&mut response);
                Ok(response)
            }
        }
    }

    /// The answer to somebody who is not known.
    pub(super) fn into_page(self, head: &Head, manner: Manner) -> Response {
        if matches!(self, Self::SignedOut) && head.method == http::Method::GET {
            let asked = head.uri.path_and_query().map_or("/console", |asked| asked.as_str());
            let back: String = url::form_urlencoded::byte_serialize(asked.as_bytes()).collect();
            let had_session = head
                .headers
                .get(http::header::COOKIE)
                .is_some_and(|cookies| cookies.to_str().is_ok_and(|cookies| cookies.contains("angelia_session=")));
            let done = if had_session { "&done=over" } else { "" };
            return frame::redirect(&format!("/console/sign-in?back={back}{done}"));
        }
        let page = self.page(manner);
        let body = html! { main #main .sign-in { (page.main) } };
        let mut response = frame::document(manner, &page.title, body, self.status());
        hint_retry(&mut response);
        response
    }
}

fn hint_retry(response: &mut Response<Body>) {
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, http::HeaderValue::from_static("1"));
    }
}
