//! What became of a group: answers its orders, or puts them back for another round.
//!
//! A group that is not answered was put back by the writer and is certainly not stored. It is not kept: its draw was made
//! for a head that may be gone, so its orders are decided again.

use std::time::Duration;

use angelia_shared::clock;
use angelia_shared::ids::WorkspaceId;
use angelia_shared::log::{AppendError, Stored};
use angelia_shared::subject::Subject;
use tokio::sync::oneshot::error::TryRecvError;
use tracing::error;

use super::UNAVAILABLE;
use super::lane::Lane;
use super::order::Waiting;
use super::plan::Flight;
use super::wallets::{Known, Streak};
use crate::domain::wallet::Wallet;
use crate::metrics as names;

/// Pause before a wallet is read on which a guard was lost twice: short beside the rest that a streak ends in.
const LOST_PAUSE: Duration = Duration::from_millis(5);

impl Lane {
    /// Takes the writer's answer to a group, after its commit.
    pub(super) fn land(&mut self, mut flight: Flight) {
        match flight.answer.try_recv() {
            Ok(Ok(stored)) => self.stored(flight, &stored),
            Ok(Err(AppendError::GuardLost(heads))) => self.guards_lost(flight, &heads),
            Ok(Err(AppendError::NeverStored)) => self.once_more(flight.workspace, flight.orders),
            Ok(Err(AppendError::Unavailable | AppendError::Full | AppendError::Closed)) => refuse(flight.orders),
            Ok(Err(AppendError::TooLarge)) => {
                error!(orders = flight.orders.len(), "a group was larger than a batch may be, in spite of its bounds");
                debug_assert!(false, "a group is bounded far below a batch");
                refuse(flight.orders);
            }
            Err(TryRecvError::Empty | TryRecvError::Closed) => {
                let workspace = flight.workspace;
                self.once_more(workspace, flight.orders);
                self.room.goes_first(workspace);
            }
        }
    }

    fn stored(&mut self, flight: Flight, stored: &Stored) {
        let (draw, rest) = stored.positions.split_first().expect("a group begins with its draw");
        let wallet = Wallet::at(draw.seq, flight.totals).expect("a draw leaves at least nothing");
        let streak = Some(Streak::after(flight.streak, flight.planned_at, clock::monotonic()));
        self.wallets.put(flight.workspace, Known { wallet, covers: flight.covers, streak });
        metrics::counter!(names::CREDITS_DRAWN).increment(flight.credits.0);
        metrics::counter!(names::ORDERS_ACCEPTED).increment(flight.orders.len() as u64);
        let mut keys = flight.guards.iter().zip(&rest[flight.orders.len()..]);
        for order in flight.orders {
            if let Some(ticket) = &order.key {
                let ((_, guard), position) = keys.next().expect("an entry for each key");
                self.keys.stored(ticket, *guard, position.seq, order.message);
            }
            let message = order.message;
            order.answer(Ok(message));
        }
    }

    fn guards_lost(&mut self, flight: Flight, heads: &[(Subject, u64)]) {
        let again = flight.orders.iter().any(Waiting::was_handed_in);
        self.once_more(flight.workspace, flight.orders);
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

    /// Reads a wallet on which somebody else wrote; its totals are not told. Whoever loses again waits a little before: a
    /// lost guard costs the whole batch, and the winner may be in a streak.
    fn wallet_lost(&mut self, workspace: WorkspaceId, again: bool) {
        self.wallets.forget(workspace);
        if again {
            self.room.hold(workspace);
            self.start_read(workspace, LOST_PAUSE);
        }
    }

    fn once_more(&mut self, workspace: WorkspaceId, orders: Vec<Waiting>) {
        let again = orders.into_iter().filter_map(Waiting::once_more).collect();
        self.room.give_back(workspace, again);
    }
}

fn refuse(orders: Vec<Waiting>) {
    for order in orders {
        order.answer(Err(UNAVAILABLE));
    }
}
