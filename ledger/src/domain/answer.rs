//! Answers from the rows: what each question gets, but for sealed contents, which only the log has.

use std::ops::ControlFlow;

use angelia_shared::ids::{AccountId, MessageId, Position, WebhookId, WorkspaceId};
use angelia_shared::query::{AccountQueue, CreditsView, MessageState, MessageView, StatementKind};

use super::calls;
use super::index::{InState, OfAccount};
use super::message::{Acceptance, Message, rank};
use super::queue::{self, Queue};
use super::statement::Line;
use super::table::{Direction, Span, Tables};
use super::wallet::Wallet;

/// A wallet as its owner sees it.
///
/// # Errors
/// When the store cannot be read.
pub fn credits<T: Tables>(tables: &T, workspace: WorkspaceId) -> Result<CreditsView, T::Error> {
    Ok(tables.get::<Wallet>(&workspace)?.unwrap_or_default().view())
}

/// What waits on the accounts of a workspace, by account.
///
/// # Errors
/// When the store cannot be read.
pub fn accounts<T: Tables>(tables: &T, workspace: WorkspaceId) -> Result<Vec<AccountQueue>, T::Error> {
    let mut queues = Vec::new();
    tables.scan::<Queue>(&Span::under::<Queue>(&workspace), Direction::Up, |(_, account), queue| {
        queues.push(queue.view(account));
        ControlFlow::Continue(())
    })?;
    Ok(queues)
}

/// One message of a workspace, without its sealed content.
///
/// # Errors
/// When the store cannot be read.
pub fn message<T: Tables>(tables: &T, workspace: WorkspaceId, id: MessageId) -> Result<Option<MessageView>, T::Error> {
    let Some(Acceptance(at)) = tables.get(&id)? else { return Ok(None) };
    let Some(message) = tables.get::<Message>(&at)?.filter(|message| message.workspace == workspace) else {
        return Ok(None);
    };
    view(tables, at, &message).map(Some)
}

/// Which messages are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Whose.
    pub workspace: WorkspaceId,
    /// Only in this state.
    pub state: Option<MessageState>,
    /// Only of this account.
    pub account: Option<AccountId>,
    /// Only before this acceptance.
    pub before: Option<Position>,
    /// How many at most.
    pub limit: usize,
}

/// Messages of a workspace, newest first, without sealed contents.
///
/// # Errors
/// When the store cannot be read.
pub fn messages<T: Tables>(tables: &T, wanted: Wanted) -> Result<Vec<MessageView>, T::Error> {
    let places = match (wanted.state, wanted.account) {
        (Some(state), account) => in_state(tables, &wanted, state, account)?,
        (None, Some(account)) => of_account(tables, &wanted, account)?,
        (None, None) => charged(tables, &wanted)?,
    };
    let mut views = Vec::with_capacity(places.len());
    for at in places {
        // Another workspace's account has no messages here.
        if let Some(message) = tables.get::<Message>(&at)?.filter(|message| message.workspace == wanted.workspace) {
            views.push(view(tables, at, &message)?);
        }
    }
    Ok(views)
}

fn in_state<T: Tables>(
    tables: &T,
    wanted: &Wanted,
    state: MessageState,
    account: Option<AccountId>,
) -> Result<Vec<Position>, T::Error> {
    let prefix = (wanted.workspace, rank(state));
    let mut span = Span::under::<InState>(&prefix);
    if let Some(before) = wanted.before {
        span = span.before::<InState>(&(wanted.workspace, rank(state), before));
    }
    let mut places = Vec::new();
    tables.scan::<InState>(&span, Direction::Down, |(_, _, at), InState(of)| {
        if account.is_none_or(|account| account == of) {
            places.push(at);
        }
        until_full(&places, wanted.limit)
    })?;
    Ok(places)
}

fn of_account<T: Tables>(tables: &T, wanted: &Wanted, account: AccountId) -> Result<Vec<Position>, T::Error> {
    let mut span = Span::under::<OfAccount>(&account);
    if let Some(before) = wanted.before {
        span = span.before::<OfAccount>(&(account, before));
    }
    let mut places = Vec::new();
    tables.scan::<OfAccount>(&span, Direction::Down, |(_, at), _| {
        places.push(at);
        until_full(&places, wanted.limit)
    })?;
    Ok(places)
}

fn charged<T: Tables>(tables: &T, wanted: &Wanted) -> Result<Vec<Position>, T::Error> {
    let mut span = Span::under::<Line>(&wanted.workspace);
    if let Some(before) = wanted.before {
        span = span.before::<Line>(&(wanted.workspace, before));
    }
    let mut places = Vec::new();
    tables.scan::<Line>(&span, Direction::Down, |(_, at), line| {
        if line.kind == StatementKind::Charge {
            places.push(at);
        }
        until_full(&places, wanted.limit)
    })?;
    Ok(places)
}

fn until_full(places: &[Position], limit: usize) -> ControlFlow<()> {
    if places.len() >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// Where the newest accepted calls of a webhook are, with their messages, newest first.
///
/// # Errors
/// When the store cannot be read.
pub fn accepted_calls<T: Tables>(
    tables: &T,
    workspace: WorkspaceId,
    webhook: WebhookId,
    before: Option<Position>,
    limit: usize,
) -> Result<Vec<(Position, Message)>, T::Error> {
    let mut found = Vec::new();
    let places = calls::newest(tables, webhook, usize::MAX)?;
    for at in places.into_iter().filter(|at| before.is_none_or(|before| *at < before)).take(limit) {
        if let Some(message) = tables.get::<Message>(&at)?.filter(|message| message.workspace == workspace) {
            found.push((at, message));
        }
    }
    Ok(found)
}

fn view<T: Tables>(tables: &T, at: Position, message: &Message) -> Result<MessageView, T::Error> {
    let ahead = if message.state == MessageState::Queued {
        let queue: Queue = tables.get(&(message.workspace, message.account))?.unwrap_or_default();
        Some(queue::ahead(tables, &queue, message.account, message.ordinal)?)
    } else {
        None
    };
    let (reason, detail) = message.failure();
    Ok(MessageView {
        message: message.id,
        accepted: at,
        accepted_at: message.accepted_at,
        webhook: message.webhook,
        account: message.account,
        state: message.state,
        reason: reason.map(str::to_owned),
        detail: detail.map(str::to_owned),
        credits: message.credits,
        refunded: message.refunded(),
        parts: message.parts.iter().enumerate().map(|(number, part)| part.view(number)).collect(),
        timeline: message.timeline.view(),
        sealed: None,
        ahead,
    })
}
