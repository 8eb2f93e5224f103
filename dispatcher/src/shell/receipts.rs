//! Stores what became of messages when no attempt can end with it.

use std::time::Duration;

use angelia_shared::event::Event;
use angelia_shared::log::{AppendError, Entry, Group};
use angelia_shared::subject::{Partition as Part, Subject};

use super::Context;

/// Pause before receipts are handed in again that were certainly not stored.
const AGAIN: Duration = Duration::from_millis(50);
/// How often they are handed in: for seconds, while the broker does not answer.
const TRIES_MAX: usize = 100;

/// Stores receipts of a partition, all or none. Under no claim: they are true whoever owns it. False when they could not be.
pub(super) async fn store(context: &Context, part: Part, receipts: &[Event]) -> bool {
    for _ in 0..TRIES_MAX {
        let group = Group::from_iter(receipts.iter().map(|event| Entry::new(Subject::Receipt(part), event)));
        match context.appender.append(group).await {
            Ok(_) => return true,
            Err(AppendError::Closed) => return false,
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
    false
}
