//! How the ownership of a partition ends: released in good order, or given up.
//!
//! Invariants:
//! - Whatever a call has brought is written down: as its attempt's end while the claim holds, as a receipt afterwards.
//! - Both ways end, whatever the broker does.

use std::sync::Arc;
use std::time::Duration;

use angelia_shared::event::{Event, PartitionReleased};
use angelia_shared::log::{AppendError, Entry, Group, Guard};
use angelia_shared::subject::Subject;
use tracing::{debug, warn};

use super::super::call::{self, Done};
use super::Owned;
use crate::domain::ownership::Ended;
use crate::metrics as names;

/// How long sessions may take to close; a partition whose sessions do not is not released.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);
/// How long the release may take: a batch takes milliseconds, and without it the next owner only waits longer.
const RELEASE_WITHIN: Duration = Duration::from_secs(3);

impl Owned {
    /// Gives the partition up, with nothing under way.
    pub(super) async fn release(&mut self) -> Ended {
        // The next owner may open its own as soon as the release is in the log.
        if tokio::time::timeout(CLOSE_WITHIN, self.sessions.close()).await.is_err() {
            warn!(partition = self.part.0, "gave a partition up with sessions open");
            return Ended::GivenUp;
        }
        let released = PartitionReleased {
            v: 1,
            part: Some(self.part),
            member: self.context.member,
            at: self.context.clock.now(),
        };
        let entry = Entry::new(Subject::PartitionClaim(self.part), &Event::PartitionReleased(released))
            .guarded(Guard::Own(self.rules.claim()));
        match tokio::time::timeout(RELEASE_WITHIN, self.context.appender.append(Group::one(entry))).await {
            Ok(Ok(stored)) => {
                debug!(partition = self.part.0, "released a partition");
                metrics::counter!(names::PARTITIONS_RELEASED).increment(1);
                Ended::Released(stored.positions[0].seq)
            }
            Ok(Err(AppendError::GuardLost(_))) => Ended::Lost,
            Ok(Err(failure)) => {
                warn!(partition = self.part.0, error = %failure, "a partition was not released");
                Ended::GivenUp
            }
            Err(_) => {
                warn!(partition = self.part.0, "a partition was not released in time");
                Ended::GivenUp
            }
        }
    }

    /// Writes the ends of calls, and nothing that begins anything. Also asked after another event of the account was
    /// stored: the end may have had to wait for that. Whatever else is due is left for later, or for the next owner.
    pub(super) fn write_what_has_ended(&mut self) {
        for account in std::mem::take(&mut self.reported) {
            if let Some(write) = self.rules.finish(account, self.context.clock.now()) {
                self.write(account, *write);
            }
        }
    }

    /// Leaves the partition to its next owner. Results that have been reported and not been looked at become receipts;
    /// what is still to be reported finds nobody listening, and becomes one by itself.
    pub(super) async fn give_up(mut self) {
        self.reports.close();
        while let Some(done) = self.reports.recv().await {
            if let Done::Called(called) = done {
                let context = Arc::clone(&self.context);
                let task = async move { call::report_unheard(&context, called).await };
                self.context.tasks.start("reporting a call", task);
            }
        }
    }
}
