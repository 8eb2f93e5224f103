//! Whom records speak of, as far as they can be read.

use std::collections::BTreeSet;

use angelia_shared::event::{Event, lines};
use angelia_shared::ids::WorkspaceId;
use angelia_shared::log::Record;
use angelia_shared::subject::Subject;

/// The workspaces that `records` name, in their subjects or in their events.
pub(super) fn spoken_of(records: &[Record]) -> BTreeSet<WorkspaceId> {
    let mut workspaces = BTreeSet::new();
    for record in records {
        match record.subject {
            Ok(Subject::Wallet(workspace) | Subject::Attempt(_, workspace, _) | Subject::Directory(workspace, ..)) => {
                workspaces.insert(workspace);
            }
            _ => workspaces.extend(lines(&record.payload).filter_map(|line| named(&Event::from_line(line).ok()?))),
        }
    }
    workspaces
}

/// The workspace that an event of a shared subject names.
fn named(event: &Event) -> Option<WorkspaceId> {
    match event {
        Event::MessageAccepted(fact) => Some(fact.workspace),
        Event::CancelRequested(fact) => Some(fact.workspace),
        Event::MessageSent(fact)
        | Event::MessageDelivered(fact)
        | Event::MessageRead(fact)
        | Event::MessageFailed(fact) => Some(fact.workspace),
        Event::OutcomeSettled(fact) => Some(fact.workspace),
        Event::KeyUsed(fact) => Some(fact.workspace),
        // Their subjects name it, or they are about no workspace.
        Event::AttemptStarted(_)
        | Event::AttemptEnded(_)
        | Event::PartRefused(_)
        | Event::MessageExpired(_)
        | Event::MessageCancelled(_)
        | Event::CreditsGranted(_)
        | Event::CreditsDrawn(_)
        | Event::CreditsReturned(_)
        | Event::CreditsRefunded(_)
        | Event::WorkspaceChanged(_)
        | Event::WebhookChanged(_)
        | Event::AccountChanged(_)
        | Event::TokenChanged(_)
        | Event::PartitionClaimed(_)
        | Event::PartitionReleased(_)
        | Event::WriterOpened(_)
        | Event::BatchSealed(_)
        | Event::WriterFenced(_)
        | Event::WriterClosed(_)
        | Event::LedgerCheckpointed(_) => None,
    }
}
