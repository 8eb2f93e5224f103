//! Which cancel request is answered now, which later, and which never.
//!
//! Every event of the account carries what has ended out of turn, so that list is kept short: beyond
//! [`OUT_OF_TURN_MAX`] a request waits until its message comes up, and is answered before that could start. Without the
//! bound, cancelling a long queue from its end would write events that grow with each of them.

use angelia_shared::event::{Event, MessageCancelled};
use angelia_shared::units::{Credits, UnixMillis};

use super::Account;

/// Messages that may have ended out of turn. 200 positions are about 3 kB in every event. Few in tests, so that simulated
/// runs reach the bound.
pub(super) const OUT_OF_TURN_MAX: usize = if cfg!(test) { 2 } else { 200 };

impl Account {
    /// Answers a cancel request whose message still waits untouched. Others need no answer: their message has begun or
    /// is over, which the log says already; `dropped` receives the sequences of their records.
    pub(super) fn answer_cancel(
        &mut self,
        now: UnixMillis,
        claim: u64,
        mark: u64,
        dropped: &mut Vec<u64>,
    ) -> Option<(Event, u64)> {
        if let Some((at, seq)) = self.cancel_that_came_up() {
            return Some((self.cancel_at(at, now, claim, mark), seq));
        }
        self.find_cancelled(dropped);
        while let Some((seq, message, place)) = self.cancels_found.pop_front() {
            // It may have ended since it was found.
            let found = self.queue.find_at(place);
            let Some(at) = found.filter(|at| *at > 0 || !self.front_has_begun()) else {
                dropped.push(seq);
                continue;
            };
            let near = at == 0 || at == 1 && self.front_is_carried();
            if near || self.ended_beyond.len() < OUT_OF_TURN_MAX {
                return Some((self.cancel_at(at, now, claim, mark), seq));
            }
            dropped.extend(self.cancels_later.insert(message, seq));
        }
        None
    }

    /// Finds the messages of new requests. Those of a purge come many at once, and share one walk through the queue.
    fn find_cancelled(&mut self, dropped: &mut Vec<u64>) {
        if self.cancels.is_empty() {
            return;
        }
        let places = self.queue.find_all(self.cancels.iter().map(|(_, message)| *message));
        for (seq, message) in self.cancels.drain(..) {
            match places.get(&message) {
                Some(place) => self.cancels_found.push_back((seq, message, *place)),
                None => dropped.push(seq),
            }
        }
    }

    /// A request that had to wait, whose message is at the front now, or right behind a front that is carried by name.
    fn cancel_that_came_up(&mut self) -> Option<(usize, u64)> {
        if self.cancels_later.is_empty() {
            return None;
        }
        let first = (!self.front_has_begun()).then_some(0);
        let second = self.front_is_carried().then_some(1);
        [first, second].into_iter().flatten().find_map(|at| {
            let message = self.queue.get(at)?.message;
            self.cancels_later.remove(&message).map(|seq| (at, seq))
        })
    }

    fn front_has_begun(&self) -> bool {
        self.progress.has_begun() || self.attempt_is_open()
    }

    fn cancel_at(&mut self, at: usize, now: UnixMillis, claim: u64, mark: u64) -> Event {
        let waiting = self.queue.get(at).expect("the message that is cancelled waits there");
        if at == 0 {
            self.leave_front();
        } else {
            self.queue.remove(at);
            self.ended_beyond.insert(waiting.at);
            self.pass_ended();
        }
        Event::MessageCancelled(Box::new(MessageCancelled {
            v: 1,
            message: waiting.message,
            accepted: waiting.at,
            credits: Credits(u64::from(waiting.credits)),
            claim,
            at: now,
            carry: self.carry(mark),
        }))
    }
}
