//! Messages: listed, looked at, cancelled.

use angelia_shared::clock;
use angelia_shared::event::message::To;
use angelia_shared::event::{CancelRequested, Content, Event};
use angelia_shared::ids::{AccountId, MessageId, Position, WorkspaceId};
use angelia_shared::log::{Entry, Group};
use angelia_shared::query::{AskMessage, AskMessages, MessageState, MessageView};
use angelia_shared::shown::MessageShown;
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::units::UnixMillis;
use axum::extract::State;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use schemars::JsonSchema;
use serde_json::Value;

use super::allowed::{Allowed, Everyone, Owner, missing};
use super::answer::{Answer, List, Requested, Shown};
use super::form::{Fields, Form, Nothing, PageParameters, Parameters};
use super::ledger;
use super::problem::Problem;
use super::turns::Turns;
use crate::domain::input::{Input, InputFault};
use crate::domain::page::{self, Page};
use crate::shell::contents;
use crate::shell::directory_writer::ChangeError;
use crate::shell::http::{App, Parts};

/// Questions to the ledger at once for one page.
const ASKED_AT_ONCE: usize = 16;
/// Messages that one search looks into before it answers with a cursor to go on from.
const SEARCHED_MAX: usize = 1_000;

/// Asks when those of the messages go that wait.
async fn turns(app: &Parts, messages: &[Opened]) -> Turns {
    let waits = |message: &MessageView| matches!(message.state, MessageState::Queued | MessageState::Sending);
    let waiting = messages.iter().map(|(message, _)| message).filter(|message| waits(message));
    Turns::of_messages(app, waiting.map(|message| (message.account, message.accepted)).collect()).await
}

fn view(message: MessageView, content: Option<Content>, turns: &Turns) -> MessageShown {
    let turn = turns.of(message.account, message.accepted);
    let expected_at = turn.and_then(|turn| turn.expected_at).map(UnixMillis::to_rfc3339);
    let held_by = turn.and_then(|turn| turn.held_by.clone());
    MessageShown { expected_at, held_by, ..MessageShown::of(message, content) }
}

/// Longest text to look for, in characters.
const SOUGHT_CHARS_MAX: usize = 255;

/// Which messages.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it describes what is read from it")]
pub(super) struct Sought {
    /// Only in this state.
    state: Option<MessageState>,
    /// Only of this account.
    account: Option<AccountId>,
    /// A message's id, or a part of a recipient or of a text. A page of such a search may be short, and even empty, while
    /// there is a next one.
    #[schemars(length(min = 1, max = SOUGHT_CHARS_MAX))]
    q: Option<String>,
    #[schemars(flatten)]
    page: PageParameters,
}

impl Form for Sought {
    type Value = (Filter, Page<Position>);

    fn read(mut input: Input) -> Result<Self::Value, InputFault> {
        let page = Page::take(&mut input)?;
        let of_text = |text: &str| serde_json::from_value(Value::from(text)).ok();
        let state = input.parsed("state", "a state of a message", of_text)?;
        let account = input.parsed("account", "an account's id", |text| text.parse().ok())?;
        let text = input.text("q", SOUGHT_CHARS_MAX)?;
        input.finish()?;
        Ok((Filter { state, account, text }, page))
    }
}

/// `GET …/messages?state&account&q`, newest first. `q` is a message's id, or a part of a recipient or a text.
pub(super) async fn list(
    State(app): State<App>,
    allowed: Allowed<Everyone>,
    query: Parameters<Sought>,
) -> Answer<Shown<List<MessageShown>>> {
    let (Filter { state, account, text }, page) = query.read()?;
    let workspace = allowed.id();
    let by_id: Option<MessageId> = text.as_deref().and_then(|text| text.trim().parse().ok());
    let (found, next) = match (by_id, text) {
        (Some(message), _) => {
            let (found, _) = ledger::ask(&app, AskMessage { workspace, message }).await?;
            let fits = |found: &MessageView| {
                state.is_none_or(|state| found.state == state) && account.is_none_or(|account| found.account == account)
            };
            (with_content(&app, workspace, found.into_iter().filter(fits).collect()).await?, None)
        }
        (None, text) => search(&app, workspace, Filter { state, account, text }, &page).await?,
    };
    let turns = turns(&app, &found).await;
    let items = found.into_iter().map(|(message, content)| view(message, content, &turns)).collect();
    Ok(Shown(List { items, next_cursor: next.map(page::cursor) }))
}

/// What a message must be like.
pub(super) struct Filter {
    state: Option<MessageState>,
    account: Option<AccountId>,
    text: Option<String>,
}

type Opened = (MessageView, Option<Content>);

/// One page of messages whose recipient or text contains the text. Both are sealed, so each message has to be opened; a
/// search that finds little stops after some and says where to go on.
async fn search(
    app: &Parts,
    workspace: WorkspaceId,
    filter: Filter,
    page: &Page<Position>,
) -> Result<(Vec<Opened>, Option<Position>), Problem> {
    let Filter { state, account, text } = filter;
    let text = text.map(|text| text.to_lowercase());
    let (mut found, mut before, mut searched) = (Vec::new(), page.after, 0);
    loop {
        let limit = page.limit - found.len();
        let ask =
            AskMessages { workspace, state, account, before, limit: u32::try_from(limit + 1).unwrap_or(u32::MAX) };
        let (mut messages, _) = ledger::ask(app, ask).await?;
        let more = messages.len() > limit;
        messages.truncate(limit);
        searched += messages.len();
        before = messages.last().map(|message| message.accepted).or(before);
        let opened = with_content(app, workspace, messages).await?;
        found.extend(opened.into_iter().filter(|(_, content)| names(content.as_ref(), text.as_deref())));
        if !more || found.len() == page.limit || searched >= SEARCHED_MAX {
            return Ok((found, before.filter(|_| more)));
        }
    }
}

fn names(content: Option<&Content>, text: Option<&str>) -> bool {
    let Some(text) = text else { return true };
    let Some(content) = content else { return false };
    let (To::ChatId(to) | To::Jid(to) | To::Phone(to) | To::ChatName(to)) = &content.to;
    [to, &content.address, &content.text].iter().any(|own| own.to_lowercase().contains(text))
}

/// Opens each message's content. A list of the ledger's may leave it out; then it is asked for one by one.
async fn with_content(app: &Parts, workspace: WorkspaceId, messages: Vec<MessageView>) -> Result<Vec<Opened>, Problem> {
    let opened = stream::iter(messages).map(async |message| {
        let mut message = message;
        if message.sealed.is_none() {
            let ask = AskMessage { workspace, message: message.message };
            let (whole, _) = angelia_shared::query::ask(app.log.client(), ask, 0).await?;
            message = whole.unwrap_or(message);
        }
        let content = match &message.sealed {
            Some(sealed) => contents::open(&app.vault, message.message, sealed).await?,
            None => None,
        };
        Ok::<_, Problem>((message, content))
    });
    opened.buffered(ASKED_AT_ONCE).try_collect().await
}

async fn one(app: &Parts, workspace: WorkspaceId, text: &str) -> Result<MessageView, Problem> {
    let message: MessageId = text.parse().map_err(|_| missing("message"))?;
    let (found, _) = ledger::ask(app, AskMessage { workspace, message }).await?;
    found.ok_or_else(|| missing("message"))
}

async fn shown(app: &Parts, workspace: WorkspaceId, message: MessageView) -> Answer<MessageShown> {
    let mut opened = with_content(app, workspace, vec![message]).await?;
    let turns = turns(app, &opened).await;
    let (message, content) = opened.pop().ok_or_else(|| missing("message"))?;
    Ok(view(message, content, &turns))
}

/// `GET …/messages/{id}`, the id with or without `wa_backend:`.
pub(super) async fn show(State(app): State<App>, allowed: Allowed<Everyone>) -> Answer<Shown<MessageShown>> {
    let message = one(&app, allowed.id(), allowed.segment("m")).await?;
    Ok(Shown(shown(&app, allowed.id(), message).await?))
}

/// `POST …/messages/{id}/cancel`: asks; the dispatcher answers, and may have begun to send.
pub(super) async fn cancel(
    State(app): State<App>,
    allowed: Allowed<Owner>,
    fields: Fields<Nothing>,
) -> Answer<Requested<MessageShown>> {
    let message = one(&app, allowed.id(), allowed.segment("m")).await?;
    fields.read(&app).await?;
    if message.state != MessageState::Queued {
        return Err(Problem::conflict("only queued messages can be cancelled"));
    }
    let request = CancelRequested {
        v: 1,
        message: message.message,
        workspace: allowed.id(),
        account: message.account,
        at: clock::now(),
    };
    let part = Partition::of(message.account, app.log.partitions());
    let entry = Entry::new(Subject::Cancel(part), &Event::CancelRequested(request));
    // A request that was never stored may be made again by the caller: two of them cancel no more than one.
    app.api_log.append(Group::one(entry)).await.map_err(ChangeError::from)?;
    Ok(Requested(shown(&app, allowed.id(), message).await?))
}
