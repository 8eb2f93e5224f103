//! Live pages: the same address as server-sent events. The page is made again when the log or the directory has moved, and
//! sent when it has changed.
//!
//! Shape of an event: `page` with the page's inside; `stale` when it cannot be made now, with the reason; `over` when the
//! session is.
//!
//! Invariants:
//! - So many streams in all, and so many of one token; beyond that the page is as it was.
//! - A stream ends with its session, with the process, and after an hour: the browser comes again.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use angelia_shared::clock;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use tokio::time::Instant;

use super::trouble::Trouble;
use super::visit::Visit;
use super::{Console, pages};
use crate::domain::token;
use crate::shell::http::api::allowed;

/// Streams at once: each asks the broker once a second whether anything has happened.
const STREAMS_MAX: usize = 512;
/// Streams of one token: a person with very many tabs.
const STREAMS_OF_ONE_MAX: usize = 32;
/// How often is looked whether the log has moved.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a page is made again although nothing has moved: what the dispatcher expects changes with time.
const AGAIN_EVERY: u32 = 5;
/// After how long without an event something is sent, so that a lost connection is noticed: below what proxies allow.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The longest that a stream lives.
const LIVES: Duration = Duration::from_secs(3_600);

/// Who has streams open.
#[derive(Default)]
pub(super) struct Places {
    open: Mutex<HashMap<String, usize>>,
}

/// A stream's place, until it is dropped.
struct Place {
    console: Arc<Console>,
    whose: String,
}

impl Places {
    fn take(&self, whose: &str) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = open.get(whose).copied().unwrap_or(0);
        if open.values().sum::<usize>() >= STREAMS_MAX || of_one >= STREAMS_OF_ONE_MAX {
            return false;
        }
        open.insert(whose.to_owned(), of_one + 1);
        true
    }

    fn leave(&self, whose: &str) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(whose) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => drop(open.remove(whose)),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.console.places.leave(&self.whose);
    }
}

/// A stream of one page.
struct Stream {
    visit: Visit,
    segments: Vec<String>,
    sent: String,
    seen: u64,
    looks: u32,
    is_stale: bool,
    began: Instant,
    spoke: Instant,
    is_over: bool,
    _place: Place,
}

/// Answers with a page's stream.
pub(super) fn answer(visit: Visit, segments: Vec<String>) -> Response {
    let whose = token::hash(&visit.token);
    if !visit.console.places.take(&whose) {
        let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("30"));
        return response;
    }
    let place = Place { console: Arc::clone(&visit.console), whose };
    let now = Instant::now();
    let stream = Stream {
        visit,
        segments,
        sent: String::new(),
        seen: 0,
        looks: 0,
        is_stale: false,
        began: now,
        spoke: now,
        is_over: false,
        _place: place,
    };
    let events = stream::unfold(stream, |mut stream| {
        // In a box with its type said: what it awaits is too much for the compiler to see through.
        let next: BoxFuture<'static, Option<(Result<Bytes, Infallible>, Stream)>> = Box::pin(async move {
            let event = stream.next().await?;
            Some((Ok(event), stream))
        });
        next
    });
    let mut response = Body::from_stream(events).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather answers would hold the events back.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

impl Stream {
    /// The next event; none ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.is_over || self.began.elapsed() > LIVES {
                return None;
            }
            let event = match self.look().await {
                Ok(Some(page)) => Some(event("page", &page)),
                Ok(None) => None,
                Err(trouble) => self.trouble(&trouble),
            };
            if event.is_none() && self.spoke.elapsed() < HEARTBEAT {
                if !self.wait().await {
                    return None;
                }
                continue;
            }
            self.spoke = Instant::now();
            return Some(event.unwrap_or_else(|| Bytes::from_static(b": alive\n\n")));
        }
    }

    /// Waits for the next look; says whether there is one.
    async fn wait(&mut self) -> bool {
        let app = &self.visit.console.app;
        let mut directory = app.directory.clone();
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => true,
            () = directory.changed() => {
                self.looks = 0;
                true
            }
            () = app.stopping.cancelled() => false,
        }
    }

    /// The page, if it has changed since it was sent.
    async fn look(&mut self) -> Result<Option<String>, Trouble> {
        let app = &self.visit.console.app;
        self.visit.who = allowed::principal_of(app, &self.visit.token).map_err(|_| Trouble::SignedOut)?;
        let unavailable = |_| Trouble::Unavailable("the log cannot be read".to_owned());
        let end = app.log.last_sequence().await.map_err(unavailable)?;
        let is_due = self.looks.is_multiple_of(AGAIN_EVERY);
        self.looks = self.looks.wrapping_add(1);
        let segments: Vec<&str> = self.segments.iter().map(String::as_str).collect();
        let has_moved = end != self.seen && !pages::is_costly(&segments);
        if !has_moved && !is_due && !self.is_stale {
            return Ok(None);
        }
        let page = pages::within_time(&self.visit, &segments).await?.main.into_string();
        self.seen = end;
        let has_changed = page != self.sent || std::mem::take(&mut self.is_stale);
        Ok(has_changed.then(|| {
            self.sent.clone_from(&page);
            page
        }))
    }

    fn trouble(&mut self, trouble: &Trouble) -> Option<Bytes> {
        match trouble {
            Trouble::SignedOut => {
                self.is_over = true;
                Some(event("over", ""))
            }
            _ if self.is_stale => None,
            trouble => {
                self.is_stale = true;
                Some(event("stale", &trouble.sentence(self.visit.manner)))
            }
        }
    }
}

/// An event in its form on the wire, with the server's time for countdowns.
fn event(name: &str, data: &str) -> Bytes {
    let mut out = format!("id: {}\nevent: {name}\n", clock::now().0);
    for line in data.split(['\n', '\r']) {
        out.push_str("data: ");
        out.push_str(line);
        out.push('\n');
    }
    out.push('\n');
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_so_many_streams_and_gets_a_place_back() {
        let places = Places::default();
        for _ in 0..STREAMS_OF_ONE_MAX {
            assert!(places.take("a"));
        }
        assert!(!places.take("a"));
        assert!(places.take("b"));
        places.leave("a");
        assert!(places.take("a"));
        for n in 0..STREAMS_MAX - STREAMS_OF_ONE_MAX - 1 {
            assert!(places.take(&n.to_string()), "{n}");
        }
        assert!(!places.take("c"), "all are taken");
    }

    #[test]
    fn an_event_cannot_be_ended_by_what_it_says() {
        let event = String::from_utf8(event("page", "a\n\nevent: over\r\rb").to_vec()).expect("text");
        assert!(event.lines().skip(2).all(|line| line.is_empty() || line.starts_with("data: ")), "{event}");
        assert_eq!(event.matches("\n\n").count(), 1);
    }
}
