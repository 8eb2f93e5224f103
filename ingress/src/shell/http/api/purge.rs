//! Cancels everything that waits on an account.

use angelia_shared::clock;
use angelia_shared::event::{CancelRequested, Event};
use angelia_shared::ids::{AccountId, Position};
use angelia_shared::log::{Entry, Group};
use angelia_shared::query::{AskMessages, MessageState};
use angelia_shared::subject::{Partition, Subject};
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::allowed::{Allowed, Owner};
use super::answer::{Answer, Requested};
use super::form::{Fields, Nothing};
use super::ledger;
use crate::shell::directory_writer::ChangeError;
use crate::shell::http::App;

/// Messages that one question to the ledger brings.
const PAGE: u32 = 1_000;
/// Cancels that are stored together: what one record of the log holds.
const TOGETHER: usize = 64;

/// How much an account is to be rid of.
#[derive(Serialize, JsonSchema)]
pub(super) struct Purged {
    account_id: AccountId,
    /// Messages whose cancelling was asked for. The dispatcher answers each, and may have begun to send the first.
    requested: u64,
}

/// `POST …/accounts/{a}/purge`: asks for the end of all that was queued when the call came. What was accepted before that
/// is among it, what is accepted after that stays; of what was being accepted in the same moment some may be among it. A removed account's
/// queue can be ended, too: nothing else would for a day.
pub(super) async fn purge(
    State(app): State<App>,
    allowed: Allowed<Owner>,
    fields: Fields<Nothing>,
) -> Answer<Requested<Purged>> {
    let (workspace, account) = (allowed.id(), allowed.account_with_queue(&app)?);
    fields.read(&app).await?;
    let subject = Subject::Cancel(Partition::of(account, app.log.partitions()));
    // The log's end is what the call is held against: whatever was answered before the call is below it, and the ledger's
    // first answer, some time later, shows more.
    let end = app.log.last_sequence().await?;
    let (mut before, mut requested) = (Some(Position::new(end + 1, 0)), 0);
    loop {
        let state = Some(MessageState::Queued);
        let ask = AskMessages { workspace, state, account: Some(account), before, limit: PAGE };
        let (queued, _) = ledger::ask_at(&app, ask, end).await?;
        // From the newest on: what comes in meanwhile is never met.
        let Some(oldest) = queued.last() else { break };
        before = Some(oldest.accepted);
        for some in queued.chunks(TOGETHER) {
            let entries = some.iter().map(|queued| {
                let at = clock::now();
                let request = CancelRequested { v: 1, message: queued.message, workspace, account, at };
                Entry::new(subject, &Event::CancelRequested(request))
            });
            // One that was cut off may be made again: two requests cancel no more than one.
            app.api_log.append(Group { entries: entries.collect() }).await.map_err(ChangeError::from)?;
            requested += some.len() as u64;
        }
    }
    Ok(Requested(Purged { account_id: account, requested }))
}
