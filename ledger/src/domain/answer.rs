//! Answers from the rows: what each question gets, but for sealed contents, which only the log has.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use angelia_shared::ids::{AccountId, MessageId, Position, WebhookId, WorkspaceId};
use angelia_shared::query::{AccountQueue, CreditsView, FindingView, FindingsView, MessageState, MessageView};

use super::acceptance::{self, Acceptance};
use super::contradiction::Kept;
use super::head::Head;
use super::index::InState;
use super::message::{Message, rank};
use super::places::{self, OfAccount, OfWebhook};
use super::queue::{self, Queue};
use super::statement;
use super::table::{Direction, Span, Tables};
use super::wallet::Wallet;

/// Calls of a webhook that are shown. Source: the contract's "last 100".
const CALLS_MAX: usize = 100;

/// A wallet as its owner sees it.
///
/// # Errors
/// When the store cannot be read.
pub fn credits<T: Tables>(tables: &T, workspace: WorkspaceId) -> Result<CreditsView, T::Error> {
    Ok(tables.get::<Wallet>(&workspace)?.unwrap_or_default().view())
}

/// What in the log needs a person.
///
/// # Errors
/// When the store cannot be read.
pub fn findings<T: Tables>(tables: &T, head: &Head) -> Result<FindingsView, T::Error> {
    let mut first = Vec::new();
    tables.scan::<Kept>(&Span::all::<Kept>(), Direction::Up, |(position, _), kept| {
        let Kept { workspace, invariant, what } = kept;
        first.push(FindingView { position, workspace, invariant, what });
        ControlFlow::Continue(())
    })?;
    let contradictions = head.counts.contradictions;
    Ok(FindingsView { contradictions, first, unknown: head.counts.unknown.clone() })
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
    let Some(message) = acceptance::load(tables, at)?.filter(|message| message.workspace == workspace) else {
        return Ok(None);
    };
    view(tables, at, &message).map(Some)
}

/// Where a message's events are in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Its acceptance and what else its timeline keeps, in order.
    pub kept: Vec<Position>,
    /// What its timeline keeps no more lies after the first of these and before the second.
    pub gap: Option<(Position, Position)>,
}

/// Where the events of a message of a workspace are.
///
/// # Errors
/// When the store cannot be read.
pub fn events_of<T: Tables>(tables: &T, workspace: WorkspaceId, id: MessageId) -> Result<Option<Places>, T::Error> {
    let Some(Acceptance(at)) = tables.get(&id)? else { return Ok(None) };
    let found = acceptance::load(tables, at)?.filter(|message| message.workspace == workspace);
    Ok(found.map(|message| {
        let (kept, gap) = message.timeline.places();
        Places { kept, gap }
    }))
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
    let places = message_places(tables, wanted)?;
    let mut views = Vec::with_capacity(places.len());
    for at in places {
        // Another workspace's account has no messages here.
        if let Some(message) = acceptance::load(tables, at)?.filter(|message| message.workspace == wanted.workspace) {
            views.push(view(tables, at, &message)?);
        }
    }
    Ok(views)
}

/// Where messages of a workspace were accepted, newest first; an account of another workspace gives that one's.
///
/// # Errors
/// When the store cannot be read.
pub fn message_places<T: Tables>(tables: &T, wanted: Wanted) -> Result<Vec<Position>, T::Error> {
    match (wanted.state, wanted.account) {
        (Some(MessageState::Queued), _) => queued(tables, &wanted),
        (Some(state), account) => in_state(tables, &wanted, state, account),
        (None, Some(account)) => {
            let mut found = Vec::new();
            places::newest::<OfAccount, T>(tables, account, wanted.before, taking(&mut found, wanted.limit))?;
            Ok(found)
        }
        (None, None) => {
            let mut found = Vec::new();
            statement::charges(tables, wanted.workspace, wanted.before, taking(&mut found, wanted.limit))?;
            Ok(found)
        }
    }
}

/// Messages that wait for their turn: those behind the point up to which an account's queue has left.
fn queued<T: Tables>(tables: &T, wanted: &Wanted) -> Result<Vec<Position>, T::Error> {
    let mut queues: Vec<(AccountId, Queue)> = Vec::new();
    tables.scan::<Queue>(&Span::under::<Queue>(&wanted.workspace), Direction::Up, |(_, account), queue| {
        if queue.waiting() > 0 && wanted.account.is_none_or(|wanted| wanted == account) {
            queues.push((account, queue));
        }
        ControlFlow::Continue(())
    })?;
    let mut newest = BTreeSet::new();
    for (account, queue) in queues {
        let mut failed = None;
        places::newest::<OfAccount, T>(tables, account, wanted.before, |at| {
            // Older ones than a full list holds do not come into it, whatever their account.
            if newest.len() >= wanted.limit && newest.first().is_some_and(|oldest| at < *oldest) {
                return ControlFlow::Break(());
            }
            match acceptance::load(tables, at) {
                Ok(Some(message)) if message.ordinal <= queue.left_through => return ControlFlow::Break(()),
                Ok(Some(message)) if message.state == MessageState::Queued => drop(newest.insert(at)),
                Ok(_) => {}
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            }
            if newest.len() > wanted.limit {
                newest.pop_first();
            }
            ControlFlow::Continue(())
        })?;
        failed.map_or(Ok(()), Err)?;
    }
    Ok(newest.into_iter().rev().collect())
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

/// Takes places until there are enough.
fn taking(places: &mut Vec<Position>, limit: usize) -> impl FnMut(Position) -> ControlFlow<()> {
    move |at| {
        places.push(at);
        until_full(places, limit)
    }
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
    let mut places = Vec::new();
    let limit = limit.min(CALLS_MAX);
    // Pages stay within the newest calls, so what is before a page's end is counted, too.
    places::newest::<OfWebhook, T>(tables, webhook, None, taking(&mut places, CALLS_MAX))?;
    let mut found = Vec::new();
    for at in places.into_iter().filter(|at| before.is_none_or(|before| *at < before)).take(limit) {
        if let Some(message) = acceptance::load(tables, at)?.filter(|message| message.workspace == workspace) {
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
