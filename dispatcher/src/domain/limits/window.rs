//! How many attempts lie in the window of a cap.
//!
//! Shape: attempts in order of time, in groups; a group leaves the window when its *last* attempt does. So the window may
//! count an attempt for too long, never too short. A group holds a [`GROUPS`]th of the cap and lasts a [`GROUPS`]th of the
//! window at most: a cap of up to [`GROUPS`] is kept to the millisecond, of a higher one that part waits for that time.
//!
//! Invariants:
//! - Never more than the cap in any window of its length.
//! - At most [`GROUPS_MAX`] groups, whatever the cap is and however often it was changed.

use std::collections::VecDeque;

use angelia_shared::units::UnixMillis;

/// Groups that a cap and its window are divided into: 24 of them are about 500 bytes of an event.
const GROUPS: u32 = 24;
/// Groups at most: as many that are full, as many that ended for their time, and some for new owners, who begin one.
const GROUPS_MAX: usize = 2 * GROUPS as usize + 4;

/// The attempts of a window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Window {
    /// When the last attempt of each group was made at the latest, and how many it has; oldest first.
    groups: VecDeque<(UnixMillis, u32)>,
    /// When the newest group began, while it can grow: not under a new owner.
    open_since: Option<UnixMillis>,
}

impl Window {
    pub(super) fn recall(told: &[(UnixMillis, u32)], shift_ms: i64) -> Self {
        let groups = told.iter().map(|(last, count)| (shifted(*last, shift_ms), *count)).collect();
        Self { groups, open_since: None }
    }

    pub(super) fn told(&self) -> Vec<(UnixMillis, u32)> {
        self.groups.iter().copied().collect()
    }

    /// Counts an attempt at `at` under `cap`.
    pub fn count(&mut self, at: UnixMillis, cap: u32, length_ms: u64) {
        while self.groups.front().is_some_and(|(last, _)| last.plus_ms(length_ms) <= at) {
            self.groups.pop_front();
        }
        let grows = self.open_since.is_some_and(|since| at.ms_since(since) <= length_ms / u64::from(GROUPS));
        match self.groups.back_mut() {
            Some((last, count)) if grows && *count < cap.div_ceil(GROUPS) => {
                *last = at.max(*last);
                *count += 1;
            }
            last => {
                let at = last.map_or(at, |(last, _)| at.max(*last));
                self.groups.push_back((at, 1));
                self.open_since = Some(at);
            }
        }
        while self.groups.len() > GROUPS_MAX {
            let (_, count) = self.groups.pop_front().expect("there are more than none");
            self.groups[0].1 = self.groups[0].1.saturating_add(count);
        }
    }

    /// The attempt that was counted last was over at `at` at the latest.
    pub fn ended(&mut self, at: UnixMillis) {
        if let Some((last, _)) = self.groups.back_mut() {
            *last = at.max(*last);
        }
    }

    /// The first time from `from` on at which one more attempt stays within `cap`.
    pub fn free_from(&self, from: UnixMillis, cap: u32, length_ms: u64) -> UnixMillis {
        let mut inside = self.inside(from, length_ms);
        let mut free = from;
        for (last, count) in &self.groups {
            let leaves = last.plus_ms(length_ms);
            if leaves > from && inside >= u64::from(cap) {
                inside -= u64::from(*count);
                free = leaves;
            }
        }
        free
    }

    /// How many attempts the window that ends at `at` has.
    pub fn inside(&self, at: UnixMillis, length_ms: u64) -> u64 {
        let inside = self.groups.iter().filter(|(last, _)| last.plus_ms(length_ms) > at);
        inside.map(|(_, count)| u64::from(*count)).sum()
    }
}

/// The same point on a clock that is `shift_ms` ahead.
pub(super) fn shifted(at: UnixMillis, shift_ms: i64) -> UnixMillis {
    UnixMillis(at.0.saturating_add(shift_ms))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LENGTH_MS: u64 = 10_000;

    proptest! {
        #[test]
        fn no_window_of_the_length_has_more_than_the_cap(
            cap in 1_u32..120,
            steps in proptest::collection::vec((0_u64..3_000, 0_u64..400, 0_u8..10), 1..400),
        ) {
            let (mut window, mut now) = (Window::default(), UnixMillis(1_000_000));
            let mut made: Vec<(UnixMillis, UnixMillis)> = vec![];
            for (idle_ms, call_ms, owner) in steps {
                if owner == 0 {
                    window = Window::recall(&window.told(), 0);
                }
                now = window.free_from(now.plus_ms(idle_ms), cap, LENGTH_MS);
                prop_assert_eq!(window.free_from(now, cap, LENGTH_MS), now);
                window.count(now, cap, LENGTH_MS);
                let start = now;
                now = now.plus_ms(call_ms);
                window.ended(now);
                made.push((start, now));
                // As the provider may see it: the earlier ones as late as they can have been.
                let inside = made.iter().filter(|(_, end)| end.plus_ms(LENGTH_MS) > start).count();
                prop_assert!(inside as u64 <= u64::from(cap), "{inside} of {cap}");
                prop_assert!(window.groups.len() <= GROUPS_MAX);
                prop_assert_eq!(Window::recall(&window.told(), 0).told(), window.told());
            }
        }

        #[test]
        fn a_small_cap_is_used_up_to_the_millisecond(cap in 1_u32..=GROUPS, steps in 1_usize..100) {
            let (mut window, mut now) = (Window::default(), UnixMillis(0));
            for step in 0..steps {
                now = window.free_from(now, cap, LENGTH_MS);
                prop_assert_eq!(now, UnixMillis(0).plus_ms((step as u64 / u64::from(cap)) * LENGTH_MS));
                window.count(now, cap, LENGTH_MS);
            }
        }

        #[test]
        fn a_cap_that_is_changed_holds_at_once_and_keeps_the_memory_small(
            caps in proptest::collection::vec((1_u32..500, 1_usize..40), 1..20),
        ) {
            let (mut window, mut now, mut made) = (Window::default(), UnixMillis(0), Vec::new());
            for (cap, steps) in caps {
                for _ in 0..steps {
                    now = window.free_from(now.plus_ms(7), cap, LENGTH_MS);
                    window.count(now, cap, LENGTH_MS);
                    made.push(now);
                    let inside = made.iter().filter(|at| at.plus_ms(LENGTH_MS) > now).count();
                    prop_assert!(inside as u64 <= u64::from(cap), "{inside} of {cap}");
                    prop_assert!(window.groups.len() <= GROUPS_MAX);
                }
            }
        }
    }

    #[test]
    fn a_high_cap_loses_at_most_the_span_of_a_group() {
        let (mut window, mut now) = (Window::default(), UnixMillis(0));
        for _ in 0..2_400 {
            now = window.free_from(now.plus_ms(1), 1_200, LENGTH_MS);
            window.count(now, 1_200, LENGTH_MS);
        }
        // Twice 1,200 attempts, a millisecond apart: the second half begins when the first group of 50 is out.
        assert_eq!(now, UnixMillis(50 + 10_000 + 1_200 - 1));
    }

    #[test]
    fn times_of_another_clock_are_brought_to_this_one() {
        let mut window = Window::default();
        window.count(UnixMillis(5_000), 1, LENGTH_MS);
        assert_eq!(Window::recall(&window.told(), -300).free_from(UnixMillis(6_000), 1, LENGTH_MS), UnixMillis(14_700));
    }
}
