//! How long a lane lets orders gather after a batch, while others write to the log, too.
//!
//! A batch costs the broker much the same with one order as with a hundred: it syncs the disk for each. To a lane that
//! writes alone the best next batch is what came during the last one. Lanes that share a broker take turns there, and each
//! comes with the few orders that it has: the broker then syncs the disk for few. A lane that first waits for twice as long
//! as the others took brings more, less often, and everybody is served sooner.
//!
//! Shape: what a batch took, and where it stands in the log -> a pause before the next one.
//!
//! Others are whoever writes: lanes, dispatchers, ledgers. Their records show as a gap between two batches of one's own.
//!
//! Invariants: no pause for a lane that writes alone, whose batches are large, or that had nothing to do before; never more
//! than [`PAUSE_MAX`].
//!
//! Not here: which orders, waiting (see `shell/admission/lane.rs`).

use std::time::Duration;

/// The longest pause: it shows in an answer's latency.
pub const PAUSE_MAX: Duration = Duration::from_millis(5);
/// Shorter pauses are not worth a timer.
const PAUSE_LEAST: Duration = Duration::from_millis(1);
/// How many times the others' time is waited. With three lanes and 256 callers (`angelia-bench replicas`) once gained a third of
/// what twice did.
const TIMES: f64 = 2.0;
/// Orders for which a sync of the disk is cheap enough.
const LARGE: usize = 128;

/// A batch that was stored.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// From the end of the lane's batch before it to its beginning.
    pub idle: Duration,
    /// From its beginning to its answer.
    pub took: Duration,
    /// How many orders were in it.
    pub orders: usize,
    /// Sequence of its first record.
    pub first: u64,
    /// Sequence of its last record.
    pub last: u64,
}

/// What a lane knows of the log's other writers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gathering {
    /// Sequence of the last record of the lane's last batch; 0 before the first.
    last: u64,
    /// The pause after it.
    pause: Duration,
}

impl Gathering {
    /// The pause after a batch: twice its time, as far as that went to the records of others.
    pub fn pause_after(&mut self, batch: Batch) -> Duration {
        let before = std::mem::replace(&mut self.last, batch.last);
        let was_busy = before > 0 && batch.idle <= self.pause + batch.took;
        self.pause = if was_busy && batch.orders < LARGE { shared_time(batch, before) } else { Duration::ZERO };
        self.pause
    }
}

fn shared_time(batch: Batch, before: u64) -> Duration {
    let all = batch.last.saturating_sub(before).max(1);
    let others = batch.first.saturating_sub(before + 1).min(all);
    let share = others as f64 / all as f64;
    let pause = batch.took.mul_f64(TIMES * share).min(PAUSE_MAX);
    if pause < PAUSE_LEAST { Duration::ZERO } else { pause }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOOK: Duration = Duration::from_millis(3);

    fn batch(first: u64, last: u64) -> Batch {
        Batch { idle: Duration::ZERO, took: TOOK, orders: 20, first, last }
    }

    #[test]
    fn a_lane_that_writes_alone_never_pauses() {
        let mut gathering = Gathering::default();
        for last in (10..1_000).step_by(10) {
            assert_eq!(gathering.pause_after(batch(last - 9, last)), Duration::ZERO);
        }
    }

    #[test]
    fn a_lane_of_three_pauses_for_twice_the_time_of_two() {
        let mut gathering = Gathering::default();
        gathering.pause_after(batch(1, 3));
        let pause = gathering.pause_after(batch(10, 12));
        assert_eq!(pause.as_micros(), TOOK.as_micros() * 2 * 6 / 9);
    }

    #[test]
    fn large_batches_and_those_after_a_rest_are_followed_by_none() {
        let mut gathering = Gathering::default();
        gathering.pause_after(batch(1, 3));
        assert_eq!(gathering.pause_after(Batch { orders: LARGE, ..batch(10, 12) }), Duration::ZERO);
        assert_eq!(gathering.pause_after(Batch { idle: TOOK * 2, ..batch(20, 22) }), Duration::ZERO);
        assert!(gathering.pause_after(batch(30, 32)) > Duration::ZERO);
        // The pause itself is no rest.
        assert!(gathering.pause_after(Batch { idle: TOOK, ..batch(40, 42) }) > Duration::ZERO);
    }

    proptest! {
        #[test]
        fn a_pause_is_bounded_and_none_for_a_lane_alone(
            batches in proptest::collection::vec((0..50_u64, 1..50_u64, 0..100_000_u64, 0..300_usize), 1..30),
        ) {
            let (mut gathering, mut end) = (Gathering::default(), 0);
            for (others, own, took_us, orders) in batches {
                let took = Duration::from_micros(took_us);
                let (first, last) = (end + others + 1, end + others + own);
                let pause = gathering.pause_after(Batch { idle: Duration::ZERO, took, orders, first, last });
                prop_assert!(pause <= PAUSE_MAX && pause <= took * 2);
                prop_assert!(others > 0 || pause.is_zero());
                end = last;
            }
        }
    }
}
