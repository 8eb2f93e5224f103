//! How an owner leaves a partition: it lets the calls under way end and starts none, but does not let the other accounts wait
//! for a slow one.
//!
//! Shape: (now, what is under way) -> [`Then`]. A call that outlasts [`DRAIN_FOR`] is slow: meanwhile the other accounts go on,
//! and when it is over the owner drains again. Whoever cannot wait for that drains to the end.
//!
//! Invariants:
//! - A partition is released only when nothing is under way: `PartitionReleased` comes after the last attempt.
//! - While it is polite, no account is kept from sending for longer than [`DRAIN_FOR`] at a time.
//! - It ends within [`POLITE_FOR`] and [`FINISH_WITHIN`], whatever the calls and the broker do.

use std::time::Duration;

/// How long accounts may be kept waiting for the calls of others. With the time from a release to the next claim it stays
/// below the second that no account idles above its gap.
pub const DRAIN_FOR: Duration = Duration::from_millis(500);
/// How long it goes on for the others' sake while there are slow calls.
pub const POLITE_FOR: Duration = Duration::from_secs(12);
/// How long it waits after that. A call takes 10 s at most, and its end is to be written.
pub const FINISH_WITHIN: Duration = Duration::from_secs(12);

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Start nothing; write down what has ended.
    Drain,
    /// Do everything that is due.
    GoOn,
    /// Nothing is under way: release the partition.
    Release,
    /// Leave it without a release.
    GiveUp,
}

/// An owner on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Departure {
    /// When there is no politeness any more.
    hurries_at: Duration,
    draining_since: Option<Duration>,
}

impl Departure {
    /// An owner that was asked at `now` to go.
    pub fn begin(now: Duration) -> Self {
        Self { hurries_at: now + POLITE_FOR, draining_since: Some(now) }
    }

    /// No politeness any more, from `now` on.
    pub fn hurry(&mut self, now: Duration) {
        self.hurries_at = self.hurries_at.min(now);
    }

    /// What to do at `now`. `oldest` is the beginning of what is under way for the longest.
    pub fn step(&mut self, now: Duration, oldest: Option<Duration>) -> Then {
        let Some(oldest) = oldest else {
            // Also while the others go on: between two calls of theirs is as good a moment as any.
            return Then::Release;
        };
        if now >= self.hurries_at {
            return if now < self.hurries_at + FINISH_WITHIN { Then::Drain } else { Then::GiveUp };
        }
        match self.draining_since {
            Some(since) if now.saturating_sub(since) < DRAIN_FOR => Then::Drain,
            Some(_) => {
                self.draining_since = None;
                Then::GoOn
            }
            None if now.saturating_sub(oldest) >= DRAIN_FOR => Then::GoOn,
            None => {
                self.draining_since = Some(now);
                Then::Drain
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn with_nothing_under_way_it_releases_at_once() {
        assert_eq!(Departure::begin(ms(0)).step(ms(0), None), Then::Release);
    }

    #[test]
    fn for_a_slow_call_the_others_do_not_wait_and_after_it_there_is_another_try() {
        let mut departure = Departure::begin(ms(1_000));
        assert_eq!(departure.step(ms(1_000), Some(ms(900))), Then::Drain);
        assert_eq!(departure.step(ms(1_499), Some(ms(900))), Then::Drain);
        assert_eq!(departure.step(ms(1_500), Some(ms(900))), Then::GoOn);
        assert_eq!(departure.step(ms(5_000), Some(ms(900))), Then::GoOn);
        // The slow one is over; only quick ones are under way.
        assert_eq!(departure.step(ms(5_050), Some(ms(4_900))), Then::Drain);
        assert_eq!(departure.step(ms(5_100), None), Then::Release);
    }

    #[test]
    fn in_a_hurry_it_waits_for_slow_calls_and_not_for_ever() {
        let mut departure = Departure::begin(ms(0));
        departure.hurry(ms(100));
        assert_eq!(departure.step(ms(2_000), Some(ms(0))), Then::Drain);
        assert_eq!(departure.step(ms(12_099), Some(ms(0))), Then::Drain);
        assert_eq!(departure.step(ms(12_100), Some(ms(0))), Then::GiveUp);
    }

    proptest! {
        /// Calls of random length on three accounts, started whenever that is allowed.
        #[test]
        fn it_keeps_nobody_waiting_for_long_and_always_ends(lengths in prop::collection::vec(1u64..11_000, 200)) {
            let mut lengths = lengths.into_iter().cycle();
            let mut calls: [Option<(u64, u64)>; 3] = [0; 3].map(|_| Some((0, lengths.next().unwrap())));
            let mut departure = Departure::begin(ms(0));
            let mut drained_for = 0;
            for now in (0u64..).step_by(50) {
                for call in &mut calls {
                    *call = call.filter(|(began, length)| now < began + length);
                }
                let oldest = calls.iter().flatten().map(|(began, _)| ms(*began)).min();
                match departure.step(ms(now), oldest) {
                    Then::Drain => {
                        drained_for += 50;
                        let polite = ms(now) < POLITE_FOR;
                        prop_assert!(!polite || drained_for <= 500, "kept waiting for {drained_for} ms");
                    }
                    Then::GoOn => {
                        drained_for = 0;
                        for call in calls.iter_mut().filter(|call| call.is_none()) {
                            *call = Some((now, lengths.next().unwrap()));
                        }
                    }
                    Then::Release => {
                        prop_assert!(oldest.is_none());
                        break;
                    }
                    Then::GiveUp => prop_assert!(false, "no call takes that long"),
                }
                prop_assert!(ms(now) <= POLITE_FOR + FINISH_WITHIN);
            }
        }
    }
}
