//! The room where orders wait: a queue per workspace, those set aside, and whose turn it is.
//!
//! Invariants:
//! - The orders of one workspace are taken in order of arrival.
//! - A workspace with many orders never takes an equal share from another (see [`share`]).
//!
//! Not here: what an order gets.

use std::collections::{HashMap, VecDeque};

use angelia_shared::ids::WorkspaceId;

use super::UNAVAILABLE;
use super::order::Waiting;
use crate::domain::admission::share;

/// Orders that one round takes: all of one busy workspace, or one or two of everybody's.
const ROUND_ORDERS_MAX: usize = 1_920;
/// Orders of one workspace in a round when little packs: with a key each, and their draw, they stay below the 999 records of
/// a batch even if nothing does.
const GROUP_ORDERS_LEAST: usize = 480;
/// Partitions up to which acceptances pack well enough for a group of a whole round. A partition's and a bucket's records are
/// half full but for the last (1 MiB of acceptances and 0.6 MiB of keys: 208 records), and have 64 lines at most (60 more);
/// with a last one of each of 256 partitions and 256 buckets, and the draw, that is 781.
const PARTITIONS_WELL_PACKED: u16 = 256;
/// Bytes of one workspace in a round: a quarter of a batch, which at 64 KiB a message is a dozen of them.
const GROUP_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a round; it leaves a batch of 4 MiB some room for draws and keys.
const ROUND_BYTES_MAX: usize = 3 * 1024 * 1024;
/// Orders of one workspace that may wait, so that a flood to one leaves half of the queue to the others.
const WORKSPACE_WAITING_MAX: usize = 8_192;

/// Everything that waits.
pub(super) struct Room {
    /// Orders of one workspace in a round.
    group_max: usize,
    queues: HashMap<WorkspaceId, Queue>,
    /// Whose turn it is; those without orders are dropped when their turn comes.
    turns: VecDeque<WorkspaceId>,
    /// How many orders wait.
    waiting: usize,
    round: u64,
}

#[derive(Default)]
struct Queue {
    orders: VecDeque<Waiting>,
    /// Those that wait for something to be read or asked.
    aside: Vec<Waiting>,
    /// The round in which it was last looked at: a workspace may stand twice among the turns.
    round: u64,
}

/// What a round takes of one workspace.
pub(super) struct Pick {
    pub(super) workspace: WorkspaceId,
    pub(super) orders: Vec<Waiting>,
}

impl Room {
    /// An empty room, for a log of so many partitions.
    pub(super) fn new(partitions: u16) -> Self {
        let group_max = if partitions <= PARTITIONS_WELL_PACKED { ROUND_ORDERS_MAX } else { GROUP_ORDERS_LEAST };
        Self { group_max, queues: HashMap::new(), turns: VecDeque::new(), waiting: 0, round: 0 }
    }

    /// How many orders wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes an order in, at the end of its workspace's queue. One too many for the workspace is refused.
    pub(super) fn arrive(&mut self, order: Waiting) {
        let workspace = order.workspace;
        let queue = self.queues.entry(workspace).or_insert_with(|| {
            self.turns.push_back(workspace);
            Queue::default()
        });
        if queue.orders.len() + queue.aside.len() >= WORKSPACE_WAITING_MAX {
            order.answer(Err(UNAVAILABLE));
            return;
        }
        queue.orders.push_back(order);
        self.waiting += 1;
    }

    /// Puts orders that were picked back, in order of arrival.
    pub(super) fn give_back(&mut self, workspace: WorkspaceId, orders: Vec<Waiting>) {
        if orders.is_empty() {
            return;
        }
        self.waiting += orders.len();
        let queue = self.queues.entry(workspace).or_insert_with(|| {
            self.turns.push_back(workspace);
            Queue::default()
        });
        for order in orders.into_iter().rev() {
            queue.orders.push_front(order);
        }
        // Already in order, or nearly: others of the same round may have been put back before.
        queue.orders.make_contiguous().sort_by_key(|order| order.arrival);
    }

    /// Lets a workspace that got no place be the first of the next round.
    pub(super) fn goes_first(&mut self, workspace: WorkspaceId) {
        self.turns.push_front(workspace);
    }

    /// Keeps orders out of the rounds until [`end_wait`](Self::end_wait).
    pub(super) fn set_aside(&mut self, workspace: WorkspaceId, orders: Vec<Waiting>) {
        if orders.is_empty() {
            return;
        }
        self.waiting += orders.len();
        let queue = self.queues.entry(workspace).or_insert_with(|| {
            self.turns.push_back(workspace);
            Queue::default()
        });
        queue.aside.extend(orders);
    }

    /// Lets the orders of a workspace that were set aside be decided again.
    pub(super) fn end_wait(&mut self, workspace: WorkspaceId) {
        let aside = self.take_aside(workspace);
        self.give_back(workspace, aside);
    }

    /// Takes the orders of a workspace that were set aside.
    pub(super) fn take_aside(&mut self, workspace: WorkspaceId) -> Vec<Waiting> {
        let aside = self.queues.get_mut(&workspace).map(|queue| std::mem::take(&mut queue.aside)).unwrap_or_default();
        self.waiting -= aside.len();
        aside
    }

    /// Whether a round would find an order.
    pub(super) fn has_ready(&self) -> bool {
        self.queues.values().any(|queue| !queue.orders.is_empty())
    }

    /// Takes the orders of a round.
    pub(super) fn pick(&mut self) -> Vec<Pick> {
        let ready = self.ready();
        let waiting: Vec<usize> = ready.iter().map(|workspace| self.queues[workspace].orders.len()).collect();
        let shares = share(&waiting, ROUND_ORDERS_MAX, self.group_max);
        let (mut picks, mut unserved) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        for (workspace, places) in ready.into_iter().zip(shares) {
            if bytes >= ROUND_BYTES_MAX || places == 0 {
                unserved.push(workspace);
                continue;
            }
            let queue = self.queues.get_mut(&workspace).expect("whoever is ready has a queue");
            let orders = queue.take(places, &mut bytes);
            self.waiting -= orders.len();
            self.turns.push_back(workspace);
            picks.push(Pick { workspace, orders });
        }
        for workspace in unserved.into_iter().rev() {
            self.turns.push_front(workspace);
        }
        picks
    }

    /// The workspaces with orders, in order of turn. Those that have none lose their turn, or keep it while some are aside.
    fn ready(&mut self) -> Vec<WorkspaceId> {
        self.round += 1;
        let mut ready = Vec::new();
        for workspace in std::mem::take(&mut self.turns) {
            let Some(queue) = self.queues.get_mut(&workspace) else { continue };
            if queue.round == self.round {
                continue;
            }
            queue.round = self.round;
            if !queue.orders.is_empty() {
                ready.push(workspace);
            } else if queue.aside.is_empty() {
                self.queues.remove(&workspace);
            } else {
                self.turns.push_back(workspace);
            }
        }
        ready
    }

    /// Refuses everything that waits with a 503.
    pub(super) fn refuse_all(&mut self) {
        for queue in self.queues.values_mut() {
            for order in queue.orders.drain(..).chain(queue.aside.drain(..)) {
                order.answer(Err(UNAVAILABLE));
            }
        }
        self.waiting = 0;
    }
}

impl Queue {
    /// Takes up to `places` orders and a bounded number of bytes from the front, at least one; adds to `bytes`.
    fn take(&mut self, places: usize, bytes: &mut usize) -> Vec<Waiting> {
        let mut taken = Vec::with_capacity(places.min(self.orders.len()));
        let mut own = 0;
        while taken.len() < places
            && let Some(next) = self.orders.front()
            && (taken.is_empty() || own + next.bytes <= GROUP_BYTES_MAX)
        {
            own += next.bytes;
            taken.extend(self.orders.pop_front());
        }
        *bytes += own;
        taken
    }
}

#[cfg(test)]
mod tests;
