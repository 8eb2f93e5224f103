//! When each recipient was last sent to.
//!
//! Shape: marks of recipients with a time, the longest ago first. A mark is made with the workspace's data key (see
//! `DataKey::recipient_mark`), so the log does not show who it is.
//!
//! The memory is bounded: [`REMEMBERED_MAX`] recipients, 5 KiB of an event. While so many lie within the gap, a recipient
//! that is not among them waits for the one of the longest ago to leave. So a gap between messages to one recipient also
//! means at most so many recipients in that time; at the default pace that is felt from eight and a half minutes on.
//!
//! Invariants:
//! - Two messages to one recipient are never closer than the gap that was set when the later one started.

use std::collections::VecDeque;

use angelia_shared::units::UnixMillis;

use super::window::shifted;

/// Recipients that are remembered.
pub const REMEMBERED_MAX: usize = 256;

/// Recipients of the time of one gap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Recipients {
    /// Each mark once, by time.
    last: VecDeque<(u32, UnixMillis)>,
}

impl Recipients {
    pub(super) fn recall(told: &[(u32, UnixMillis)], shift_ms: i64) -> Self {
        Self { last: told.iter().map(|(mark, last)| (*mark, shifted(*last, shift_ms))).collect() }
    }

    pub(super) fn told(&self) -> Vec<(u32, UnixMillis)> {
        self.last.iter().copied().collect()
    }

    /// Counts an attempt to `mark` at `at`.
    pub fn count(&mut self, mark: u32, at: UnixMillis, gap_ms: u64) {
        self.last.retain(|(other, last)| *other != mark && last.plus_ms(gap_ms) > at);
        // Only what was begun before the gap was set can be one too many.
        if self.last.len() >= REMEMBERED_MAX {
            self.last.pop_front();
        }
        self.last.push_back((mark, at));
    }

    /// The attempt that was counted last was over at `at` at the latest.
    pub fn ended(&mut self, at: UnixMillis) {
        if let Some((_, last)) = self.last.back_mut() {
            *last = at.max(*last);
        }
    }

    /// The first time from `from` on at which a message to `mark` may start.
    pub fn free_from(&self, mark: u32, from: UnixMillis, gap_ms: u64) -> UnixMillis {
        let free = |last: &UnixMillis| last.plus_ms(gap_ms).max(from);
        if let Some((_, last)) = self.last.iter().find(|(other, _)| *other == mark) {
            return free(last);
        }
        let mut inside = self.last.iter().map(|(_, last)| last).filter(|last| free(last) > from);
        let surplus = inside.clone().count().checked_sub(REMEMBERED_MAX);
        surplus.and_then(|surplus| inside.nth(surplus)).map_or(from, free)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_recipient_is_sent_to_within_the_gap_however_many_there_are(
            gap_ms in 1_u64..400_000,
            steps in proptest::collection::vec((0_u32..600, 0_u64..900), 1..800),
        ) {
            let (mut recipients, mut now) = (Recipients::default(), UnixMillis(1_000_000));
            let mut truth: HashMap<u32, UnixMillis> = HashMap::new();
            for (mark, idle_ms) in steps {
                let from = now.plus_ms(idle_ms);
                now = recipients.free_from(mark, from, gap_ms);
                prop_assert_eq!(recipients.free_from(mark, now, gap_ms), now);
                let within = truth.values().filter(|last| last.plus_ms(gap_ms) > from).count();
                let allowed = truth.get(&mark).map_or(from, |last| last.plus_ms(gap_ms).max(from));
                prop_assert!(now >= allowed);
                // Nobody waits for another's sake but at the bound.
                prop_assert!(now == allowed || within >= REMEMBERED_MAX, "{now:?} {allowed:?} {within}");
                recipients.count(mark, now, gap_ms);
                now = now.plus_ms(30);
                recipients.ended(now);
                truth.insert(mark, now);
                prop_assert!(recipients.last.len() <= REMEMBERED_MAX);
                prop_assert_eq!(&Recipients::recall(&recipients.told(), 0), &recipients);
            }
        }
    }

    #[test]
    fn at_the_bound_a_new_recipient_waits_for_the_one_of_the_longest_ago() {
        let mut recipients = Recipients::default();
        for mark in 0..REMEMBERED_MAX as u32 {
            recipients.count(mark, UnixMillis(1_000 + i64::from(mark)), 60_000);
        }
        let now = UnixMillis(2_000);
        assert_eq!(recipients.free_from(9_999, now, 60_000), UnixMillis(61_000));
        assert_eq!(recipients.free_from(9_999, now, 500), now);
        recipients.count(9_999, UnixMillis(61_000), 60_000);
        assert_eq!(recipients.last.len(), REMEMBERED_MAX);
    }
}
