//! When an account's messages go, and what holds them: the rule by which it starts, and the answer to those who ask.
//!
//! Shape: [`Account::start_from`] for the message at the front; [`Turn`] for any.

use angelia_shared::ids::Position;
use angelia_shared::units::UnixMillis;

use super::{Account, Stage, Waiting};
use crate::domain::limits::{self, Earliest, HeldBy, forecast};

impl Account {
    /// The earliest start of the next attempt, from `now` on: the gap that was drawn, the floor, which may have been raised
    /// since, and the account's limits. The gap between messages to one recipient is not for parts and repetitions.
    pub(super) fn start_from(&self, now: UnixMillis) -> Earliest {
        let gap = self.not_before.max(self.last_end.plus_ms(self.settings.gap_ms.0));
        let recipient = self.progress.recipient.filter(|_| !self.progress.has_begun());
        let Earliest { at, held_by } = limits::earliest(&self.settings.limits, &self.memory, recipient, gap.max(now));
        Earliest { at, held_by: held_by.or((gap > now).then_some(HeldBy::AccountGap)) }
    }

    /// Those with a file among the `count` messages behind the one at the front that are likely to go within `within_ms`:
    /// their files are worth fetching now. What goes later than that is fetched in time when it is at the front.
    pub fn files_ahead(&self, count: usize, within_ms: u64, now: UnixMillis) -> impl Iterator<Item = Waiting> + '_ {
        let turn = self.turn(now);
        let is_near = move |waiting: &Waiting| {
            let at = turn.of(waiting.at).and_then(|waits| waits.expected_at);
            at.is_some_and(|at| at <= now.plus_ms(within_ms))
        };
        self.queue.files_behind_front(count).filter(is_near)
    }

    /// What the account does next, as far as that is known at `now`.
    pub fn turn(&self, now: UnixMillis) -> Turn<'_> {
        let hold = self.hold_at(now);
        let state = hold.map(|hold| HeldBy::State(hold.reason));
        let from = hold.map_or(Some(now), |hold| hold.until).map(|from| from.max(now));
        let put_off = self.progress.not_before.unwrap_or(now);
        let front = from.map(|from| match self.stage {
            Stage::Calling(_) | Stage::Answered(..) => Earliest { at: now, held_by: None },
            Stage::Fresh | Stage::Preparing | Stage::Ready(_) => {
                let Earliest { at, held_by } = self.start_from(from.max(put_off));
                Earliest { at, held_by: held_by.or((put_off > from).then_some(HeldBy::PutOff)) }
            }
        });
        Turn { account: self, state, front }
    }
}

/// What an account does next.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    account: &'a Account,
    /// The account's state, when that holds it.
    state: Option<HeldBy>,
    /// The message at the front; none when what holds it has no known end.
    front: Option<Earliest>,
}

/// What a waiting message waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// When it is likely to go; none when what holds it has no known end.
    pub expected_at: Option<UnixMillis>,
    /// What holds it; none when it can go now.
    pub held_by: Option<HeldBy>,
}

impl Turn<'_> {
    /// When the message at the front may go; none when nothing waits or nobody knows.
    pub fn next_send_at(&self) -> Option<UnixMillis> {
        self.front.filter(|_| self.account.queued() > 0).map(|front| front.at)
    }

    /// What the message accepted at `at` waits for; none when it does not wait here. What holds the account holds each of
    /// its messages; otherwise those behind the front wait for their turn.
    pub fn of(&self, at: Position) -> Option<Waits> {
        let account = self.account;
        let ahead = account.queue.find_at(at)? as u64;
        let turn = if ahead > 0 { Some(HeldBy::Behind(ahead)) } else { self.front.and_then(|front| front.held_by) };
        let (low, high) = account.settings.gap_ms;
        let expected_at = self.front.and_then(|front| {
            forecast::expected(&account.settings.limits, &account.memory, front.at, ahead, low.midpoint(high))
        });
        Some(Waits { expected_at, held_by: self.state.or(turn) })
    }
}
