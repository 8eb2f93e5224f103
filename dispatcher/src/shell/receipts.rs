//! Stores what became of messages when no attempt can end with it.

use std::time::Duration;

use angelia_shared::event::Event;
use angelia_shared::log::{AppendError, Entry, Group, Guard};
use angelia_shared::subject::{Partition as Part, Subject};

use super::Context;

/// Pause before receipts are handed in again that were certainly not stored.
const AGAIN: Duration = Duration::from_millis(50);
/// How often they are handed in: for seconds, while the broker does not answer.
const TRIES_MAX: usize = 100;

/// Stores receipts of a partition, all or none; under its claim, or under none when they are true whoever owns it. False when they
/// could not be stored.
pub(super) async fn store(context: &Context, part: Part, receipts: &[Event], claim: Option<u64>) -> bool {
    let guard = claim.map(|claim| Guard::Other(Subject::PartitionClaim(part), claim));
    let entry = |event: &Event| {
        let entry = Entry::new(Subject::Receipt(part), event);
        guard.map_or(entry.clone(), |guard| entry.guarded(guard))
    };
    for _ in 0..TRIES_MAX {
        match context.appender.append(Group::from_iter(receipts.iter().map(entry))).await {
            Ok(_) => return true,
            Err(AppendError::Closed | AppendError::GuardLost(_) | AppendError::TooLarge) => return false,
            Err(AppendError::NeverStored | AppendError::Unavailable | AppendError::Full) => {
                tokio::time::sleep(AGAIN).await
            }
        }
    }
    false
}
