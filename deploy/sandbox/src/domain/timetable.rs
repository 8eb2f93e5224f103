//! Which callbacks leave when, and together with which.
//!
//! Shape: [`Due`]s go in per phone number id; [`Timetable::take`] hands out a [`Batch`]; [`Timetable::settle`] puts back
//! what was not taken by the receiver and the next status of what was.
//!
//! Invariants:
//! - SB-2 a message has one status in the timetable or in flight, so its statuses leave in order.
//! - One batch of a phone number id is in flight at a time: others gather behind it and for a moment after it, and a
//!   receiver that refuses one account does not hold up the others.
//!
//! Not here: reading the clock, sending (see `shell/courier.rs`).

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;

use super::delays::Delays;
use super::script::{Plan, Status};

/// Most statuses in one request: enough for 7,500 a second at 13 ms each, and some 25 KiB of JSON.
pub(crate) const BATCH_MOST: usize = 100;

/// The next status of one message. Its contents stay in the journal: 32 bytes here, however many wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    /// When the status happens, Unix milliseconds.
    pub(crate) at_ms: u64,
    pub(crate) seq: u64,
    /// Where the message's journal line begins, and its length in bytes.
    pub(crate) offset: u64,
    pub(crate) bytes: u32,
    plan: Plan,
    delivered: u8,
}

impl Due {
    /// The status after `delivered` ones; `None` when the plan has no more.
    pub(crate) fn new(
        plan: Plan,
        delivered: u8,
        received_at_ms: u64,
        seq: u64,
        (offset, bytes): (u64, u32),
        delays: &Delays,
    ) -> Option<Self> {
        let status = plan.statuses().get(usize::from(delivered))?;
        let at_ms = received_at_ms.saturating_add(delays.until(*status));
        Some(Self { at_ms, seq, offset, bytes, plan, delivered })
    }

    /// The status to report.
    pub(crate) fn status(&self) -> Status {
        self.plan.statuses()[usize::from(self.delivered)]
    }

    /// How many statuses of the message are delivered once this one is.
    pub(crate) fn count(&self) -> u8 {
        self.delivered + 1
    }

    fn next(self, delays: &Delays) -> Option<Self> {
        let received_at_ms = self.at_ms.saturating_sub(delays.until(self.status()));
        Self::new(self.plan, self.count(), received_at_ms, self.seq, (self.offset, self.bytes), delays)
    }
}

/// Statuses of one phone number id that leave in one request.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) phone_number_id: Arc<str>,
    pub(crate) dues: Vec<Due>,
}

#[derive(Debug, Default)]
struct Lane {
    dues: BinaryHeap<Reverse<Due>>,
    in_flight: bool,
    failures: u32,
    not_before_ms: u64,
    /// Where the lane stands in `ready`, so that it can be found there again.
    ready_ms: Option<u64>,
}

/// All callbacks still due.
#[derive(Debug)]
pub(crate) struct Timetable {
    delays: Delays,
    lanes: HashMap<Arc<str>, Lane>,
    ready: BTreeSet<(u64, Arc<str>)>,
}

impl Timetable {
    pub(crate) fn new(delays: Delays) -> Self {
        Self { delays, lanes: HashMap::new(), ready: BTreeSet::new() }
    }

    /// Adds the next status of a message.
    pub(crate) fn add(&mut self, phone_number_id: &str, due: Due) {
        let name = match self.lanes.get_key_value(phone_number_id) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(phone_number_id),
        };
        self.lanes.entry(Arc::clone(&name)).or_default().dues.push(Reverse(due));
        self.place(&name);
    }

    /// When the next batch can be taken; `None` when nothing waits for time.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.ready.first().map(|(at_ms, _)| *at_ms)
    }

    /// Takes one batch that is due, the longest waiting phone number id first.
    pub(crate) fn take(&mut self, now_ms: u64) -> Option<Batch> {
        let (_, name) = self.ready.first().filter(|(at_ms, _)| *at_ms <= now_ms)?.clone();
        let lane = self.lanes.get_mut(&name).expect("a ready lane exists until it is empty");
        let mut dues = Vec::new();
        while dues.len() < BATCH_MOST {
            match lane.dues.peek() {
                Some(Reverse(due)) if due.at_ms <= now_ms => dues.push(*due),
                Some(_) | None => break,
            }
            lane.dues.pop();
        }
        lane.in_flight = true;
        self.place(&name);
        Some(Batch { phone_number_id: name, dues })
    }

    /// Says whether the receiver took a batch. Returns the number of failures in a row before this answer.
    pub(crate) fn settle(&mut self, batch: Batch, was_taken: bool, now_ms: u64) -> u32 {
        let name = batch.phone_number_id;
        let lane = self.lanes.get_mut(&name).expect("a lane in flight is not removed");
        lane.in_flight = false;
        let failures_before = lane.failures;
        if was_taken {
            lane.failures = 0;
            let was_full = batch.dues.len() == BATCH_MOST;
            lane.not_before_ms = if was_full { 0 } else { now_ms.saturating_add(self.delays.gather_ms) };
            lane.dues.extend(batch.dues.into_iter().filter_map(|due| due.next(&self.delays)).map(Reverse));
        } else {
            lane.failures = lane.failures.saturating_add(1);
            lane.not_before_ms = now_ms.saturating_add(self.delays.retry(lane.failures));
            lane.dues.extend(batch.dues.into_iter().map(Reverse));
        }
        self.place(&name);
        failures_before
    }

    /// Puts a lane where it belongs in `ready`, or forgets it when it is empty.
    fn place(&mut self, name: &Arc<str>) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        let next = lane.dues.peek().map(|Reverse(due)| due.at_ms.max(lane.not_before_ms));
        let ready_ms = next.filter(|_| !lane.in_flight);
        if lane.ready_ms != ready_ms {
            if let Some(before) = lane.ready_ms {
                self.ready.remove(&(before, Arc::clone(name)));
            }
            if let Some(now) = ready_ms {
                self.ready.insert((now, Arc::clone(name)));
            }
            lane.ready_ms = ready_ms;
        }
        if next.is_none() && !lane.in_flight {
            self.lanes.remove(name);
        }
    }
}

#[cfg(test)]
mod tests;
