//! The statement: every grant, charge and refund of a wallet, as pages of JSON or as one CSV file.

use std::marker::PhantomData;

use angelia_shared::csv;
use angelia_shared::ids::Position;
use angelia_shared::query::AskStatement;
use angelia_shared::shown::{COLUMNS, LineShown};
use angelia_shared::units::UnixMillis;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use schemars::JsonSchema;
use tracing::warn;

use super::allowed::{Allowed, Everyone};
use super::answer::{Answer, List, ListOrCsv, json};
use super::form::{Form, PageParameters, Parameters};
use super::ledger;
use super::problem::Problem;
use crate::domain::accept;
use crate::domain::input::{Input, InputFault};
use crate::domain::page::{self, Page};
use crate::shell::http::{App, texts};

/// Lines that one question to the ledger may bring.
pub(super) const READ_AT_ONCE: u32 = 1_000;

/// Which lines.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it describes what is read from it")]
pub(super) struct Lines {
    /// Not before this RFC 3339 time.
    #[schemars(extend("format" = "date-time"))]
    from: Option<String>,
    /// Before this RFC 3339 time.
    #[schemars(extend("format" = "date-time"))]
    to: Option<String>,
    #[schemars(flatten)]
    page: PageParameters,
}

impl Form for Lines {
    type Value = (Option<UnixMillis>, Option<UnixMillis>, Page<Position>);

    fn read(mut input: Input) -> Result<Self::Value, InputFault> {
        let from = input.parsed("from", "an RFC 3339 time", UnixMillis::from_rfc3339)?;
        let to = input.parsed("to", "an RFC 3339 time", UnixMillis::from_rfc3339)?;
        let page = Page::take(&mut input)?;
        input.finish()?;
        Ok((from, to, page))
    }
}

/// `GET …/statement?from&to`, as `text/csv` when that is preferred.
pub(super) async fn list(
    State(app): State<App>,
    allowed: Allowed<Everyone>,
    headers: HeaderMap,
    query: Parameters<Lines>,
) -> Answer<ListOrCsv<LineShown<'static>>> {
    let (from, to, page) = query.read()?;
    let ask = AskStatement { workspace: allowed.id(), from, to, after: page.after, limit: READ_AT_ONCE };
    let wants_csv = texts(&headers, ACCEPT.as_str()).any(accept::prefers_csv);
    let mut response = if wants_csv { file(app, ask).await? } else { one_page(&app, ask, &page).await? };
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    Ok(ListOrCsv(response, PhantomData))
}

async fn one_page(app: &App, ask: AskStatement, page: &Page<Position>) -> Result<Response, Problem> {
    let limit = u32::try_from(page.limit + 1).unwrap_or(u32::MAX);
    let (mut lines, _) = ledger::ask(app, AskStatement { limit, ..ask }).await?;
    let next = page.cut(&mut lines, |line| line.at_position);
    let items: Vec<_> = lines.iter().map(LineShown::of).collect();
    Ok(json(StatusCode::OK, &List { items, next_cursor: next.map(page::cursor) }))
}

/// The whole statement as one file, written while it is read. The first part is read before the answer begins, so that a
/// ledger that is away is a problem document and not half a file.
async fn file(app: App, ask: AskStatement) -> Result<Response, Problem> {
    let (first, _) = ledger::ask(&app, ask.clone()).await?;
    let head = Bytes::from(csv::line(COLUMNS));
    let parts = stream::unfold(Some((app, ask, Some(first))), async |state| {
        let (app, ask, lines) = state?;
        let lines = match lines {
            Some(lines) => lines,
            None => match ledger::ask(&app, ask.clone()).await {
                Ok((lines, _)) => lines,
                Err(_) => {
                    warn!(workspace.id = %ask.workspace, "a statement was cut off: the ledger does not answer any more");
                    return Some((Err(std::io::Error::other("the ledger does not answer")), None));
                }
            },
        };
        let written: String = lines.iter().map(|line| LineShown::of(line).to_csv()).collect();
        let next = match lines.last() {
            Some(last) if lines.len() >= READ_AT_ONCE as usize => {
                let after = Some(last.at_position);
                Some((app, AskStatement { after, ..ask }, None))
            }
            Some(_) | None => None,
        };
        Some((Ok(Bytes::from(written)), next))
    });
    let parts = futures_util::StreamExt::chain(stream::iter([Ok(head)]), parts);
    let mut response = Body::from_stream(parts).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"statement.csv\""));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
