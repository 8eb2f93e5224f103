//! The console under `/console`: pages made on the server, for people.
//!
//! Shape: a request -> who it is ([`sessions`]) -> a page ([`pages`]), the same page again and again as it changes ([`live`]),
//! a change and the way back ([`actions`]), or a file ([`files`]). Pages ask the API, inside the process and with the
//! session's own token ([`calls`]): the console has no rights of its own, and no second set of rules.
//!
//! Invariants:
//! - Nothing changes but by a post from one of our own pages ([`crate::domain::console::post`]).
//! - What people and programs wrote reaches a page only through the templates' escaping.
//! - A page runs no script and applies no style but our own files ([`guard`]).
//!
//! `maud` makes the pages: templates are functions over types, and escaping is what happens unless one asks otherwise.

mod actions;
mod assets;
mod calls;
mod figures;
mod files;
mod form;
mod frame;
mod guard;
mod history;
mod live;
mod pages;
mod parts;
mod plot;
mod sessions;
mod trouble;
mod visit;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::any;
use http::header::{ACCEPT, ALLOW};
use http::request::Parts as Head;
use http::{HeaderValue, Method, Request, StatusCode};

use self::figures::Figures;
use self::form::Form;
use self::history::History;
use self::live::Places;
use self::trouble::Trouble;
use self::visit::{Manner, Visit};
use super::{App, texts};

/// What every page needs.
pub(super) struct Console {
    app: App,
    /// The API, to be asked without a connection.
    api: Router,
    figures: Figures,
    history: History,
    places: Places,
}

/// The routes of the console, which asks `api`, the one that callers reach.
pub(super) fn router(app: App, api: Router) -> Router<App> {
    let console = Arc::new(Console {
        app,
        api,
        figures: Figures::default(),
        history: History::default(),
        places: Places::default(),
    });
    let answer = move |request: Request<Body>| answer(Arc::clone(&console), request);
    Router::new()
        .route("/console", any(answer.clone()))
        .route("/console/", any(answer.clone()))
        .route("/console/{*rest}", any(answer))
}

async fn answer(console: Arc<Console>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let segments = visit::segments(head.uri.path());
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let is_secure = guard::is_secure(&console.app.public_url);
    if let ["assets", file] = *segments {
        return guard::protected(assets::answer(file), is_secure);
    }
    let manner = Manner::of(&head);
    let answered = match head.method {
        Method::GET | Method::HEAD => get(&console, &head, manner, &segments).await,
        Method::POST => post(&console, &head, body, manner, &segments).await,
        _ => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
            Ok(response)
        }
    };
    let response = answered.unwrap_or_else(|trouble| trouble.into_page(&head, manner));
    guard::protected(response, is_secure)
}

async fn get(console: &Arc<Console>, head: &Head, manner: Manner, segments: &[&str]) -> Result<Response, Trouble> {
    if let ["sign-in"] = segments {
        return Ok(sessions::page(manner, head.uri.query(), None));
    }
    let visit = Visit::of(console, head, manner)?;
    if segments.is_empty() {
        return Ok(frame::redirect(&visit.home()));
    }
    if texts(&head.headers, ACCEPT.as_str()).any(|accepted| accepted.contains("text/event-stream")) {
        return Ok(live::answer(visit, segments.iter().map(|part| (*part).to_owned()).collect()));
    }
    if let Some(file) = files::answer(&visit, segments).await {
        return file;
    }
    match pages::within_time(&visit, segments).await {
        Ok(page) => Ok(frame::whole(&visit, page, StatusCode::OK).await),
        Err(trouble) => trouble.into_inner_page(&visit).await,
    }
}

async fn post(
    console: &Arc<Console>,
    head: &Head,
    body: Body,
    manner: Manner,
    segments: &[&str],
) -> Result<Response, Trouble> {
    guard::check_origin(&head.headers, &console.app.public_url)?;
    let form = Form::read(&console.app, &head.headers, body).await?;
    match segments {
        ["sign-in"] => return sessions::begin(console, manner, &form),
        ["sign-out"] => return Ok(sessions::end(&console.app.public_url)),
        ["look"] => return Ok(visit::set_manner(&form, guard::is_secure(&console.app.public_url))),
        _ => {}
    }
    let visit = Visit::of(console, head, manner)?;
    match actions::act(&visit, segments, &form, head).await {
        Ok(response) => Ok(response),
        Err(trouble) => trouble.into_inner_page(&visit).await,
    }
}
