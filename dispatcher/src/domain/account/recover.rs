//! Takes an account over from an earlier owner, from the newest event on its attempt subject.

use angelia_shared::event::attempt::OpenStage;
use angelia_shared::event::{Carry, Event, OpenMessage};
use angelia_shared::units::UnixMillis;

use super::Account;
use crate::domain::limits::Memory;

/// How the partition came to its new owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takeover {
    /// Whether the owner before released it, after its last attempt. Otherwise it may have crashed in the middle of one.
    pub released: bool,
    /// Now.
    pub now: UnixMillis,
    /// How long a call of the transport may take, in milliseconds.
    pub call_timeout_ms: u64,
    /// How far this owner's clock is ahead of the one that the event's times are of, in milliseconds: see [`shift_ms`].
    pub shift_ms: i64,
    /// How much too small that may be, in milliseconds: [`CLOCKS_DIFFER_MS`], or less where it is known better.
    pub doubt_ms: u64,
}

/// How far this owner's clock is ahead of an event's: over the stream's clock, which both know.
///
/// `event_at` is the event's own time and `stored_at` the stream's of the same record; `ahead_ms` is how far this owner's
/// clock is ahead of the stream's. What it took to store the event makes the result larger, so waits get longer by it and
/// never shorter.
pub fn shift_ms(event_at: UnixMillis, stored_at: UnixMillis, ahead_ms: i64) -> i64 {
    stored_at.0.saturating_sub(event_at.0).saturating_add(ahead_ms)
}

/// The least that an account waits after a crash: the earlier owner's last call may have ended just now.
const AFTER_CRASH_MS: u64 = 1_000;
/// Longer gaps are not waited out anew after a crash: of them the rest is enough, by the stream's timestamps, but at least
/// this long. No call takes longer, and no two clocks that are looked after differ by as much.
const LONG_GAP_MS: u64 = 10_000;
/// How long after its start was decided upon a call may begin. The shell makes no call later than this.
pub const CALL_STARTS_WITHIN_MS: u64 = 1_000;
/// By how much the clocks of two of the broker's servers may differ, one of which stamped an attempt's start and the other the
/// claim that followed it. Servers that are looked after differ by milliseconds; with this an account with an open attempt
/// still sends again within 17 s of a crash (contract: 8 s and the call's time-out).
pub const CLOCKS_DIFFER_MS: u64 = 3_000;

impl Account {
    /// Takes up what the newest event of the account says. Its messages are read again from the log after this.
    ///
    /// Returns the low-water mark that the event carries.
    pub fn recover(&mut self, event: &Event, takeover: Takeover) -> u64 {
        let Some((carry, at, gap_ms)) = facts(event) else { return 0 };
        // By this owner's clock, but never before what the event says: the pace holds by both, as whoever reads the log sees it.
        let ours = |at: UnixMillis| at.max(UnixMillis(at.0.saturating_add(takeover.shift_ms)));
        let at = ours(at);
        self.done_through = carry.done_through;
        self.ended_beyond = carry.ended_beyond.iter().copied().collect();
        let opened = carry.open.iter().map(|open| {
            // An attempt that is open must be over by this; an unknown one is looked up by it.
            let doubt_ms = if open.stage == OpenStage::Open { takeover.doubt_ms } else { 0 };
            OpenMessage { began: open.began.map(|began| ours(began).plus_ms(doubt_ms)), ..open.clone() }
        });
        let (unknown, resume) = opened.partition(|open| open.stage == OpenStage::Unknown);
        self.unknown = unknown;
        self.resume = resume;
        // Where the event does not tell the gap, the range's upper end is safe.
        let gap_ms = gap_ms.unwrap_or(self.settings.gap_ms.1).max(self.settings.gap_ms.0);
        // An attempt can be open even after a release: the owner that released may have had no time to end the attempt
        // of the one before it.
        let open = self.resume.iter().find(|open| open.stage == OpenStage::Open);
        let (last_end, gap_ms) = if let Some(open) = open {
            (at.max(call_over_by(open, takeover)), gap_ms.max(AFTER_CRASH_MS))
        } else if takeover.released || gap_ms > LONG_GAP_MS {
            (at, gap_ms)
        } else {
            (at.max(takeover.now), gap_ms.max(AFTER_CRASH_MS))
        };
        self.last_end = last_end;
        self.not_before = last_end.plus_ms(gap_ms);
        if !takeover.released {
            self.not_before = self.not_before.max(takeover.now.plus_ms(gap_ms.min(LONG_GAP_MS)));
        }
        self.memory = Memory::recall(&carry.sendings, takeover.shift_ms);
        if open.is_some() {
            self.memory.ended(last_end);
        }
        carry.mark
    }
}

/// When the call of an open attempt must be over, by this owner's clock.
///
/// A call begins within [`CALL_STARTS_WITHIN_MS`] of the decision, whose time is its start's. When that was is known from the
/// stream's timestamps: what has passed since, most of which was needed to notice the crash, is not waited for again. Events of earlier versions do not tell; the start was stored before the claim, and so before now.
fn call_over_by(open: &OpenMessage, takeover: Takeover) -> UnixMillis {
    let began = open.began.map_or(takeover.now, |began| began.min(takeover.now));
    began.plus_ms(CALL_STARTS_WITHIN_MS + takeover.call_timeout_ms)
}

/// The time of an account's event, by its owner's clock.
pub fn time_of(event: &Event) -> Option<UnixMillis> {
    facts(event).map(|(_, at, _)| at)
}

/// The carried memory, the time, and the gap if it is known.
fn facts(event: &Event) -> Option<(&Carry, UnixMillis, Option<u64>)> {
    match event {
        Event::AttemptStarted(started) => Some((&started.carry, started.at, None)),
        Event::AttemptEnded(ended) => Some((&ended.carry, ended.at, Some(ended.gap_ms))),
        Event::PartRefused(refused) => Some((&refused.carry, refused.at, None)),
        Event::MessageExpired(expired) => Some((&expired.carry, expired.at, None)),
        Event::MessageCancelled(cancelled) => Some((&cancelled.carry, cancelled.at, None)),
        _ => None,
    }
}
