//! How the ownership of a partition ends: released in good order, or given up.
//!
//! Invariants:
//! - Whatever a call has brought is written down: as its attempt's end while the claim holds, as a receipt afterwards.
//! - Both ways end, whatever the broker does.

use std::sync::Arc;
use std::time::Duration;

use angelia_shared::event::{Event, PartitionReleased};
use angelia_shared::ids::AccountId;
use angelia_shared::log::{Entry, Group, Guard};
use angelia_shared::subject::Subject;
use tracing::{debug, warn};

use super::super::call::{self, Done};
use super::Owned;
use crate::domain::account::Decision;

/// How long running calls may take after the shutdown signal, and their ends to be written. A call takes 10 s at most.
const FINISH_WITHIN: Duration = Duration::from_secs(12);
/// How long sessions may take to close; a partition whose sessions do not is not released.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);
/// How long the release may take: a batch takes milliseconds, and without it the next owner only waits longer.
const RELEASE_WITHIN: Duration = Duration::from_secs(3);

impl Owned {
    /// Lets running calls end and be written down, then gives the partition up.
    pub(super) async fn release(mut self) {
        match tokio::time::timeout(FINISH_WITHIN, self.finish()).await {
            Ok(true) => {}
            Ok(false) => return self.give_up().await,
            Err(_) => {
                warn!(partition = self.part.0, "gave a partition up with calls under way");
                return self.give_up().await;
            }
        }
        // The next owner may open its own as soon as the release is in the log.
        if let Some(sessions) = self.sessions.take()
            && tokio::time::timeout(CLOSE_WITHIN, sessions.close()).await.is_err()
        {
            warn!(partition = self.part.0, "gave a partition up with sessions open");
            return self.give_up().await;
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
            Ok(Ok(_)) => debug!(partition = self.part.0, "released a partition"),
            Ok(Err(failure)) => warn!(partition = self.part.0, error = %failure, "a partition was not released"),
            Err(_) => warn!(partition = self.part.0, "a partition was not released in time"),
        }
    }

    /// Waits until nothing is under way. False when the claim was lost meanwhile.
    async fn finish(&mut self) -> bool {
        while self.running > 0 {
            let Some(done) = self.reports.recv().await else { return true };
            let account = match &done {
                Done::Called(called) => Some(called.under.account),
                Done::Stored { account, .. } => Some(*account),
                Done::Prepared { .. } | Done::ClaimLost => None,
            };
            if self.take(done) {
                return false;
            }
            if let Some(account) = account {
                self.write_what_has_ended(account);
            }
        }
        true
    }

    /// Writes the end of an account's call, if it has one. Also asked after another event of the account was stored: the
    /// end may have had to wait for that. Whatever else is due is left to the next owner.
    fn write_what_has_ended(&mut self, account: AccountId) {
        if let Decision::Write(write) = self.rules.next(account, self.context.clock.now())
            && matches!(write.event, Event::AttemptEnded(_))
        {
            self.write(account, *write);
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
