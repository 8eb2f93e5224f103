//! Takes a partition over: claim, newest events, then everything from the low-water mark.
//!
//! The order is the contract: the claim is in the log before anything is read, so whatever an earlier owner wrote after
//! the read would have been refused.

use std::cmp::Ordering;

use angelia_shared::event::{Event, PartitionClaimed, lines};
use angelia_shared::log::{AppendError, Entry, From, Group, Guard, HeadError, Reader, ReaderOptions};
use angelia_shared::subject::{Partition as Part, Subject};
use angelia_shared::units::UnixMillis;
use tracing::debug;

use super::{Context, records};
use crate::domain::account::Takeover;
use crate::domain::ownership::{Claim, Source};
use crate::domain::partition::Partition;
use crate::transport::cloud::CAPABILITIES;

/// A partition under a fresh claim, and the reader that brings it up to date and keeps it so.
pub(super) struct Claimed {
    pub(super) partition: Partition,
    pub(super) reader: Reader,
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

/// The stream's clock and this process's own at one moment. The clocks of two owners may differ, but both wrote to one stream.
#[derive(Clone, Copy)]
struct Clocks {
    stream: UnixMillis,
    /// Read after the stream's, so that a time told in it is never too early.
    own: UnixMillis,
}

impl Clocks {
    /// The stream's time `at` by this process's clock.
    fn own(self, at: UnixMillis) -> UnixMillis {
        UnixMillis(at.0.saturating_add(self.own.0.saturating_sub(self.stream.0)))
    }
}

/// Claims a partition and recovers its accounts. Every account is recovered before the first record is read again.
pub(super) async fn claim(context: &Context, order: Claim) -> Result<Claimed, ClaimError> {
    let part = order.part;
    let subject = Subject::PartitionClaim(part);
    let claimed = PartitionClaimed { v: 1, part: Some(part), member: context.member, at: context.clock.now() };
    let entry = Entry::new(subject, &Event::PartitionClaimed(claimed)).guarded(Guard::Own(order.after));
    let stored = context.appender.append(Group::one(entry)).await.map_err(|failure| match failure {
        AppendError::GuardLost(_) => ClaimError::Refused,
        other => ClaimError::Append(other),
    })?;
    let claim = stored.positions[0].seq;
    let head = context.log.head(subject).await?.filter(|head| head.seq == claim).ok_or(ClaimError::Taken)?;
    let clocks = Clocks { stream: head.at, own: context.clock.now() };
    let released = order.from == Source::Nobody;
    let mut partition = Partition::new(claim);
    recover(context, part, &mut partition, released, clocks).await?;
    debug!(partition = part.0, claim, from = partition.read_from(), "claimed a partition");
    let filters = ["accepted", "cancel", "receipt", "settlement", "claim"].map(|kind| format!("ev.{kind}.{part}"));
    let options = ReaderOptions {
        name: format!("dispatcher-{part}"),
        filters: filters.into(),
        from: From::After(partition.read_from() - 1),
    };
    Ok(Claimed { partition, reader: Reader::new(context.log.clone(), options) })
}

/// Reads the newest event of every account. Complete only when one's own claim has come: a lagging replica may serve it.
async fn recover(
    context: &Context,
    part: Part,
    partition: &mut Partition,
    released: bool,
    clocks: Clocks,
) -> Result<(), ClaimError> {
    let options = ReaderOptions {
        name: format!("dispatcher-{part}-snapshot"),
        filters: vec![format!("ev.attempt.{part}.>"), format!("ev.claim.{part}")],
        from: From::LastPerSubject,
    };
    let mut reader = Reader::new(context.log.clone(), options);
    let takeover = Takeover {
        released,
        now: context.clock.now(),
        call_timeout_ms: u64::try_from(CAPABILITIES.call_timeout.as_millis()).unwrap_or(u64::MAX),
    };
    loop {
        let record = reader.next().await?;
        match record.subject {
            Ok(Subject::Attempt(_, workspace, account)) => {
                let Some(Ok(mut event)) = lines(&record.payload).next().map(Event::from_line) else { continue };
                not_before(&mut event, clocks.own(record.at));
                let settings = records::settings_of(context, account, takeover.now);
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

/// Moves an event's time to `at`, if it is earlier: the owner before may have had a clock that is behind.
fn not_before(event: &mut Event, at: UnixMillis) {
    let time = match event {
        Event::AttemptStarted(event) => &mut event.at,
        Event::AttemptEnded(event) => &mut event.at,
        Event::PartRefused(event) => &mut event.at,
        Event::MessageExpired(event) => &mut event.at,
        Event::MessageCancelled(event) => &mut event.at,
        _ => return,
    };
    *time = (*time).max(at);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_streams_time_is_told_by_ones_own_clock() {
        let ahead = Clocks { stream: UnixMillis(1_000), own: UnixMillis(1_700) };
        assert_eq!(ahead.own(UnixMillis(400)), UnixMillis(1_100));
        let behind = Clocks { stream: UnixMillis(1_700), own: UnixMillis(1_000) };
        assert_eq!(behind.own(UnixMillis(1_600)), UnixMillis(900));
    }
}
