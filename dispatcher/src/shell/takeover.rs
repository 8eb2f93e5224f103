//! Takes a partition over: claim, newest events, then everything from the low-water mark.
//!
//! The order is the contract: the claim is in the log before anything is read, so whatever an earlier owner wrote after
//! the read would have been refused.

use std::cmp::Ordering;

use angelia_shared::event::{Event, PartitionClaimed, lines};
use angelia_shared::log::{AppendError, Entry, From, Group, Guard, HeadError, Reader, ReaderOptions};
use angelia_shared::subject::{Partition as Part, Subject};
use tracing::debug;

use super::{Context, accounts, records};
use crate::domain::account::{self, Takeover};
use crate::domain::ownership::{Claim, Source};
use crate::domain::partition::Partition;

/// A partition under a fresh claim, and the reader that brings it up to date and keeps it so.
pub(super) struct Claimed {
    pub(super) partition: Partition,
    pub(super) reader: Reader,
    /// How far the stream's clock is ahead of this process's, at most.
    pub(super) stream_ahead_ms: i64,
}

/// A partition could not be taken over.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClaimError {
    /// The stored claim could not be read.
    #[error("cannot read the stored claim")]
    Head(#[from] HeadError),
    /// The claim was not stored.
    #[error("cannot store the claim")]
    Append(#[source] AppendError),
    /// Another process was faster.
    #[error("it has a newer record than the one that the claim was to follow")]
    Refused,
    /// Another process has claimed it since.
    #[error("another process claimed it")]
    Taken,
    /// The log cannot be read.
    #[error("cannot read the log")]
    Read(#[from] angelia_shared::log::ReadError),
}

/// Claims a partition and recovers its accounts. Every account is recovered before the first record is read again.
pub(super) async fn claim(context: &Context, order: Claim) -> Result<Claimed, ClaimError> {
    let part = order.part;
    let subject = Subject::PartitionClaim(part);
    let claimed_at = context.clock.now();
    let claimed = PartitionClaimed { v: 1, part: Some(part), member: context.member, at: claimed_at };
    let entry = Entry::new(subject, &Event::PartitionClaimed(claimed)).guarded(Guard::Own(order.after));
    let stored = context.appender.append(Group::one(entry)).await.map_err(|failure| match failure {
        AppendError::GuardLost(_) => ClaimError::Refused,
        other => ClaimError::Append(other),
    })?;
    let claim = stored.positions[0].seq;
    let head = context.log.head(subject).await?.filter(|head| head.seq == claim).ok_or(ClaimError::Taken)?;
    // How far this machine's clock is ahead of the stream's. What it took to store the claim counts as being ahead, which only
    // makes waits longer.
    let ahead_ms = context.clock.now().0.saturating_sub(head.at.0);
    let released = order.from == Source::Nobody;
    let mut partition = Partition::new(claim);
    recover(context, part, &mut partition, released, ahead_ms).await?;
    debug!(partition = part.0, claim, from = partition.read_from(), "claimed a partition");
    let filters = ["accepted", "cancel", "receipt", "settlement", "claim"].map(|kind| format!("ev.{kind}.{part}"));
    let options = ReaderOptions {
        name: format!("dispatcher-{part}"),
        filters: filters.into(),
        from: From::After(partition.read_from() - 1),
    };
    // What it took to store the claim counts as the stream being ahead.
    let stream_ahead_ms = head.at.0.saturating_sub(claimed_at.0);
    Ok(Claimed { partition, reader: Reader::new(context.log.clone(), options), stream_ahead_ms })
}

/// Reads the newest event of every account. Complete only when one's own claim has come: a lagging replica may serve it.
async fn recover(
    context: &Context,
    part: Part,
    partition: &mut Partition,
    released: bool,
    ahead_ms: i64,
) -> Result<(), ClaimError> {
    let options = ReaderOptions {
        name: format!("dispatcher-{part}-snapshot"),
        filters: vec![format!("ev.attempt.{part}.>"), format!("ev.claim.{part}")],
        from: From::LastPerSubject,
    };
    let mut reader = Reader::new(context.log.clone(), options);
    let now = context.clock.now();
    let takeover = Takeover { released, now, call_timeout_ms: 0, shift_ms: 0, doubt_ms: account::CLOCKS_DIFFER_MS };
    loop {
        let record = reader.next().await?;
        match record.subject {
            Ok(Subject::Attempt(_, workspace, account)) => {
                let Some(Ok(event)) = lines(&record.payload).next().map(Event::from_line) else { continue };
                let settings = records::settings_of(context, account, takeover.now);
                let event_at = account::time_of(&event).unwrap_or(record.at);
                let call_timeout = accounts::call_timeout(context, account);
                let takeover = Takeover {
                    call_timeout_ms: u64::try_from(call_timeout.as_millis()).unwrap_or(u64::MAX),
                    shift_ms: account::shift_ms(event_at, record.at, ahead_ms),
                    ..takeover
                };
                partition.recover(workspace, account, settings, &event, takeover);
            }
            Ok(Subject::PartitionClaim(_)) => match record.seq.cmp(&partition.claim()) {
                // A replica that lags gave an older one; one's own follows.
                Ordering::Less => {}
                Ordering::Equal => return Ok(()),
                Ordering::Greater => return Err(ClaimError::Taken),
            },
            Ok(_) | Err(_) => {}
        }
    }
}
