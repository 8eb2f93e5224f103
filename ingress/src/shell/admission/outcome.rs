//! What became of a group: answers its orders, or puts them back for another round.
//!
//! A group that is not answered was put back by the writer and is certainly not stored. It is not kept: its draw was made
//! for a head that may be gone, so its orders are decided again.

use std::time::Duration;

use angelia_shared::ids::WorkspaceId;
use angelia_shared::log::{AppendError, Stored};
use angelia_shared::subject::Subject;
use angelia_shared::units::Credits;
use tokio::sync::oneshot::error::TryRecvError;
use tracing::error;

use super::UNAVAILABLE;
use super::lane::Lane;
use super::order::Waiting;
use super::plan::{Cargo, Flight};
use crate::domain::gather::Batch;
use crate::domain::purse::{Return, Spend};
use crate::metrics as names;

/// Pause before a wallet is read on which a guard was lost twice: a few round trips, in which the winner gets through.
const LOST_PAUSE: Duration = Duration::from_millis(5);

impl Lane {
    /// Takes the writer's answer to a group, after its commit; adds to `batch` what was stored.
    pub(super) fn land(&mut self, mut flight: Flight, batch: &mut Batch) {
        let workspace = flight.workspace;
        let answer = flight.answer.try_recv();
        if let Ok(Ok(stored)) = &answer {
            batch.first = stored.positions.iter().map(|position| position.seq).fold(batch.first, u64::min);
            batch.last = stored.sealed_at;
            batch.orders += flight.cargo.orders();
        }
        match (answer, flight.cargo) {
            (Ok(Ok(stored)), Cargo::Orders { orders, spend, guards }) => {
                self.stored(workspace, orders, &spend, &guards, &stored);
            }
            (Ok(Ok(stored)), Cargo::Return(back)) => self.returned(workspace, &back, &stored),
            (Ok(Err(AppendError::GuardLost(heads))), cargo) => self.guards_lost(workspace, cargo, &heads),
            (Ok(Err(AppendError::NeverStored)), Cargo::Orders { orders, .. }) => self.once_more(workspace, orders),
            // What the old writer held is not this one's to return.
            (Ok(Err(AppendError::NeverStored)), Cargo::Return(_)) => self.looks_at(workspace),
            (Ok(Err(AppendError::Unavailable | AppendError::Full | AppendError::Closed)), cargo) => {
                self.refused(workspace, cargo);
            }
            (Ok(Err(AppendError::TooLarge)), cargo) => {
                error!("a group was larger than a batch may be, in spite of its bounds");
                debug_assert!(false, "a group is bounded far below a batch");
                self.refused(workspace, cargo);
            }
            (Err(TryRecvError::Empty | TryRecvError::Closed), Cargo::Orders { orders, .. }) => {
                self.once_more(workspace, orders);
                self.room.goes_first(workspace);
            }
            (Err(TryRecvError::Empty | TryRecvError::Closed), Cargo::Return(_)) => {
                self.purses.of(workspace).put_back();
                self.looks_at(workspace);
            }
        }
    }

    fn stored(
        &mut self,
        workspace: WorkspaceId,
        orders: Vec<Waiting>,
        spend: &Spend,
        guards: &[(u8, u64)],
        stored: &Stored,
    ) {
        let (draw, rest) = stored.positions.split_at(usize::from(spend.draw.is_some()));
        let now = self.now();
        let purse = self.purses.of(workspace);
        purse.stored(spend, draw.first().map_or(0, |draw| draw.seq), now);
        self.watch.keep(workspace, purse);
        metrics::counter!(names::CREDITS_DRAWN).increment(spend.draw.map_or(0, |draw| draw.credits.0));
        metrics::counter!(names::ORDERS_ACCEPTED).increment(orders.len() as u64);
        let mut keys = guards.iter().zip(&rest[orders.len()..]);
        for order in orders {
            if let Some(ticket) = &order.key {
                let ((_, guard), position) = keys.next().expect("an entry for each key");
                self.keys.stored(ticket, *guard, position.seq, order.message);
            }
            let message = order.message;
            order.answer(Ok(message));
        }
    }

    fn returned(&mut self, workspace: WorkspaceId, back: &Return, stored: &Stored) {
        self.purses.of(workspace).returned(back, stored.positions[0].seq);
        metrics::counter!(names::CREDITS_RETURNED).increment(back.credits.0);
        self.answer_recalls(workspace, back.credits);
    }

    fn guards_lost(&mut self, workspace: WorkspaceId, cargo: Cargo, heads: &[(Subject, u64)]) {
        let again = match cargo {
            Cargo::Orders { orders, .. } => {
                let again = orders.iter().any(Waiting::was_handed_in);
                self.once_more(workspace, orders);
                again
            }
            Cargo::Return(_) => true,
        };
        for (subject, head) in heads {
            match subject {
                Subject::Wallet(workspace) => self.wallet_lost(*workspace, again),
                Subject::Key(bucket) => self.keys.told(*bucket, *head),
                Subject::Accepted(_)
                | Subject::Cancel(_)
                | Subject::Attempt(..)
                | Subject::Receipt(_)
                | Subject::Settlement(_)
                | Subject::Directory(..)
                | Subject::PartitionClaim(_)
                | Subject::LedgerClaim
                | Subject::Writer(_)
                | Subject::Checkpoint => {}
            }
        }
    }

    /// Forgets the state of a wallet on which somebody else wrote; its totals are not told. Whoever loses again waits a
    /// little before it is read: a lost guard costs the whole batch.
    fn wallet_lost(&mut self, workspace: WorkspaceId, again: bool) {
        let purse = self.purses.of(workspace);
        purse.guard_lost();
        if again && purse.begin_reading() {
            self.read(workspace, LOST_PAUSE);
        }
    }

    fn once_more(&mut self, workspace: WorkspaceId, orders: Vec<Waiting>) {
        let again = orders.into_iter().filter_map(Waiting::once_more).collect();
        self.room.give_back(workspace, again);
    }

    /// The log did not take a group, and says so at once.
    fn refused(&mut self, workspace: WorkspaceId, cargo: Cargo) {
        match cargo {
            Cargo::Orders { orders, .. } => refuse(orders),
            Cargo::Return(_) => {
                self.purses.of(workspace).not_returned();
                self.answer_recalls(workspace, Credits::ZERO);
            }
        }
    }
}

/// Refuses orders that cannot be decided now.
pub(super) fn refuse(orders: Vec<Waiting>) {
    for order in orders {
        order.answer(Err(UNAVAILABLE));
    }
}
