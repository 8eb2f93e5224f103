//! Carries out what is decided about the lanes of dead processes.
//!
//! The order is the contract: the fence, then the projection passes it, then the return. A crash between any two steps leaves
//! rows that show the next one.

use angelia_shared::clock;
use angelia_shared::event::{Event, WriterFenced};
use angelia_shared::log::{Appender, Entry, Group, Guard};
use angelia_shared::subject::Subject;
use futures_util::future::join_all;
use tracing::{info, warn};

use super::{ActError, Actor, Appended};
use crate::domain::dead_lanes::{Lost, Return};
use crate::metrics as names;

/// Writers that are fenced in one turn: more dead processes at once than an installation has.
const FENCES_A_TURN: usize = 64;

impl Actor {
    /// Fences writers, each guarded by its newest record: one that wrote since lives, and two ledgers fence it once.
    pub(in crate::shell) async fn fence(&self, dead: Vec<Lost>) -> Appended {
        let fences = dead.into_iter().take(FENCES_A_TURN).map(|lost| async move {
            let reason = format!("its process renews no key ({})", lost.seat);
            let fence = WriterFenced { v: 1, writer: lost.writer, by: self.member, reason, at: clock::now() };
            (lost, self.log.fence(fence, Some(lost.head)).await)
        });
        let mut all = Appended::default();
        for (lost, stored) in join_all(fences).await {
            match stored {
                Some(seq) => {
                    warn!(writer.id = %lost.writer, member = %lost.seat, "fenced the writer of a dead process");
                    metrics::counter!(names::LANES_FENCED).increment(1);
                    all.stored += 1;
                    all.wait_for = all.wait_for.max(seq);
                }
                // It wrote, somebody else fenced it, or nobody knows: the projection will tell.
                None => all.retry = true,
            }
        }
        all
    }

    /// Returns what ended lanes had not spent, each guarded by its wallet's head in the projection.
    pub(in crate::shell) async fn give_back(
        &self,
        appender: &Appender,
        returns: Vec<Return>,
    ) -> Result<Appended, ActError> {
        let groups = returns.iter().map(|due| {
            let event = Event::CreditsReturned(due.event.clone());
            Group::one(Entry::new(Subject::Wallet(due.workspace), &event).guarded(Guard::Own(due.head)))
        });
        let answers = join_all(groups.map(|group| appender.append(group))).await;
        for (answer, due) in answers.iter().zip(&returns) {
            if answer.is_ok() {
                let (credits, writer) = (due.event.credits, due.event.writer);
                info!(workspace.id = %due.workspace, writer.id = %writer, %credits, "returned what an ended lane had left");
                metrics::counter!(names::CREDITS_RETURNED).increment(credits.0);
            }
        }
        let mut all = Appended::default();
        all.add(answers)?;
        Ok(all)
    }
}
