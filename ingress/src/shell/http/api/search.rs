//! Messages whose recipient, text or file is looked for.
//!
//! Contents are sealed, and nothing of them is kept in clear, so each message has to be opened. One answer looks for a
//! bounded time; if it has not come to the end by then, it says where to go on.

use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::event::Content;
use angelia_shared::ids::{MessageId, Position, WorkspaceId};
use angelia_shared::query::{AskMessage, AskPlaces, MessageView};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::ledger;
use super::messages::{ASKED_AT_ONCE, Filter, Opened};
use super::problem::Problem;
use crate::domain::page::Page;
use crate::domain::sought::Sought;
use crate::shell::contents;
use crate::shell::http::Parts;

/// How long one answer looks: a page that shows it should begin to arrive within a tenth of a second.
const LOOKS_FOR: Duration = Duration::from_millis(50);
/// Messages that are opened between two looks at the clock: a few milliseconds' worth, and few enough that one record each
/// makes a bounded number of reads.
const STEP: u32 = 256;

/// A message that was found.
struct Hit {
    accepted: Position,
    message: MessageId,
    content: Content,
}

/// One page of the messages in which `sought` is, newest first, and where the next one begins.
pub(super) async fn search(
    app: &Parts,
    workspace: WorkspaceId,
    filter: &Filter,
    sought: &Sought,
    page: &Page<Position>,
) -> Result<(Vec<Opened>, Option<Position>), Problem> {
    let began = clock::monotonic();
    let end = app.log.last_sequence().await?;
    let (mut hits, mut before) = (Vec::new(), page.after);
    let next = loop {
        let Filter { state, account, .. } = *filter;
        let (places, _) =
            ledger::ask_at(app, AskPlaces { workspace, state, account, before, limit: STEP }, end).await?;
        let Some(oldest) = places.last().copied() else { break None };
        let is_last = places.len() < STEP as usize;
        look_into(app, workspace, places, sought, &mut hits).await?;
        if hits.len() > page.limit {
            hits.truncate(page.limit);
            break hits.last().map(|hit| hit.accepted);
        }
        if is_last {
            break None;
        }
        if began.elapsed() >= LOOKS_FOR {
            break Some(oldest);
        }
        before = Some(oldest);
    };
    Ok((with_state(app, workspace, hits).await?, next))
}

async fn look_into(
    app: &Parts,
    workspace: WorkspaceId,
    places: Vec<Position>,
    sought: &Sought,
    hits: &mut Vec<Hit>,
) -> Result<(), Problem> {
    for sealed in contents::sealed(app.log.client(), workspace, places).await? {
        let content = contents::open(&app.vault, sealed.message, &sealed.sealed).await?;
        if let Some(content) = content.filter(|content| sought.is_in(content)) {
            hits.push(Hit { accepted: sealed.accepted, message: sealed.message, content });
        }
    }
    Ok(())
}

async fn with_state(app: &Parts, workspace: WorkspaceId, hits: Vec<Hit>) -> Result<Vec<Opened>, Problem> {
    let asked = stream::iter(hits).map(async |Hit { message, content, .. }| {
        let (found, _) = angelia_shared::query::ask(app.log.client(), AskMessage { workspace, message }, 0).await?;
        Ok::<_, Problem>(found.map(|found: MessageView| (found, Some(content))))
    });
    let found: Vec<Option<Opened>> = asked.buffered(ASKED_AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}
