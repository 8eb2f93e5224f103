//! Takes an account over from an earlier owner, from the newest event on its attempt subject.

use angelia_shared::event::attempt::OpenStage;
use angelia_shared::event::{Carry, Event};
use angelia_shared::units::UnixMillis;

use super::Account;

/// How the partition came to its new owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takeover {
    /// Whether the owner before released it, after its last attempt. Otherwise it may have crashed in the middle of one.
    pub released: bool,
    /// Now.
    pub now: UnixMillis,
    /// How long a call of the transport may take, in milliseconds.
    pub call_timeout_ms: u64,
}

/// The least that an account waits after a crash: the earlier owner's last call may have ended just now.
const AFTER_CRASH_MS: u64 = 1_000;
/// How long after its start was handed in a call may begin. The shell makes no call later than this.
pub const CALL_STARTS_WITHIN_MS: u64 = 1_000;

impl Account {
    /// Takes up what the newest event of the account says. Its messages are read again from the log after this.
    ///
    /// Returns the low-water mark that the event carries.
    pub fn recover(&mut self, event: &Event, takeover: Takeover) -> u64 {
        let Some((carry, at, gap_ms)) = facts(event) else { return 0 };
        self.done_through = carry.done_through;
        self.ended_beyond = carry.ended_beyond.iter().copied().collect();
        let (unknown, resume) = carry.open.iter().cloned().partition(|open| open.stage == OpenStage::Unknown);
        self.unknown = unknown;
        self.resume = resume;
        // Where the event does not tell the gap, the range's upper end is safe.
        let gap_ms = gap_ms.unwrap_or(self.settings.gap_ms.1).max(self.settings.gap_ms.0);
        // An attempt can be open even after a release: the owner that released may have had no time to end the attempt
        // of the one before it.
        let open = carry.open.iter().any(|open| open.stage == OpenStage::Open);
        let (last_end, gap_ms) = if open {
            let latest = takeover.now.plus_ms(CALL_STARTS_WITHIN_MS + takeover.call_timeout_ms);
            (at.max(latest), gap_ms.max(AFTER_CRASH_MS))
        } else if takeover.released {
            (at, gap_ms)
        } else {
            (at.max(takeover.now), gap_ms.max(AFTER_CRASH_MS))
        };
        self.last_end = last_end;
        self.not_before = last_end.plus_ms(gap_ms);
        carry.mark
    }
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
