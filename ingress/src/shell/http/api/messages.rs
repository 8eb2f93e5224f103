//! Messages: listed, looked at, cancelled.

use std::collections::HashMap;

use angelia_shared::clock;
use angelia_shared::event::{CancelRequested, Content, Event, Sealed};
use angelia_shared::ids::{AccountId, MessageId, Position, WorkspaceId};
use angelia_shared::log::{Entry, Group};
use angelia_shared::query::{AskMessage, AskMessageThen, AskMessages, MessageState, MessageView};
use angelia_shared::shown::MessageShown;
use angelia_shared::subject::{Partition, Subject};
use angelia_shared::units::UnixMillis;
use axum::extract::State;
use schemars::JsonSchema;
use serde_json::Value;

use super::allowed::{Allowed, Everyone, Owner, missing};
use super::answer::{Answer, List, Requested, Shown};
use super::form::{Fields, Form, Nothing, PageParameters, Parameters};
use super::ledger;
use super::moment::{self, When};
use super::problem::Problem;
use super::search::search;
use super::turns::Turns;
use crate::domain::as_of::AsOf;
use crate::domain::input::{Input, InputFault};
use crate::domain::page::{self, Page};
use crate::domain::sought::Sought;
use crate::shell::contents;
use crate::shell::directory_writer::ChangeError;
use crate::shell::http::{App, Parts};

/// Questions to the ledger at once for one page.
pub(super) const ASKED_AT_ONCE: usize = 16;

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
pub(super) struct Which {
    /// Only in this state.
    state: Option<MessageState>,
    /// Only of this account.
    account: Option<AccountId>,
    /// A message's id, or a part of a recipient, of a text or of a file's name. A page of such a search may be short, and
    /// even empty, while there is a next one: it looks for a bounded time, and the cursor goes on.
    #[schemars(length(min = 1, max = SOUGHT_CHARS_MAX))]
    q: Option<String>,
    #[schemars(flatten)]
    page: PageParameters,
}

impl Form for Which {
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

/// `GET …/messages?state&account&q`, newest first. `q` is a message's id, or a part of what it says or whom it is for.
pub(super) async fn list(
    State(app): State<App>,
    allowed: Allowed<Everyone>,
    query: Parameters<Which>,
) -> Answer<Shown<List<MessageShown>>> {
    let (Filter { state, account, text }, page) = query.read()?;
    let workspace = allowed.id();
    let by_id: Option<MessageId> = text.as_deref().and_then(|text| text.trim().parse().ok());
    let filter = Filter { state, account, text };
    let (found, next) = match (by_id, &filter.text) {
        (Some(message), _) => {
            let (found, _) = ledger::ask(&app, AskMessage { workspace, message }).await?;
            let fits = |found: &MessageView| {
                state.is_none_or(|state| found.state == state) && account.is_none_or(|account| found.account == account)
            };
            (with_content(&app, workspace, found.into_iter().filter(fits).collect()).await?, None)
        }
        (None, Some(text)) => search(&app, workspace, &filter, &Sought::of(text), &page).await?,
        (None, None) => newest(&app, workspace, &filter, &page).await?,
    };
    let turns = turns(&app, &found).await;
    let items = found.into_iter().map(|(message, content)| view(message, content, &turns)).collect();
    Ok(Shown(List { items, next_cursor: next.map(page::cursor) }))
}

/// What a message must be like.
pub(super) struct Filter {
    pub(super) state: Option<MessageState>,
    pub(super) account: Option<AccountId>,
    text: Option<String>,
}

/// A message with its content; none when it was erased.
pub(super) type Opened = (MessageView, Option<Content>);

/// One page of messages.
async fn newest(
    app: &Parts,
    workspace: WorkspaceId,
    filter: &Filter,
    page: &Page<Position>,
) -> Result<(Vec<Opened>, Option<Position>), Problem> {
    let Filter { state, account, .. } = *filter;
    let (mut found, mut before) = (Vec::new(), page.after);
    let next = loop {
        // One more, which tells whether there is a next page.
        let limit = u32::try_from(page.limit - found.len() + 1).unwrap_or(u32::MAX);
        let (messages, _) = ledger::ask(app, AskMessages { workspace, state, account, before, limit }).await?;
        // An answer may be shorter than what was asked for; only an empty one is the end.
        let Some(oldest) = messages.last() else { break None };
        before = Some(oldest.accepted);
        found.extend(messages);
        if found.len() > page.limit {
            break page.cut(&mut found, |message| message.accepted);
        }
    };
    Ok((with_content(app, workspace, found).await?, next))
}

/// Opens each message's content. A list of the ledger's leaves it out; then those of all are asked for together.
async fn with_content(app: &Parts, workspace: WorkspaceId, messages: Vec<MessageView>) -> Result<Vec<Opened>, Problem> {
    let missing = messages.iter().filter(|message| message.sealed.is_none()).map(|message| message.accepted).collect();
    let sealed = contents::sealed(app.log.client(), workspace, missing).await?;
    let mut sealed: HashMap<MessageId, Sealed> = sealed.into_iter().map(|one| (one.message, one.sealed)).collect();
    let mut opened = Vec::with_capacity(messages.len());
    for message in messages {
        let content = match message.sealed.clone().or_else(|| sealed.remove(&message.message)) {
            Some(sealed) => contents::open(&app.vault, message.message, &sealed).await?,
            None => None,
        };
        opened.push((message, content));
    }
    Ok(opened)
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

/// `GET …/messages/{id}`, the id with or without `wa_backend:`; also `?as_of=<sequence or time>`.
pub(super) async fn show(
    State(app): State<App>,
    allowed: Allowed<Everyone>,
    query: Parameters<When>,
) -> Answer<Shown<MessageShown>> {
    let (workspace, id) = (allowed.id(), allowed.segment("m"));
    match query.read()? {
        None => Ok(Shown(shown(&app, workspace, one(&app, workspace, id).await?).await?)),
        Some(as_of) => Ok(Shown(then(&app, workspace, id, as_of).await?)),
    }
}

/// A message as the log had it at a moment: each part's state, its reasons, what was refunded, what had happened.
async fn then(app: &Parts, workspace: WorkspaceId, id: &str, as_of: AsOf) -> Answer<MessageShown> {
    let message: MessageId = id.parse().map_err(|_| missing("message"))?;
    let as_of = moment::sequence_of(app, as_of).await?;
    let (found, _) = ledger::ask_at(app, AskMessageThen { workspace, message, as_of }, as_of).await?;
    let found = found.ok_or_else(|| missing("message at that moment"))?;
    let mut opened = with_content(app, workspace, vec![found]).await?;
    let (message, content) = opened.pop().ok_or_else(|| missing("message"))?;
    Ok(MessageShown::of(message, content))
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
