//! `GET /{version}/{phone_number_id}/message_history`.

use axum::extract::State;
use axum::response::Response;
use http::header::HOST;
use http::{HeaderMap, Uri};
use reqwest::Url;
use tokio::task::spawn_blocking;

use crate::domain::cursor::Cursor;
use crate::domain::graph::Refusal;
use crate::domain::history::{Page, Query};

use super::super::history::{LOOK_MOST, Search};
use super::{App, Target, json, refuse};

/// Where links lead when a client does not say how it calls this server.
const NO_HOST: &str = "http://localhost";

pub(super) async fn show(State(app): State<App>, target: Target, uri: Uri, headers: HeaderMap) -> Response {
    let asked = app.authorize(&headers).and_then(|()| {
        let parameters = parameters(&uri);
        Query::read(&parameters).map(|query| (query, parameters))
    });
    let (query, parameters) = match asked {
        Ok(asked) => asked,
        Err(refusal) => return refuse(&refusal),
    };
    let fields = query.fields;
    match find(&app, target, query).await {
        Ok(page) => json(200, page.json(fields, |name, cursor| link(&headers, &uri, &parameters, name, cursor))),
        Err(refusal) => refuse(&refusal),
    }
}

async fn find(app: &App, target: Target, query: Query) -> Result<Page, Refusal> {
    let (reader, delays) = (app.journal.reader.clone(), app.delays);
    let found = spawn_blocking(move || {
        let Target { id, received_at_ms } = target;
        let search = Search { phone_number_id: &id, query: &query, now_ms: received_at_ms, delays, left: LOOK_MOST };
        search.page(&reader)
    });
    found.await.ok().and_then(Result::ok).unwrap_or(Err(Refusal::JournalUnavailable))
}

fn parameters(uri: &Uri) -> Vec<(String, String)> {
    let mut url = no_host();
    url.set_query(uri.query());
    url.query_pairs().into_owned().collect()
}

/// The URL of the page that lies `name` (`after` or `before`) a cursor, with everything else as it was asked for.
fn link(headers: &HeaderMap, uri: &Uri, parameters: &[(String, String)], name: &str, cursor: Cursor) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let mut url = host.and_then(|host| Url::parse(&format!("http://{host}")).ok()).unwrap_or_else(no_host);
    url.set_path(uri.path());
    url.set_fragment(None);
    let kept = parameters.iter().filter(|(name, _)| name != "after" && name != "before");
    url.query_pairs_mut().clear().extend_pairs(kept).append_pair(name, &cursor.to_string());
    url.into()
}

fn no_host() -> Url {
    Url::parse(NO_HOST).expect("it is a url")
}
