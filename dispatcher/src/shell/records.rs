//! Hands the records of a partition to its rules.

use angelia_shared::event::{AccountChanged, Event, MessageAccepted, lines};
use angelia_shared::ids::{AccountId, Position};
use angelia_shared::log::Record;
use angelia_shared::units::UnixMillis;
use tracing::error;

use super::{Context, accounts};
use crate::domain::account::{Account, Settings, Waiting};
use crate::domain::partition::Partition;
use crate::metrics as names;

/// Applies one record, all its lines. `keep` receives each acceptance with the length of its account's queue, so that
/// those near the front need not be read again.
pub(super) fn apply(
    context: &Context,
    partition: &mut Partition,
    record: &Record,
    mut keep: impl FnMut(usize, MessageAccepted),
) {
    let now = context.clock.now();
    for (line, text) in (0..).zip(lines(&record.payload)) {
        match Event::from_line(text) {
            Ok(event) => apply_event(context, partition, Position::new(record.seq, line), event, now, &mut keep),
            Err(failure) => {
                metrics::counter!(names::RECORDS_UNREADABLE).increment(1);
                error!(stream.seq = record.seq, line, error = %angelia_shared::telemetry::chain(&failure), "an event cannot be read");
            }
        }
    }
    partition.consumed(record.seq);
}

fn apply_event(
    context: &Context,
    partition: &mut Partition,
    at: Position,
    event: Event,
    now: UnixMillis,
    keep: &mut impl FnMut(usize, MessageAccepted),
) {
    match event {
        Event::MessageAccepted(accepted) => {
            let waiting = Waiting {
                at,
                message: accepted.message,
                accepted_at: accepted.at,
                expires_after_s: u32::try_from(accepted.expires_after_ms / 1_000).unwrap_or(u32::MAX),
                credits: u8::try_from(accepted.credits.0).unwrap_or(u8::MAX),
            };
            let account = accepted.account;
            partition.accepted(accepted.workspace, account, waiting, || settings_of(context, account, now));
            if accepted.has_file {
                partition.has_file(account, accepted.message);
            }
            keep(partition.account(account).map_or(0, Account::queued), *accepted);
        }
        Event::CancelRequested(cancel) => partition.cancel_requested(at.seq, cancel.account, cancel.message),
        Event::MessageSent(receipt)
        | Event::MessageDelivered(receipt)
        | Event::MessageRead(receipt)
        | Event::MessageFailed(receipt) => partition.reported(receipt.account, receipt.message, receipt.part),
        Event::OutcomeSettled(settled) => partition.reported(settled.account, settled.message, settled.part),
        _ => {}
    }
}

/// What the directory says of an account now.
pub(super) fn settings_of(context: &Context, id: AccountId, now: UnixMillis) -> Settings {
    let known: Option<std::sync::Arc<AccountChanged>> =
        context.directory.read().any_account(id).map(|account| account.state.clone());
    accounts::settings(known.as_deref(), now)
}
